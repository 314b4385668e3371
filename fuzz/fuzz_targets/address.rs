//! Fuzzes addresses of an SMTP envelope.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_core::fuzz::fuzz_address(octets));
