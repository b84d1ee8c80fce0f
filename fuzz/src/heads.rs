//! Opening handshakes, URLs, extension headers, and the dialogues with proxies.

use hybi_proto::handshake::{
    ClientHandshake, HeadLimits, Outcome, RequestOptions, ServerHandshake, Upgrade, encode_response,
};
use hybi_proto::tunnel::{Progress, ProxyUrl, Tunnel};
use hybi_proto::{DeflateOptions, Target};

/// What a server makes of a request that comes in pieces: the answer to be written, and how many
/// octets belong to the head.
fn served(octets: &[u8], step: usize) -> Option<(Vec<u8>, usize)> {
    let mut handshake = ServerHandshake::new(HeadLimits::new().max_size(2000).max_headers(20));
    let mut used = 0;
    for chunk in octets.chunks(step) {
        let mut input = chunk;
        let result = handshake.receive_head(&mut input).map(|head| {
            head.map(|(head, upgrade)| {
                let request = head.to_request();
                assert_eq!(upgrade.ok(), Upgrade::of(&request).ok());
                request
            })
        });
        used += chunk.len() - input.len();
        let mut answer = Vec::new();
        match result {
            Ok(None) => {
                assert!(input.is_empty());
                continue;
            }
            Err(refusal) => encode_response(&refusal.into_response(), &mut answer),
            Ok(Some(request)) => match Upgrade::of(&request) {
                Err(refusal) => encode_response(&refusal.into_response(), &mut answer),
                Ok(upgrade) => {
                    let chosen = upgrade.subprotocols().first().map(String::as_str);
                    let (_, response) =
                        upgrade.respond(chosen, None, &Default::default()).expect("as offered");
                    encode_response(&response.map(|()| [0; 0]), &mut answer);
                }
            },
        }
        return Some((answer, used));
    }
    None
}

/// Any octets to a server, with and without a good beginning.
pub fn server(octets: &[u8]) {
    let Some((&[choice, step], octets)) = octets.split_first_chunk::<2>() else { return };
    let mut request = Vec::new();
    if choice & 1 != 0 {
        request.extend_from_slice(
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        );
    }
    request.extend_from_slice(octets);
    let whole = served(&request, request.len().max(1));
    let pieces = served(&request, usize::from(step) + 1);
    // The head ends where it ends; a refusal may come earlier in pieces than at once.
    match (&whole, &pieces) {
        (Some((at_once, used)), Some((in_pieces, used_in_pieces))) => {
            assert_eq!(at_once, in_pieces);
            if at_once.starts_with(b"HTTP/1.1 101 ") {
                assert_eq!(used, used_in_pieces);
            }
        }
        (None, None) => {}
        _ => panic!("{whole:?} at once, {pieces:?} in pieces"),
    }
    if let Some((answer, _)) = whole {
        well_formed(&answer);
    }
}

/// The head of what we send has no lines but its own.
fn well_formed(octets: &[u8]) {
    let end = octets.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends");
    let head = &octets[..end];
    assert!(head.iter().all(|&octet| octet == b'\r' || octet == b'\n' || octet >= b' '));
    let head = String::from_utf8_lossy(head);
    for line in head.split("\r\n").skip(1) {
        assert!(!line.contains(['\r', '\n']));
        assert!(line.contains(": ") && !line.starts_with(' '), "{line:?}");
    }
}

const NONCE: [u8; 16] = *b"the sample nonce";

fn asked(options: &RequestOptions, octets: &[u8], step: usize) -> (Option<String>, usize) {
    let target = Target::parse("ws://example.com/").expect("a URL");
    let mut handshake = ClientHandshake::new(&target, options, NONCE).expect("good options");
    let mut used = 0;
    let shown = |outcome: Result<Outcome, hybi_proto::Error>| match outcome {
        Ok(Outcome::Open { negotiated, .. }) => format!("open {negotiated:?}"),
        Ok(Outcome::Redirect { location, .. }) => format!("redirect {location}"),
        Ok(Outcome::Rejected(response)) => format!("rejected {response:?}"),
        Err(error) => format!("error {:?}", error.code()),
    };
    for chunk in octets.chunks(step) {
        let mut input = chunk;
        let result = handshake.receive(&mut input);
        used += chunk.len() - input.len();
        if let Some(outcome) = result.transpose() {
            return (Some(shown(outcome)), used);
        }
        assert!(input.is_empty());
    }
    (Some(shown(handshake.receive_eof())), used)
}

/// Any octets to a client, with and without a good beginning.
pub fn client(octets: &[u8]) {
    let Some((&[choice, step], octets)) = octets.split_first_chunk::<2>() else { return };
    let mut options = RequestOptions::new()
        .head_limits(HeadLimits::new().max_size(2000).max_headers(20))
        .max_rejection_body(500)
        .follow_redirects(choice & 2 != 0);
    if choice & 4 != 0 {
        options = options.subprotocol("chat").subprotocol("b");
    }
    if choice & 8 != 0 {
        options = options.extensions(Some(DeflateOptions::new().offer()));
    }
    let mut response = Vec::new();
    if choice & 1 != 0 {
        let key = data_key();
        response.extend_from_slice(
            format!(
                "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {key}\r\n"
            )
            .as_bytes(),
        );
    }
    response.extend_from_slice(octets);
    let whole = asked(&options, &response, response.len().max(1));
    let pieces = asked(&options, &response, usize::from(step) + 1);
    assert_eq!(whole.0, pieces.0);
    if whole.0.is_some_and(|outcome| outcome.starts_with("open")) {
        assert_eq!(whole.1, pieces.1);
    }
}

/// What answers [`NONCE`].
fn data_key() -> String {
    hybi_proto::handshake::SecWebSocketKey::from_nonce(NONCE).accept()
}

/// Any extension header, as an offer and as a response.
pub fn extension(octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else { return };
    let Ok(header) = std::str::from_utf8(octets) else { return };
    let options = DeflateOptions::new()
        .server_no_context_takeover(choice & 1 != 0)
        .client_no_context_takeover(choice & 2 != 0);
    if let Ok(Some((params, answer))) = options.accept(header) {
        assert!(answer.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
        // What a server answers is what it would agree on if it were offered.
        let (again, _) = options.accept(&answer).expect("grammar").expect("ours");
        assert_eq!(again, params);
    }
    if let Ok(params) = options.confirm(header) {
        // Nothing was agreed on that was not asked for.
        use hybi_proto::Role::{Client, Server};
        assert!(choice & 1 == 0 || params.no_context_takeover(Server));
        assert!(choice & 2 == 0 || params.no_context_takeover(Client));
    }
}

/// What becomes of a dialogue with a proxy.
fn dialogue(proxy: &str, octets: &[u8], step: usize) -> (String, Vec<u8>, usize) {
    let target = Target::parse("ws://example.com/").expect("a URL");
    let proxy = ProxyUrl::parse(proxy).expect("a proxy");
    let mut tunnel = Tunnel::new(&proxy, &target, None).expect("a tunnel");
    let (mut sent, mut used) = (Vec::new(), 0);
    tunnel.encode(&mut sent);
    for chunk in octets.chunks(step) {
        let mut input = chunk;
        loop {
            let before = input.len();
            let result = tunnel.receive(&mut input);
            used += before - input.len();
            let wrote = sent.len();
            tunnel.encode(&mut sent);
            match result {
                Ok(Progress::Open) => return ("open".to_owned(), sent, used),
                Err(error) => return (format!("{:?}", error.code()), sent, used),
                Ok(Progress::Pending) if input.is_empty() => break,
                Ok(Progress::Pending) => {
                    assert!(input.len() < before || sent.len() > wrote, "nothing happens");
                }
            }
        }
    }
    (format!("{:?}", tunnel.receive_eof().code()), sent, used)
}

/// Any octets from a proxy, in any pieces.
pub fn tunnel(octets: &[u8]) {
    let Some((&[choice, step], octets)) = octets.split_first_chunk::<2>() else { return };
    let proxy =
        ["http://p", "http://u:s@p", "socks5://p", "socks5h://u:s@p"][usize::from(choice & 3)];
    let whole = dialogue(proxy, octets, octets.len().max(1));
    let pieces = dialogue(proxy, octets, usize::from(step) + 1);
    assert_eq!((&whole.0, &whole.1), (&pieces.0, &pieces.1));
    if whole.0 == "open" {
        assert_eq!(whole.2, pieces.2);
    }
}

/// Any URL: what can be connected to makes a request that a server reads as it was meant.
pub fn url(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (url, location) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(target) = Target::parse(url) else { return };
    for target in [target.join(location).ok(), Some(target)].into_iter().flatten() {
        let handshake =
            ClientHandshake::new(&target, &RequestOptions::new(), NONCE).expect("no options");
        let mut request = Vec::new();
        handshake.encode(&mut request);
        well_formed(&request);
        let limits = HeadLimits::new().max_size(usize::MAX);
        let mut input = &request[..];
        let read = ServerHandshake::new(limits).receive(&mut input);
        let read = read.expect("a request").expect("a whole one");
        assert!(input.is_empty());
        assert_eq!(read.uri().to_string(), target.path_and_query());
        assert!(Upgrade::of(&read).is_ok());
    }
}
