//! Fuzzes the questions of another mail server: however they are cut, they are the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| relay_policy::fuzz::fuzz_delegation(octets));
