//! Fuzzes files of the spool.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mailstore::spool::fuzz_queue_file(octets));
