//! Masking keys and nonces from the operating system's randomness.
//!
//! RFC 6455 §10.3 asks for keys that nobody can predict. A system call for each frame would cost more
//! than the frame, so each thread draws some hundred keys at once; each is wiped when it is used.

use std::cell::RefCell;

const POOL: usize = 1024;

struct Pool {
    octets: [u8; POOL],
    used: usize,
}

thread_local! {
    static KEYS: RefCell<Pool> = const { RefCell::new(Pool { octets: [0; POOL], used: POOL }) };
}

/// A new masking key.
///
/// # Panics
/// If the operating system cannot provide randomness: no safe key can be made then.
pub(crate) fn masking_key() -> [u8; 4] {
    take()
}

/// The nonce of an opening handshake (RFC 6455 §4.1).
///
/// # Panics
/// As [`masking_key`].
pub(crate) fn nonce() -> [u8; 16] {
    take()
}

/// The next octets of this thread's pool.
fn take<const N: usize>() -> [u8; N] {
    KEYS.with_borrow_mut(|pool| {
        if POOL - pool.used < N {
            fill(&mut pool.octets);
            pool.used = 0;
        }
        let mut taken = [0; N];
        let slot = &mut pool.octets[pool.used..pool.used + N];
        taken.copy_from_slice(slot);
        slot.fill(0);
        pool.used += N;
        taken
    })
}

fn fill(octets: &mut [u8]) {
    if let Err(error) = getrandom::fill(octets) {
        panic!("the operating system provides no randomness: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_do_not_repeat_and_are_wiped() {
        let keys: HashSet<_> = (0..4096).map(|_| masking_key()).collect();
        assert!(keys.len() > 4090);
        let nonces: HashSet<_> = (0..4096).map(|_| nonce()).collect();
        assert_eq!(nonces.len(), 4096);
        KEYS.with_borrow(|pool| assert!(pool.octets[..pool.used].iter().all(|&octet| octet == 0)));
    }
}
