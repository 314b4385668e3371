//! Where a message goes next, and to which of several servers: what an SMTP client asks before it connects (RFC 5321 section 5.1,
//! RFC 7505), and what it does when a server does not take the message. This is for whoever sends; the engine does not send yet.
//!
//! [`NextHops`] reads where the mail of a [`Transport`](crate::address::Transport) goes: a domain, hosts or addresses in brackets, a
//! socket. A [`RoutePolicy`] has what Postfix's parameters say of it. [`Attempts`] is stepped: it asks the DNS for what it needs to
//! know, hands out one server after the other, is told how each attempt has ended, and ends with a [`Verdict`]. [`ServerLookup`] is
//! its first half alone. Nothing here connects to anybody, and no chance is in it but the seed that is handed in.
//!
//! ```
//! use relay_policy::route::{AttemptStep, Ending, NextHops, Protocol, RouteFailure, RoutePolicy, Verdict};
//! use relay_policy::{Answer, Parameters, Question, Record, RecordKind};
//!
//! let mut parameters = Parameters::default();
//! parameters.set("myhostname", "mail.example.com")?;
//! let policy = RoutePolicy::from_parameters(&parameters)?;
//! let next_hops = NextHops::parse("example.org", Protocol::Smtp)?;
//!
//! // What a resolver would say.
//! let resolve = |name: &str, kind: RecordKind| -> Vec<Record> {
//!     let mx = |preference, exchange: &str| Record::Mx { preference, exchange: exchange.into() };
//!     match (name, kind) {
//!         ("example.org", RecordKind::Mx) => vec![mx(20, "backup.example.org"), mx(10, "mx.example.org")],
//!         ("mx.example.org", RecordKind::A) => vec![Record::Address([192, 0, 2, 1].into())],
//!         ("backup.example.org", RecordKind::A) => vec![Record::Address([192, 0, 2, 2].into())],
//!         _ => Vec::new(),
//!     }
//! };
//! let (mut attempts, mut tried) = (policy.deliver(&next_hops, 7), Vec::new());
//! let verdict = loop {
//!     match attempts.step() {
//!         AttemptStep::Needs(questions) => {
//!             for question in questions {
//!                 let Question::Dns { name, kind } = &question else { unreachable!() };
//!                 attempts.answer(&question, Answer::Records(resolve(name, *kind)))?;
//!             }
//!         }
//!         AttemptStep::Try(server) => {
//!             tried.push(server.to_string());
//!             // Here a session is held with the server. The first does not answer, the second takes the message.
//!             let refused = RouteFailure::new((4, 4, 1), format!("connect to {server}: Connection refused"));
//!             let ending = if tried.len() == 1 { Ending::NoSession(refused) } else { Ending::Sent };
//!             attempts.ended(ending)?;
//!         }
//!         AttemptStep::Over(verdict) => break verdict,
//!     }
//! };
//! assert_eq!(tried, ["mx.example.org[192.0.2.1]:25", "backup.example.org[192.0.2.2]:25"]);
//! assert_eq!(verdict, Verdict::Sent);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What comes of it
//!
//! | what is found | then |
//! | --- | --- |
//! | nobody can say who the mail servers are | 4.4.3, or with `ignore_mx_lookup_error` the domain's own addresses |
//! | one record, which names no host (null MX) | 5.1.0 |
//! | no mail servers | the domain's own addresses |
//! | no addresses of the domain, of a host | 5.4.4; 4.4.3 if that could not be found out |
//! | no addresses of any mail server | 5.4.4; 4.4.4 if that could not be found out, or with `smtp_defer_if_no_mx_address_found` |
//! | this machine among the mail servers | those that are better |
//! | this machine, and of no better one an address | 4.4.4 |
//! | this machine as the best | 5.4.6, or `best_mx_transport` |
//!
//! What cannot be delivered because of `relayhost` or `smtp_fallback_relay` itself is 4.3.5. A domain that does not exist and one that
//! has no records are alike: neither has an address, which is 5.4.4.
//!
//! # Limits
//! [`NEXT_HOPS_MAX`] next hops in a list; the best [`SERVER_ADDRESSES_MAX`](crate::access::SERVER_ADDRESSES_MAX) mail servers of a
//! domain are asked about, and so many of their addresses are tried at most, where `smtp_mx_address_limit` does not say fewer.
//!
//! # Departures
//! From RFC 5321 section 5.1: the addresses of one host are not tried in the order of the resolver, but shuffled with those of others
//! that are as good, as Postfix does it (`smtp_randomize_addresses`).
//!
//! From Postfix: this machine is known by its name among the mail servers, too, not by its addresses alone (RFC 5321 section 5.1), and by
//! addresses of loopback where it is not the administrator who named them. An MX record with the text of an address is of no use.
//! Mail for a domain with a null MX record goes to no `smtp_fallback_relay` either. With `ignore_mx_lookup_error`, a domain without
//! addresses is not known to have no mail servers, so its mail waits. Where one of several next hops may be better later, mail is not
//! bounced because of another one. A server that refuses EHLO and HELO with a code of class 5 is passed over, as one with such a
//! greeting is. A server that greets with this machine's name ends everything, also where it is not the best.

mod attempts;
mod failure;
mod fuzz;
mod lookup;
mod next_hop;
mod policy;
mod server;

pub use attempts::{AttemptStep, Attempts, Ending, Verdict};
pub use failure::RouteFailure;
pub use fuzz::fuzz_route;
pub use lookup::{LookupFailure, LookupFailureKind, LookupStep, ServerLookup, Servers};
pub use next_hop::{NEXT_HOPS_MAX, NextHop, NextHopError, NextHops, Protocol};
pub use policy::{AddressPreference, RoutePolicy};
pub use server::{Endpoint, Server};
