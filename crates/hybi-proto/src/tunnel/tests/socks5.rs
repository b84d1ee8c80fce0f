use super::*;
use hex_literal::hex;

#[test]
fn a_dialogue_without_password_and_with_a_name() {
    let mut tunnel = tunnel("socks5h://proxy", "wss://example.com/");
    assert_eq!(sent(&mut tunnel), hex!("05 01 00"));
    assert_eq!(tunnel.receive(&mut &hex!("05 00")[..]).unwrap(), Progress::Pending);
    assert_eq!(
        sent(&mut tunnel),
        [&hex!("05 01 00 03 0b")[..], b"example.com", &hex!("01bb")].concat()
    );
    assert_eq!(sent(&mut tunnel), b"", "it is sent once");
    let mut input = &hex!("05 00 00 01 00000000 0000 16 03")[..];
    assert_eq!(tunnel.receive(&mut input).unwrap(), Progress::Open);
    assert_eq!(input, hex!("16 03"), "what follows comes from the target");
    assert_eq!(tunnel.receive(&mut input).unwrap(), Progress::Open);
    assert_eq!(input, hex!("16 03"));
}

#[test]
fn a_dialogue_with_user_and_password() {
    let mut tunnel = tunnel("socks5://us%20er:p%ff@proxy", "ws://h:8080/");
    assert_eq!(sent(&mut tunnel), hex!("05 02 00 02"));
    assert_eq!(tunnel.receive(&mut &hex!("05 02")[..]).unwrap(), Progress::Pending);
    assert_eq!(sent(&mut tunnel), [&hex!("01 05")[..], b"us er", &hex!("02"), b"p\xff"].concat());
    assert_eq!(tunnel.receive(&mut &hex!("01 00")[..]).unwrap(), Progress::Pending);
    assert_eq!(sent(&mut tunnel), [&hex!("05 01 00 03 01")[..], b"h", &hex!("1f90")].concat());
    let mut input = &[&hex!("05 00 00 03 03")[..], b"abc", &hex!("0050 ff")].concat()[..];
    assert_eq!(tunnel.receive(&mut input).unwrap(), Progress::Open);
    assert_eq!(input, hex!("ff"));
}

#[test]
fn a_proxy_may_do_without_the_password_it_is_offered() {
    let mut tunnel = tunnel("socks5://u:p@proxy", "ws://h/");
    sent(&mut tunnel);
    assert_eq!(tunnel.receive(&mut &hex!("05 00")[..]).unwrap(), Progress::Pending);
    assert_eq!(sent(&mut tunnel)[..4], hex!("05 01 00 03"));
}

#[test]
fn addresses_are_sent_as_addresses() {
    let v4 = hex!("05 01 00 01 7f000001 0050");
    let v6 = hex!("05 01 00 04 20010db8000000000000000000000001 0050");
    for (target, resolved, expected) in [
        ("ws://127.0.0.1/", None, &v4[..]),
        ("ws://[2001:db8::1]/", None, &v6),
        ("ws://h/", Some("127.0.0.1"), &v4),
        ("ws://h/", Some("2001:db8::1"), &v6),
    ] {
        let proxy = ProxyUrl::parse("socks5://proxy").unwrap();
        let resolved = resolved.map(|ip| ip.parse().unwrap());
        let mut tunnel = Tunnel::new(&proxy, &Target::parse(target).unwrap(), resolved).unwrap();
        sent(&mut tunnel);
        assert_eq!(tunnel.receive(&mut &hex!("05 00")[..]).unwrap(), Progress::Pending);
        assert_eq!(sent(&mut tunnel), expected, "{target}");
        let mut input = &hex!("05 00 00 04 00000000000000000000000000000001 0050 aa")[..];
        assert_eq!(tunnel.receive(&mut input).unwrap(), Progress::Open);
        assert_eq!(input, hex!("aa"));
    }
}

#[test]
fn every_reply_code_is_a_sentence() {
    for (code, reason) in [
        (1, "has failed for a reason it does not tell"),
        (2, "rules do not allow"),
        (3, "network cannot be reached"),
        (4, "host cannot be reached"),
        (5, "host refused the connection"),
        (6, "time to live expired"),
        (7, "does not support the command CONNECT"),
        (8, "does not support this type of address"),
        (9, "unknown reason 9"),
        (255, "unknown reason 255"),
    ] {
        // Without the address that should follow: it must not be waited for.
        let mut socks = tunnel("socks5://p", "ws://h/");
        let error = socks.receive(&mut &[5, 0, 5, code][..]).unwrap_err().to_string();
        assert!(error.contains("could not connect to h:80: the"), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_refused_or_broken_dialogue_is_told_apart() {
    for (proxy, wire, reason) in [
        ("socks5://p", &b""[..], "instead of answering the greeting"),
        ("socks5://p", &hex!("05 ff"), "wants authentication (give user and password"),
        ("socks5://p", &hex!("05 02"), "wants authentication (give user and password"),
        ("socks5://u:p@p", &hex!("05 ff"), "takes neither"),
        ("socks5://u:p@p", &hex!("05 01"), "method 1, which was not offered"),
        ("socks5://u:p@p", &hex!("05 02"), "instead of answering user and password"),
        ("socks5://u:p@p", &hex!("05 02 01 01"), "refused user and password"),
        ("socks5://p", &hex!("05 00"), "instead of answering the request"),
        ("socks5://p", &hex!("05 00 05 00 00 01 7f"), "instead of answering the request"),
        ("socks5://p", &hex!("05 00 05 00 00 02"), "unknown type 2"),
        ("socks5://p", &hex!("05 00 04 00"), "does not speak SOCKS5: its answer begins with 0x04"),
        ("socks5://p", b"HTTP/1.1 400 Bad Request", "probably HTTP (use http://"),
        ("socks5://p", &hex!("00"), "begins with 0x00"),
    ] {
        let text = failure(tunnel(proxy, "ws://h/"), wire);
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn what_does_not_fit_into_the_dialogue_is_refused() {
    let target = Target::parse("ws://h/").unwrap();
    for (user, password, fits) in [(255, 255, true), (256, 1, false), (1, 256, false)] {
        let url = format!("socks5://{}:{}@p", "u".repeat(user), "p".repeat(password));
        let tunnel = Tunnel::new(&ProxyUrl::parse(&url).unwrap(), &target, None);
        assert_eq!(tunnel.is_ok(), fits, "{user} {password}");
    }
}
