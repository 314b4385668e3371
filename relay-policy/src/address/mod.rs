//! Addresses: how they are completed, what they really mean, where their mail goes, and what stands in their place.
//!
//! An [`Address`] is text. [`Rewriting`] brings it into the form `user@domain`; [`Routing`] finds what it leads to: the
//! class of its domain, the transport and the next hop, and whether another address hides in it. [`AddressMaps`],
//! [`VirtualAliases`] and, for users of this machine, [`LocalAliases`] put others in its place; [`Bcc`] adds some. Names and
//! rules are Postfix's, and so are the limits. [`EnvelopeRouter`] does all of that for an envelope, in its order.
//!
//! But for it, everything here is a function of what it is given. A table that is not in memory ends it with
//! [`LookupError::Elsewhere`](crate::table::LookupError::Elsewhere); whoever called adds the answer to its
//! [`Answers`](crate::table::Answers) and calls again.

mod address_maps;
mod bcc;
mod canonical;
mod config;
mod domains;
mod envelope;
mod extension;
mod find;
mod form;
mod local;
mod mapping;
mod masquerade;
mod resolve;
mod rewrite;
mod transport;
mod virtual_alias;

pub use address_maps::{AddressClass, AddressMaps};
pub use bcc::Bcc;
pub use canonical::{Canonical, Canonicalised};
pub use config::RoutingError;
pub(crate) use config::{interfaces, open_maps};
pub use domains::Domains;
pub use envelope::{
    EnvelopeRouter, EnvelopeRun, EnvelopeStep, FINAL_RECIPIENTS_MAX, Failure, FinalRecipient, RouteStep,
    Routed, Way,
};
pub use extension::Extensions;
pub use form::Address;
pub(crate) use form::quoted;
pub use local::{
    AliasFailure, Allowed, Delivery, INCLUDE, LocalAliases, LocalDelivery, LocalExpansion, Target,
    luser_relay,
};
pub use mapping::{Mapper, MappingWarning};
pub use masquerade::Masquerade;
pub use resolve::{Resolution, ResolveError, Routing};
pub use rewrite::{RewriteContext, Rewriting};
pub use transport::Transport;
pub use virtual_alias::{ALIAS_EXPANSION_ERROR, Expansion, VirtualAliases};
