//! Any octets as compressed messages.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::deflate::arbitrary(octets));
