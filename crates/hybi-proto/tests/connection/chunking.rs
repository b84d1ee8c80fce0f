//! The same octets give the same events, replies and errors, however they are cut and whichever way
//! they take into the connection.

use hybi_proto::{Limits, Options, Role};
use proptest::prelude::*;
use testkit::{Frame, KEY, LengthForm, Path, Transcript, frame};

const PATHS: [Path; 6] = [
    Path::Whole,
    Path::Split,
    Path::Direct(1),
    Path::Direct(100),
    Path::Direct(20_000),
    Path::Kept,
];

fn opcode() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0u8), 6 => Just(1), 6 => Just(2), 3 => Just(9), 3 => Just(10), 1 => Just(8), 1 => 0..16u8]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let text = "[a-zé€😀]{0,40}".prop_map(String::into_bytes);
    let octets = prop::collection::vec(any::<u8>(), 0..150);
    let large = (0..40_000usize).prop_map(|len| "😀".bytes().cycle().take(len / 4 * 4).collect());
    let close = (prop::sample::select(vec![1000u16, 1001, 1005, 3000]), "[a-z]{0,5}")
        .prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat());
    prop_oneof![30 => text, 12 => octets, 1 => large, 7 => close]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let form = prop::sample::select(vec![LengthForm::Medium, LengthForm::Long]);
    let rare = |one_in: u32| prop::bool::weighted(1.0 / f64::from(one_in));
    let odd = (rare(40), 0..8u8, rare(60), form, rare(60), any::<u64>(), rare(60));
    (opcode(), any::<bool>(), payload(), any::<[u8; 4]>(), odd).prop_map(
        |(opcode, fin, payload, key, odd)| {
            let (odd_rsv, rsv, odd_form, form, odd_len, len, unmasked) = odd;
            // Mostly frames that are allowed by themselves: others end the stream too soon.
            let payload = match opcode {
                8.. => payload[..payload.len().min(120)].to_vec(),
                _ => payload,
            };
            let mut made = frame(opcode, payload);
            if !fin && opcode < 8 {
                made = made.not_final();
            }
            if odd_rsv {
                made = made.rsv(rsv);
            }
            if odd_form {
                made = made.length_form(form);
            }
            if odd_len {
                made = made.claiming(len);
            }
            if unmasked { made } else { made.masked(key) }
        },
    )
}

/// Streams that make sense: whole and fragmented messages with control frames anywhere between.
fn sensible() -> impl Strategy<Value = Vec<Frame>> {
    let parts = prop::collection::vec(payload(), 1..5);
    let control = prop::option::of((9..=10u8, prop::collection::vec(any::<u8>(), 0..126)));
    let message = (any::<bool>(), parts, control).prop_map(|(text, parts, control)| {
        let last = parts.len() - 1;
        let mut frames = Vec::new();
        for (i, part) in parts.into_iter().enumerate() {
            let part: Vec<u8> =
                if text { String::from_utf8_lossy(&part).into_owned().into() } else { part };
            let made = match (i, text) {
                (0, true) => Frame::text(part),
                (0, false) => Frame::binary(part),
                _ => Frame::continuation(part),
            };
            frames.push(if i == last { made } else { made.not_final() });
            if let Some((opcode, payload)) = &control {
                frames.push(frame(*opcode, payload));
            }
        }
        frames
    });
    prop::collection::vec(message, 0..5).prop_map(|messages| messages.concat())
}

fn wire(role: Role, frames: Vec<Frame>, key: [u8; 4]) -> Vec<u8> {
    let masked = |frame: Frame| if role == Role::Server { frame.masked(key) } else { frame };
    frames.into_iter().flat_map(|frame| masked(frame).octets()).collect()
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::Server, Role::Client])
}

fn options() -> impl Strategy<Value = Options> {
    prop_oneof![
        3 => Just(Options::new()),
        1 => Just(Options::new().limits(Limits::new().max_message_size(200).max_fragments(3))),
    ]
}

fn chunks() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        prop::collection::vec(0..20usize, 0..300),
        prop::collection::vec(1..70_000usize, 0..8),
        Just(vec![1; 3000]),
    ]
}

fn assert_same(role: Role, options: &Options, octets: &[u8], chunks: &[usize]) {
    let at_once = Transcript::of(role, options, octets, [], Path::Whole);
    for path in PATHS {
        let cut = Transcript::of(role, options, octets, chunks.iter().copied(), path);
        assert!(cut == at_once, "{path:?}: {cut:?}\nat once: {at_once:?}");
    }
}

proptest! {
    #[test]
    fn any_chunking_of_frames_gives_the_same(
        role in role(), options in options(), chunks in chunks(),
        frames in prop::collection::vec(any_frame(), 0..12),
    ) {
        let octets: Vec<u8> = frames.iter().flat_map(Frame::octets).collect();
        assert_same(role, &options, &octets, &chunks);
    }

    #[test]
    fn frames_that_come_one_by_one_give_the_same(
        role in role(), options in options(), frames in prop::collection::vec(any_frame(), 0..12),
    ) {
        let octets: Vec<u8> = frames.iter().flat_map(Frame::octets).collect();
        let chunks: Vec<usize> = frames.iter().map(|frame| frame.octets().len()).collect();
        assert_same(role, &options, &octets, &chunks);
    }

    #[test]
    fn messages_that_come_one_by_one_give_the_same(
        role in role(), key: [u8; 4], frames in sensible(),
    ) {
        let lengths = |frame: &Frame| wire(role, vec![frame.clone()], key).len();
        let chunks: Vec<usize> = frames.iter().map(lengths).collect();
        assert_same(role, &Options::new(), &wire(role, frames, key), &chunks);
    }

    #[test]
    fn any_chunking_of_messages_gives_the_same(
        role in role(), options in options(), chunks in chunks(), key: [u8; 4],
        frames in sensible(), wrong in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut octets = wire(role, frames, key);
        if let (Some((at, octet)), false) = (wrong, octets.is_empty()) {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        assert_same(role, &options, &octets, &chunks);
    }

    #[test]
    fn any_chunking_of_noise_gives_the_same(
        role in role(), chunks in chunks(), octets in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        assert_same(role, &Options::new(), &octets, &chunks);
    }

    #[test]
    fn messages_that_make_sense_are_all_received(
        role in role(), chunks in chunks(), key: [u8; 4], frames in sensible(),
    ) {
        let data = frames.clone();
        let octets = wire(role, frames, key);
        for path in PATHS {
            let transcript =
                Transcript::of(role, &Options::new(), &octets, chunks.iter().copied(), path);
            prop_assert_eq!(transcript.error, None);
            let ends = testkit::frames(&data.iter().flat_map(Frame::octets).collect::<Vec<_>>());
            // Each final data frame ends a message, each control frame is an event.
            let expected = ends.iter().filter(|frame| frame.fin).count();
            prop_assert_eq!(transcript.events.len(), expected);
        }
    }
}

#[test]
fn a_message_as_large_as_the_limit_and_one_octet_more_give_the_same() {
    let options = Options::new().limits(Limits::new().max_message_size(200));
    for role in [Role::Server, Role::Client] {
        for len in [200, 201] {
            let octets = wire(role, vec![Frame::binary(vec![7; len])], KEY);
            assert_same(role, &options, &octets, &[]);
        }
    }
}

#[test]
fn every_cut_in_two_gives_the_same() {
    // The longest header there is.
    let mut refused = Frame::binary([7; 300]).masked(KEY).octets();
    refused.extend(Frame::binary("").claiming(100 * 1024 * 1024 + 1).masked(KEY).octets());
    assert_every_cut(&refused, 0..refused.len(), 1);

    let mut octets = Frame::text("Hel").not_final().masked(KEY).octets();
    octets.extend(Frame::ping("?").masked(KEY).octets());
    octets.extend(Frame::continuation("lo").masked(*b"abcd").octets());
    octets.extend(Frame::binary([7; 300]).masked(KEY).octets());
    octets.extend(Frame::binary([7; 25_000]).masked(*b"efgh").octets());
    octets.extend(Frame::close(1000, "bye").masked(KEY).octets());
    assert_every_cut(&octets, (0..400).chain(octets.len() - 20..octets.len()), 5);
}

fn assert_every_cut(octets: &[u8], cuts: impl Iterator<Item = usize>, events: usize) {
    let options = Options::new();
    let at_once = Transcript::of(Role::Server, &options, octets, [], Path::Whole);
    assert_eq!(at_once.events.len(), events);
    for cut in cuts {
        for path in [Path::Whole, Path::Direct(1)] {
            let cut_in_two = Transcript::of(Role::Server, &options, octets, [cut], path);
            assert!(cut_in_two == at_once, "cut at {cut}, {path:?}");
        }
    }
}
