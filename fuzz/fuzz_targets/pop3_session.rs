//! Fuzzes whole POP3 sessions.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pop3_proto::fuzz::fuzz_session(octets));
