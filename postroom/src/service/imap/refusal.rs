//! One table from what goes wrong in a store to what the client is told, and one place where it is logged.

use crate::wall::AccountId;
use imap_proto::server::Refusal;
use mailstore::{ErrorKind, StoreError};
use std::fmt::Display;

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

/// [`refusal`] of messages that were to come into a mailbox. That it is full is told as it is of mail from outside: its
/// user sees an error, and asks.
pub(super) fn refused_message(
    account: &AccountId,
    mailbox: &impl Display,
    octets: Option<u64>,
    error: &StoreError,
) -> Refusal {
    if error.kind() == ErrorKind::OverQuota {
        tracing::info!(%account, %mailbox, octets, %error, "refused: over quota");
    }
    refusal(if octets.is_some() { "appending a message" } else { "copying messages" }, error)
}

/// [`refusal`] for `map_err`.
pub(super) fn refused(doing: &'static str) -> impl FnOnce(StoreError) -> Refusal {
    move |error| refusal(doing, &error)
}
