//! Fuzzes IMAP framing: lines and literals.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| imap_proto::fuzz::fuzz_framer(octets));
