//! One table from what goes wrong in a store to what the client is told, and one place where it is logged.

use imap_proto::server::Refusal;
use mailstore::{ErrorKind, StoreError};

/// What the client is told of an error met while `doing` something. What an administrator has to know is logged.
pub(super) fn refusal(doing: &'static str, error: &StoreError) -> Refusal {
    let refusal = match error.kind() {
        ErrorKind::NoSuchMailbox => Refusal::NonExistent,
        ErrorKind::MailboxExists => Refusal::AlreadyExists,
        ErrorKind::BadName => Refusal::Cannot("The store cannot do that with a mailbox of that name.".into()),
        ErrorKind::NoSuchMessage => Refusal::Expunged,
        ErrorKind::KeywordLimit => Refusal::Limit("The mailbox can hold no more keywords.".into()),
        ErrorKind::OverQuota => Refusal::OverQuota,
        ErrorKind::ReadOnly => Refusal::NoPermission,
        _ => Refusal::Backend(error.to_backend()),
    };
    match refusal {
        // The error's own text says what to do about it.
        Refusal::Backend(_) => tracing::error!(%error, doing, "store failed"),
        _ => tracing::debug!(%error, doing, "store refused"),
    }
    refusal
}

/// [`refusal`] for `map_err`.
pub(super) fn refused(doing: &'static str) -> impl FnOnce(StoreError) -> Refusal {
    move |error| refusal(doing, &error)
}
