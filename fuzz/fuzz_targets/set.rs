//! Fuzzes sequence sets and set arithmetic.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mail_message::fuzz::fuzz_set(octets));
