//! Fuzzes what a milter says in a whole session at two cuts, and the packets of both ends.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtp_proto::fuzz::fuzz_milter(octets));
