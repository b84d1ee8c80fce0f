//! The way through a proxy: dialogues that end with an open tunnel to the target.
//!
//! [`ProxyUrl`] says which proxy, [`Tunnel`] talks to it. After that the octets of the connection,
//! TLS first if there is any, go through as if there were no proxy.

mod environment;
mod http_connect;
mod no_proxy;
mod proxy_url;
mod socks5;

pub use http_connect::HttpConnect;
pub use no_proxy::bypasses_proxy;
pub use proxy_url::{ProxyProtocol, ProxyUrl};
pub use socks5::Socks5;

use crate::error::Error;
use crate::uri::Target;
use std::net::IpAddr;

/// How far a dialogue has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Write what `encode` gives, perhaps nothing, and hand over what arrives.
    Pending,
    /// The tunnel is open: what is left of the input comes from the target.
    Open,
}

/// The dialogue with a proxy of either kind.
///
/// ```
/// use hybi_proto::tunnel::{Progress, ProxyUrl, Tunnel};
/// use hybi_proto::Target;
///
/// let target = Target::parse("ws://example.com/")?;
/// let mut tunnel = Tunnel::new(&ProxyUrl::parse("http://proxy:3128")?, &target, None)?;
/// let mut out = Vec::new();
/// tunnel.encode(&mut out); // to be written to the proxy
/// assert!(out.starts_with(b"CONNECT example.com:80 HTTP/1.1\r\n"));
///
/// let mut input: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
/// assert_eq!(tunnel.receive(&mut input)?, Progress::Open);
/// # Ok::<(), hybi_proto::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Tunnel {
    /// Through an HTTP proxy.
    HttpConnect(HttpConnect),
    /// Through a SOCKS5 proxy.
    Socks5(Socks5),
}

impl Tunnel {
    /// The dialogue that opens a tunnel to this target.
    ///
    /// `resolved` is the target's address where the caller has looked it up, which a proxy that does
    /// not [resolve names](ProxyUrl::resolves_names) asks for; with `None` the proxy is given the
    /// name.
    ///
    /// # Errors
    /// [`Error::Usage`] if the target is a Unix socket, or the proxy's user info cannot be sent.
    pub fn new(proxy: &ProxyUrl, target: &Target, resolved: Option<IpAddr>) -> Result<Self, Error> {
        match proxy.protocol() {
            ProxyProtocol::Http => {
                HttpConnect::new(proxy, target, resolved).map(Tunnel::HttpConnect)
            }
            ProxyProtocol::Socks5 => Socks5::new(proxy, target, resolved).map(Tunnel::Socks5),
        }
    }

    /// Appends what is to be written now to `out`; the same octets are given only once.
    pub fn encode(&mut self, out: &mut Vec<u8>) {
        match self {
            Tunnel::HttpConnect(dialogue) => dialogue.encode(out),
            Tunnel::Socks5(dialogue) => dialogue.encode(out),
        }
    }

    /// Takes what has arrived from the proxy, and advances `input` past what was used.
    ///
    /// # Errors
    /// [`Error::Proxy`] if the proxy refuses, or does not speak its protocol.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Progress, Error> {
        match self {
            Tunnel::HttpConnect(dialogue) => dialogue.receive(input),
            Tunnel::Socks5(dialogue) => dialogue.receive(input),
        }
    }

    /// The error for a proxy that closes the connection, or falls silent, before the tunnel is open.
    pub fn receive_eof(&mut self) -> Error {
        match self {
            Tunnel::HttpConnect(dialogue) => dialogue.receive_eof(),
            Tunnel::Socks5(dialogue) => dialogue.receive_eof(),
        }
    }
}

/// No proxy leads to a socket of this machine.
fn refuse_unix(target: &Target) -> Result<(), Error> {
    match target.unix_path() {
        None => Ok(()),
        Some(_) => Err(Error::usage(format!("no proxy leads to the Unix socket of {target}"))),
    }
}

fn ended() -> Error {
    Error::usage("the dialogue with the proxy has ended; nothing more can be received by it")
}

#[cfg(test)]
mod tests;
