//! Any `Sec-WebSocket-Extensions`.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::heads::extension(octets));
