//! Fuzzes next hops and mail servers: a message on its way comes to an end, and not back.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| relay_policy::route::fuzz_route(octets));
