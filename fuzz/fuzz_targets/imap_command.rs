//! Fuzzes IMAP commands, and their spelling back.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| imap_proto::fuzz::fuzz_command(octets));
