//! Fuzzes the parser of PROXY headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| proto_core::fuzz::fuzz_proxy(octets));
