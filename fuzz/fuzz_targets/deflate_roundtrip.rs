//! What is compressed on one side comes back on the other.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::deflate::roundtrip(octets));
