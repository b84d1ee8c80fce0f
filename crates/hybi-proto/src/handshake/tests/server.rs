use super::*;

/// The request with the key of RFC 6455 §1.3, with these lines for the ones of the same name, or
/// added; a name without value is left out.
fn opening(lines: &[&str]) -> Vec<u8> {
    let name = |line: &str| line.split(':').next().unwrap().to_ascii_lowercase();
    let usual = [
        "Host: example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];
    let replaced = |line: &&&str| !lines.iter().any(|other| name(other) == name(line));
    let mut head = "GET /chat HTTP/1.1\r\n".to_owned();
    for line in usual.iter().filter(replaced).chain(lines) {
        if line.contains(": ") {
            head += &format!("{line}\r\n");
        }
    }
    (head + "\r\n").into_bytes()
}

fn read(mut input: &[u8]) -> Result<Option<Request<()>>, Refusal> {
    ServerHandshake::new(HeadLimits::new()).receive(&mut input)
}

fn check(input: &[u8]) -> Result<Upgrade, Refusal> {
    Upgrade::of(&read(input)?.expect("a whole head"))
}

fn upgrade(lines: &[&str]) -> Upgrade {
    check(&opening(lines)).unwrap_or_else(|refusal| panic!("{lines:?}: {refusal}"))
}

fn octets<B: AsRef<[u8]>>(response: &Response<B>) -> String {
    let mut out = Vec::new();
    encode_response(response, &mut out);
    String::from_utf8(out).unwrap()
}

/// RFC 9112 grammar: a status line, header lines, and a body as long as it claims.
fn check_refusal(refusal: Refusal, status: u16, code: ErrorCode, reason: &str) {
    assert_eq!(refusal.status().as_u16(), status, "{refusal}");
    assert_eq!(refusal.error().code(), code, "{refusal}");
    assert!(refusal.body().contains(reason), "{reason}: {refusal}");
    assert!(!refusal.body().contains(['\r', '\n']), "{refusal:?}");
    let body = refusal.body().to_owned();
    let wire = octets(&refusal.into_response());
    let (head, sent) = wire.split_once("\r\n\r\n").unwrap();
    assert_eq!(sent, body);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
    assert!(head.contains("close"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; charset=utf-8"), "{head}");
}

#[test]
fn the_response_is_that_of_rfc_6455_section_1_3() {
    let request =
        opening(&["Origin: http://example.com", "Sec-WebSocket-Protocol: chat, superchat"]);
    let upgrade = check(&request).unwrap();
    assert_eq!(upgrade.subprotocols(), ["chat", "superchat"]);
    assert_eq!(upgrade.origin(), Some("http://example.com"));
    assert_eq!(upgrade.extensions(), None);
    assert_eq!(upgrade.key().as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
    let (negotiated, response) = upgrade.respond(Some("chat"), None, &HeaderMap::new()).unwrap();
    assert_eq!(
        octets(&response.map(|()| "")),
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: chat\r\n\
         \r\n"
    );
    assert_eq!(negotiated.subprotocol.as_deref(), Some("chat"));
}

#[test]
fn frames_that_come_with_the_request_are_left_in_the_input() {
    let wire = [&opening(&[])[..], b"\x81\x80\0\0\0\0"].concat();
    let mut input = &wire[..];
    let request = ServerHandshake::new(HeadLimits::new()).receive(&mut input).unwrap().unwrap();
    assert_eq!(request.uri(), "/chat");
    assert_eq!(input, b"\x81\x80\0\0\0\0");
}

#[test]
fn a_request_for_a_page_is_read_too() {
    let request =
        read(b"POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n").unwrap().unwrap();
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/a"));
    assert_eq!(request.uri().query(), Some("b"));
    let request = read(b"GET / HTTP/1.0\r\n\r\n").unwrap().unwrap();
    assert_eq!(request.version(), http::Version::HTTP_10);
    let request = read(b"OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n").unwrap().unwrap();
    assert_eq!(request.uri(), "*");
    // obs-text is legal in a value (RFC 9110 §5.5), and one empty line before the request is
    // ignored (RFC 9112 §2.2).
    let request = read(b"\r\nGET / HTTP/1.1\r\nHost: h\r\nX: \xff\t\xe9\r\n\r\n").unwrap().unwrap();
    assert_eq!(request.headers()["x"].as_bytes(), b"\xff\t\xe9");
}

#[test]
fn what_is_not_a_request_is_refused() {
    use ErrorCode::*;
    let table: &[(&[u8], u16, &str)] = &[
        (b"\x16\x03\x01\x02\x00\x01", 400, "the client speaks TLS"),
        (b"\x00", 400, "begins with \"\\x00\""),
        (b" GET / HTTP/1.1\r\n", 400, "begins with \" \""),
        (b"\r\n\r\nGET / HTTP/1.1\r\n", 400, "begins with \"\\r\""),
        (b"\rGET", 400, "carriage return without a line feed"),
        (b"GET / HTTP/1.1\nHost: h\n\n", 400, "line feed without a carriage return"),
        (b"GET / HTTP/1.1\r\nHost: h\n\r\n", 400, "line feed without a carriage return"),
        (b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400, "carriage return without a line feed"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\rX", 400, "carriage return without a line feed"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400, "folded"),
        (b"GET / HTTP/1.1\r\n\tHost: h\r\n\r\n", 400, "folded"),
        (b"GET / HTTP/1.1\r\nHost: h\0\r\n\r\n", 400, "control character 0x00"),
        (b"GET / HTTP/1.1\r\nHost: h\x7f\r\n\r\n", 400, "control character 0x7f"),
        (b"GET / HTTP/1.1\r\n\x1b: h\r\n\r\n", 400, "control character 0x1b"),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400, "header name"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400, "header name"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX Y: x\r\n\r\n", 400, "header name"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400, "header name"),
        (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request line"),
        (b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400, "not HTTP/1.1"),
        (b"GET /\r\nHost: h\r\n\r\n", 400, "request line"),
        (b"GET\r\n\r\n", 400, "request line"),
        (b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request line"),
        (b"GET /\xc3\xbc HTTP/1.1\r\nHost: h\r\n\r\n", 400, "not ASCII"),
        (b"GET /#a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "fragment"),
        (b"GET a/b HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request target"),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "only HTTP/1.1 is spoken here"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "only HTTP/1.1 is spoken here"),
        (b"GET / FTP/1.1\r\nHost: h\r\n\r\n", 400, "request line"),
        (b"GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400, "not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Host header is missing"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "several Host"),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400, "several Host"),
        (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "Host header \"a, b\" is malformed"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "is malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "Content-Length"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
            "contradicts itself",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "contradicts itself or Transfer-Encoding",
        ),
    ];
    for (input, status, reason) in table {
        let refusal = match read(input) {
            Err(refusal) => refusal,
            other => panic!("{}: {other:?}", input.escape_ascii()),
        };
        check_refusal(refusal, *status, InvalidHandshake, reason);
    }
}

#[test]
fn a_head_is_as_large_as_the_limits_say_and_no_larger() {
    let with = |limits: HeadLimits, wire: &[u8]| ServerHandshake::new(limits).receive(&mut &*wire);
    let wire = opening(&[]);
    let exact = HeadLimits::new().max_size(wire.len()).max_headers(5);
    assert!(with(exact, &wire).unwrap().is_some());

    let refusal = with(exact.max_size(wire.len() - 1), &wire).unwrap_err();
    let text = format!("larger than {} bytes", wire.len() - 1);
    check_refusal(refusal, 431, ErrorCode::HandshakeTooLarge, &text);
    let refusal = with(exact.max_headers(4), &wire).unwrap_err();
    check_refusal(refusal, 431, ErrorCode::HandshakeTooLarge, "more than 4 headers");
}

#[test]
fn many_headers_can_be_allowed() {
    let limits = HeadLimits::new().max_headers(5000).max_size(1 << 20);
    let wire = [&b"GET / HTTP/1.1\r\nHost: h\r\n"[..], &b"X: y\r\n".repeat(4999), b"\r\n"].concat();
    let request = ServerHandshake::new(limits).receive(&mut &wire[..]).unwrap().unwrap();
    assert_eq!(request.headers().get_all("x").iter().count(), 4999);

    // More than `HeaderMap` can hold: a refusal, not a panic.
    let limits = HeadLimits::new().max_headers(1 << 20).max_size(1 << 24);
    let many: String = (0..70_000).map(|i| format!("X{i}: y\r\n")).collect();
    let wire = format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n");
    let refusal = ServerHandshake::new(limits).receive(&mut wire.as_bytes()).unwrap_err();
    check_refusal(refusal, 431, ErrorCode::HandshakeTooLarge, "too many headers");
}

#[test]
fn an_endless_head_stops_at_the_limit() {
    for line in [&b"GET / HTTP/1.1\r\nX: "[..], b"GET /"] {
        let mut handshake = ServerHandshake::new(HeadLimits::new());
        assert!(handshake.receive(&mut &line[..]).unwrap().is_none());
        let refused_after = (line.len() + 1..).find(|_| handshake.receive(&mut &b"x"[..]).is_err());
        assert_eq!(refused_after, Some(16 * 1024));
    }
}

#[test]
fn a_head_that_comes_octet_by_octet_is_read_in_linear_time() {
    // A search from the beginning for each octet would take 2^43 steps, and so never end.
    let limits = HeadLimits::new().max_size(8 << 20);
    let filler = vec![b'x'; 4 << 20];
    let wire = [b"GET / HTTP/1.1\r\nHost: h\r\nX: ", &filler[..], b"\r\n\r\n"].concat();
    let mut handshake = ServerHandshake::new(limits);
    let request = wire.chunks(1).find_map(|mut octet| handshake.receive(&mut octet).unwrap());
    assert_eq!(request.unwrap().headers()["x"].len(), filler.len());
}

#[test]
fn an_opening_handshake_may_be_written_in_several_ways() {
    for lines in [
        &["upgrade: WebSocket"][..],
        &["Connection: keep-alive, Upgrade"],
        &["Connection: keep-alive", "Connection: upgrade"],
        &["Connection: ,upgrade,"],
        &["Content-Length: 0"],
        &["Sec-WebSocket-Key:  AAAAAAAAAAAAAAAAAAAAAB==  "],
        &["Origin: null"],
    ] {
        upgrade(lines);
    }
    let version_8 = upgrade(&[
        "Sec-WebSocket-Version: 8",
        "Sec-WebSocket-Origin: http://a",
        "Origin: http://b",
    ]);
    assert_eq!((version_8.version(), version_8.origin()), (Version::V8, Some("http://a")));
    let version_13 = upgrade(&["Sec-WebSocket-Origin: http://a", "Origin: http://b"]);
    assert_eq!(version_13.origin(), Some("http://b"));
    let lists = upgrade(&[
        "Sec-WebSocket-Protocol: a,b",
        "Sec-WebSocket-Protocol: c",
        "Sec-WebSocket-Extensions: x; y=\"1\"",
        "Sec-WebSocket-Extensions: z",
    ]);
    assert_eq!(lists.subprotocols(), ["a", "b", "c"]);
    assert_eq!(lists.extensions(), Some("x; y=\"1\", z"));
}

#[test]
fn every_wrong_opening_handshake_is_refused_with_its_reason() {
    use ErrorCode::*;
    let table: &[(&[&str], u16, ErrorCode, &str)] = &[
        (&["Upgrade:"], 426, InvalidUpgradeHeader, "the Upgrade header is missing"),
        (&["Upgrade: h2c"], 400, InvalidUpgradeHeader, "the Upgrade header is \"h2c\""),
        (&["Upgrade: websocket, h2c"], 400, InvalidUpgradeHeader, "not websocket"),
        (
            &["Upgrade: websocket", "Upgrade: websocket"],
            400,
            InvalidUpgradeHeader,
            "several Upgrade",
        ),
        (&["Upgrade: websocket\u{e9}"], 400, InvalidUpgradeHeader, "not websocket"),
        (&["Connection:"], 400, InvalidConnectionHeader, "the Connection header is missing"),
        (
            &["Connection: close"],
            400,
            InvalidConnectionHeader,
            "\"close\" does not contain Upgrade",
        ),
        (&["Connection: not-upgrade"], 400, InvalidConnectionHeader, "does not contain Upgrade"),
        (&["Sec-WebSocket-Key:"], 400, InvalidKeyHeader, "Sec-WebSocket-Key header is missing"),
        (&["Sec-WebSocket-Key: "], 400, InvalidKeyHeader, "is not 16 bytes"),
        (&["Sec-WebSocket-Key: c2hvcnQ="], 400, InvalidKeyHeader, "\"c2hvcnQ=\" is not 16 bytes"),
        (
            &[
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ],
            400,
            InvalidKeyHeader,
            "several Sec-WebSocket-Key",
        ),
        (&["Sec-WebSocket-Version:"], 400, InvalidVersionHeader, "Version header is missing"),
        (
            &["Sec-WebSocket-Version: 12"],
            426,
            InvalidVersionHeader,
            "is \"12\"; spoken here: 13, 8",
        ),
        (&["Sec-WebSocket-Version: 013"], 426, InvalidVersionHeader, "spoken here: 13, 8"),
        (&["Sec-WebSocket-Version: 13, 8"], 426, InvalidVersionHeader, "spoken here: 13, 8"),
        (
            &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"],
            400,
            InvalidVersionHeader,
            "several Sec-WebSocket-Version",
        ),
        (
            &["Origin: http://a", "Origin: http://b"],
            400,
            InvalidHandshake,
            "several origin headers",
        ),
        (&["Origin: http://\u{e9}"], 400, InvalidHandshake, "not ASCII"),
        (&["Sec-WebSocket-Protocol: "], 400, InvalidSubprotocol, "\"\", which is not a token"),
        (&["Sec-WebSocket-Protocol: a,,b"], 400, InvalidSubprotocol, "\"\", which is not a token"),
        (
            &["Sec-WebSocket-Protocol: a b"],
            400,
            InvalidSubprotocol,
            "\"a b\", which is not a token",
        ),
        (&["Sec-WebSocket-Protocol: a/b"], 400, InvalidSubprotocol, "not a token"),
        (
            &["Sec-WebSocket-Protocol: a,b", "Sec-WebSocket-Protocol: a"],
            400,
            InvalidSubprotocol,
            "repeats \"a\"",
        ),
        (&["Sec-WebSocket-Extensions: x\u{e9}"], 400, InvalidExtensions, "not ASCII"),
        (&["Content-Length: 1"], 400, InvalidHandshake, "must have no body"),
        (&["Transfer-Encoding: chunked"], 400, InvalidHandshake, "must have no body"),
    ];
    for (lines, status, code, reason) in table {
        let refusal = match check(&opening(lines)) {
            Err(refusal) => refusal,
            Ok(upgrade) => panic!("{lines:?}: {upgrade:?}"),
        };
        let wants_upgrade = *status == 426;
        assert_eq!(refusal.headers().contains_key(header::UPGRADE), wants_upgrade, "{lines:?}");
        let names_versions = *code == InvalidVersionHeader;
        let versions = refusal.headers().get(header::SEC_WEBSOCKET_VERSION);
        assert_eq!(versions.map(|v| v.as_bytes()), names_versions.then_some(&b"13, 8"[..]));
        check_refusal(refusal, *status, *code, reason);
    }
}

#[test]
fn other_methods_and_versions_of_http_are_refused() {
    use ErrorCode::*;
    for method in ["POST", "HEAD", "OPTIONS", "get"] {
        let wire = String::from_utf8(opening(&[])).unwrap().replacen("GET", method, 1);
        let refusal = check(wire.as_bytes()).unwrap_err();
        assert_eq!(refusal.headers()[header::ALLOW], "GET");
        check_refusal(refusal, 405, InvalidHandshake, &format!("not {method}"));
    }
    let wire = String::from_utf8(opening(&[])).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
    check_refusal(check(wire.as_bytes()).unwrap_err(), 400, InvalidHandshake, "not in HTTP/1.0");
    // As hyper would hand it over.
    let refusal =
        Upgrade::check(&http::Method::GET, http::Version::HTTP_2, &HeaderMap::new()).unwrap_err();
    check_refusal(refusal, 400, InvalidHandshake, "not in HTTP/2.0");
    let refusal =
        Upgrade::check(&http::Method::GET, http::Version::HTTP_11, &HeaderMap::new()).unwrap_err();
    check_refusal(refusal, 400, InvalidHandshake, "Host header is missing");
}

#[test]
fn a_refused_version_is_answered_as_in_rfc_6455_section_4_4() {
    let refusal = check(&opening(&["Sec-WebSocket-Version: 25"])).unwrap_err();
    assert_eq!(
        octets(&refusal.into_response()),
        "HTTP/1.1 426 Upgrade Required\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade, close\r\n\
         Sec-WebSocket-Version: 13, 8\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: 60\r\n\
         \r\n\
         the Sec-WebSocket-Version header is \"25\"; spoken here: 13, 8"
    );
}

#[test]
fn thousands_of_subprotocols_are_compared_in_linear_time() {
    let names: Vec<_> = (0..20_000).map(|i| format!("p{i}")).collect();
    let value = HeaderValue::try_from(names.join(",")).unwrap();
    let mut request = read(&opening(&[])).unwrap().unwrap();
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    let upgrade = Upgrade::of(&request).unwrap();
    assert_eq!(upgrade.subprotocols(), names);
}

#[test]
fn a_response_can_say_only_what_was_offered() {
    let none = HeaderMap::new();
    let plain = upgrade(&[]);
    let offer = upgrade(&["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: x"]);
    let refused = |upgrade: &Upgrade, subprotocol, extensions, extra: &HeaderMap, reason: &str| {
        let responded = upgrade.respond(subprotocol, extensions, extra).map(|_| ());
        let encoded = upgrade.encode(subprotocol, extensions, extra).map(|_| ());
        for result in [responded, encoded] {
            let error = result.expect_err(reason);
            assert!(matches!(error, Error::Usage(_)), "{error:?}");
            assert!(error.to_string().contains(reason), "{error}");
        }
    };
    refused(&plain, Some("a"), None, &none, "\"a\" was not offered");
    refused(&offer, Some("a, b"), None, &none, "was not offered by the client (offered: a, b)");
    refused(&offer, Some("A"), None, &none, "was not offered");
    refused(&plain, None, Some("x"), &none, "\"x\" was not offered");
    refused(&offer, None, Some("x\r\nY: z"), &none, "a header cannot carry");
    for name in [
        header::UPGRADE,
        header::CONNECTION,
        header::SEC_WEBSOCKET_ACCEPT,
        header::SEC_WEBSOCKET_PROTOCOL,
        header::SEC_WEBSOCKET_EXTENSIONS,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        refused(&plain, None, None, &headers(&[(name, "x")]), "belongs to the handshake");
    }
    let cookies = headers(&[(header::SET_COOKIE, "a=b"), (header::SET_COOKIE, "c=d")]);
    let (_, response) = offer.respond(Some("b"), Some("x; y"), &cookies).unwrap();
    let wire = octets(&response.map(|()| ""));
    assert!(wire.contains("\r\nSec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: x; y\r\n"));
    assert!(wire.ends_with("\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n"), "{wire}");
}

#[test]
fn a_head_is_judged_as_the_request_that_is_made_of_it() {
    let long = format!("X: {}", "y".repeat(15_000));
    let many: Vec<String> = (0..90).map(|n| format!("X-{n}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases: [&[&str]; 17] = [
        &[],
        &["Host"],
        &["Host: a/b"],
        &["Connection: keep-alive, UPGRADE"],
        &["Connection: close"],
        &["Upgrade"],
        &["upgrade: WebSocket"],
        &["Sec-WebSocket-Key"],
        &["Sec-WebSocket-Version: 8", "Sec-WebSocket-Origin: https://a"],
        &["Sec-WebSocket-Version: 99"],
        &["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c"],
        &["Sec-WebSocket-Protocol: a, a"],
        &["Sec-WebSocket-Extensions: x; y", "Sec-WebSocket-Extensions: z"],
        &["Origin: https://a", "Cookie: a=\u{e9}", "Cookie: b= c "],
        &["Content-Length: 5"],
        &[&long],
        &many,
    ];
    for lines in cases {
        let octets = opening(lines);
        let request = read(&octets);
        let mut input = &octets[..];
        let head = ServerHandshake::new(HeadLimits::new()).receive_head(&mut input);
        let (request, (head, upgrade)) = match (request, head) {
            (Ok(Some(request)), Ok(Some(head))) => (request, head),
            (request, head) => {
                assert_eq!(request.unwrap_err().body(), head.unwrap_err().body());
                continue;
            }
        };
        assert_eq!(format!("{:?}", head.to_request()), format!("{request:?}"));
        assert_eq!(head.uri(), request.uri());
        match (upgrade, Upgrade::of(&request)) {
            (Ok(upgrade), of_request) => assert_eq!(upgrade, of_request.unwrap()),
            (Err(refusal), of_request) => {
                assert_eq!(refusal.body(), of_request.unwrap_err().body(), "{lines:?}");
            }
        }
    }
}

#[test]
fn a_101_is_written_out_at_once_as_the_response_would_be() {
    let offer = upgrade(&["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: x"]);
    let cookies = headers(&[(header::SET_COOKIE, "a=b"), (header::SET_COOKIE, "c=d")]);
    for (subprotocol, extensions, extra) in
        [(None, None, HeaderMap::new()), (Some("b"), Some("x; y"), cookies)]
    {
        let (negotiated, response) = offer.respond(subprotocol, extensions, &extra).unwrap();
        let (same, wire) = offer.encode(subprotocol, extensions, &extra).unwrap();
        assert_eq!(String::from_utf8(wire).unwrap(), octets(&response.map(|()| "")));
        assert_eq!(same, negotiated);
    }
}

#[test]
fn a_rule_of_the_servers_own_refuses_with_any_status_headers_and_reason() {
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "no ticket")
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    assert_eq!(refusal.to_string(), "401 Unauthorized: no ticket");
    assert_eq!(refusal.error().code(), ErrorCode::HandshakeRefused);
    assert_eq!(
        octets(&refusal.into_response()),
        "HTTP/1.1 401 Unauthorized\r\n\
         WWW-Authenticate: Bearer\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Connection: close\r\n\
         Content-Length: 9\r\n\
         \r\n\
         no ticket"
    );
    assert_eq!(Refusal::new(StatusCode::FORBIDDEN, "").body(), "Forbidden");
    assert_eq!(Refusal::new(StatusCode::SWITCHING_PROTOCOLS, "x").status(), 500);
}

#[test]
fn a_final_response_is_framed_by_its_body_whatever_its_headers_say() {
    let mut response = Response::new("<p>");
    *response.headers_mut() = headers(&[
        (header::CONTENT_LENGTH, "99"),
        (header::TRANSFER_ENCODING, "chunked"),
        (header::CONTENT_TYPE, "text/html"),
        (header::CONNECTION, "Close"),
    ]);
    assert_eq!(
        octets(&response),
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: Close\r\nContent-Length: 3\r\n\r\n<p>"
    );
    let mut response = Response::new("<p>");
    *response.status_mut() = StatusCode::NO_CONTENT;
    assert_eq!(octets(&response), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

#[test]
fn a_client_that_goes_away_is_told_apart_from_one_that_never_spoke() {
    let mut handshake = ServerHandshake::new(HeadLimits::new());
    assert!(handshake.receive_eof().to_string().ends_with("without a request"));
    assert!(handshake.receive(&mut &b"GET /"[..]).unwrap().is_none());
    assert!(handshake.receive_eof().to_string().ends_with("after 5 bytes of its request"));
}

/// The outcome, and what is left of the input.
fn in_pieces(limits: HeadLimits, pieces: &[&[u8]]) -> (String, Vec<u8>) {
    let mut handshake = ServerHandshake::new(limits);
    for (i, piece) in pieces.iter().enumerate() {
        let mut input = *piece;
        match handshake.receive(&mut input) {
            Ok(None) => assert!(input.is_empty(), "octets were left though more is needed"),
            Ok(Some(request)) => {
                let rest = [input, &pieces[i + 1..].concat()].concat();
                return (format!("{request:?} {:?}", Upgrade::of(&request)), rest);
            }
            Err(refusal) => return (format!("{refusal:?}"), Vec::new()),
        }
    }
    (handshake.receive_eof().to_string(), Vec::new())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_request(
        which in 0..6_usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let limits = HeadLimits::new().max_size(250).max_headers(7);
        let wire = [
            [&opening(&[])[..], b"\x81\x80\0\0\0\0\r\n\r\n"].concat(),
            [b"\r\n", &opening(&["Origin: x"])[..]].concat(),
            opening(&["X: 1", "Y: 2", "Z: 3"]),
            opening(&["X: 01234567890123456789012345678901234567890123456789012345678901234567890123456789"]),
            b"GET / HTTP/1.1\r\nHost: h\r\nX: y\n\r\n".to_vec(),
            b"GET / HTTP/1.1\r\nHost: h\r\n X: y\r\n\r\n".to_vec(),
        ];
        let wire = &wire[which];
        prop_assert_eq!(in_pieces(limits, &pieces(wire, &cuts)), in_pieces(limits, &[wire]));
        let bytewise: Vec<_> = wire.chunks(1).collect();
        prop_assert_eq!(in_pieces(limits, &bytewise), in_pieces(limits, &[wire]));
    }

    #[test]
    fn arbitrary_octets_never_panic(
        beginning in "(\r\n)?(GET [!-~]{0,9} HTTP/1\\.[01]\r\n)?((Host|Upgrade|Connection|X-[a-z]{1,3}|Content-Length): [ -~]{0,9}\r\n){0,4}(\r\n)?",
        rest in prop::collection::vec(any::<u8>(), 0..100),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let limits = HeadLimits::new().max_size(120).max_headers(3);
        for wire in [&[beginning.as_bytes(), &rest].concat(), &rest] {
            prop_assert_eq!(in_pieces(limits, &pieces(wire, &cuts)), in_pieces(limits, &[wire]));
        }
    }
}
