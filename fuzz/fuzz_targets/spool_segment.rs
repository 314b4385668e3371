//! Fuzzes segments of the spool's log.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mailstore::spool::fuzz_spool_segment(octets));
