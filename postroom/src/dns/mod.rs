//! DNS lookups: asked of the system's servers, remembered for as long as they hold, and the names of clients.
//!
//! | type | is |
//! | --- | --- |
//! | [`StubResolver`] | a resolver that asks the servers of `/etc/resolv.conf`, or others |
//! | [`Cached`] | any resolver, with a memory: one lookup for all who ask the same at the same time, none for what still holds |
//! | [`FixedResolver`] | records that were given beforehand, for tests and for trying a policy out |
//! | [`test_list`] | whether a DNS list is alive |
//! | [`HostsFile`] | the names of clients that this machine has beside the DNS |
//! | [`ClientName`] | what a client's address is called, and whether the name says so, too |
//!
//! All resolvers stand behind the wall [`Resolver`](crate::wall::Resolver). A server that is given none has [`system`].

mod cache;
mod client_name;
mod fixed;
mod hosts;
mod list_test;
mod shares;
mod stub;

pub use cache::{CacheLimits, Cached};
pub use client_name::{ClientName, NAMES_MAX};
pub use fixed::FixedResolver;
pub use hosts::HostsFile;
pub use list_test::{ListHealth, test_list};
pub(crate) use shares::{Share, Shares};
pub use stub::{ALIASES_MAX, StubOptions, StubResolver};

/// The servers of this system behind a cache of usual size.
pub fn system() -> Cached {
    Cached::new(StubResolver::system(), CacheLimits::default())
}

/// A name as it is compared: in lower case, without the dot at its end.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
