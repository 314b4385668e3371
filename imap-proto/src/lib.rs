//! IMAP4rev1 as a sans-I/O server machine: framing, grammar, session and mailbox view.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod view;
