//! The naive twins: short, slow and plainly right.

use hybi_proto::{ErrorCode, FrameHeader};

/// Why there is no header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// More octets are needed.
    Unfinished,
    /// It breaks a rule.
    Because(ErrorCode),
}

/// A header in the widest types.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    fin: bool,
    rsv1: bool,
    opcode: u8,
    mask: Option<Vec<u8>>,
    payload_len: u128,
    len: usize,
}

impl From<(FrameHeader, usize)> for Header {
    fn from((header, len): (FrameHeader, usize)) -> Self {
        Header {
            fin: header.fin,
            rsv1: header.rsv1,
            opcode: header.opcode as u8,
            mask: header.mask.map(|key| key.to_vec()),
            payload_len: header.payload_len.into(),
            len,
        }
    }
}

/// RFC 6455 §5.2, octet by octet.
pub(crate) fn header(octets: &[u8]) -> Result<Header, Refused> {
    let mut rest = octets.iter().copied();
    let mut next = || rest.next().ok_or(Refused::Unfinished);
    let first = next()?;
    let second = next()?;
    let (extended, least) = match second % 128 {
        126 => (2, 126),
        127 => (8, 65536),
        _ => (0, 0),
    };
    let mut payload_len = if extended == 0 { u128::from(second % 128) } else { 0 };
    for _ in 0..extended {
        payload_len = payload_len * 256 + u128::from(next()?);
    }
    let mask =
        if second >= 128 { Some((0..4).map(|_| next()).collect::<Result<_, _>>()?) } else { None };
    if payload_len >= 1 << 53 {
        return Err(Refused::Because(ErrorCode::UnsupportedDataPayloadLength));
    }
    if payload_len < least {
        return Err(Refused::Because(ErrorCode::NonMinimalLength));
    }
    let opcode = first % 16;
    if ![0, 1, 2, 8, 9, 10].contains(&opcode) {
        return Err(Refused::Because(ErrorCode::InvalidOpcode));
    }
    let len = 2 + extended + if second >= 128 { 4 } else { 0 };
    Ok(Header { fin: first >= 128, rsv1: first & 64 != 0, opcode, mask, payload_len, len })
}

/// RFC 6455 §5.3, octet by octet.
pub(crate) fn mask(octets: &[u8], key: [u8; 4], offset: usize) -> Vec<u8> {
    octets.iter().enumerate().map(|(i, octet)| octet ^ key[(i + offset) % 4]).collect()
}

/// The ranges that the octets after `first` must be in: the table of RFC 3629 §4; `None` if nothing
/// begins with `first`.
fn tail(first: u8) -> Option<&'static [(u8, u8)]> {
    const ANY: (u8, u8) = (0x80, 0xbf);
    Some(match first {
        0x00..=0x7f => &[],
        0xc2..=0xdf => &[ANY],
        0xe0 => &[(0xa0, 0xbf), ANY],
        0xe1..=0xec | 0xee..=0xef => &[ANY, ANY],
        0xed => &[(0x80, 0x9f), ANY],
        0xf0 => &[(0x90, 0xbf), ANY, ANY],
        0xf1..=0xf3 => &[ANY, ANY, ANY],
        0xf4 => &[(0x80, 0x8f), ANY, ANY],
        _ => return None,
    })
}

/// The first octet that cannot be part of UTF-8, and the ranges still open at the end.
fn walk(octets: &[u8]) -> (Option<usize>, usize) {
    let mut open: &[(u8, u8)] = &[];
    for (i, &octet) in octets.iter().enumerate() {
        open = match open {
            [] => match tail(octet) {
                Some(tail) => tail,
                None => return (Some(i), 0),
            },
            [(low, high), rest @ ..] if (*low..=*high).contains(&octet) => rest,
            _ => return (Some(i), 0),
        };
    }
    (None, open.len())
}

/// The index of the first octet that cannot be part of UTF-8.
pub(crate) fn first_wrong(octets: &[u8]) -> Option<usize> {
    walk(octets).0
}

/// True if no sequence is open at the end.
pub(crate) fn complete(octets: &[u8]) -> bool {
    walk(octets).1 == 0
}
