//! Fuzzes both sides of every SASL mechanism.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_core::fuzz::fuzz_sasl(octets));
