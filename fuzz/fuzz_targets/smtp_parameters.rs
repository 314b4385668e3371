//! Fuzzes the parameters of MAIL and RCPT, and their spelling back.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::fuzz::fuzz_parameters(octets));
