//! Any octets to a server: no panic, no answer that the other side would refuse.

#![no_main]

use hybi_proto::Role;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hybi_fuzz::receive(Role::Server, octets));
