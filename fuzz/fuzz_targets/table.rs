//! Fuzzes the reading of tables: what is found stands in the source.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| relay_policy::fuzz::fuzz_table(octets));
