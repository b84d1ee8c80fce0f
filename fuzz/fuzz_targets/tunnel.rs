//! Any octets from a proxy, HTTP or SOCKS5.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::heads::tunnel(octets));
