//! The client end of an SMTP connection: enough to send mail to any server.
//!
//! The session opens by itself (greeting, EHLO or HELO, STARTTLS, AUTH, as [`ClientConfig`] says) and tells
//! [`ClientEvent::Ready`]. Each [`Client::send`] is answered by one [`ClientEvent::Done`], between them
//! [`ClientEvent::SendBody`] if a message is wanted. [`Client::quit`] ends it.
//!
//! # Limits
//! [`ClientLimits`]. A message streams: [`Client::body_room`] is the back-pressure.
//!
//! # Departures
//! A refused MAIL or DATA and recipients that were all refused are followed by RSET, also where the server has
//! nothing left to reset, so that the next message starts from a known state.

mod capabilities;
mod config;
mod event;
mod login;
mod machine;
mod reply_parser;
mod session;
mod transaction;

pub use capabilities::ServerCapabilities;
pub use config::{ClientConfig, ClientLimits, ClientTimeouts, ClientTimer, ClientTls};
pub use event::{ClientEvent, ClientFailure, Outcome, Report};
pub use reply_parser::{ReplyParseFault, ReplyParser};
pub use session::Client;
pub use transaction::{BodyFault, Envelope, SendFault};
