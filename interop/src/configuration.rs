//! How a connection is configured, as words that every peer understands: `plain`, or `deflate` and
//! parameters of RFC 7692, and `fragments` for a side that sends in fragments.

use hybi::{DeflateOptions, Options, WindowBits};

/// The payload of one frame where `fragments` is said: small enough to make many of 64 KiB.
const FRAGMENT: usize = 1000;

/// The parameters of permessage-deflate, each alone and all together.
pub(crate) const DEFLATE: [&str; 10] = [
    "deflate",
    "deflate;server_no_context_takeover",
    "deflate;client_no_context_takeover",
    "deflate;server_max_window_bits=9",
    "deflate;server_max_window_bits=12",
    "deflate;server_max_window_bits=15",
    "deflate;client_max_window_bits=9",
    "deflate;client_max_window_bits=12",
    "deflate;client_max_window_bits=15",
    "deflate;server_no_context_takeover;client_no_context_takeover;server_max_window_bits=9;\
     client_max_window_bits=12",
];

/// The options that the words stand for.
///
/// # Panics
/// If a word is unknown: the words are those of this program.
pub(crate) fn options(words: &str) -> Options {
    let mut options = Options::new().no_compression();
    let mut deflate: Option<DeflateOptions> = None;
    for word in words.split(';') {
        let params = deflate.unwrap_or_default();
        let bits = |bits: &str| WindowBits::new(bits.parse().expect("a number")).expect("9 to 15");
        deflate = Some(match word.split_once('=').unwrap_or((word, "")) {
            ("plain", _) => continue,
            ("fragments", _) => {
                options = options.max_frame_size(FRAGMENT);
                continue;
            }
            ("deflate", _) => DeflateOptions::new(),
            ("server_no_context_takeover", _) => params.server_no_context_takeover(true),
            ("client_no_context_takeover", _) => params.client_no_context_takeover(true),
            ("server_max_window_bits", value) => params.server_max_window_bits(bits(value)),
            ("client_max_window_bits", value) => params.client_max_window_bits(bits(value)),
            _ => panic!("`{word}` is no word of a configuration"),
        });
    }
    match deflate {
        Some(deflate) => options.compression(deflate),
        None => options,
    }
}

/// The parameters among the words that must be in the server's answer. A window of 15 bits is what
/// holds without a word.
pub(crate) fn parameters(words: &str) -> impl Iterator<Item = &str> {
    words
        .split(';')
        .filter(|word| !["plain", "fragments"].contains(word) && !word.ends_with("=15"))
        .map(|word| if word == "deflate" { "permessage-deflate" } else { word })
}
