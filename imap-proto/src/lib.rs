//! IMAP4rev1 as a sans-I/O server machine: framing, grammar, session and mailbox view.
//!
//! | module | holds |
//! | --- | --- |
//! | [`types`] | the vocabulary: commands, responses and what they are made of |
//! | [`framing`] | octets to frames: where a command ends |
//! | [`parse`] | frames to commands |
//! | [`encode`] | responses to octets |
//! | [`name`] | mailbox names between the wire and the store |
//! | [`fuzz`] | bodies of the fuzz targets |
//! | [`server`] | the server's end of a session as a machine: states, questions, order, limits |
//! | [`view`] | sequence numbers and UIDs of one session, and the changes it has not been told |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod encode;
pub mod framing;
pub mod fuzz;
pub mod name;
pub mod parse;
pub mod server;
pub mod types;
pub mod view;
