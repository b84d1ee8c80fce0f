//! The same octets to us and to tungstenite.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::others::tungstenite(octets));
