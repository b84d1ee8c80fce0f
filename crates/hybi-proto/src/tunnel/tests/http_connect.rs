use super::*;
use http::{HeaderMap, HeaderName, HeaderValue, header};

#[test]
fn the_request_names_host_and_port() {
    for (target, expected) in [
        ("ws://example.com/chat", "example.com:80"),
        ("wss://example.com/chat", "example.com:443"),
        ("wss://[2001:DB8::1]:99/", "[2001:db8::1]:99"),
    ] {
        let mut tunnel = tunnel("http://proxy:3128", target);
        assert_eq!(
            String::from_utf8(sent(&mut tunnel)).unwrap(),
            format!("CONNECT {expected} HTTP/1.1\r\nHost: {expected}\r\n\r\n")
        );
        assert_eq!(sent(&mut tunnel), b"", "it is sent once");
    }
}

#[test]
fn user_info_of_the_proxy_is_for_the_proxy_alone() {
    let mut tunnel = tunnel("http://Aladdin:open%20sesame@proxy", "ws://user:pass@h/");
    assert_eq!(
        String::from_utf8(sent(&mut tunnel)).unwrap(),
        "CONNECT h:80 HTTP/1.1\r\n\
         Host: h:80\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\
         \r\n"
    );
}

#[test]
fn own_headers_can_be_sent_to_the_proxy() {
    let proxy = ProxyUrl::parse("http://u:p@proxy").unwrap();
    let target = Target::parse("ws://h/").unwrap();
    let with = |name: HeaderName| {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static("x"))]);
        HttpConnect::new(&proxy, &target, None).unwrap().headers(headers)
    };
    let mut out = Vec::new();
    with(header::PROXY_AUTHORIZATION).unwrap().encode(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nProxy-Authorization: x\r\n\r\n"
    );
    for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        assert!(matches!(with(name), Err(Error::Usage(_))));
    }
}

#[test]
fn octets_after_the_head_of_a_success_come_from_the_target() {
    for head in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\n\r\n",
        "HTTP/1.1 299 X\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let wire = format!("{head}\x16\x03rest");
        let mut input = wire.as_bytes();
        let mut tunnel = tunnel("http://p", "wss://h/");
        assert_eq!(tunnel.receive(&mut input).unwrap(), Progress::Open, "{head}");
        assert_eq!(input, b"\x16\x03rest", "{head}");
    }
}

#[test]
fn a_refusal_tells_status_and_beginning_of_the_body() {
    let long = format!("HTTP/1.1 502 Bad Gateway\r\n\r\n{}", "word ".repeat(2000));
    for (proxy, wire, expected) in [
        (
            "http://p",
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 26\r\n\r\n<p class=\"x\">\r\n  no\x1b[\r\nway and more",
            "the proxy refused a tunnel to h:80 with status 403 Forbidden: no [ way",
        ),
        (
            "http://p",
            "HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n",
            "the proxy refused a tunnel to h:80 with status 407 Proxy Authentication Required (give \
             user and password in the proxy's URL)",
        ),
        (
            "http://u:p@p",
            "HTTP/1.1 407 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            "the proxy refused a tunnel to h:80 with status 407 Proxy Authentication Required: no",
        ),
        (
            "http://p",
            "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
            "the proxy refused a tunnel to h:80 with status 302 Found",
        ),
        ("http://p", "", "the proxy closed the connection without an answer to CONNECT"),
        (
            "http://p",
            "HTTP/1.1 200 OK\r\n",
            "the proxy closed the connection without an answer to CONNECT",
        ),
    ] {
        assert_eq!(failure(tunnel(proxy, "ws://h/"), wire.as_bytes()), expected);
    }
    let text = failure(tunnel("http://p", "ws://h/"), long.as_bytes());
    assert!(text.ends_with("word word…") || text.ends_with("word …"), "{text}");
    assert!(text.len() < 300, "{text}");
}

#[test]
fn what_is_not_http_is_refused() {
    for (wire, reason) in [
        (&b"\x04\xff"[..], "refused: it is not HTTP, but begins with \"\\x04\""),
        (b"\x05\xff", "refused: it is not HTTP, but probably SOCKS5 (use socks5://"),
        (b"\x15\x03\x03", "refused: it is TLS, which is not supported on the way to a proxy"),
        // In the head it is a control character like others.
        (b"HTTP/1.1 200 OK\r\nX: \x05\r\n\r\n", "control character 0x05"),
        (b"HTTP/1.1 200 OK\nX: y\n\n", "line feed without a carriage return"),
        (&b"HTTP/1.1 100 X\r\n\r\n".repeat(17), "16 interim responses"),
        (&[&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 20_000]].concat(), "larger than 16384 bytes"),
    ] {
        let text = failure(tunnel("http://p", "ws://h/"), wire);
        assert!(text.contains(reason), "{text}");
    }
}
