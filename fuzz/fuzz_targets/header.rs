//! Fuzzes header fields and addresses.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mail_message::fuzz::fuzz_header(octets));
