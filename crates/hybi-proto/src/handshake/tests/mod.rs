//! Both halves of the opening handshake, octet by octet.

mod client;
mod server;

use super::*;
use crate::{Error, ErrorCode, Target};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use proptest::prelude::*;

/// The key of RFC 6455 §1.3 is `dGhlIHNhbXBsZSBub25jZQ==`, the answer to it `s3pPLMBiTxaQ9kYGzzhZRbK+xOo=`.
const NONCE: [u8; 16] = *b"the sample nonce";

/// The input cut into pieces; a cut is wherever the generator says.
fn pieces<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| &input[ends[0]..ends[1]]).collect()
}

fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

#[test]
fn both_halves_understand_each_other() {
    for version in [Version::V8, Version::V13] {
        let target = Target::parse("ws://example.com/chat?x").unwrap();
        let options = RequestOptions::new()
            .version(version)
            .subprotocol("one")
            .subprotocol("two")
            .extensions(Some("permessage-deflate".to_owned()))
            .origin("http://example.com");
        let mut client = ClientHandshake::new(&target, &options, NONCE).unwrap();
        let mut wire = Vec::new();
        client.encode(&mut wire);

        let mut server = ServerHandshake::new(HeadLimits::new());
        let request = server.receive(&mut &wire[..]).unwrap().unwrap();
        assert_eq!(request.uri(), "/chat?x");
        let upgrade = Upgrade::of(&request).unwrap();
        assert_eq!(upgrade.version(), version);
        assert_eq!(upgrade.subprotocols(), ["one", "two"]);
        assert_eq!(upgrade.extensions(), Some("permessage-deflate"));
        assert_eq!(upgrade.origin(), Some("http://example.com"));
        let (agreed, response) =
            upgrade.respond(Some("two"), Some("permessage-deflate"), &HeaderMap::new()).unwrap();
        wire.clear();
        encode_response(&response.map(|()| ""), &mut wire);

        let Some(Outcome::Open { negotiated, .. }) = client.receive(&mut &wire[..]).unwrap() else {
            panic!("not open")
        };
        assert_eq!(negotiated, agreed);
        assert_eq!(
            negotiated,
            Negotiated {
                version,
                subprotocol: Some("two".to_owned()),
                extensions: Some("permessage-deflate".to_owned()),
            }
        );
    }
}
