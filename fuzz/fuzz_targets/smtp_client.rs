//! Fuzzes what a server says in a whole client session at two cuts.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::fuzz::fuzz_client(octets));
