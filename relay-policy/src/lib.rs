//! Who may send mail where: access and relay policy as a pure library that explains itself.
//!
//! A [`Policy`] is compiled from a [`PolicyConfig`] for one listener. For each decision an SMTP server must take, an
//! [`Evaluation`] is stepped: it either needs answers (does this recipient exist?), which may come from anywhere and
//! in any order, or it is done, with a [`Decision`] and a [`Trail`] that tells every rule looked at and why. Nothing
//! here reads a file, a socket or a clock.
//!
//! The words are those of Postfix's `smtpd_*_restrictions`: `mynetworks`, `permit_sasl_authenticated`,
//! `reject_unauth_destination`, evaluated in order.
//!
//! [`address`] has what comes before and after such a decision: what an address really means, what stands in its place, and
//! where its mail goes.
//!
//! ```
//! use proto_core::address::{AddressSyntax, ForwardPath};
//! use relay_policy::*;
//!
//! let config = PolicyConfig {
//!     local_domains: vec!["example.test".into()],
//!     mynetworks: vec!["127.0.0.0/8".into(), "::1".into()],
//!     ..PolicyConfig::new("postmaster@example.test".parse()?)
//! };
//! let policy = Policy::compile(&config, Listener::Smtp, &PolicyOverrides::default())?;
//! let request = Request::new("203.0.113.9".parse()?);
//! let decide = |recipient: &[u8]| -> Result<(Decision, Trail), Box<dyn std::error::Error>> {
//!     let (recipient, _) = ForwardPath::parse_prefix(recipient, AddressSyntax::STRICT)?;
//!     let mut evaluation = policy.evaluate(&request, Stage::Rcpt(&recipient));
//!     loop {
//!         match evaluation.step() {
//!             Step::Needs(questions) => {
//!                 for question in questions {
//!                     let Question::RecipientExists { address } = &question else { unreachable!() };
//!                     let known = address.local_part().as_str() == "alice";
//!                     evaluation.answer(question, Answer::Exists(known))?;
//!                 }
//!             }
//!             Step::Done(decision, trail) => return Ok((decision, trail)),
//!         }
//!     }
//! };
//! assert!(matches!(decide(b"<alice@example.test>")?.0, Decision::Accept { .. }));
//! let (decision, trail) = decide(b"<alice@elsewhere.test>")?;
//! assert_eq!(decision.to_string(), "554 5.7.1 <alice@elsewhere.test>: Relay access denied");
//! assert!(trail.to_string().contains("permit_mynetworks: no: 203.0.113.9 is in none of 127.0.0.0/8, ::1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod access;
pub mod address;
pub mod checks;
pub mod delegation;
pub mod early;
pub mod fuzz;
pub mod greylist;
pub mod main_cf;
pub mod qmail;
pub mod rates;
pub mod table;

mod config;
mod decision;
mod domain;
mod evaluate;
mod match_list;
mod nearest;
mod network;
mod parameters;
mod question;
mod request;
mod resolve;
mod restriction;
mod trail;
mod words;

pub use config::{ConfigError, Policy, PolicyConfig, PolicyOverrides};
pub use decision::{Class, Decision, Destination, Reply};
pub use evaluate::{Evaluation, Step};
pub use match_list::MatchList;
pub use network::{NetworkError, NetworkList};
pub use parameters::{ParameterError, Parameters, PrefixBits, TempfailAction};
pub use question::{Answer, PolicyService, Question, Record, RecordKind, Verification};
pub use request::{ClientCertificate, Listener, NameStatus, Request, Stage};
pub use restriction::{ListName, Restriction};
pub use trail::{Outcome, Trail, TrailEntry};
