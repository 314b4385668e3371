//! Fuzzes Dovecot's uidlist.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| mailstore::maildir::fuzz_uidlist(octets));
