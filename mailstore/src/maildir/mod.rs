//! [`MaildirStore`]: a user's mail as Maildir++ directories, shared with whatever else reads and writes
//! Maildirs.
//!
//! INBOX is the directory itself; the mailbox `A/B` is the directory `.A.B` in it, or `A/B` ([`Layout`]). Each has `tmp/`, `new/`
//! and `cur/`. UIDs are in `dovecot-uidlist`, keywords in `dovecot-keywords`, the last UIDVALIDITY in
//! `dovecot-uidvalidity`, subscriptions in `subscriptions`: the files and formats of Dovecot, so that either
//! can take over from the other.
//!
//! # INTERNALS
//! Where the order of operations and the states that a crash can leave are told:
//!
//! | operation | order and table |
//! | --- | --- |
//! | delivery | `deliver.rs`, `../arrived.rs` |
//! | several messages that come together | `wal.rs` |
//! | moving messages | `moves.rs` |
//! | giving UIDs, rewriting the list | `uids.rs` |
//! | creating, deleting, renaming mailboxes | `folders.rs`, `nested.rs` |
//! | quota | `quota.rs` |
//! | taking over a Maildir of Courier's | `courier.rs` |
//! | locks | `lock.rs` |
//! | the index | `index/mod.rs` |
//!
//! The rest are short:
//!
//! * **Append**: write `tmp/X`, set its date, sync it; under the UID lock rename it to `new/` (with flags:
//!   `cur/`), sync that directory, append the UID, sync the list; answer. A crash before the answer leaves
//!   nothing, a file in `tmp/`, or the whole message with or without a UID; in the last case it gets one when
//!   it is first seen.
//! * **Copy**: the same with a link in place of the rename.
//! * **Several at once**, appended or copied: a log says so before the first is placed (`wal.rs`). A crash before the
//!   answer leaves all or none.
//! * **First sight**: what has no UID yet is synced, and the directory it is in, before it gets one: another
//!   program may have delivered it without. Most of that before the lock of the list is taken.
//! * **`new/` to `cur/`**: a rename that is not synced. After a crash the message is in one, or in both as
//!   one file; see below.
//! * **Flag change**: renames in `cur/`, under the lock of the list of UIDs where that is to be had (Dovecot lists under it, and a file
//!   that is renamed meanwhile may be missed); one sync of `cur/`; answer. After a crash before the answer each
//!   message has its old flags, its new flags, or stands there under both names as one file.
//! * **Expunge**: the spool is told of deliveries that go ([`Settle`](crate::Settle)); sync `new/`, which
//!   messages may have left not durably; unlink, sync `cur/`; answer. A crash before the answer leaves each
//!   message there or gone. Its UID record is garbage until the list is rewritten; `N` in the header keeps
//!   its UID from being given again.
//! * **One file under two names**: the next session that may write takes one away: the one in `new/`, or of
//!   two in `cur/` the one that sorts first. Neither change was acknowledged. Two files under one base are two messages: one
//!   gets a name of its own in `cur/`, which is synced before the other is touched. A power cut at that moment may leave it
//!   there twice.
//! * **Keywords, subscriptions**: a new file in `tmp/`, synced, renamed over the old, directory synced, under
//!   a lock.
//!
//! A look may find a message and miss one that came before it; when the list has more than was found, it looks again under the
//! lock, so that UIDs are told in their order.
//!
//! A session finds a file that was renamed under it by its base: listing the directory again, and trying
//! again.
//!
//! What is known of the messages is in `postroom.index` (see `index/`), a cache beside all this: names, and with them
//! flags, and mod-sequences, sizes and dates, envelopes and structures. Once a message is in it, its file is opened for its
//! octets alone; as long as directories and list of UIDs have not changed for two seconds, they are not even listed.
//!
//! # Limits
//! 26 keywords a mailbox. Messages are regular files that may be read, with names of UTF-8 that are not too long to stand in
//! `cur/`; what else lies there is left out ([`MaildirNotice`]), and keeps the UID that `dovecot-uidlist` has for it. A snapshot holds 104 octets a message, its name, and its
//! keywords.
//!
//! # Departures
//! * With [`Layout::Fs`], a directory with a `.` in its name is no mailbox here, though Dovecot may show it as one.
//! * A directory that is a symbolic link can be opened as a mailbox, and is not listed; who may make such links reads whatever
//!   Maildir this process may. Messages that are links are left out.
//! * `W=` in a file name is believed when the name was made here and `S=` is the true length. A message that another program
//!   named is read through before its size is told; the index remembers it. A wrong `S=` or `W=` is not mended in the name,
//!   by which the list of UIDs knows the message.
//! * INTERNALDATE is the modification time of the file when it was first asked for.
//! * SAVEDATE (RFC 8514) is the time with which a file's name begins: when it was written there, or accepted into the spool.
//!   What another program named otherwise was saved at its INTERNALDATE. RENAME of INBOX keeps it.
//! * A keyword that another program gives another letter changes the flags of messages without a new mod-sequence.
//! * A message that another program delivered without syncing it, and whose sync by us fails, gets its UID at
//!   the next attempt. The kernel may have lost octets of it by then, and says so only once.
//! * Several messages that are appended or copied together are all or none for every reader that goes by the list of
//!   UIDs, ours and Dovecot's; who only lists directories may see some of them meanwhile.
//! * A move is atomic for each message, not for all of a command; a power cut may leave one of them in both mailboxes where
//!   a file system makes a rename in two steps (RFC 6851 §3.3 has both as a SHOULD).

mod append;
mod copy;
mod courier;
mod deliver;
mod filename;
mod folders;
mod keywords;
mod location;
mod look;
mod mailbox;
mod maildirsize;
mod message;
mod moves;
mod nested;
mod notice;
mod paths;
mod quota;
mod recount;
mod scan;
mod staged;
mod store;
mod subscriptions;
mod tree;
mod uidlist;
mod uids;
mod under_way;
mod wal;
mod warning;

pub use location::MaildirLocation;
pub use notice::{MaildirNotice, OnMaildirNotice};
pub use store::{MaildirOptions, MaildirStore, OnWarning};
pub use tree::{Layout, NameEncoding};
#[doc(hidden)]
pub use uidlist::fuzz_uidlist;
pub(crate) use under_way::UnderWay;
