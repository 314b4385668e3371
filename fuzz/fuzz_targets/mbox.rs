//! Fuzzes the scanner of mbox files.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mailstore::mbox::fuzz_mbox(octets));
