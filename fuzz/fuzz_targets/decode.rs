//! Fuzzes transfer encodings, charsets and encoded words.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mail_message::fuzz::fuzz_decode(octets));
