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
//! | [`special_use`] | [`SpecialUse`]: what a mailbox is for |
//! | [`defaults`] | [`DefaultMailbox`]: the mailboxes that every user has |
//! | [`quota`] | [`QuotaRules`]: what a user's mailboxes may hold |
//! | [`mod@fs`] | the disk as a trait: [`RealFs`](fs::RealFs) and the crash-simulating [`SimFs`](fs::SimFs) |
//! | [`mod@env`] | [`Env`]: disk, clock and host, handed in |
//! | [`batch`] | deliveries in two steps, many sharing their flushes |
//! | [`template`] | [`PathTemplate`]: where a user's mail is, in Dovecot's variables |
//! | [`sync`] | [`Syncs`](sync::Syncs): concurrent callers share flushes |
//! | [`watch`] | [`Watcher`](watch::Watcher): what other programs change in a mailbox is told |
//! | [`error`] | [`StoreError`]: what, where, what to do, temporary or permanent |
//!
//! # Quick start
//! A store is one user's mail. It blocks, so a server calls it from threads of its own.
//!
//! ```
//! use bytes::Bytes;
//! use mailstore::{
//!     Access, Delivery, DeliveryId, Env, Mailbox, MailboxName, MaildirStore, MessageReader, Store,
//! };
//! use proto_core::UnixTime;
//! # let home = std::env::temp_dir().join(format!("mailstore-{}", std::process::id()));
//!
//! // One Env for the process; the Maildir is made where it is missing.
//! let env = Env::real("mail.example");
//! let store = MaildirStore::open(env.clone(), &home.join("Maildir"), None)?;
//!
//! // Deliver: durable on return.
//! let delivery = Delivery {
//!     id: DeliveryId { queue_id: "4f1c2a".parse()?, recipient: 0 },
//!     maybe_delivered: false,
//!     date: UnixTime(1_800_000_000),
//!     header: b"Return-Path: <b@example.org>\r\n",
//! };
//! let mut body = Bytes::from_static(b"Subject: hello\r\n\r\nhi\r\n");
//! store.deliver(&MailboxName::inbox(), &delivery, &mut body)?;
//!
//! // List.
//! assert_eq!(store.list()?.len(), 1);
//! let mut inbox = store.open(&MailboxName::inbox(), Access::ReadWrite)?;
//! let uid = inbox.entries()[0].uid;
//!
//! // Read.
//! let mut message = inbox.message(uid)?;
//! let mut start = [0; 11];
//! message.read_at(0, &mut start)?;
//! assert_eq!(&start, b"Return-Path");
//! # std::fs::remove_dir_all(home).ok();
//! # Ok::<(), mailstore::StoreError>(())
//! ```
//!
//! # What is durable when
//!
//! | when this returns `Ok` | this survives a power cut |
//! | --- | --- |
//! | [`Store::deliver`], [`batch::commit`] | the message, whole, under its delivery's id |
//! | [`Append::commit`], [`Mailbox::copy`] | the messages, their UIDs, flags and dates |
//! | [`Mailbox::move_to`] | the messages where they are now, their UIDs, flags and dates, and that they are gone from where they were |
//! | [`Mailbox::set_flags`] | the flags that are returned |
//! | [`Mailbox::expunge`] | that the messages are gone, and their UIDs are not given again |
//! | [`Store::open`], [`Mailbox::refresh`] | the UIDs that are told |
//! | [`Store::create`], [`delete`](Store::delete), [`rename`](Store::rename), [`subscribe`](Store::subscribe) | that |
//! | the callback of a spool's commit | the accepted message with its envelope |
//!
//! Each operation's order of steps and the states that a crash can leave are told at the top of its module, and tested
//! by cutting the power at every step on the [simulated disk](fs::SimFs). [`MemoryStore`] keeps nothing.
//!
//! # Formats
//!
//! | file | format | lost, it costs |
//! | --- | --- | --- |
//! | `new/`, `cur/` and names in them | Maildir, Maildir++; sizes as `,S=` and `,W=` | mail |
//! | `dovecot-uidlist` | Dovecot's, version 3 | UIDVALIDITY: clients fetch anew |
//! | `dovecot-keywords` | Dovecot's: number and name of each letter | the names of keywords |
//! | `subscriptions` | Dovecot's, either version | subscriptions |
//! | `postroom.special-use` | ours: attributes, a tab, the name | what mailboxes are for |
//! | `postroom.index` | ours: batches with checksums | time, and what was removed since when |
//! | `postroom.wal` | ours: names with a checksum; never to be removed by hand | that several messages came together or not at all |
//! | mbox files | mboxo, mboxrd, mboxcl, mboxcl2; UIDs and flags in header fields | mail |
//!
//! # Limits
//! A name has 254 octets, a part of it 200. A Maildir has 26 keywords. The last UID, 2³²−1, is never given. No message
//! is held in memory whole, but in a [`MemoryStore`]. Each module tells its own.
//!
//! # A store of one's own
//! Implement [`Store`], [`Mailbox`], [`Append`] and [`MessageReader`]; the promises they make stand at the top of
//! [`store`]. Then have them looked at in a test:
//!
//! ```
//! use mailstore::conformance::{self, Promises};
//! # use mailstore::{MemoryStore, RealHost, Store};
//!
//! conformance::run(&Promises::default(), || {
//!     let store = MemoryStore::new(RealHost::new("mail.example")); // Yours, empty.
//!     move || Ok(Box::new(store.clone()) as Box<dyn Store>) // The same, opened again.
//! });
//! ```
#![forbid(unsafe_code)]

pub mod batch;
pub mod conformance;
pub mod convert;
pub mod defaults;
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
pub mod special_use;
pub mod spool;
pub mod store;
pub mod summary;
pub mod sync;
pub mod template;
pub mod watch;

pub use defaults::{AutoCreate, DefaultMailbox};
pub use env::{Env, Host, RealHost};
pub use error::{Class, ErrorKind, Result, StoreError};
#[doc(hidden)]
pub use index::fuzz_index;
pub use maildir::{Layout, MaildirOptions, MaildirStore, NameEncoding};
pub use mbox::MboxStore;
pub use memory::MemoryStore;
pub use name::MailboxName;
pub use quota::{Adding, Quota, QuotaLimits, QuotaRules, QuotaUsage};
pub use special_use::{SpecialUse, SpecialUses};
pub use spool::{LogSpool, Spool};
pub use store::{
    Access, Append, Appended, Changes, Copied, Delivered, Delivery, DeliveryId, Entry, Expunge, FlagChange,
    Flagged, Mailbox, MailboxInfo, MailboxStatus, MessageReader, Meta, PermanentFlags, Settle, Store, Stored,
};
pub use summary::Summary;
pub use template::{PathTemplate, PathUser};
pub use watch::{Tell, Told, Watch};
