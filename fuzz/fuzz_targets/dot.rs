//! Fuzzes the dot codec.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_core::fuzz::fuzz_dot(octets));
