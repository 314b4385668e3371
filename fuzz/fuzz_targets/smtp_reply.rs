//! Fuzzes replies that an SMTP client reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::fuzz::fuzz_reply(octets));
