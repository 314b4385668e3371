//! Fuzzes the import of other servers' configuration: what is imported can be set.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| relay_policy::fuzz::fuzz_import(octets));
