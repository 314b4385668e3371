//! Mail on disk that survives a power cut: Maildir, UIDs, and the spool.
//!
//! | module | holds |
//! | --- | --- |
//! | [`store`] | the wall for mailboxes: [`Store`], [`Mailbox`], [`Append`], [`MessageReader`] |
//! | [`maildir`] | [`MaildirStore`]: Maildir++ with UIDs in Dovecot's files |
//! | [`memory`] | [`MemoryStore`]: the same in memory |
//! | [`spool`] | the wall for accepted mail: [`Spool`], and [`LogSpool`] behind it |
//! | [`conformance`] | cases that any store can run against itself |
//! | [`summary`] | [`Summary`]: envelope, structure and common fields of a message |
//! | [`mbox`] | [`MboxStore`]: mbox files, shared with other programs |
//! | [`mod@convert`] | from one store into another |
//! | [`quota`] | [`QuotaRules`]: what a user's mailboxes may hold |
//! | [`mod@fs`] | the disk as a trait: [`RealFs`](fs::RealFs) and the crash-simulating [`SimFs`](fs::SimFs) |
//! | [`mod@env`] | [`Env`]: disk, clock and host, handed in |
//! | [`batch`] | deliveries in two steps, many sharing their flushes |
//! | [`sync`] | [`Syncs`](sync::Syncs): concurrent callers share flushes |
//! | [`error`] | [`StoreError`]: what, where, what to do, temporary or permanent |
//!
//! What is acknowledged is durable: each operation's order of steps and the states a crash can leave are told
//! at the top of its module, and tested by cutting the power at every step on the simulated disk.
#![forbid(unsafe_code)]

pub mod batch;
pub mod conformance;
pub mod convert;
mod crc;
pub mod env;
pub mod error;
pub mod fs;
mod index;
mod lock;
pub mod maildir;
pub mod mbox;
pub mod memory;
pub mod name;
pub mod quota;
pub mod spool;
pub mod store;
pub mod summary;
pub mod sync;

pub use env::{Env, Host, RealHost};
pub use error::{Class, ErrorKind, Result, StoreError};
#[doc(hidden)]
pub use index::fuzz_index;
pub use maildir::{MaildirOptions, MaildirStore};
pub use mbox::MboxStore;
pub use memory::MemoryStore;
pub use name::MailboxName;
pub use quota::{Adding, Quota, QuotaLimits, QuotaRules, QuotaUsage};
pub use spool::{LogSpool, Spool};
pub use store::{
    Access, Append, Appended, Changes, Copied, Delivered, Delivery, DeliveryId, Entry, Expunge, FlagChange,
    Flagged, Mailbox, MailboxInfo, MailboxStatus, MessageReader, Meta, PermanentFlags, Settle, Store, Stored,
};
pub use summary::Summary;
