//! Fuzzes an IMAP session from greeting to end.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| imap_proto::fuzz::fuzz_session(octets));
