//! Milters: other programs that are told of each step of an SMTP session and shown each message, and may refuse, change, hold
//! or throw away what comes (`smtpd_milters`), as Postfix and Sendmail ask them.
//!
//! [`smtp_proto::milter`] has the protocol; here is who is asked ([`list`]), what each is told ([`macros`]), the connections
//! ([`connection`]), their order ([`chain`]), and the message while they look at it ([`draft`]).
//!
//! # Departures
//! From Postfix: what a milter wants done to a message is done when it has taken it, all or nothing. Commands that the server
//! does not know are not told.

mod chain;
mod connection;
mod draft;
mod list;
mod macros;

pub(crate) use chain::{Chain, Envelope, Outcome};
pub(crate) use draft::Draft;
pub(crate) use list::Milters;
pub(crate) use macros::{Facts, Way};
