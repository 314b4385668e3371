//! Fuzzes whole SMTP sessions at two cuts.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::fuzz::fuzz_server(octets));
