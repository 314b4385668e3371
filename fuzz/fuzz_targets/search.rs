//! Fuzzes the search: the first line is looked for in the message behind it.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mail_message::fuzz::fuzz_search(octets));
