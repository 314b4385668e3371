//! IMAP4rev1 as a sans-I/O server machine: framing, grammar, session and mailbox view.
//!
//! | module | holds |
//! | --- | --- |
//! | [`types`] | the vocabulary: commands, responses and what they are made of |
//! | [`framing`] | octets to frames: where a command ends |
//! | [`name`] | mailbox names between the wire and the store |
//! | [`view`] | sequence numbers to UIDs, and when changes may be told |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod framing;
pub mod name;
pub mod types;
pub mod view;
