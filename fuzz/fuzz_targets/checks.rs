//! Fuzzes header and body checks: how a message is cut changes nothing.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| relay_policy::fuzz::fuzz_checks(octets));
