//! From the envelope as a client gave it to who really gets the message.
//!
//! [`EnvelopeRouter`] has all that is done with the addresses of an envelope, in Postfix's order: the sender is mapped by
//! `canonical_maps` and its companions; so is each recipient, which `virtual_alias_maps` then expands; what comes out is
//! resolved to who delivers it; users of this machine are looked up in `alias_maps`; and copies are added. An
//! [`EnvelopeRun`] works it out for one address: it is stepped, and asks for what is not in memory, all at once where the
//! answers do not depend on each other.
//!
//! Aliases are expanded when a message is accepted, so that a recipient that leads nowhere is refused while its sender is
//! there to hear of it, and no report has to be sent.
//!
//! ```
//! use relay_policy::address::{Address, EnvelopeRouter, EnvelopeStep};
//! use relay_policy::table::Opener;
//! use relay_policy::{Answer, Parameters, Question};
//!
//! let mut parameters = Parameters::default();
//! for (name, value) in [
//!     ("myorigin", "example.com"),
//!     ("mydestination", "example.com"),
//!     ("recipient_delimiter", "+"),
//!     ("virtual_alias_maps", "inline:{ {sales@example.com = alice+sales, bob} }"),
//!     ("alias_maps", "inline:{ {bob = carol} }"),
//! ] {
//!     parameters.set(name, value)?;
//! }
//! let opener = Opener::new(&|_| Err("no files".into()));
//! let router = EnvelopeRouter::from_parameters(&parameters, &opener, &mut Vec::new())?;
//!
//! let mut run = router.recipient(Address::parse("sales@example.com"), Address::parse("joe@far.test"));
//! let routed = loop {
//!     match run.step() {
//!         EnvelopeStep::Needs(questions) => {
//!             for question in questions {
//!                 // Who has a mailbox here.
//!                 let Question::Lookup { key, .. } = &question else { unreachable!() };
//!                 let known = ["alice@example.com", "carol@example.com"].contains(&key.as_str());
//!                 let found = known.then(|| key.clone());
//!                 run.answer(&question, Answer::Found(found))?;
//!             }
//!         }
//!         EnvelopeStep::Done(routed) => break routed,
//!     }
//! };
//! let told: Vec<String> = routed.recipients.iter().map(ToString::to_string).collect();
//! assert_eq!(told, [
//!     "carol@example.com in the mailbox of carol@example.com",
//!     "alice+sales@example.com in the mailbox of alice@example.com",
//! ]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! One recipient stands for at most [`FINAL_RECIPIENTS_MAX`] others, and what leads from one to the next is followed
//! [`NESTED_MAX`] deep; besides the limits that virtual and local aliases have of their own.
//!
//! # Departures
//! From Postfix: local aliases are expanded before the message is queued, not when it is delivered. What comes to an
//! address a second time on its way is not followed again: it fails where nobody else is left to get the message, and
//! otherwise those get it.

mod run;
mod steps;
mod tasks;

pub use run::{EnvelopeRun, EnvelopeStep};
pub use steps::RouteStep;

use super::address_maps::{AddressClass, AddressMaps};
use super::bcc::Bcc;
use super::config::RoutingError;
use super::form::Address;
use super::local::{LocalAliases, luser_relay_doubt};
use super::resolve::{Resolution, Routing};
use super::transport::Transport;
use super::virtual_alias::VirtualAliases;
use crate::parameters::Parameters;
use crate::table::{Answers, Maps, Opener, Warning, directory};
use std::fmt::{self, Display};
use std::sync::Arc;
use tasks::Task;

/// How many recipients one may stand for (`qmgr_message_recipient_limit` has the same number, for what it does).
pub const FINAL_RECIPIENTS_MAX: usize = 20_000;

/// How deep aliases lead from one to the next.
const NESTED_MAX: usize = 100;

/// What is done with the addresses of an envelope.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EnvelopeRouter {
    /// Where mail for an address goes.
    pub routing: Arc<Routing>,
    /// Canonical and masqueraded addresses.
    pub address_maps: AddressMaps,
    /// Recipients in place of a recipient.
    pub virtual_aliases: VirtualAliases,
    /// Recipients besides those that a message has.
    pub bcc: Bcc,
    /// What the users of this machine stand for.
    pub local_aliases: LocalAliases,
    /// `luser_relay`: who gets what is for users of this machine that are not there; empty for nobody.
    pub luser_relay: String,
    /// Who has a mailbox here: beside an address, that of the account. [`DIRECTORY`](crate::table::DIRECTORY) unless
    /// something else is put here; where there is no table, everybody has one.
    pub mailboxes: Maps,
    /// Who gets what is for a `postmaster` or `MAILER-DAEMON` in a domain of ours without a mailbox of that name (RFC 5321
    /// section 4.5.1).
    pub postmaster: Option<Address>,
}

/// What came of an address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Routed {
    /// The address after `canonical_maps` and its companions, and before aliases; the null address where it was not known in
    /// the end.
    pub canonical: Address,
    /// Who gets the message, each once.
    pub recipients: Vec<FinalRecipient>,
    /// Who does not, and why.
    pub failures: Vec<Failure>,
    /// What is to be logged as a warning.
    pub warnings: Vec<String>,
    /// How it came about, where that was asked for ([`EnvelopeRun::with_steps`]).
    pub steps: Vec<RouteStep>,
}

/// Who gets a message in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalRecipient {
    /// The recipient, with its extension: what `Delivered-To:` tells. Its domain is in A-labels and lower case.
    pub address: Address,
    /// Who delivers, and to where.
    pub way: Way,
    /// The sender in place of the message's own: the owner of the list that it came by.
    pub sender: Option<Address>,
}

/// How a message gets to a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Into the mailbox of an account: the account's address.
    Mailbox(Address),
    /// By a service that is none of this module's: `smtp`, `relay`, `lmtp` and their like.
    Transport(Transport),
    /// Into a program.
    Command(String),
    /// Into a file, or a Maildir where it ends in `/`.
    File(String),
    /// Nowhere: it is thrown away, for this reason.
    Discard(String),
}

/// Somebody who cannot get the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The target, as the alias has it; or the address.
    pub target: String,
    /// The status code and the text: `5.1.1 User unknown in virtual alias table`. Codes of class 4 are temporary.
    pub reason: String,
}

impl EnvelopeRouter {
    /// Takes all that is needed from the parameters.
    ///
    /// # Errors
    /// [`RoutingError`] names the parameter.
    pub fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let routing = Routing::from_parameters(parameters, opener, warnings)?;
        Self::with_routing(Arc::new(routing), parameters, opener, warnings)
    }

    /// The same, where addresses are resolved as somebody else does it who has these parameters, too:
    /// [`AccessPolicy::routing`](crate::access::AccessPolicy::routing).
    ///
    /// # Errors
    /// [`RoutingError`] names the parameter.
    pub fn with_routing(
        routing: Arc<Routing>,
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        if let Some(doubt) = luser_relay_doubt(&parameters.luser_relay) {
            warnings.push(Warning::of_configuration("luser_relay", &doubt));
        }
        Ok(Self {
            routing,
            address_maps: AddressMaps::from_parameters(parameters, opener, warnings)?,
            virtual_aliases: VirtualAliases::from_parameters(parameters, opener, warnings)?,
            bcc: Bcc::from_parameters(parameters, opener, warnings)?,
            local_aliases: LocalAliases::from_parameters(parameters, opener, warnings)?,
            luser_relay: parameters.luser_relay.clone(),
            mailboxes: Maps::new(vec![directory()]),
            postmaster: None,
        })
    }

    /// Whether anything may stand in the place of a sender.
    pub fn maps_senders(&self) -> bool {
        !self.address_maps.is_empty(AddressClass::EnvelopeSender)
    }

    /// Begins with a sender; what comes of it is [`Routed::canonical`]. The null sender stays.
    pub fn sender(&self, sender: Address) -> EnvelopeRun<'_> {
        EnvelopeRun::new(self, Address::default(), Task::Sender(sender))
    }

    /// Begins with a recipient of a message from `sender`.
    pub fn recipient(&self, recipient: Address, sender: Address) -> EnvelopeRun<'_> {
        EnvelopeRun::new(self, sender, Task::recipient(recipient))
    }

    /// Begins with a recipient that has been decided about, as [`Self::recipient`] does. What was found out for that is not
    /// found out again: where the recipient leads, by the same [`Routing`] and for this sender, and what was answered about
    /// tables.
    pub fn accepted(
        &self,
        recipient: Address,
        sender: Address,
        resolution: Option<Arc<Resolution>>,
        answers: Answers,
    ) -> EnvelopeRun<'_> {
        self.recipient(recipient, sender).knowing(resolution, answers)
    }

    /// Begins with the copies of a message: who gets one, and where that goes. Sender and recipients are those after
    /// canonical mapping.
    pub fn copies(&self, sender: Address, recipients: Vec<Address>) -> EnvelopeRun<'_> {
        EnvelopeRun::new(self, sender, Task::Copies(recipients))
    }
}

impl Failure {
    /// Whether trying again may help.
    pub fn is_temporary(&self) -> bool {
        self.reason.starts_with("4.")
    }
}

impl Display for FinalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, way, sender } = self;
        write!(f, "{address} ")?;
        match way {
            Way::Mailbox(account) => write!(f, "in the mailbox of {account}")?,
            Way::Transport(transport) => write!(f, "by {transport}")?,
            Way::Command(command) => write!(f, "by the command {command}")?,
            Way::File(path) => write!(f, "in the file {path}")?,
            Way::Discard(why) => write!(f, "thrown away: {why}")?,
        }
        sender.as_ref().map_or(Ok(()), |sender| write!(f, ", from {sender}"))
    }
}
