//! The client end of an SMTP connection: enough to send mail to any server.
//!
//! The session opens by itself (greeting, EHLO or HELO, STARTTLS, AUTH, as [`ClientConfig`] says) and tells
//! [`ClientEvent::Ready`]. Each [`Client::send`] is answered by one [`ClientEvent::Done`], between them
//! [`ClientEvent::SendBody`] if a message is wanted. [`Client::quit`] ends it.
//!
//! ```
//! use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
//! use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientTls, Envelope, Outcome};
//! use std::sync::Arc;
//!
//! let now = Now::new(Instant::ORIGIN, UnixTime(0));
//! let mut config = ClientConfig::new("client.example.test")?;
//! config.tls = ClientTls::None;
//! let mut client = Client::new(now, Arc::new(config));
//! let (mut sent, mut reports) = (Vec::new(), Vec::new());
//!
//! // What a server would say.
//! for input in [
//!     "220 mx.example.test ESMTP\r\n",
//!     "250-mx.example.test\r\n250 PIPELINING\r\n",
//!     "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go on\r\n",
//!     "250 2.0.0 Ok: queued as 4XyzAB\r\n",
//! ] {
//!     client.handle_input(now, input.as_bytes());
//!     while let Some(step) = client.poll_event(now) {
//!         match step {
//!             Step::App(ClientEvent::Ready) if reports.is_empty() => client.send(now, Envelope::new(
//!                 "alice@example.test".parse().map(proto_core::ReversePath::Mailbox)?,
//!                 ["bob@example.test".parse().map(proto_core::ForwardPath::Mailbox)?],
//!             ))?,
//!             Step::App(ClientEvent::SendBody) => {
//!                 // A long message is written as `body_room` allows.
//!                 client.write_body(now, b"Subject: hello\r\n\r\n.\r\n")?;
//!                 client.finish(now)?;
//!             }
//!             Step::App(ClientEvent::Done(report)) => reports.push(report),
//!             other => println!("{other:?}"),
//!         }
//!     }
//!     let mut out = OutBuf::new();
//!     while client.poll_transmit(&mut out) {}
//!     sent.extend_from_slice(out.as_slice());
//! }
//!
//! assert!(sent.ends_with(b"\r\nDATA\r\nSubject: hello\r\n\r\n..\r\n.\r\n"));
//! assert!(matches!(reports[0].outcomes[..], [Outcome::Sent(_)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! [`ClientLimits`]. A message streams: [`Client::body_room`] is the back-pressure.
//!
//! # Departures
//! A refused MAIL or DATA and recipients that were all refused are followed by RSET, also where the server has
//! nothing left to reset, so that the next message starts from a known state.

mod body;
mod capabilities;
mod command;
mod config;
mod ending;
mod envelope;
mod event;
mod login;
mod machine;
mod opening;
mod outcome;
mod pipeline;
mod reply_parser;
mod session;
mod text;
mod transaction;
mod xforward;

pub use capabilities::{ServerCapabilities, ServerLimits};
pub use command::CommandFault;
pub use config::{
    ClientConfig, ClientLimits, ClientProtocol, ClientTimeouts, ClientTimer, ClientTls, LongLines,
};
pub use envelope::{Envelope, Omitted, Recipient, SendFault};
pub use event::{ClientEvent, ClientFailure};
pub use outcome::{Failure, Fault, Outcome, Report, Stage};
pub use reply_parser::{ReplyParseFault, ReplyParser};
pub use session::Client;
pub use text::BodyFault;
pub use xforward::{Xforward, XforwardNames, XforwardSource};
