//! Byte-exact, lazy reading of internet mail: headers, MIME structure, envelope, flags, UIDs and sets.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
