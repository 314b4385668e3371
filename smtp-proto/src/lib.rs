//! SMTP, ESMTP, submission and LMTP as sans-I/O machines, server and client.
//!
//! A machine here is one end of one connection as pure state: octets, time and decisions go in; events, octets and
//! the next deadline come out ([`proto_core::machine`] has the contract). It knows the law of the protocol and
//! nothing else: no socket, no file, no clock, no policy, no storage.
//!
//! | module | holds |
//! | --- | --- |
//! | [`server`] | [`Server`]: a session of a client with us; asks the application at every stage |
//! | [`client`] | [`Client`]: a session of ours with a server, SMTP or LMTP: all that a server can be asked |
//! | [`reply`] | [`Reply`], [`Approval`], [`Refusal`], [`EnhancedCode`]: what cannot be on the wire cannot be constructed |
//! | [`parameter`] | the parameters of MAIL and RCPT, typed |
//! | [`command`] | the grammar of command lines |
//! | [`milter`] | [`milter::MilterClient`]: a session of ours with a mail filter; the packets of both ends |
//! | [`manual`] | how to use all this |
//! | [`fuzz`] | the bodies of the fuzz targets |
//!
//! [`manual`] is where to begin: a receiver and a sender on plain sockets, what is supported clause by clause, the
//! limits, and the attacks with the tests that cover them.
//!
//! # A server, driven by hand
//!
//! A driver for real sockets does the same in a loop; the crate `postroom` has one.
//!
//! ```
//! use proto_core::address::ForwardPath;
//! use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
//! use smtp_proto::reply::{EnhancedCode, Refusal};
//! use smtp_proto::server::{Config, Event, Peer, QueueId, Server, Verdict};
//! use std::sync::Arc;
//!
//! let now = Now::new(Instant::ORIGIN, UnixTime(1_767_225_600));
//! let config = Config::new("mx.example.test")?;
//! let mut server = Server::new(now, Arc::new(config), Peer::new([192, 0, 2, 7].into()));
//! let mut mail = String::new();
//!
//! // What a client would send, piece by piece: it waits where the protocol has it wait.
//! for input in [
//!     "",
//!     "EHLO client.example.test\r\n",
//!     "MAIL FROM:<alice@example.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n",
//!     "Subject: hello\r\n\r\n..and a dot\r\n.\r\nQUIT\r\n",
//! ] {
//!     server.handle_input(now, input.as_bytes());
//!     while let Some(step) = server.poll_event(now) {
//!         match step {
//!             // Each question may be answered later, and from another thread.
//!             Step::App(Event::Connect(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Hello(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Mail(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Rcpt(ask)) => {
//!                 // What is asked stands in `detail`; the type of the question has the type of its verdict.
//!                 let verdict = match &ask.detail.forward_path {
//!                     ForwardPath::Postmaster => Verdict::Accept(()),
//!                     ForwardPath::Mailbox(to) if to.to_string() == "bob@example.test" => Verdict::Accept(()),
//!                     ForwardPath::Mailbox(_) => {
//!                         let unknown = EnhancedCode::new(5, 1, 1).ok_or("no such code")?;
//!                         Refusal::new(550, unknown, "there is no such mailbox here")?.into()
//!                     }
//!                 };
//!                 server.answer(now, ask, verdict)?;
//!             }
//!             Step::App(Event::Data(ask)) => server.answer(now, ask, Verdict::Accept(()))?,
//!             Step::App(Event::Body(chunk)) => mail += std::str::from_utf8(&chunk)?,
//!             Step::App(Event::EndOfData(ask)) => {
//!                 // A real application makes the message durable first: the 250 takes the responsibility.
//!                 let id = QueueId::new("4XyzAB").ok_or("not an id")?;
//!                 mail.insert_str(0, &server.trace_header(&id, now).ok_or("no transaction")?.to_string());
//!                 server.answer(now, ask, Verdict::Accept(id).into())?;
//!             }
//!             other => println!("{other:?}"),
//!         }
//!     }
//!     let mut out = OutBuf::new();
//!     while server.poll_transmit(&mut out) {}
//!     print!("{}", std::str::from_utf8(out.as_slice())?);
//! }
//!
//! assert!(server.is_closed());
//! assert!(mail.starts_with("Received: from client.example.test ([192.0.2.7])"));
//! assert!(mail.ends_with("Subject: hello\r\n\r\n.and a dot\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! `std`, off by default: that of [`proto_core`], by which message text is coded faster.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod command;
pub mod fuzz;
pub mod manual;
pub mod milter;
pub mod parameter;
pub mod reply;
pub mod server;
pub mod xforward;

pub use client::{Client, ClientConfig, ClientEvent};
pub use parameter::{BodyKind, MailParameters, RcptParameters, Submitter};
pub use reply::{Approval, EnhancedCode, Refusal, Reply, ReplyFault, ReplyText};
pub use server::{Config, Event, Peer, Protocol, Server, Verdict};
