//! IMAP4rev1 as a sans-I/O server machine: framing, grammar, session and mailbox view.
//!
//! | module | holds |
//! | --- | --- |
//! | [`types`] | the vocabulary: commands, responses and what they are made of |
//! | [`framing`] | octets to frames: where a command ends |
//! | [`parse`] | frames to commands |
//! | [`encode`] | responses to octets |
//! | [`name`] | mailbox names between the wire and the store |
//! | [`fuzz`] | bodies of the fuzz targets |
//! | [`server`] | the server's end of a session as a machine: states, questions, order, limits |
//! | [`view`] | sequence numbers and UIDs of one session, and the changes it has not been told |
//!
//! # A session by hand
//!
//! What a driver does for a socket is done here for two strings: octets go in, questions come out and are answered,
//! octets come out.
//!
//! ```
//! use imap_proto::server::{Config, Event, MessageData, Selected, Server};
//! use mail_message::{Uid, UidValidity};
//! use proto_core::sasl::AuthVerdict;
//! use proto_core::{CallerFault, Instant, Machine, Now, OutBuf, Step, UnixTime};
//! use std::sync::Arc;
//!
//! fn main() -> Result<(), CallerFault> {
//!     let now = Now::new(Instant::ORIGIN, UnixTime(1_767_225_600));
//!     let mut config = Config::new();
//!     config.allow_plaintext_auth = true;
//!     let mut server = Server::new(Arc::new(config));
//!     let mut out = OutBuf::new();
//!
//!     let input = b"1 LOGIN alice secret\r\n2 SELECT INBOX\r\n3 FETCH 1 (UID BODY[TEXT])\r\n4 LOGOUT\r\n";
//!     assert_eq!(server.poll_event(now).map(|_| ()), None, "it greets, and wants input");
//!     assert_eq!(server.handle_input(now, input), input.len());
//!     while let Some(step) = server.poll_event(now) {
//!         match step {
//!             Step::App(Event::Authenticate(ask)) => server.answer(now, ask, AuthVerdict::Accept)?,
//!             Step::App(Event::Select(ask)) => {
//!                 let uids = [Uid::MIN].into_iter().collect();
//!                 let mut mailbox = Selected::new(UidValidity::MIN, Uid::MAX, uids);
//!                 mailbox.read_only = true;
//!                 server.answer(now, ask, Ok(mailbox))?;
//!             }
//!             Step::App(Event::Fetch(ask)) => {
//!                 for (_, uid) in ask.detail.messages.iter() {
//!                     server.fetch(now, &ask, uid, MessageData::default())?;
//!                     for _ in ask.detail.sections() {
//!                         server.section(now, &ask, Some(5))?;
//!                         assert_eq!(server.write_body(now, b"hello"), 5);
//!                     }
//!                 }
//!                 server.answer(now, ask, Ok(()))?;
//!             }
//!             Step::Closed(reason) => assert_eq!(reason.to_string(), "quit"),
//!             other => panic!("not in this session: {other:?}"),
//!         }
//!         while server.poll_transmit(&mut out) {}
//!     }
//!     let sent = String::from_utf8_lossy(out.as_slice()).into_owned();
//!     assert!(sent.contains("* 1 FETCH (UID 1 BODY[TEXT] {5}\r\nhello)\r\n3 OK FETCH completed.\r\n"));
//!     Ok(())
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod encode;
pub mod framing;
pub mod fuzz;
pub mod name;
pub mod parse;
pub mod server;
pub mod types;
pub mod view;
