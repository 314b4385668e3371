//! Fuzzes the promise that no stranger relays.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| relay_policy::fuzz::fuzz_recipient(octets));
