//! The server end of a POP3 connection.
//!
//! A [`Server`] is driven as [`proto_core::machine`] says. It asks for what it cannot know ([`Event`]) and says by
//! itself what the protocol says. A message that RETR or TOP wants is written by the application, as the client takes
//! it:
//!
//! ```
//! # use pop3_proto::server::{Server, RetrieveRefusal, Retrieve};
//! # use proto_core::{Ask, Now, CallerFault};
//! /// Called when the question is answered and whenever output has left.
//! fn go_on(server: &mut Server, now: Now, stored: &mut &[u8]) -> Result<(), CallerFault> {
//!     let taken = server.write_body(now, stored)?;
//!     *stored = &stored[taken..];
//!     if stored.is_empty() || server.is_body_satisfied() {
//!         server.finish_body(now)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! | state | files |
//! | --- | --- |
//! | AUTHORIZATION | `authorization` (USER, PASS, STLS), `sasl` (AUTH) |
//! | TRANSACTION | `transaction` (STAT, LIST, UIDL, DELE, RSET), `retrieve` and `top` (RETR, TOP) |
//! | UPDATE | `update` (QUIT) |
//! | any | `command` (how a line is read, NOOP), `capabilities` (CAPA) |

mod authorization;
mod capabilities;
mod command;
mod config;
mod event;
mod limits;
mod machine;
mod question;
mod reply;
mod retrieve;
mod sasl;
mod session;
mod timers;
mod top;
mod transaction;
mod update;

pub use capabilities::Capabilities;
pub use config::{BadGreeting, Config, Syntax, TlsMode};
pub use event::Event;
pub use limits::Limits;
pub use question::{Commit, CommitRefusal, OpenMaildrop, OpenRefusal, Retrieve, RetrieveRefusal};
pub use session::{Server, ServerQuestion};
pub use timers::{Timeouts, Timer};
