//! Access control: Postfix's `smtpd_*_restrictions`, evaluated rule by rule, with the reply and the log lines in its words.
//!
//! [`AccessPolicy`] is compiled from [`Parameters`](crate::Parameters); an [`AccessEvaluation`] decides about one command.
//! It is stepped: what must be looked up elsewhere, in the DNS above all, it asks for, and goes on from the same rule when
//! there is an answer.
//!
//! The order is that of `smtpd_delay_reject = yes`: at RCPT the lists for the client, HELO and the sender come first, then
//! the relay list, then the recipient list; a permit ends its list only. After them the recipient must exist.
//!
//! ```
//! use proto_core::address::{AddressSyntax, ForwardPath};
//! use relay_policy::access::{AccessPolicy, AccessStep};
//! use relay_policy::table::Opener;
//! use relay_policy::{Parameters, Request, Stage};
//!
//! let mut parameters = Parameters::default();
//! parameters.set("mydestination", "example.test")?;
//! parameters.set("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination")?;
//! parameters.set("smtpd_recipient_restrictions", "check_recipient_access inline:{{bob@example.test = REJECT Gone}}")?;
//! let policy = AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into())))?;
//!
//! let request = Request::new("203.0.113.9".parse()?);
//! let decide = |recipient: &[u8]| -> Result<String, Box<dyn std::error::Error>> {
//!     let (recipient, _) = ForwardPath::parse_prefix(recipient, AddressSyntax::STRICT)?;
//!     match policy.evaluate(&request, Stage::Rcpt(&recipient)).step() {
//!         AccessStep::Done(outcome) => Ok(outcome.refusal.map_or("accepted".into(), |reply| reply.to_string())),
//!         AccessStep::Needs(questions) => panic!("nothing is asked: {questions:?}"),
//!     }
//! };
//! assert_eq!(decide(b"<alice@example.test>")?, "accepted");
//! assert_eq!(decide(b"<alice@other.test>")?, "554 5.7.1 <alice@other.test>: Relay access denied");
//! assert_eq!(decide(b"<bob@example.test>")?, "554 5.7.1 <bob@example.test>: Recipient address rejected: Gone");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! Lists within lists (classes, and lists in tables) are [`RECURSION_MAX`] deep at most; the servers of a domain are
//! looked at up to [`SERVER_ADDRESSES_MAX`] addresses.
//!
//! # Departures
//! From Postfix: a table that cannot be opened is refused when the policy is compiled, not with the first mail. Tables
//! that are named in the text of another table are refused, as Postfix does it.

mod action;
mod addresses;
mod delegate;
mod destination;
mod dnslist;
mod doubts;
mod evaluation;
mod fuzz;
mod helo;
mod keys;
pub(crate) mod log;
mod lookup;
mod mx_backup;
mod outcome;
mod policy;
mod probe;
mod rule;
mod servers;
mod subject;
mod template;

pub(crate) use dnslist::{Zone, reversed};
pub use doubts::{Doubt, Severity};
pub use evaluation::AccessEvaluation;
pub use fuzz::fuzz_access;
pub use helo::is_hostname;
pub(crate) use helo::literal;
pub use log::{Log, LogLine};
pub use outcome::{AccessStep, Effects, Latches, Outcome};
pub(crate) use policy::open_networks;
pub use policy::{AccessError, AccessPolicy};
pub(crate) use rule::Rules;
pub(crate) use subject::{first_digit, split_enhanced};
pub(crate) use template::expand;

/// How deep lists are nested in lists.
pub const RECURSION_MAX: usize = 100;

/// How many addresses of a domain's servers are looked at (`dns_rr_list_limit`).
pub const SERVER_ADDRESSES_MAX: usize = 100;
