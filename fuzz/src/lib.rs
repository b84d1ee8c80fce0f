//! What the fuzz targets check. The seeds are run through the same functions by `cargo test`, so
//! that they are checked without a fuzzer too.

#![forbid(unsafe_code)]

pub mod deflate;
pub mod heads;
mod naive;
pub mod others;

use bytes::Buf;
use hybi_bytes::PayloadBuffer;
use hybi_proto::{CloseCode, Connection, Event, FrameHeader, Limits, Options, Role};
use hybi_proto::{MAX_HEADER_LEN, Message};
use testkit::{KEY, Path, Transcript, frames};

/// Every target by its name.
pub const TARGETS: [(&str, fn(&[u8])); 14] = [
    ("chunking", chunking),
    ("deflate_roundtrip", deflate::roundtrip),
    ("extension", heads::extension),
    ("handshake_client", heads::client),
    ("handshake_server", heads::server),
    ("header", header),
    ("inflate", deflate::arbitrary),
    ("mask", mask),
    ("receive_client", |octets| receive(Role::Client, octets)),
    ("receive_server", |octets| receive(Role::Server, octets)),
    ("tungstenite", others::tungstenite),
    ("tunnel", heads::tunnel),
    ("url", heads::url),
    ("utf8", utf8),
];

fn connection(role: Role, options: &Options) -> Connection {
    match role {
        Role::Server => Connection::server(&Default::default(), options),
        Role::Client => Connection::client(|| KEY, &Default::default(), options),
    }
}

/// Takes everything that is queued; the octets must be whole frames.
fn written(connection: &mut Connection) -> Vec<u8> {
    let mut octets = Vec::new();
    while let Some(mut outgoing) = connection.take() {
        let len = outgoing.remaining();
        octets.extend_from_slice(&outgoing.copy_to_bytes(len));
        connection.sender().written(len);
    }
    assert_eq!(connection.sender().buffered(), 0);
    octets
}

/// Lets `octets` arrive at `role`. The first octet chooses the limits and what else happens.
pub fn receive(role: Role, octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else { return };
    let mut limits = Limits::new();
    if choice & 1 != 0 {
        limits = limits.max_message_size(300).max_fragments(4).max_buffered_chunks(8);
    }
    if choice & 2 != 0 {
        limits = limits.max_message_size(usize::MAX);
    }
    let options = Options::new().limits(limits).max_frame_size(20 + usize::from(choice >> 4) * 50);
    let mut connection = connection(role, &options);
    let mut sent = Vec::new();
    let mut ended = false;
    if choice & 4 != 0 {
        connection.close(CloseCode::NORMAL, "fuzz").expect("a short reason");
    }
    let step = if choice & 8 != 0 { 3 } else { octets.len().max(1) };
    for mut input in octets.chunks(step) {
        loop {
            let result = connection.receive(&mut input);
            if let Ok(None) = result {
                break;
            }
            assert!(!ended, "{result:?} came after the end");
            match result {
                // What comes in goes out again, as an echo server does it.
                Ok(Some(Event::Message(message))) => {
                    let _ = connection.send(message);
                }
                Ok(Some(Event::Close(_))) => ended = true,
                Ok(_) => {}
                Err(error) => {
                    ended = true;
                    assert!(error.close_code().is_some(), "{error:?}");
                    assert!(connection.wants_shutdown());
                }
            }
        }
        assert!(input.is_empty());
        sent.extend(written(&mut connection));
    }
    sent.extend(written(&mut connection));
    let _ = connection.receive_eof();
    assert!(connection.receive_eof().is_ok());
    check_sent(role, &sent, ended || choice & 4 != 0);
}

/// What was sent are frames that the other side takes, and nothing follows a Close frame.
fn check_sent(role: Role, sent: &[u8], closes: bool) {
    let read = frames(sent);
    let close = read.iter().position(|frame| frame.opcode == 8);
    assert_eq!(close.is_some(), closes);
    assert!(close.is_none_or(|at| at + 1 == read.len()), "{read:?}");
    assert!(read.iter().all(|frame| frame.mask.is_some() == (role == Role::Client)));

    let other = if role == Role::Server { Role::Client } else { Role::Server };
    let limits = Limits::new().max_message_size(usize::MAX).max_fragments(u32::MAX);
    let mut peer = connection(other, &Options::new().limits(limits));
    let mut input = sent;
    while let Some(event) = peer.receive(&mut input).expect("the peer takes what was sent") {
        drop(event);
    }
}

/// The first octets choose the role, the limits and the chunks, the rest arrives.
pub fn chunking(octets: &[u8]) {
    let Some((&[choice, cuts, ref seed @ ..], octets)) = octets.split_first_chunk::<10>() else {
        return;
    };
    let role = if choice & 1 == 0 { Role::Server } else { Role::Client };
    let mut limits = Limits::new();
    if choice & 2 != 0 {
        limits = limits.max_message_size(300).max_fragments(4);
    }
    let options = Options::new().limits(limits);
    let mut random = testkit::Random::new(u64::from_le_bytes(*seed));
    let longest = if choice & 4 == 0 { 5 } else { 200 };
    let chunks: Vec<_> = (0..cuts).map(|_| random.below(longest)).collect();
    let at_once = Transcript::of(role, &options, octets, [], Path::Whole);
    for path in [Path::Whole, Path::Split, Path::Direct(1), Path::Direct(64), Path::Kept] {
        let cut = Transcript::of(role, &options, octets, chunks.iter().copied(), path);
        assert_eq!(cut, at_once, "{path:?} {chunks:?}");
    }
}

/// Decodes a header as the naive twin does, and encodes it again.
pub fn header(octets: &[u8]) {
    let decoded = FrameHeader::decode(octets);
    match naive::header(octets) {
        Err(naive::Refused::Unfinished) => assert_eq!(decoded, Ok(None)),
        Err(naive::Refused::Because(code)) => {
            assert_eq!(decoded.map_err(|error| error.code()), Err(code));
        }
        Ok(expected) => {
            let (header, len) = decoded.expect("a header").expect("a whole one");
            assert_eq!(naive::Header::from((header, len)), expected);
            let mut out = [0; MAX_HEADER_LEN];
            let encoded = header.encode(&mut out);
            // RSV2 and RSV3 are refused before a header is decoded.
            assert_eq!(out[0], octets[0] & !0x30);
            assert_eq!(out[1..encoded], octets[1..len]);
        }
    }
}

/// Masks in every way there is, and as the naive twin does.
pub fn mask(octets: &[u8]) {
    let Some((&[a, b, c, d, offset, start], octets)) = octets.split_first_chunk::<6>() else {
        return;
    };
    let (key, offset) = ([a, b, c, d], usize::from(offset));
    // Any alignment.
    let octets = &octets[usize::from(start).min(octets.len())..];
    let expected = naive::mask(octets, key, offset);

    let mut in_place = octets.to_vec();
    hybi_bytes::mask(&mut in_place, key, offset);
    assert_eq!(in_place, expected);

    let mut appended = vec![start; usize::from(start % 8)];
    hybi_bytes::mask_append(&mut appended, octets, key, offset);
    assert_eq!(appended[usize::from(start % 8)..], expected);

    assert_eq!(hybi_bytes::copy_masked(octets, key), naive::mask(octets, key, 0));

    let mut in_pieces = octets.to_vec();
    let mut at = 0;
    for piece in in_pieces.chunks_mut(usize::from(start) + 1) {
        hybi_bytes::mask(piece, key, offset + at);
        at += piece.len();
    }
    assert_eq!(in_pieces, expected);

    hybi_bytes::mask(&mut in_place, key, offset);
    assert_eq!(in_place, octets);
}

/// Validates at once and as octets arrive, and as the naive twin does. The first octet is the
/// length of the pieces.
pub fn utf8(octets: &[u8]) {
    let Some((&step, octets)) = octets.split_first() else { return };
    let step = usize::from(step) + 1;
    let wrong = naive::first_wrong(octets);
    let complete = wrong.is_none() && naive::complete(octets);

    let validated = hybi_bytes::utf8::validate(octets);
    assert_eq!(validated.is_ok(), complete);
    let prefix = hybi_bytes::utf8::validate_prefix(octets);
    assert_eq!(prefix.is_ok(), wrong.is_none());
    match prefix {
        Ok(valid) => assert!(valid <= octets.len() && octets.len() - valid <= 3),
        Err(error) => assert!(error.valid_up_to() <= wrong.expect("an octet is wrong")),
    }
    if let (Ok(valid), Err(error)) = (prefix, validated) {
        assert_eq!(error.valid_up_to(), valid);
    }

    let masked = naive::mask(octets, KEY, 0);
    for with_mask in [false, true] {
        let mut text = PayloadBuffer::text();
        let mut failed = None;
        for (i, piece) in octets.chunks(step).enumerate() {
            let (at, len) = (i * step, piece.len());
            let result = match with_mask {
                false => text.push(piece),
                true => text.push_masked(&masked[at..at + len], KEY, at),
            };
            if let Err(error) = result {
                assert_eq!(Some(error), prefix.err());
                failed = Some(at + len);
                break;
            }
        }
        // It fails with the very piece that brings the wrong octet.
        assert_eq!(failed, wrong.map(|wrong| (wrong / step * step + step).min(octets.len())));
        if failed.is_none() {
            assert_eq!(text.len(), octets.len());
            match text.finish_text() {
                Ok(text) => assert!(complete && text.as_bytes() == octets),
                Err(error) => assert_eq!(Err(error), validated.map(drop)),
            }
        }
    }
    let message = Message::binary(octets.to_vec()).into_text();
    assert_eq!(message.is_ok(), complete);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_passes_its_target() {
        for (target, check) in TARGETS {
            let folder = format!("{}/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
            let mut count = 0;
            for entry in std::fs::read_dir(folder).expect("there are seeds") {
                let path = entry.expect("an entry").path();
                check(&std::fs::read(path).expect("a seed can be read"));
                count += 1;
            }
            assert!(count > 0, "{target}");
        }
    }

    #[test]
    fn noise_passes_every_target() {
        let mut random = testkit::Random::new(1);
        for round in 0..20_000 {
            let len = random.below(64);
            let octets: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
            for (target, check) in TARGETS {
                if round % 20 == 0 || !["deflate_roundtrip", "inflate"].contains(&target) {
                    check(&octets);
                }
            }
        }
    }
}
