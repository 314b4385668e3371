//! Fuzzes mailbox names and modified UTF-7.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| imap_proto::fuzz::fuzz_name(octets));
