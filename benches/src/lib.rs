//! What the benches do: whole workloads without I/O, each with a result that shows that it was done.
//!
//! | module | holds |
//! | --- | --- |
//! | [`mail`] | messages of any size, as they are on the wire |
//! | [`dot`] | a text through the dot decoder and encoder |
//! | [`smtp`] | command lines, and sessions that bring mail |
//! | [`imap`] | FETCH commands and responses, and a session of a mail reader |
//! | [`mime`] | messages through the MIME scanner |
//! | [`policy`] | tables of all sizes, and a recipient through a long list |
//! | [`pop3`] | a session that fetches and removes everything |
//!
//! The criterion benches, the allocation table and the `workload` binary (for callgrind) measure these same functions.
//! They answer every question with yes at once and keep nothing, so that what is measured is the machine.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a workload that does not do what it claims measures nothing: it fails"
)]

pub mod dot;
pub mod imap;
pub mod mail;
pub mod mime;
pub mod policy;
pub mod pop3;
pub mod smtp;

use proto_core::{Instant, Now, UnixTime};

/// Time stands still.
pub const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(1_767_225_600));
