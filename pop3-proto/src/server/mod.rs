//! The server end of a POP3 connection.

mod config;
mod event;
mod limits;
mod question;
mod timers;

pub use config::{BadGreeting, Config, Syntax, TlsMode};
pub use event::Event;
pub use limits::Limits;
pub use question::{Commit, CommitRefusal, OpenMaildrop, OpenRefusal, Retrieve, RetrieveRefusal};
pub use timers::{Timeouts, Timer};
