//! Writing to a socket without libuv: one call of the system, nothing queued.

use crate::napi::Descriptor;

/// Sends two pieces at once, and tells how many octets of them the kernel took.
///
/// It never waits. What an error means, 0 included, finds out who sends the rest the ordinary way.
#[cfg(unix)]
pub(crate) fn send(socket: Descriptor<'_>, first: &[u8], second: &[u8]) -> u32 {
    use rustix::net::{SendAncillaryBuffer, SendFlags};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    // Node.js ignores SIGPIPE.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let flags = SendFlags::DONTWAIT;

    let sent = if second.is_empty() {
        rustix::net::send(socket, first, flags)
    } else {
        let pieces = [first, second].map(std::io::IoSlice::new);
        rustix::net::sendmsg(socket, &pieces, &mut SendAncillaryBuffer::default(), flags)
    };
    // No kernel takes 4 GiB at once.
    sent.map_or(0, |octets| u32::try_from(octets).unwrap_or(u32::MAX))
}

/// Where there are no descriptors, nothing is sent.
#[cfg(not(unix))]
pub(crate) fn send(_: Descriptor<'_>, _: &[u8], _: &[u8]) -> u32 {
    0
}
