//! SMTP, ESMTP and submission as sans-I/O machines, server and client.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod command;
pub mod fuzz;
pub mod parameter;
pub mod reply;
pub mod server;

pub use parameter::{BodyKind, MailParameters, RcptParameters, Submitter};
pub use reply::{EnhancedCode, Refusal, Reply, ReplyFault, ReplyText};
pub use server::{Config, Event, Peer, Protocol, Verdict};
