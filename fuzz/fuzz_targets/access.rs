//! Fuzzes restriction lists and their tables: they end, and no stranger relays.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| relay_policy::access::fuzz_access(octets));
