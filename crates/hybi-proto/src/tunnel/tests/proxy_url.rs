use super::*;

#[test]
fn a_proxy_has_a_protocol_a_host_and_a_port() {
    use ProxyProtocol::*;
    for (url, protocol, resolves_names, host, port) in [
        ("http://proxy", Http, true, "proxy", 80),
        ("HTTP://Proxy:3128/", Http, true, "proxy", 3128),
        ("proxy:3128", Http, true, "proxy", 3128),
        ("127.0.0.1:3128", Http, true, "127.0.0.1", 3128),
        ("socks5://proxy", Socks5, false, "proxy", 1080),
        ("socks5h://[::1]:99", Socks5, true, "::1", 99),
        ("user:pass@proxy", Http, true, "proxy", 80),
    ] {
        let proxy = ProxyUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(
            (proxy.protocol(), proxy.resolves_names(), proxy.host(), proxy.port()),
            (protocol, resolves_names, host, port),
            "{url}"
        );
        assert_eq!(proxy.ip(), host.parse().ok(), "{url}");
    }
}

#[test]
fn what_is_no_proxy_is_refused_with_the_reason() {
    for (url, reason) in [
        ("", "no host"),
        ("http://", "no host"),
        ("https://proxy", "\"https\" is not one of http, socks5, socks5h"),
        ("socks4://proxy", "\"socks4\" is not one of"),
        ("http://proxy:", "port is empty"),
        ("http://proxy:99999", "larger than 65535"),
        ("http://proxy/path", "more than a host and a port"),
        ("http://proxy?x", "more than a host and a port"),
        ("http://pro xy", "the character ' '"),
        ("http://proxy\r\n", "the character '\\r'"),
        ("http://a\r\nb:c@proxy\r\n", "control character"),
    ] {
        let error = ProxyUrl::parse(url).expect_err(url);
        assert_eq!(error.code(), ErrorCode::InvalidUrl);
        assert!(error.to_string().contains(reason), "{url}: {error}");
    }
}

#[test]
fn a_password_is_never_shown() {
    for (url, shown) in [
        ("http://user:secret@p", "http://p:80"),
        ("socks5://user:secret@p", "socks5://p:1080"),
        ("socks5h://user:secret@[::1]:9", "socks5h://[::1]:9"),
    ] {
        let proxy = ProxyUrl::parse(url).unwrap();
        assert_eq!(proxy.to_string(), shown);
        assert_eq!(format!("{proxy:?}"), format!("ProxyUrl({shown})"));
        let target = Target::parse("ws://user:hidden@h/").unwrap();
        let tunnel = format!("{:?}", Tunnel::new(&proxy, &target, None).unwrap());
        assert!(tunnel.contains("h:80") && tunnel.len() < 300, "{tunnel}");
        for secret in ["secret", "hidden", "dXNlcjpzZWNyZXQ=", "115, 101, 99"] {
            assert!(!tunnel.contains(secret), "{tunnel}");
        }
    }
}

#[test]
fn exceptions_are_domains_addresses_and_ranges() {
    for (list, host, port, named) in [
        ("", "h", 80, false),
        ("*", "h", 80, true),
        ("a, *", "1.2.3.4", 80, true),
        ("example.com", "example.com", 80, true),
        ("example.com", "EXAMPLE.com.", 80, true),
        ("Example.Com.", "www.example.com", 80, true),
        (".example.com", "www.example.com", 80, true),
        (".example.com", "example.com", 80, true),
        ("*.example.com", "www.example.com", 80, true),
        ("example.com", "myexample.com", 80, false),
        ("example.com", "example.com.evil", 80, false),
        ("www.example.com", "example.com", 80, false),
        ("a b,\tc", "b", 80, true),
        ("a,,b", "c", 80, false),
        (".", "h", 80, false),
        ("*.", "h", 80, false),
        ("h:8080", "h", 8080, true),
        ("h:8080", "h", 80, false),
        ("h:", "h", 80, false),
        ("h:x", "h", 80, false),
        ("127.0.0.1", "127.0.0.1", 80, true),
        ("127.0.0.1:80", "127.0.0.1", 80, true),
        ("127.0.0.1:80", "127.0.0.1", 81, false),
        ("0.1", "127.0.0.1", 80, false),
        ("10.0.0.0/8", "10.255.0.1", 80, true),
        ("10.0.0.0/8", "11.0.0.1", 80, false),
        ("10.1.2.3/32", "10.1.2.3", 80, true),
        ("10.1.2.3/32", "10.1.2.2", 80, false),
        ("0.0.0.0/0", "10.1.2.3", 80, true),
        ("0.0.0.0/0", "::1", 80, false),
        ("10.0.0.0/33", "10.0.0.0", 80, false),
        ("10.0.0.0/x", "10.0.0.0", 80, false),
        ("10.0.0.0/8", "h", 80, false),
        ("::1", "::1", 80, true),
        ("[::1]", "::1", 80, true),
        ("[::1]:80", "::1", 80, true),
        ("[::1]:80", "::1", 81, false),
        ("0:0::1", "::1", 80, true),
        ("::ffff:10.0.0.1", "10.0.0.1", 80, true),
        ("fe80::/10", "febf::1", 80, true),
        ("fe80::/10", "fec0::1", 80, false),
        ("::/129", "::", 80, false),
        ("ü", "ü", 80, true),
        ("ü", "xü", 80, false),
        ("b", "ü", 80, false),
    ] {
        assert_eq!(bypasses_proxy(host, port, list), named, "{list:?} {host}:{port}");
    }
}

#[test]
fn the_environment_chooses_by_scheme() {
    for (variables, url, expected) in [
        (&[][..], "ws://h/", None),
        (&[("http_proxy", "a")], "ws://h/", Some("http://a:80")),
        (&[("http_proxy", "a")], "wss://h/", None),
        (&[("HTTPS_PROXY", " a ")], "wss://h/", Some("http://a:80")),
        (&[("HTTPS_PROXY", "a")], "ws://h/", None),
        (&[("HTTP_PROXY", "a"), ("http_proxy", "b")], "ws://h/", Some("http://b:80")),
        (&[("http_proxy", ""), ("HTTP_PROXY", "b")], "ws://h/", Some("http://b:80")),
        (&[("ALL_PROXY", "socks5://a")], "ws://h/", Some("socks5://a:1080")),
        (&[("all_proxy", "a"), ("https_proxy", "b")], "wss://h/", Some("http://b:80")),
        (&[("HTTP_PROXY", "a"), ("REQUEST_METHOD", "GET")], "ws://h/", None),
        (&[("http_proxy", "a"), ("REQUEST_METHOD", "GET")], "ws://h/", Some("http://a:80")),
        (&[("HTTPS_PROXY", "a"), ("REQUEST_METHOD", "GET")], "wss://h/", Some("http://a:80")),
        (&[("all_proxy", "a"), ("no_proxy", "x,h")], "ws://h/", None),
        (&[("all_proxy", "a"), ("NO_PROXY", "h:443")], "wss://h/", None),
        (&[("all_proxy", "a"), ("NO_PROXY", "h:443")], "ws://h/", Some("http://a:80")),
        (&[("all_proxy", "a")], "ws+unix:/s:/", None),
    ] {
        let variable = |name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        let chosen = ProxyUrl::from_environment(&Target::parse(url).unwrap(), variable).unwrap();
        assert_eq!(chosen.map(|p| p.to_string()).as_deref(), expected, "{variables:?} {url}");
    }
    let broken = |_: &str| Some("ftp://x".to_owned());
    let error = ProxyUrl::from_environment(&Target::parse("ws://h/").unwrap(), broken);
    assert_eq!(error.unwrap_err().code(), ErrorCode::InvalidUrl);
}
