//! Fuzzes a mailbox's index: records, headers and summaries.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mailstore::fuzz_index(octets));
