//! The server end of an SMTP connection.

mod answer;
mod auth;
mod body;
mod capabilities;
mod config;
mod data;
mod event;
mod hello;
mod limits;
mod machine;
mod mail;
mod misc;
mod question;
mod session;
mod starttls;
mod state;
mod timers;
mod trace;
mod verify;

pub use answer::ServerQuestion;
pub use capabilities::Capabilities;
pub use config::{Config, Impatience, Peer, Protocol, Syntax, TlsMode, VerifyMode};
pub use event::{BodyAbort, Event, Violation};
pub use limits::Limits;
pub use question::{
    BodyFaults, Connect, Data, EndOfData, Expand, Hello, Mail, QueueId, Rcpt, Verdict, Verified, Verify,
};
pub use session::Server;
pub use timers::{Timeouts, Timer};
