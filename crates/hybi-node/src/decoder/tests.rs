//! The octets of frames, and what is recorded of them.

use super::*;
use hex_literal::hex;
use proptest::prelude::*;

const SERVER: Options = Options {
    role: Role::Server,
    compression: false,
    max_payload: 1000,
    max_fragments: 3,
    max_buffered_chunks: 0,
    validate: true,
};
const CLIENT: Options = Options { role: Role::Client, ..SERVER };

/// Kind and flags, payload, extra; for an error the parameter as payload.
type Record = (u32, Vec<u8>, u32);

fn decode(decoder: &mut Decoder, octets: &[u8]) -> Vec<Record> {
    let mut chunk = octets.to_vec();
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        let mut words = [0; records::SHARED];
        let mut records = Records::new(&mut words);
        let consumed = decoder.decode(&mut chunk, from, &mut records);
        let count = records.end(consumed) as usize;
        let side: Vec<u8> = words[records::CAPACITY * records::WORDS + 2..]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        for record in words.chunks_exact(records::WORDS).take(count) {
            let [kind, offset, len, extra] = *record else { unreachable!() };
            let (offset, len) = (offset as usize, len as usize);
            let payload = match kind {
                records::ERROR => len.to_string().into_bytes(),
                side_flag if side_flag & records::IN_SIDE != 0 => {
                    side[offset..offset + len].to_vec()
                }
                _ => chunk[offset..offset + len].to_vec(),
            };
            all.push((kind, payload, extra));
        }
        if consumed == chunk.len() {
            return all;
        }
        assert_eq!(count, records::CAPACITY);
        from = consumed;
    }
}

fn decoded_by(options: Options, octets: &[u8]) -> Vec<Record> {
    decode(&mut Decoder::new(options), octets)
}

fn record(kind: u32, payload: &str, extra: u32) -> Record {
    (kind, payload.as_bytes().to_vec(), extra)
}

#[test]
fn a_whole_masked_message_is_one_record_in_its_place() {
    // RFC 6455 §5.7
    let octets = hex!("81 85 37fa213d 7f9f4d5158  82 81 00000000 ff");
    assert_eq!(
        decoded_by(SERVER, &octets),
        [record(records::TEXT, "Hello", 0), (records::BINARY, vec![0xff], 0)]
    );
}

#[test]
fn fragments_are_pieces_and_a_ping_may_come_between() {
    let octets = hex!("01 03 48656c  89 01 21  80 02 6c6f  81 01 61");
    let first = records::FIRST | records::OF_TEXT | records::END_OF_FRAME;
    let last = records::OF_TEXT | records::END_OF_FRAME | records::FIN;
    assert_eq!(
        decoded_by(CLIENT, &octets),
        [
            record(first, "Hel", 0),
            record(9, "!", 0),
            record(last, "lo", 0),
            record(records::TEXT, "a", 0),
        ]
    );
}

#[test]
fn a_control_frame_that_is_cut_lies_beside_the_chunk() {
    let mut decoder = Decoder::new(SERVER);
    assert_eq!(decode(&mut decoder, &hex!("89 85 37fa213d 7f9f")), []);
    let side = records::IN_SIDE;
    assert_eq!(decode(&mut decoder, &hex!("4d5158")), [record(9 | side, "Hello", 0)]);
    assert_eq!(decode(&mut decoder, &hex!("88 83 00000000 03e8")), []);
    assert_eq!(decode(&mut decoder, &hex!("21")), [record(8 | side, "!", 1000)]);
    assert_eq!(decode(&mut decoder, &hex!("81 81 00000000 61")), []);
}

#[test]
fn a_broken_rule_is_the_last_record() {
    for (octets, index, parameter) in [
        (&hex!("91 00")[..], 0, 0),
        (&hex!("c1 00"), 1, 0),
        (&hex!("83 00"), 2, 3),
        (&hex!("80 00"), 2, 0),
        (&hex!("01 00 81 00"), 2, 1),
        (&hex!("09 00"), 3, 0),
        (&hex!("89 7e"), 4, 126),
        (&hex!("88 01"), 4, 1),
        (&hex!("81 80"), 6, 0),
        (&hex!("82 7f 0020000000000000"), 7, 0),
        (&hex!("82 7e 007d"), 8, 0),
        (&hex!("82 7e 03e9"), 9, 0),
        (&hex!("02 00 00 00 00 00 00 00"), 10, 0),
        (&hex!("88 02 03ee"), 12, 1006),
        (&hex!("88 03 03e8 ff"), 13, 0),
        (&hex!("81 01 ff"), 13, 0),
        (&hex!("01 02 e282"), 13, 0),
    ] {
        let octets = [octets, &hex!("80 01 21")].concat();
        let mut records = decoded_by(CLIENT, &octets);
        assert_eq!(
            records.pop(),
            Some(record(records::ERROR, &parameter.to_string(), index)),
            "{octets:x?}"
        );
    }
    assert_eq!(decoded_by(SERVER, &hex!("81 00")), [record(records::ERROR, "0", 5)]);
}

#[test]
fn text_that_need_not_be_utf_8_is_not_checked() {
    let lax = Options { validate: false, ..CLIENT };
    assert_eq!(decoded_by(lax, &hex!("81 01 ff")), [(records::TEXT, vec![0xff], 0)]);
    assert_eq!(decoded_by(lax, &hex!("88 03 03e8 ff")), [(8, vec![0xff], 1000)]);
}

#[test]
fn a_frame_in_too_many_chunks_is_refused_when_one_more_comes() {
    let mut decoder = Decoder::new(Options { max_buffered_chunks: 2, ..CLIENT });
    assert_eq!(decode(&mut decoder, &hex!("82 04 61")).len(), 1);
    assert_eq!(decode(&mut decoder, &hex!("61")).len(), 1);
    assert_eq!(decode(&mut decoder, &hex!("61")), [record(records::ERROR, "0", 11)]);
}

#[test]
fn more_frames_than_the_table_holds_are_decoded_in_several_calls() {
    let octets = hex!("82 00").repeat(3 * records::CAPACITY + 1);
    assert_eq!(decoded_by(CLIENT, &octets).len(), 3 * records::CAPACITY + 1);
}

/// The messages and control frames that records come to, however they were cut.
fn joined(records: Vec<Record>) -> Vec<Record> {
    let mut all = Vec::new();
    let mut message = Vec::new();
    for (kind, payload, extra) in records {
        match kind & 0x0f {
            records::PIECE => {
                message.extend(payload);
                if kind & (records::FIN | records::END_OF_FRAME)
                    == records::FIN | records::END_OF_FRAME
                {
                    let text = kind & records::OF_TEXT != 0;
                    let whole = if text { records::TEXT } else { records::BINARY };
                    all.push((whole, std::mem::take(&mut message), 0));
                }
            }
            whole => all.push((whole, payload, extra)),
        }
    }
    all
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![4 => 0..3_u8, 1 => 8..11_u8, 1 => any::<u8>()];
    let fin = prop_oneof![3 => Just(0x80_u8), 1 => Just(0)];
    let frame =
        (opcode, fin, "\\PC{0,20}", any::<[u8; 4]>(), prop_oneof![9 => 0..1_u8, 1 => any::<u8>()])
            .prop_map(|(opcode, fin, text, key, odd)| {
                let mut payload = text.into_bytes();
                if opcode == 8 && !payload.is_empty() {
                    payload.splice(0..0, [0x03, 0xe8]);
                }
                payload.truncate(125);
                let mut frame = vec![fin | opcode, (0x80 ^ (odd & 0x80)) | payload.len() as u8];
                frame.extend(key);
                hybi_bytes::mask(&mut payload, key, 0);
                frame.extend(payload);
                frame
            });
    proptest::collection::vec(frame, 0..12).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn chunks_of_any_length_come_to_the_same(octets in frames(), lengths in proptest::collection::vec(1_usize..40, 1..30)) {
        let whole = joined(decoded_by(SERVER, &octets));
        let mut decoder = Decoder::new(SERVER);
        let mut cut = Vec::new();
        let mut rest = &octets[..];
        for length in lengths.iter().cycle() {
            if rest.is_empty() { break; }
            let (chunk, later) = rest.split_at(rest.len().min(*length));
            cut.extend(decode(&mut decoder, chunk));
            rest = later;
        }
        prop_assert_eq!(joined(cut), whole);
    }
}
