use super::*;

fn client(options: &RequestOptions) -> ClientHandshake {
    let target = Target::parse("ws://example.com/chat").unwrap();
    ClientHandshake::new(&target, options, NONCE).unwrap()
}

fn request(url: &str, options: &RequestOptions) -> Result<String, Error> {
    let handshake = ClientHandshake::new(&Target::parse(url)?, options, NONCE)?;
    let mut out = Vec::new();
    handshake.encode(&mut out);
    Ok(String::from_utf8(out).unwrap())
}

/// What is left of the input, and the outcome.
fn answer<'a>(options: &RequestOptions, mut input: &'a [u8]) -> (&'a [u8], Result<Outcome, Error>) {
    let mut handshake = client(options);
    let outcome = match handshake.receive(&mut input) {
        Ok(Some(outcome)) => Ok(outcome),
        Ok(None) => handshake.receive_eof(),
        Err(error) => Err(error),
    };
    (input, outcome)
}

fn error(options: &RequestOptions, input: &[u8]) -> Error {
    answer(options, input).1.expect_err("must be refused")
}

fn rejection(options: &RequestOptions, input: &[u8]) -> Response<bytes::Bytes> {
    match answer(options, input).1 {
        Ok(Outcome::Rejected(response)) => response,
        other => panic!("no rejection: {other:?}"),
    }
}

#[test]
fn a_101_that_is_refused_can_be_looked_at() {
    let head = switching(&["Sec-WebSocket-Accept: wrong", "Server: odd"]);
    let mut handshake = client(&RequestOptions::new());
    assert!(handshake.refused().is_none());
    handshake.receive(&mut &head[..]).unwrap_err();
    assert_eq!(handshake.refused().unwrap().headers()["server"], "odd");

    let mut handshake = client(&RequestOptions::new());
    handshake.receive(&mut &switching(&[])[..]).unwrap();
    assert!(handshake.refused().is_none());
}

/// The 101 that answers `NONCE`, with these lines for the ones of the same name, or added.
fn switching(lines: &[&str]) -> Vec<u8> {
    let name = |line: &str| line.split(':').next().unwrap().to_ascii_lowercase();
    let usual = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ];
    let replaced = |line: &&&str| !lines.iter().any(|other| name(other) == name(line));
    let mut head = "HTTP/1.1 101 Switching Protocols\r\n".to_owned();
    for line in usual.iter().filter(replaced).chain(lines) {
        if line.contains(": ") {
            head += &format!("{line}\r\n");
        }
    }
    (head + "\r\n").into_bytes()
}

#[test]
fn the_request_is_that_of_rfc_6455_section_1_2() {
    let options = RequestOptions::new()
        .origin("http://example.com")
        .subprotocol("chat")
        .subprotocol("superchat");
    assert_eq!(
        request("ws://server.example.com/chat", &options).unwrap(),
        "GET /chat HTTP/1.1\r\n\
         Host: server.example.com\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Origin: http://example.com\r\n\
         Sec-WebSocket-Protocol: chat,superchat\r\n\
         \r\n"
    );
}

#[test]
fn version_8_names_the_origin_otherwise() {
    let options = RequestOptions::new().version(Version::V8).origin("http://example.com");
    let request = request("ws://h/", &options).unwrap();
    assert!(request.contains("\r\nSec-WebSocket-Version: 8\r\n"), "{request}");
    assert!(request.contains("\r\nSec-WebSocket-Origin: http://example.com\r\n"), "{request}");
    assert!(!request.contains("\r\nOrigin:"), "{request}");
}

#[test]
fn additional_headers_are_sent_and_some_replace_those_of_the_url() {
    let url = "wss://user:pass@example.com:99/";
    let plain = request(url, &RequestOptions::new()).unwrap();
    assert!(plain.contains("\r\nHost: example.com:99\r\n"), "{plain}");
    assert!(plain.contains("\r\nAuthorization: Basic dXNlcjpwYXNz\r\n"), "{plain}");

    let options = RequestOptions::new().headers(headers(&[
        (header::HOST, "other.example"),
        (header::AUTHORIZATION, "Bearer x"),
        (header::COOKIE, "a=b"),
        (HeaderName::from_static("x-api-key"), "1"),
        (HeaderName::from_static("x-api-key"), "2"),
    ]));
    let own = request(url, &options).unwrap();
    assert!(own.starts_with("GET / HTTP/1.1\r\nHost: other.example\r\n"), "{own}");
    assert!(own.contains(
        "\r\nAuthorization: Bearer x\r\nCookie: a=b\r\nX-Api-Key: 1\r\nX-Api-Key: 2\r\n"
    ));
    assert_eq!(own.matches("Host:").count() + own.matches("Authorization:").count(), 2);
}

#[test]
fn what_must_not_be_sent_is_refused() {
    let with = |name, value| RequestOptions::new().header(name, HeaderValue::from_static(value));
    let table = [
        (with(header::UPGRADE, "h2c"), "upgrade belongs to the handshake"),
        (with(header::CONNECTION, "close"), "connection belongs"),
        (with(header::SEC_WEBSOCKET_KEY, "x"), "sec-websocket-key belongs"),
        (with(header::SEC_WEBSOCKET_VERSION, "13"), "sec-websocket-version belongs"),
        (with(header::SEC_WEBSOCKET_EXTENSIONS, "x"), "sec-websocket-extensions belongs"),
        (with(header::SEC_WEBSOCKET_PROTOCOL, "x"), "sec-websocket-protocol belongs"),
        (with(header::CONTENT_LENGTH, "5"), "content-length belongs"),
        (with(header::TRANSFER_ENCODING, "chunked"), "transfer-encoding belongs"),
        (with(header::ORIGIN, "http://a").origin("http://b"), "origin is given, and the option"),
        (
            with(header::HOST, "a").header(header::HOST, HeaderValue::from_static("b")),
            "several Host headers",
        ),
        (RequestOptions::new().subprotocol(""), "\"\" is not a token"),
        (RequestOptions::new().subprotocol("a b"), "\"a b\" is not a token"),
        (RequestOptions::new().subprotocol("a,b"), "\"a,b\" is not a token"),
        (RequestOptions::new().subprotocol("a\r\nX: y"), r#""a\r\nX: y" is not a token"#),
        (RequestOptions::new().subprotocol("a\0"), r#""a\x00" is not a token"#),
        (RequestOptions::new().subprotocol("a").subprotocol("a"), "\"a\" is offered twice"),
        (RequestOptions::new().origin("http://a\r\nX: y"), "a header cannot carry"),
        (RequestOptions::new().origin("http://a\0"), "a header cannot carry"),
        (RequestOptions::new().extensions(Some("x\n".into())), "a header cannot carry"),
    ];
    for (options, reason) in table {
        let error = request("ws://h/", &options).expect_err(reason);
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
}

#[test]
fn frames_that_come_with_the_101_are_left_in_the_input() {
    let wire = [&switching(&["Server: x"])[..], b"\x81\x02hi"].concat();
    let (rest, outcome) = answer(&RequestOptions::new(), &wire);
    let Ok(Outcome::Open { negotiated, response }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(rest, b"\x81\x02hi");
    assert_eq!(negotiated, Negotiated::default());
    assert_eq!(response.headers()[header::SERVER], "x");
}

#[test]
fn letter_case_and_further_tokens_do_not_matter_where_the_rfc_says_so() {
    for lines in [
        &["upgrade: WebSocket", "CONNECTION: keep-alive, UPGRADE"][..],
        &["Connection: keep-alive", "connection: upgrade"],
        &["Sec-WebSocket-Accept:   s3pPLMBiTxaQ9kYGzzhZRbK+xOo=  "],
        &["Content-Length: 0"],
    ] {
        let (_, outcome) = answer(&RequestOptions::new(), &switching(lines));
        assert!(matches!(outcome, Ok(Outcome::Open { .. })), "{lines:?}: {outcome:?}");
    }
}

#[test]
fn every_wrong_101_has_its_own_code() {
    let plain = RequestOptions::new();
    let chat = RequestOptions::new().subprotocol("chat").subprotocol("superchat");
    let deflate = RequestOptions::new().extensions(Some("permessage-deflate".to_owned()));
    use ErrorCode::*;
    let table: &[(&RequestOptions, &[&str], ErrorCode, &str)] = &[
        (&plain, &["Upgrade:"], InvalidUpgradeHeader, "no Upgrade header"),
        (&plain, &["Upgrade: h2c"], InvalidUpgradeHeader, "is \"h2c\", not websocket"),
        (&plain, &["Upgrade: websocket, h2c"], InvalidUpgradeHeader, "not websocket"),
        (&plain, &["Upgrade: websocket", "Upgrade: websocket"], InvalidUpgradeHeader, "several"),
        (&plain, &["Connection:"], InvalidConnectionHeader, "no Connection header"),
        (&plain, &["Connection: close"], InvalidConnectionHeader, "\"close\" does not contain"),
        (&plain, &["Connection: upgraded"], InvalidConnectionHeader, "does not contain Upgrade"),
        (&plain, &["Sec-WebSocket-Accept:"], InvalidAcceptHeader, "no Sec-WebSocket-Accept"),
        (
            &plain,
            &["Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
            InvalidAcceptHeader,
            "does not answer",
        ),
        (
            &plain,
            &["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Accept: x"],
            InvalidAcceptHeader,
            "several",
        ),
        (
            &plain,
            &["Sec-WebSocket-Extensions: permessage-deflate"],
            InvalidExtensions,
            "none was offered",
        ),
        (
            &deflate,
            &["Sec-WebSocket-Extensions: permessage-deflate\u{e9}"],
            InvalidExtensions,
            "not ASCII",
        ),
        (&plain, &["Sec-WebSocket-Protocol: chat"], InvalidSubprotocol, "none was offered"),
        (
            &chat,
            &["Sec-WebSocket-Protocol: other"],
            InvalidSubprotocol,
            "\"other\", which was not offered (offered: chat, superchat)",
        ),
        (&chat, &["Sec-WebSocket-Protocol: chat,superchat"], InvalidSubprotocol, "not offered"),
        (&chat, &["Sec-WebSocket-Protocol: CHAT"], InvalidSubprotocol, "not offered"),
        (
            &chat,
            &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"],
            InvalidSubprotocol,
            "several",
        ),
        (&chat, &[], InvalidSubprotocol, "chose none"),
        // Several things wrong: the first check of RFC 6455 §4.1 that fails speaks.
        (&plain, &["Upgrade:", "Connection:", "Sec-WebSocket-Accept:"], InvalidUpgradeHeader, ""),
        (&plain, &["Connection:", "Sec-WebSocket-Accept:"], InvalidConnectionHeader, ""),
        (
            &plain,
            &["Sec-WebSocket-Accept:", "Sec-WebSocket-Extensions: x"],
            InvalidAcceptHeader,
            "",
        ),
        (
            &plain,
            &["Sec-WebSocket-Protocol: x", "Sec-WebSocket-Extensions: x"],
            InvalidExtensions,
            "",
        ),
    ];
    for (options, lines, code, reason) in table {
        let error = error(options, &switching(lines));
        assert_eq!(error.code(), *code, "{lines:?}: {error}");
        assert!(matches!(error, Error::Handshake(_)), "{error:?}");
        assert!(error.to_string().contains(reason), "{lines:?}: {error}");
    }
}

#[test]
fn a_server_may_choose_no_subprotocol_if_none_is_required() {
    let options = RequestOptions::new().subprotocol("chat").subprotocol_required(false);
    let (_, outcome) = answer(&options, &switching(&[]));
    let Ok(Outcome::Open { negotiated, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(negotiated.subprotocol, None);
}

#[test]
fn accepted_extensions_are_handed_on_as_they_are() {
    let options = RequestOptions::new().extensions(Some("a, b".to_owned()));
    let lines = ["Sec-WebSocket-Extensions: a; x=1", "Sec-WebSocket-Extensions: b"];
    let (_, outcome) = answer(&options, &switching(&lines));
    let Ok(Outcome::Open { negotiated, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(negotiated.extensions.as_deref(), Some("a; x=1, b"));
}

#[test]
fn what_is_not_a_response_is_refused() {
    use ErrorCode::*;
    let too_many = [&b"HTTP/1.1 101 OK\r\n"[..], &b"A: b\r\n".repeat(101), b"\r\n"].concat();
    let too_large = [&b"HTTP/1.1 101 OK\r\nA: "[..], &[b'x'; 16 * 1024]].concat();
    let table: &[(&[u8], ErrorCode, &str)] = &[
        (b"", InvalidHandshake, "closed the connection without an answer"),
        (b"HTTP/1.1 101", InvalidHandshake, "closed the connection after 12 bytes"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", InvalidHandshake, "does not speak HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", InvalidHandshake, "speaks TLS"),
        (b"\r\nHTTP/1.1 101 OK\r\n\r\n", InvalidHandshake, "does not speak HTTP"),
        (b"HELO there\r\n\r\n", InvalidHandshake, "does not speak HTTP/1.1: \"HELO there\""),
        (b"HTTP/2.0 101 OK\r\n\r\n", InvalidHandshake, "does not speak HTTP/1.1"),
        (b"HTTP/1.0 101 OK\r\n\r\n", InvalidHandshake, "HTTP/1.0"),
        (b"HTTP/1.1 1a1 OK\r\n\r\n", InvalidHandshake, "does not speak HTTP/1.1"),
        (b"HTTP/1.1 099 OK\r\n\r\n", InvalidHandshake, "out of range"),
        (b"HTTP/1.1 101 OK\nA: b\r\n\r\n", InvalidHandshake, "line feed without a carriage"),
        (b"HTTP/1.1 101 OK\rA: b\r\n\r\n", InvalidHandshake, "carriage return without a line"),
        (b"HTTP/1.1 101 OK\r\nA: b\r\n c\r\n\r\n", InvalidHandshake, "folded"),
        (b"HTTP/1.1 101 OK\r\nA : b\r\n\r\n", InvalidHandshake, "header name"),
        (b"HTTP/1.1 101 OK\r\nA: b\0\r\n\r\n", InvalidHandshake, "control character 0x00"),
        (&too_many, HandshakeTooLarge, "more than 100 headers"),
        (&too_large, HandshakeTooLarge, "larger than 16384 bytes"),
    ];
    for (input, code, reason) in table {
        let error = error(&RequestOptions::new(), input);
        assert_eq!(error.code(), *code, "{error}");
        assert!(error.to_string().contains(reason), "{}: {error}", input.escape_ascii());
    }
}

#[test]
fn interim_responses_are_skipped_but_not_for_ever() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let wire = [&interim.repeat(16)[..], &switching(&[]), b"rest"].concat();
    let (rest, outcome) = answer(&RequestOptions::new(), &wire);
    assert!(matches!(outcome, Ok(Outcome::Open { .. })), "{outcome:?}");
    assert_eq!(rest, b"rest");
    let error = error(&RequestOptions::new(), &interim.repeat(17));
    assert!(error.to_string().contains("16 interim responses"), "{error}");
}

#[test]
fn a_rejection_carries_status_headers_and_body() {
    let options = RequestOptions::new();
    let response = rejection(
        &options,
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nsorryxyz",
    );
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Basic");
    assert_eq!(response.body(), "sorry");

    let chunked =
        b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsor\r\n2\r\nry\r\n0\r\n";
    assert_eq!(rejection(&options, chunked).body(), "sorry");
    let until_eof = b"HTTP/1.0 200\r\n\r\nsorry";
    assert_eq!(rejection(&options, until_eof).body(), "sorry");
    let cut_off = b"HTTP/1.1 404 Not Found\r\nContent-Length: 500\r\n\r\nsor";
    assert_eq!(rejection(&options, cut_off).body(), "sor");
}

#[test]
fn the_body_of_a_rejection_is_bounded() {
    let options = RequestOptions::new().max_rejection_body(3);
    let mut handshake = client(&options);
    let mut input: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 99999999999\r\n\r\nsorry";
    let outcome = handshake.receive(&mut input).unwrap();
    let Some(Outcome::Rejected(response)) = outcome else { panic!("must not wait: {outcome:?}") };
    assert_eq!(response.body(), "sor");
}

#[test]
fn a_rejection_without_body_does_not_wait_for_one() {
    for head in ["204 No Content", "304 Not Modified", "404 Not Found\r\nContent-Length: 0"] {
        let mut handshake = client(&RequestOptions::new());
        let wire = format!("HTTP/1.1 {head}\r\n\r\n");
        let outcome = handshake.receive(&mut wire.as_bytes()).unwrap();
        assert!(matches!(outcome, Some(Outcome::Rejected(_))), "{head}: {outcome:?}");
    }
}

#[test]
fn a_redirect_is_reported_only_if_asked_for() {
    let follow = RequestOptions::new().follow_redirects(true);
    for status in [301, 302, 303, 307, 308] {
        let wire = format!("HTTP/1.1 {status} X\r\nLocation: /ü?x\r\nContent-Length: 9\r\n\r\n");
        let (_, outcome) = answer(&follow, wire.as_bytes());
        let Ok(Outcome::Redirect { location, response }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((location.as_str(), response.status().as_u16()), ("/ü?x", status));
        assert_eq!(rejection(&RequestOptions::new(), wire.as_bytes()).status(), status);
    }
    for head in ["300 X\r\nLocation: /", "304 X\r\nLocation: /", "302 X", "200 X\r\nLocation: /"] {
        rejection(&follow, format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
    }
    for location in [&b"/a\r\nLocation: /b"[..], b"/\xff"] {
        let wire = [&b"HTTP/1.1 302 X\r\nLocation: "[..], location, b"\r\n\r\n"].concat();
        assert_eq!(error(&follow, &wire).code(), ErrorCode::InvalidRedirect);
    }
}

#[test]
fn credentials_do_not_follow_to_another_origin() {
    let secrets = headers(&[
        (header::AUTHORIZATION, "Bearer x"),
        (header::COOKIE, "a=b"),
        (header::PROXY_AUTHORIZATION, "Basic x"),
        (header::HOST, "h"),
        (header::USER_AGENT, "me"),
    ]);
    for (from, to, kept) in [
        ("wss://h/a", "wss://h/b", 5),
        ("wss://h/a", "ws://h/a", 1),
        ("ws://h/a", "wss://h/a", 1),
        ("ws://h/a", "ws://h:81/a", 1),
        ("ws://h/a", "ws://sub.h/a", 1),
        ("ws+unix:/s:/", "ws://localhost/", 1),
    ] {
        let mut options = RequestOptions::new().headers(secrets.clone());
        options.redirected(&Target::parse(from).unwrap(), &Target::parse(to).unwrap());
        assert_eq!(options.headers_mut().len(), kept, "{from} to {to}");
        assert!(options.headers_mut().contains_key(header::USER_AGENT));
    }
}

#[test]
fn a_handshake_that_has_ended_says_so() {
    let mut handshake = client(&RequestOptions::new());
    assert!(handshake.receive(&mut &switching(&[])[..]).unwrap().is_some());
    assert!(matches!(handshake.receive(&mut &b"x"[..]), Err(Error::Usage(_))));
    assert!(matches!(handshake.receive_eof(), Err(Error::Usage(_))));

    let mut handshake = client(&RequestOptions::new());
    handshake.receive(&mut &b"nonsense"[..]).unwrap_err();
    assert!(matches!(handshake.receive(&mut &switching(&[])[..]), Err(Error::Usage(_))));
}

/// Everything that can be seen of an outcome.
fn in_pieces(options: &RequestOptions, pieces: &[&[u8]]) -> (String, Vec<u8>) {
    let mut handshake = client(options);
    for (i, piece) in pieces.iter().enumerate() {
        let mut input = *piece;
        let outcome = match handshake.receive(&mut input) {
            Ok(None) => {
                assert!(input.is_empty(), "octets were left though more is needed");
                continue;
            }
            other => other,
        };
        let rest = match &outcome {
            Ok(Some(Outcome::Open { .. })) => [input, &pieces[i + 1..].concat()].concat(),
            _ => Vec::new(),
        };
        return (format!("{outcome:?}"), rest);
    }
    (format!("{:?}", handshake.receive_eof().map(Some)), Vec::new())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_outcome(
        which in 0..7_usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let options = RequestOptions::new().follow_redirects(true).max_rejection_body(20);
        let wire = [
            [&switching(&[])[..], b"\x81\x02hi\r\n\r\n"].concat(),
            [b"HTTP/1.1 103 X\r\n\r\n", &switching(&["Connection: close"])[..]].concat(),
            b"HTTP/1.1 404 X\r\nContent-Length: 5\r\n\r\nsorry".to_vec(),
            b"HTTP/1.1 404 X\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nsorry\r\n00\r\n\r\n".to_vec(),
            b"HTTP/1.1 404 X\r\n\r\nThis body is too long to be kept.".to_vec(),
            b"HTTP/1.1 302 X\r\nLocation: /x\r\n\r\nThis body is not kept.".to_vec(),
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\nConnection: x\r\n\r\n".to_vec(),
        ];
        let wire = &wire[which];
        prop_assert_eq!(in_pieces(&options, &pieces(wire, &cuts)), in_pieces(&options, &[wire]));
        let bytewise: Vec<_> = wire.chunks(1).collect();
        prop_assert_eq!(in_pieces(&options, &bytewise), in_pieces(&options, &[wire]));
    }

    #[test]
    fn arbitrary_octets_never_panic(
        beginning in "(HTTP/1\\.[01] [0-9]{3} X\r\n)?([A-Za-z-]{1,8}: [ -~]{0,8}\r\n){0,4}(\r\n)?",
        rest in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let options = RequestOptions::new().follow_redirects(true).max_rejection_body(50);
        for wire in [&[beginning.as_bytes(), &rest].concat(), &rest] {
            prop_assert_eq!(in_pieces(&options, &pieces(wire, &cuts)), in_pieces(&options, &[wire]));
        }
    }
}
