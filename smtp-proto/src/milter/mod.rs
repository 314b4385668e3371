//! Milters: the server's end of a connection to a mail filter, by the protocol of Sendmail's `libmilter`, versions 2 to 6.
//!
//! A milter hears of each step of a mail session, says what it thinks of it, and may change the message at its end.
//! [`MilterClient`] asks one milter on one connection, message after message, as long as a client of the server stays; who
//! has several milters asks them one after another.
//!
//! [`MilterEvent::Ready`] comes first, then [`MilterClient::connect`], [`helo`](MilterClient::helo),
//! [`mail`](MilterClient::mail), [`rcpt`](MilterClient::rcpt) for each recipient, [`data`](MilterClient::data),
//! [`header`](MilterClient::header) for each field, [`end_of_header`](MilterClient::end_of_header),
//! [`body`](MilterClient::body) for each piece, [`end_of_message`](MilterClient::end_of_message), and `mail` again. Each of
//! them is answered by one [`MilterEvent::Answered`], also when the milter does not want to be told, or has decided
//! already, and nothing was sent; [`MilterClient::wants`] tells beforehand. [`MilterClient::abort`] ends a transaction that
//! does not come to its end, and [`MilterClient::quit`] the session.
//!
//! When the milter cannot be asked any more, [`MilterEvent::Failed`] comes instead, and what happens then is for
//! [`DefaultAction`] to say.
//!
//! [`MilterCommand`] and [`MilterReply`] are the packets of both ends, for whoever writes a milter.
//!
//! # A message and its milter
//!
//! The milter is played by hand here.
//!
//! ```
//! use proto_core::{ForwardPath, InBuf, Instant, Machine, Now, OutBuf, ReversePath, Step, UnixTime};
//! use smtp_proto::milter::{
//!     Actions, Change, MilterClient, MilterCommand, MilterConfig, MilterEvent, MilterPeer, MilterReply, Offer,
//!     PeerAddress, Steps, Verdict, next_packet,
//! };
//! use std::sync::Arc;
//!
//! let now = Now::new(Instant::ORIGIN, UnixTime(1_767_225_600));
//! let mut client = MilterClient::new(now, Arc::new(MilterConfig::new("example.test")));
//! let (mut to_milter, mut changes, mut verdict) = (InBuf::with_capacity(100_000), Vec::new(), None);
//! let values = |name: &str| (name == "i").then(|| "4XyzAB".into());
//! let from = ReversePath::Mailbox("alice@example.test".parse()?);
//! let to = ForwardPath::Mailbox("bob@example.test".parse()?);
//! let mut steps = 0;
//!
//! while !client.is_closed() {
//!     while let Some(step) = client.poll_event(now) {
//!         let Step::App(MilterEvent::Ready | MilterEvent::Answered(Verdict::Continue)) = step else {
//!             match step {
//!                 Step::App(MilterEvent::Change(Change::AddHeader(field))) => changes.push(field),
//!                 Step::App(MilterEvent::Answered(last)) => {
//!                     verdict = Some(last);
//!                     client.quit(now)?;
//!                 }
//!                 other => println!("{other:?}"),
//!             }
//!             continue;
//!         };
//!         steps += 1;
//!         match steps {
//!             1 => {
//!                 let address = PeerAddress::Inet([192, 0, 2, 7].into(), 40_000);
//!                 client.connect(now, &MilterPeer { hostname: None, address }, &values)?;
//!             }
//!             2 => client.mail(now, &from, &Default::default(), &values)?,
//!             3 => client.rcpt(now, &to, &Default::default(), &values)?,
//!             4 => client.header(now, b"Subject", b" hello", &values)?,
//!             5 => client.end_of_header(now, &values)?,
//!             6 => client.body(now, b"How are you?\r\n", &values)?,
//!             _ => client.end_of_message(now, &values)?,
//!         }
//!     }
//!     let mut out = OutBuf::new();
//!     while client.poll_transmit(&mut out) {}
//!     to_milter.push(out.as_slice());
//!
//!     // The milter: it wants no client and no HELO, and signs what it has seen.
//!     let mut answer = OutBuf::new();
//!     while let Some(packet) = next_packet(&mut to_milter, 100_000)? {
//!         match MilterCommand::decode(&packet)? {
//!             MilterCommand::Negotiate(_) => {
//!                 let steps = Steps::NO_CONNECT | Steps::NO_HELO;
//!                 MilterReply::Negotiate(Offer::new(6, Actions::ADD_HEADERS, steps)).encode(&mut answer);
//!             }
//!             MilterCommand::EndOfMessage(_) => {
//!                 MilterReply::AddHeader { name: "X-Seen".into(), value: "yes".into() }.encode(&mut answer);
//!                 MilterReply::Accept.encode(&mut answer);
//!             }
//!             MilterCommand::Macros { .. } | MilterCommand::Quit => {}
//!             _ => MilterReply::Continue.encode(&mut answer),
//!         }
//!     }
//!     client.handle_input(now, answer.as_slice());
//! }
//!
//! assert_eq!(changes[0].octets(), b"X-Seen: yes\r\n");
//! assert_eq!(verdict, Some(Verdict::Accept));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a milter may do wrong
//! A packet that is none, an answer to nothing, a change before the end of the message or one that was not offered to it
//! ends the session: [`MilterFailure`]. What it may do is what [`MilterConfig::actions`] offers; like Sendmail and Postfix
//! this end does not mind when it does of that more than it announced in the negotiation.
//!
//! What it says before it is asked is no answer. As with every client it matters by nature how octets are cut there: what
//! comes after the next question cannot be told from the answer to it.
//!
//! # Limits
//! [`MilterLimits`] and [`MilterTimeouts`]. A new body goes through in pieces and is not counted here. A driver that writes
//! waits no longer than the timeouts say: a step that the milter does not answer has no deadline of its own. What a milter is
//! told has limits as well, those of `libmilter`: [`HEADER_FIELD_BYTES_MAX`] and [`BODY_CHUNK_BYTES_MAX`].
//!
//! # Departures
//! Of Postfix, from whom the rest of the behaviour is taken: macros of header fields and of the body are sent before the
//! first only; the answer about a recipient that was refused decides nothing; QUIT is said also where the milter has decided on the whole session; a message that the milter had decided
//! on is followed by ABORT at once; parameters of MAIL and RCPT are told in one spelling whatever the client's was;
//! a new body may come in parts with other changes between them, and a CR alone in it becomes a space; a header field without
//! a name, or with a blank in it, and an address that is none are a failure; quarantine is taken at the end of a message only; a milter
//! that wants to shut the connection down refuses the message also when the message has come, where Postfix takes it; a
//! reply that a milter words without an enhanced code gets one.

mod change;
mod client;
mod command;
mod config;
mod event;
mod field;
mod lines;
mod machine;
mod macros;
mod offer;
mod options;
mod peer;
mod reply;
mod verdict;
mod wire;

pub use change::Change;
pub use client::MilterClient;
pub use command::MilterCommand;
pub use config::{
    BODY_CHUNK_BYTES_MAX, HEADER_FIELD_BYTES_MAX, MilterConfig, MilterLimits, MilterTimeouts, MilterTimer,
};
pub use event::{MilterEvent, MilterFailure};
pub use field::MilterField;
pub use macros::{MacroNames, MacroValues};
pub use offer::Offer;
pub use options::{Actions, MilterVersion, NoSuchVersion, Stage, Steps};
pub use peer::{MilterPeer, PeerAddress};
pub use reply::MilterReply;
pub use verdict::{Consequence, DefaultAction, NoSuchAction, Verdict};
pub use wire::{LENGTH_BYTES, PacketFault, next_packet};
