//! The walls: traits behind which an embedder may put anything.
//!
//! All of them are `Send + Sync` and object-safe, with boxed futures, and have the tenant (the domain) in every
//! key, so that a database or an object store can stand behind them. They are called on the reactor: what blocks
//! goes to threads of its own ([`Blocking`](crate::Blocking)).
//!
//! | wall | asked by | ours |
//! | --- | --- | --- |
//! | [`Directory`] | every login, every recipient | [`PasswdFile`](crate::accounts::PasswdFile) |
//! | [`Intake`] | the SMTP service, for each message it accepts | any [`Spool`], or an embedder's own |
//! | [`Spool`] | the deliverers | [`LocalSpool`](crate::local::LocalSpool) |
//! | [`Store`], [`Mailbox`] | IMAP, POP3, the deliverers | [`LocalStore`](crate::local::LocalStore) |
//! | [`Resolver`] | policy, for clients, senders and recipients | [`StubResolver`](crate::dns::StubResolver) behind [`Cached`](crate::dns::Cached) |

mod account;
mod directory;
mod resolver;
mod spool;
mod store;

pub use account::AccountId;
pub use directory::{BearerToken, Directory, Login, Serves, TokenVerifier};
pub use resolver::{Records, Resolver};
pub use spool::{Intake, Spool, SpoolWriter};
pub use store::{Append, Delivery, Mailbox, MessageReader, Opened, Refreshed, Store, StoreResult, Visitor};

/// What a wall returns: later.
pub type Later<'a, T> = futures_util::future::BoxFuture<'a, T>;
