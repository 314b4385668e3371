//! Mailbox names between the machine and the store.
//!
//! The machine holds them in UTF-8, the store in modified UTF-7 (RFC 3501 section 5.1.3), as Dovecot and older Courier
//! keep them on disk. Both part the levels by `/`.

use imap_proto::server::Refusal;
use imap_proto::types::MailboxName;

/// The store's form of a name.
///
/// # Errors
/// `CANNOT` for a name that the store cannot hold, such as one with a `.`.
pub(super) fn to_store(name: &MailboxName) -> Result<mailstore::MailboxName, Refusal> {
    // Empty parts and the like are the machine's to refuse; what is left is the store's own.
    mailstore::MailboxName::from_utf8(name.as_str())
        .map_err(|_| Refusal::Cannot("No part of a mailbox name may hold '.' or be that long.".into()))
}

/// The machine's form of a name; `None` for one that no client could have made: another program made it, and no client
/// could name it.
pub(super) fn from_store(name: &mailstore::MailboxName) -> Option<MailboxName> {
    MailboxName::new(&name.to_utf8()?).ok()
}
