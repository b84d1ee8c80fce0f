//! Any octets as a response.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::heads::client(octets));
