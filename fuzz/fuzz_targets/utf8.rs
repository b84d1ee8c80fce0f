//! The UTF-8 validation of `hybi-bytes` against a naive twin.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::utf8(octets));
