//! SCRAM: the client proves that it knows a password, and the server that it knew it, without showing it.
//!
//! RFC 5802 with SHA-1, RFC 7677 with SHA-256; both also bound to the TLS session, with `tls-exporter` (RFC 9266) or
//! `tls-server-end-point` (RFC 5929 section 4).
//!
//! # Limits
//! A message has at most [`MESSAGE_BYTES_MAX`] octets, a nonce 256, a salt [`SALT_BYTES_MAX`]. A client does not iterate less than [`ITERATIONS_MIN`]
//! times, nor more than
//! [`ClientContext::scram_iterations_max`](crate::sasl::ClientContext::scram_iterations_max), so that no server burns its
//! time.
//!
//! # Departures
//! * `tls-unique`, which RFC 5802 section 6.1 makes the default, is not there: TLS 1.3 has none, and RFC 9266 puts
//!   `tls-exporter` in its place.
//! * A server that fails a client says so with the protocol's reply alone; `e=` is optional (section 5.1), and would tell
//!   an unknown user from a wrong password if it were honest.

mod client;
mod hash;
mod keys;
mod message;
mod server;

pub(super) use client::Client;
pub use client::{ITERATIONS_MAX_DEFAULT, ITERATIONS_MIN};
pub use hash::ScramHash;
pub(super) use hash::hmac;
pub use keys::{BadScramKeys, SALT_BYTES_MAX, ScramKeys};
pub use message::MESSAGE_BYTES_MAX;
pub(super) use message::{escaped, gs2_authzid};
pub(super) use server::{Phase, Server};
