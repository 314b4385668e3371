//! Who may send mail where: access and relay policy as a pure library that explains itself.
//!
//! An [`AccessPolicy`](access::AccessPolicy) is compiled from [`Parameters`], which are Postfix's: `mynetworks`,
//! `smtpd_relay_restrictions` and their like, as `main.cf` has them. For each decision an SMTP server must take, an
//! [`AccessEvaluation`](access::AccessEvaluation) is stepped: it either needs answers (what are the records of this name?),
//! which may come from anywhere and in any order, or it is done, with an [`Outcome`](access::Outcome) and a [`Trail`] that
//! tells every rule looked at and why. Nothing here reads a file, a socket or a clock.
//!
//! [`address`] has what comes before and after such a decision: what an address really means, what stands in its place, and
//! where its mail goes; [`headers`] does the like for the addresses in a message's header.
//!
//! An application has two of this family's crates among its dependencies, `postroom-relay-policy` (the library `relay_policy`) and
//! `postroom-proto-core` (`proto_core`), whose addresses it speaks of.
//!
//! Which mailboxes there are it learns by the table `directory:`. That is asked as all tables of addresses are: for
//! `bob+x@example.test`, then without the extension, then, where the domain is one of `mydestination`, for the local part alone, and
//! last for `@example.test`, as somebody might have the whole domain. Who has mailboxes alone answers the whole addresses, and finds
//! nothing for the others.
//!
//! ```
//! use proto_core::address::{AddressSyntax, ForwardPath};
//! use relay_policy::access::{AccessPolicy, AccessStep, Outcome};
//! use relay_policy::table::Opener;
//! use relay_policy::*;
//!
//! let mut parameters = Parameters::default();
//! parameters.set("mydestination", "example.test")?;
//! parameters.set("mynetworks", "127.0.0.0/8, [::1]/128")?;
//! parameters.set("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination")?;
//! // Who has a mailbox here, only the application knows: it is asked.
//! parameters.set("local_recipient_maps", "directory:")?;
//! let policy = AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into())))?;
//!
//! let request = Request::new("203.0.113.9".parse()?);
//! let decide = |recipient: &[u8]| -> Result<Outcome, Box<dyn std::error::Error>> {
//!     let (recipient, _) = ForwardPath::parse_prefix(recipient, AddressSyntax::STRICT)?;
//!     let mut evaluation = policy.evaluate(&request, Stage::Rcpt(&recipient));
//!     loop {
//!         match evaluation.step() {
//!             AccessStep::Needs(questions) => {
//!                 for question in questions {
//!                     let Question::Lookup { key, .. } = &question else { unreachable!() };
//!                     let found = (key == "alice@example.test").then(|| key.clone());
//!                     evaluation.answer(&question, Answer::Found(found))?;
//!                 }
//!             }
//!             AccessStep::Done(outcome) => return Ok(*outcome),
//!         }
//!     }
//! };
//! assert_eq!(decide(b"<alice@example.test>")?.refusal, None);
//! let outcome = decide(b"<alice@elsewhere.test>")?;
//! assert_eq!(outcome.refusal.unwrap().to_string(), "554 5.7.1 <alice@elsewhere.test>: Relay access denied");
//! assert!(outcome.trail.to_string().contains("permit_mynetworks: no: 203.0.113.9 is not in mynetworks"));
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
pub mod headers;
pub mod main_cf;
pub mod open_relay;
pub mod qmail;
pub mod rates;
pub mod retry;
pub mod route;
pub mod table;

mod decision;
mod domain;
mod list_name;
mod match_list;
mod milters;
mod nearest;
mod nets;
mod network;
mod parameters;
mod question;
mod reject_footer;
mod request;
mod trail;
mod words;

pub use decision::{Class, Reply};
pub use list_name::ListName;
pub use match_list::{MatchList, ParsedList};
pub use milters::MilterEntry;
pub use network::{NetworkError, NetworkList, network_prefix};
pub use parameters::{ParameterError, ParameterKind, Parameters, PrefixBits, TempfailAction};
pub use question::{Answer, PolicyService, Question, Record, RecordKind, Verification};
pub use reject_footer::{FooterFacts, RejectFooter};
pub use request::{ClientCertificate, NameStatus, Request, Stage};
pub use trail::{Seen, Trail, TrailEntry};
