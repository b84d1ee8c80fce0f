//! Any URL and any `Location`.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::heads::url(octets));
