//! Why a command gets NO: one table from reasons to response codes and texts.
//!
//! RFC 5530 (response codes), RFC 3501 sections 6.3.11 and 6.4.7 (TRYCREATE). The application says what is the
//! matter; the machine knows how the protocol tells it.

use crate::types::{ResponseCode, StatusResponse};
use alloc::borrow::Cow;
use proto_core::Backend;

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such mailbox. Of APPEND and COPY, the client is told that it may create it.
    #[error("no such mailbox")]
    NonExistent,
    /// There is a mailbox of that name.
    #[error("mailbox exists")]
    AlreadyExists,
    /// It has mailboxes below it and cannot be removed.
    #[error("mailbox has children")]
    HasChildren,
    /// Not allowed to this user.
    #[error("no permission")]
    NoPermission,
    /// This server can never do it; why.
    #[error("cannot be done: {0}")]
    Cannot(Cow<'static, str>),
    /// Somebody else has it locked.
    #[error("in use")]
    InUse,
    /// Messages that it names are gone for good (RFC 2180 section 4.4).
    #[error("messages are gone")]
    Expunged,
    /// It would go over the user's quota.
    #[error("over quota")]
    OverQuota,
    /// It would go over another limit; which.
    #[error("over a limit: {0}")]
    Limit(Cow<'static, str>),
    /// The message is too large for that mailbox.
    #[error("too big")]
    TooBig,
    /// Something behind the application failed.
    #[error(transparent)]
    Backend(#[from] Backend),
}

impl Refusal {
    /// The reply. `creatable`: a mailbox that is missing could be created, and then the command would work.
    pub(super) fn reply(self, creatable: bool) -> StatusResponse {
        let (code, text): (_, Cow<'static, str>) = match self {
            Self::NonExistent if creatable => (ResponseCode::TryCreate, "Mailbox does not exist.".into()),
            Self::NonExistent => (ResponseCode::NonExistent, "Mailbox does not exist.".into()),
            Self::AlreadyExists => (ResponseCode::AlreadyExists, "Mailbox exists.".into()),
            Self::HasChildren => (ResponseCode::HasChildren, "Mailbox has children.".into()),
            Self::NoPermission => (ResponseCode::NoPerm, "Permission denied.".into()),
            Self::Cannot(why) => (ResponseCode::Cannot, or(why, "Not possible here.")),
            Self::InUse => (ResponseCode::InUse, "In use, try again.".into()),
            Self::Expunged => (ResponseCode::ExpungeIssued, "Some of the messages no longer exist.".into()),
            Self::OverQuota => (ResponseCode::OverQuota, "Over quota.".into()),
            Self::Limit(which) => (ResponseCode::Limit, or(which, "Over a limit.")),
            Self::TooBig => (ResponseCode::TooBig, "Too big.".into()),
            Self::Backend(Backend::Temporary(text)) => {
                (ResponseCode::Unavailable, or(text, "Temporary failure, try again later."))
            }
            Self::Backend(Backend::Permanent(text)) => {
                (ResponseCode::ContactAdmin, or(text, "Internal failure, tell the administrator."))
            }
        };
        StatusResponse::no(text).with_code(code)
    }
}

fn or(text: Cow<'static, str>, standard: &'static str) -> Cow<'static, str> {
    if text.is_empty() { standard.into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Status;

    #[test]
    fn every_refusal_is_a_no_with_its_code() {
        let table = [
            (Refusal::NonExistent, ResponseCode::NonExistent),
            (Refusal::AlreadyExists, ResponseCode::AlreadyExists),
            (Refusal::HasChildren, ResponseCode::HasChildren),
            (Refusal::NoPermission, ResponseCode::NoPerm),
            (Refusal::Cannot("".into()), ResponseCode::Cannot),
            (Refusal::InUse, ResponseCode::InUse),
            (Refusal::OverQuota, ResponseCode::OverQuota),
            (Refusal::Limit("".into()), ResponseCode::Limit),
            (Refusal::TooBig, ResponseCode::TooBig),
            (Refusal::Backend(Backend::TEMPORARY), ResponseCode::Unavailable),
            (Refusal::Backend(Backend::PERMANENT), ResponseCode::ContactAdmin),
        ];
        for (refusal, code) in table {
            let reply = refusal.clone().reply(false);
            assert_eq!((reply.status, reply.code), (Status::No, Some(code)), "{refusal:?}");
            assert_ne!(reply.text.as_str(), "-", "{refusal:?} says nothing");
        }
        assert_eq!(Refusal::NonExistent.reply(true).code, Some(ResponseCode::TryCreate));
    }

    #[test]
    fn a_text_of_its_own_is_told() {
        let refusal = Refusal::from(Backend::Temporary("The disk is full.".into()));
        assert_eq!(refusal.reply(false).text.as_str(), "The disk is full.");
    }
}
