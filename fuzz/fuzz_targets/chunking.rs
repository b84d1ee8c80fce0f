//! Any chunking of the same octets gives the same events, replies and errors; so does any path.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::chunking(octets));
