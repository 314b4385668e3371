//! Fuzzes the MIME scanner and every section it names.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mail_message::fuzz::fuzz_message(octets));
