//! POP3 as a sans-I/O server machine.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
