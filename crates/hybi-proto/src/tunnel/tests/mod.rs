//! Dialogues with proxies, octet by octet.

mod http_connect;
mod proxy_url;
mod socks5;

use super::*;
use crate::ErrorCode;
use proptest::prelude::*;

fn tunnel(proxy: &str, target: &str) -> Tunnel {
    let proxy = ProxyUrl::parse(proxy).unwrap();
    Tunnel::new(&proxy, &Target::parse(target).unwrap(), None).unwrap()
}

fn sent(tunnel: &mut Tunnel) -> Vec<u8> {
    let mut out = Vec::new();
    tunnel.encode(&mut out);
    out
}

/// The error to which these octets, and then the end of the connection, lead.
fn failure(mut tunnel: Tunnel, mut input: &[u8]) -> String {
    let error = match tunnel.receive(&mut input) {
        Ok(Progress::Open) => panic!("the tunnel is open"),
        Ok(Progress::Pending) => tunnel.receive_eof(),
        Err(error) => error,
    };
    assert_eq!((error.code(), error.close_code()), (ErrorCode::Proxy, None));
    assert!(matches!(error, Error::Proxy(_)), "{error:?}");
    error.to_string()
}

/// Everything that can be seen of a dialogue: what was sent, how it ended, what is left.
fn in_pieces(mut tunnel: Tunnel, pieces: &[&[u8]]) -> (Vec<u8>, String, Vec<u8>) {
    let mut out = sent(&mut tunnel);
    for (i, piece) in pieces.iter().enumerate() {
        let mut input = *piece;
        let progress = tunnel.receive(&mut input);
        tunnel.encode(&mut out);
        match progress {
            Ok(Progress::Pending) => assert!(input.is_empty(), "octets were left"),
            Ok(Progress::Open) => {
                return (out, "open".to_owned(), [input, &pieces[i + 1..].concat()].concat());
            }
            Err(error) => return (out, error.to_string(), Vec::new()),
        }
    }
    let error = tunnel.receive_eof();
    (out, error.to_string(), Vec::new())
}

#[test]
fn no_proxy_leads_to_a_unix_socket() {
    for proxy in ["http://p", "socks5://p"] {
        let target = Target::parse("ws+unix:/a.sock:/").unwrap();
        let error = Tunnel::new(&ProxyUrl::parse(proxy).unwrap(), &target, None).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
    }
}

#[test]
fn a_dialogue_that_has_failed_says_so() {
    for (proxy, wrong) in [("http://p", &b"x"[..]), ("socks5://p", b"\x04")] {
        let mut tunnel = tunnel(proxy, "ws://h/");
        assert!(matches!(tunnel.receive(&mut &*wrong), Err(Error::Proxy(_))));
        assert!(matches!(
            tunnel.receive(&mut &b"HTTP/1.1 200 OK\r\n\r\n"[..]),
            Err(Error::Usage(_))
        ));
    }
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_tunnel(
        which in 0..6_usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let (proxy, wire): (&str, &[u8]) = [
            ("http://p", &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n"[..]),
            ("http://p", b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nsorry"),
            ("http://p", b"HTTP/1.1 403 No\r\n\r\nsorry"),
            ("socks5://p", b"\x05\x00\x05\x00\x00\x01\x7f\0\0\x01\x00\x50\x05\x00rest"),
            ("socks5://u:p@p", b"\x05\x02\x01\x00\x05\x00\x00\x03\x03abc\x00\x50rest"),
            ("socks5://u:p@p", b"\x05\x02\x01\x01rest"),
        ][which];
        let bytewise: Vec<_> = wire.chunks(1).collect();
        let whole = in_pieces(tunnel(proxy, "ws://h/"), &[wire]);
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        at.extend([0, wire.len()]);
        at.sort_unstable();
        let pieces: Vec<_> = at.windows(2).map(|ends| &wire[ends[0]..ends[1]]).collect();
        prop_assert_eq!(&in_pieces(tunnel(proxy, "ws://h/"), &pieces), &whole);
        prop_assert_eq!(&in_pieces(tunnel(proxy, "ws://h/"), &bytewise), &whole);
    }

    #[test]
    fn arbitrary_octets_never_panic(wire in prop::collection::vec(prop_oneof![0..6_u8, any::<u8>()], 0..300)) {
        for proxy in ["http://p", "socks5://p", "socks5://u:p@p"] {
            in_pieces(tunnel(proxy, "ws://h/"), &[&wire]);
            in_pieces(tunnel(proxy, "ws://h/"), &[&b"\x05\x00"[..], &wire]);
            in_pieces(tunnel(proxy, "ws://h/"), &[&b"HTTP/1.1 403 X\r\n"[..], &wire]);
        }
    }
}
