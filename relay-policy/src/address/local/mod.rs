//! Recipients of this machine: `alias_maps`, and who gets what is for nobody.

mod aliases;
mod luser;
mod target;

pub use aliases::{AliasFailure, Allowed, Delivery, LocalAliases, LocalDelivery, LocalExpansion};
pub use luser::luser_relay;
pub(super) use luser::luser_relay_doubt;
pub use target::{INCLUDE, Target};
