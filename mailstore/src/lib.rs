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
//! A store is one user's mail. It blocks, so a server calls it from threads of its own. The examples need, in a package
//! beside these (there is nothing on crates.io yet):
//!
//! ```toml
//! [dependencies]
//! mailstore = { package = "postroom-mailstore", path = "…/mailstore" }           # or { git = "…" }
//! mail-message = { package = "postroom-mail-message", path = "…/mail-message" }  # flags, UIDs, search
//! proto-core = { package = "postroom-proto-core", path = "…/proto-core" }        # times
//! bytes = "1"                                                                    # a message at hand
//! ```
//!
//! ## A Maildir
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
//! ## mbox files
//! Folders in `~/mail`, the INBOX where other programs deliver: the words are those of Dovecot's `mail_location`.
//! [`MaildirLocation`](maildir::MaildirLocation) reads those of a Maildir.
//!
//! ```
//! use mail_message::FlagSet;
//! use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
//! use mailstore::{Access, Env, MailboxName, PathUser, Store};
//! # let home = std::env::temp_dir().join(format!("mailstore-mbox-{}", std::process::id()));
//!
//! let alice = PathUser { user: "alice", domain: "example.test", home: &home };
//! let location = MboxLocation::parse("mbox:~/mail:INBOX=~/spool/%n", &alice)?;
//! let store = MboxStore::open(Env::real("mail.example"), location, MboxOptions::default(), None)?;
//!
//! // Append: durable when it is committed.
//! let mut append = store.append(&MailboxName::inbox())?;
//! append.begin(&"\\Seen work".split(' ').map(|flag| flag.parse().unwrap()).collect::<FlagSet>(), None)?;
//! append.write(b"Subject: hello\r\n\r\nFrom here on\r\n")?;
//! append.commit()?;
//!
//! let file = std::fs::read_to_string(home.join("spool/alice")).unwrap();
//! assert!(file.starts_with("From ") && file.contains("\nSubject: hello\n") && file.contains("\n>From here on\n"));
//! let inbox = store.open(&MailboxName::inbox(), Access::ReadOnly)?;
//! assert_eq!(inbox.entries()[0].flags.keywords()[0].as_str(), "work");
//! # std::fs::remove_dir_all(home).ok();
//! # Ok::<(), mailstore::StoreError>(())
//! ```
//!
//! ## Searching
//! A store tells envelope, structure and common fields without the message ([`Mailbox::summary`]); text is searched by
//! [`mail_message::search`], decoded, in the parts that can hold it, and those alone are read.
//!
//! ```
//! use mail_message::search::{Query, Scope, Search};
//! use mail_message::Uid;
//! use mailstore::{Access, Mailbox, MailboxName, Result, Store};
//!
//! /// The messages whose subject holds `subject`, and whose text holds `text`.
//! fn search(mailbox: &mut dyn Mailbox, subject: &str, text: &str) -> Result<Vec<Uid>> {
//!     let query = Query::new([(Scope::Field("subject"), subject), (Scope::Body, text)]);
//!     let uids: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
//!     let (mut found, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
//!     for uid in uids {
//!         let mut search = Search::new(&query);
//!         let targets = search.targets(&mailbox.summary(uid)?.message);
//!         let mut message = mailbox.message(uid)?;
//!         for target in targets {
//!             let mut range = target.range();
//!             search.begin(&target);
//!             while !range.is_empty() {
//!                 let length = chunk.len().min((range.end - range.start) as usize);
//!                 let n = message.read_at(range.start, &mut chunk[..length])?;
//!                 if n == 0 || search.feed(&chunk[..n]) {
//!                     break;
//!                 }
//!                 range.start += n as u64;
//!             }
//!         }
//!         search.finish();
//!         if [0, 1].iter().all(|&term| search.outcome(term) == Some(true)) {
//!             found.push(uid);
//!         }
//!     }
//!     Ok(found)
//! }
//! # use mailstore::{MemoryStore, RealHost};
//!
//! let store = MemoryStore::new(RealHost::new("mail.example"));
//! for message in [
//!     "Subject: hello\r\n\r\nnothing\r\n",
//!     "Subject: =?utf-8?q?Hello?=\r\nContent-Transfer-Encoding: base64\r\n\r\nQ2Fybml2YWw=\r\n",
//! ] {
//!     let mut append = store.append(&MailboxName::inbox())?;
//!     append.write(message.as_bytes())?;
//!     append.commit()?;
//! }
//! let mut inbox = store.open(&MailboxName::inbox(), Access::ReadOnly)?;
//! let second = inbox.entries()[1].uid;
//! assert_eq!(search(&mut *inbox, "hello", "carnival")?, [second]);
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
//! | `subscriptions`, of mbox files `.subscriptions` | Dovecot's, either version | subscriptions |
//! | `postroom.special-use` | ours: attributes, a tab, the name | what mailboxes are for |
//! | `postroom.index` | ours: batches with checksums | time, and what was removed since when |
//! | `postroom.wal` | ours: names with a checksum; never to be removed by hand | that several messages came together or not at all |
//! | mbox files | mboxo, mboxrd, mboxcl, mboxcl2; UIDs and flags in header fields | mail |
//!
//! # Limits
//! A name has 254 octets, a part of it 200. A Maildir has 26 keywords. The last UID, 2³²−1, is never given. No message
//! is held in memory whole, but in a [`MemoryStore`]. Each module tells its own.
//!
//! A Maildir costs, whatever its messages hold, no more than 168 octets a message with a name of 31 octets while it is open,
//! and 640 while it is being opened; tested with 100,000 messages of more than a megabyte each.
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

mod arrived;
pub mod batch;
pub mod conformance;
pub mod convert;
pub mod defaults;
pub mod env;
pub mod error;
pub mod fs;
mod index;
mod lines;
mod lock;
pub mod maildir;
pub mod mbox;
pub mod memory;
pub mod name;
pub mod quota;
pub mod special_use;
pub mod spool;
pub mod store;
mod subscriptions;
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
