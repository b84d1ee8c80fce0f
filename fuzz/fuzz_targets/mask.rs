//! The masking of `hybi-bytes` against a naive twin.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::mask(octets));
