//! The server end of an SMTP connection.
//!
//! RFC 5321. A [`Server`] greets, reads commands, and asks its application at every stage that policy may care about:
//!
//! | when | event with question | yes is answered | no, unless the verdict says otherwise |
//! | --- | --- | --- | --- |
//! | connected | [`Event::Connect`] | `220 host ESMTP …` | waits for QUIT |
//! | TLS began by STARTTLS | [`Event::Tls`] | nothing | says no and closes |
//! | HELO, EHLO | [`Event::Hello`] | `250 …` | state as before |
//! | AUTH brought credentials | [`Event::Authenticate`] | `235 2.7.0 …` | `535 5.7.8` |
//! | MAIL | [`Event::Mail`] | `250 2.1.0 Ok` | no transaction |
//! | RCPT | [`Event::Rcpt`] | `250 2.1.5 Ok` | one recipient less |
//! | DATA | [`Event::Data`] | `354 …`, then [`Event::Body`] chunks | transaction stays |
//! | first BDAT | [`Event::Data`] | [`Event::Body`] chunks, then `250 2.0.0 Ok: n octets` | transaction is over |
//! | end of data | [`Event::EndOfData`] | `250 2.0.0 Ok: queued as ID` | transaction is over |
//! | ETRN | [`Event::Etrn`] | `250 …` to `253 …` | `458`, `459` |
//! | VRFY, EXPN | [`Event::Verify`], [`Event::Expand`] | `250 …` or `252 …` | |
//!
//! With [`Config::ask_commands`], each command line is asked about before all that ([`Event::Command`]).
//!
//! Under [`Protocol::Lmtp`] the session speaks LMTP (RFC 2033): LHLO stands for EHLO, and the end of data is answered
//! once for each recipient. LMTP must not be offered on port 25 (section 5).
//!
//! While a question is open nothing is parsed and nothing sent; pipelined commands wait, and the replies to a
//! pipelined group go out together. Order of commands is the business of one table, in `state.rs`; each command
//! group has a file of its own.
//!
//! # Limits
//! [`Limits`] and [`Timeouts`]. A message is never held: what the decoder hands out goes into events at once. Memory
//! of a session is bounded by [`Limits::input_bytes_max`], [`Limits::output_bytes_max`] with the replies of one
//! input, and the addresses of the command under way.
//!
//! # Departures
//! * The lenient forms, in [`Syntax::Lenient`].
//! * RFC 2920 section 3.2 would have replies sent as soon as no input is left. Those before a command whose verdict is
//!   awaited wait for its reply: the client waits for that one as well, and gets one segment instead of two.
//! * Those of single commands are told in their files: EHLO takes any word for a name; AUTH may be a longer line.

mod admission;
mod answer;
mod auth;
mod bdat;
mod body;
mod capabilities;
mod config;
mod data;
mod end_of_data;
mod etrn;
mod event;
mod extras;
mod footer;
mod forbidden;
mod header;
mod hello;
mod limits;
mod machine;
mod mail;
mod misc;
mod offer;
mod question;
mod session;
mod starttls;
mod state;
mod timers;
mod trace;
mod verify;
mod xclient;

pub use answer::ServerQuestion;
pub use capabilities::Capabilities;
pub use config::{Config, Impatience, Peer, Protocol, Syntax, TlsMode, VerifyMode};
pub use event::{BodyAbort, Event, Violation, Violations};
pub use extras::{Disposition, Extras};
pub use footer::RejectFooter;
pub use forbidden::ForbiddenCommands;
pub use header::{HeaderFault, HeaderField, NAME_OCTETS_MAX};
pub use limits::Limits;
pub use offer::Offer;
pub use question::{
    BodyFaults, Command, Connect, Data, EndOfData, EndOfDataVerdict, Etrn, EtrnStarted, EtrnTarget, Expand,
    Hello, Mail, QueueId, Rcpt, Tls, Verdict, Verified, Verify,
};
pub use session::Server;
pub use timers::{Timeouts, Timer};
pub use trace::{MailDate, TraceHeader};
