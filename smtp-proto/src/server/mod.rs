//! The server end of an SMTP connection.

mod config;
mod event;
mod limits;
mod question;
mod timers;

pub use config::{Config, Impatience, Peer, Protocol, Syntax, TlsMode, VerifyMode};
pub use event::{BodyAbort, Event, Violation};
pub use limits::Limits;
pub use question::{
    BodyFaults, Connect, Data, EndOfData, Expand, Hello, Mail, QueueId, Rcpt, Verdict, Verified, Verify,
};
pub use timers::{Timeouts, Timer};
