//! The client end of an SMTP or LMTP connection: everything that a server can be asked.
//!
//! The session opens by itself (greeting, EHLO, HELO or LHLO, STARTTLS, AUTH, as [`ClientConfig`] says) and tells
//! [`ClientEvent::Ready`]. Then it takes, one at a time:
//!
//! * [`Client::send`], answered by one [`ClientEvent::Done`] with an [`Outcome`] for each recipient, between them
//!   [`ClientEvent::SendBody`] if a message is wanted;
//! * [`Client::noop`], [`Client::help`], [`Client::vrfy`], [`Client::expn`], [`Client::etrn`], [`Client::xforward`], answered by
//!   [`ClientEvent::Replied`];
//! * [`Client::quit`], which ends it.
//!
//! After each but the last [`ClientEvent::Ready`] comes again: a session is used for as many messages as the server
//! takes.
//!
//! | of a message | rule |
//! | --- | --- |
//! | its envelope | said as the server allows it, in one group with PIPELINING; what it asks for and the server lacks is refused before anything is said, or left out and told: [`SendFault`], [`Omitted`] |
//! | its octets | by BDAT where CHUNKING is offered, else by DATA; 8-bit octets, NUL, bare CR and LF and long lines only as declared and configured: [`BodyFault`] |
//! | its outcomes | whose fault, at which stage, with which enhanced code: [`Failure`]; LMTP and PRDR have a verdict for each recipient, LMTP as it comes: [`ClientEvent::Verdict`]. When the connection is lost, those that came stand |
//!
//! # A client and a server, without a network
//!
//! ```
//! use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
//! use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientTls, Envelope, Outcome};
//! use smtp_proto::server::{Config, Event, Peer, QueueId, Server, Verdict};
//! use std::sync::Arc;
//!
//! let now = Now::new(Instant::ORIGIN, UnixTime(1_767_225_600));
//! let mut config = ClientConfig::new("client.example.test")?;
//! config.tls = ClientTls::None;
//! let mut client = Client::new(now, Arc::new(config));
//! let mut server = Server::new(now, Arc::new(Config::new("mx.example.test")?), Peer::default());
//! let (mut arrived, mut report) = (Vec::new(), None);
//!
//! while !client.is_closed() {
//!     while let Some(step) = server.poll_event(now) {
//!         match step {
//!             Step::App(Event::Connect(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Hello(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Mail(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Rcpt(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Data(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Body(chunk)) => arrived.extend_from_slice(&chunk),
//!             Step::App(Event::EndOfData(ask)) => {
//!                 let id = QueueId::new("4XyzAB").ok_or("not an id")?;
//!                 server.answer(now, ask, Verdict::Accept(id).into())?;
//!             }
//!             other => println!("server: {other:?}"),
//!         }
//!     }
//!     let mut out = OutBuf::new();
//!     while server.poll_transmit(&mut out) {}
//!     client.handle_input(now, out.as_slice());
//!
//!     while let Some(step) = client.poll_event(now) {
//!         match step {
//!             Step::App(ClientEvent::Ready) if report.is_none() => {
//!                 let from = proto_core::ReversePath::Mailbox("alice@example.test".parse()?);
//!                 let to = proto_core::ForwardPath::Mailbox("bob@example.test".parse()?);
//!                 client.send(now, Envelope::new(from, [to]))?;
//!             }
//!             Step::App(ClientEvent::Ready) => client.quit(now)?,
//!             Step::App(ClientEvent::SendBody) => {
//!                 // A long message is written as `body_room` allows, as output and replies come and go.
//!                 client.write_body(now, b"Subject: hello\r\n\r\n.\r\n")?;
//!                 client.finish(now)?;
//!             }
//!             Step::App(ClientEvent::Done(done)) => report = Some(done),
//!             other => println!("client: {other:?}"),
//!         }
//!     }
//!     let mut out = OutBuf::new();
//!     while client.poll_transmit(&mut out) {}
//!     server.handle_input(now, out.as_slice());
//! }
//!
//! assert_eq!(arrived, b"Subject: hello\r\n\r\n.\r\n");
//! assert!(matches!(&report.ok_or("no report")?.outcomes[..], [Outcome::Sent(_)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Replies that nobody asked for
//!
//! What the server has said before it was asked is no answer. [`ClientEvent::Ready`] and [`ClientEvent::SendBody`] wait
//! until all that was received has been read, and whatever else is sent when no reply is due does not take for its own
//! what was received before it. Such a reply is the server's closing (421, 521), or a refusal of the message that is on
//! its way, or [`ClientFailure::Unexpected`], which ends the session. Here it matters by nature how octets are cut, as
//! behind STARTTLS: a reply too many that comes later than the next command cannot be told from the answer to it.
//!
//! # Limits
//! [`ClientLimits`]. A message streams: [`Client::body_room`] is the back-pressure.
//!
//! Replies are small and few may be due ([`ClientLimits::pipelined_commands_max`]), so they fit a socket's buffers: a
//! driver that writes all it has before it reads cannot be in each other's way with a server that does the same
//! (RFC 2920 section 3.1).
//!
//! # Departures
//! A refused MAIL or DATA and recipients that were all refused are followed by RSET, also where the server has
//! nothing left to reset, so that the next message starts from a known state.
//!
//! A 421 that is one recipient's verdict in LMTP does not end the session, since verdicts of others may follow it.

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

pub use crate::xforward::{Xforward, XforwardNames, XforwardSource};
pub use capabilities::{ServerCapabilities, ServerLimits};
pub use command::CommandFault;
pub use config::{
    ClientConfig, ClientLimits, ClientProtocol, ClientTimeouts, ClientTimer, ClientTls, LongLines,
};
pub use envelope::{Envelope, Omitted, Recipient, SendFault};
pub use event::{ClientEvent, ClientFailure, NoMechanism};
pub use outcome::{Failure, Fault, Outcome, Report, Stage};
pub use reply_parser::{ReplyParseFault, ReplyParser};
pub use session::Client;
pub use text::BodyFault;
