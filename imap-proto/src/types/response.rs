//! What a server tells.
//!
//! RFC 3501 §7.

use super::{Capability, DateTime, FetchItem, MailboxAttribute, MailboxName, StatusItem, StatusResponse};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use mail_message::{BodyStructure, Envelope, FlagSet, SeqNo, Uid};

/// An untagged response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UntaggedResponse {
    /// OK, NO, BAD, BYE, PREAUTH (§7.1).
    Status(StatusResponse),
    /// `CAPABILITY` (§7.2.1).
    Capability(Vec<Capability>),
    /// `LIST` (§7.2.2).
    List(ListData),
    /// `LSUB` (§7.2.3).
    Lsub(ListData),
    /// The answer to `LIST "" ""`: the delimiter and no mailbox (§6.3.8).
    Delimiter,
    /// `STATUS` (§7.2.4).
    MailboxStatus(StatusData),
    /// `FLAGS` (§7.2.6): all that are in use in the mailbox.
    Flags(FlagSet),
    /// `EXISTS` (§7.3.1).
    Exists(u32),
    /// `RECENT` (§7.3.2).
    Recent(u32),
    /// `EXPUNGE` (§7.4.1).
    Expunge(SeqNo),
    /// `FETCH` (§7.4.2).
    Fetch(SeqNo, Vec<FetchData>),
    /// `NAMESPACE` (RFC 2342): one personal namespace with an empty prefix, no others.
    Namespace,
    /// `ID` (RFC 2971): what the server says of itself; nothing is `NIL`.
    Id(Vec<(&'static str, Bytes)>),
}

/// A mailbox as LIST and LSUB tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListData {
    /// What it is like.
    pub attributes: Vec<MailboxAttribute>,
    /// Its name.
    pub mailbox: MailboxName,
}

/// A mailbox as STATUS tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusData {
    /// Its name.
    pub mailbox: MailboxName,
    /// The items and their values.
    pub items: Vec<(StatusItem, u64)>,
}

/// One `msg-att` of a FETCH response.
///
/// The octets of a message are none of these: they are streamed, see [`crate::encode::fetch_section`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchData {
    /// `FLAGS`.
    Flags {
        /// The flags of the message.
        flags: FlagSet,
        /// `\Recent`, which is this session's.
        recent: bool,
    },
    /// `UID`.
    Uid(Uid),
    /// `INTERNALDATE`.
    InternalDate(DateTime),
    /// `RFC822.SIZE`.
    Rfc822Size(u64),
    /// `ENVELOPE`.
    Envelope(Box<Envelope>),
    /// `BODY`: without extension data.
    Body(Box<BodyStructure>),
    /// `BODYSTRUCTURE`.
    BodyStructure(Box<BodyStructure>),
    /// `NIL` for the octets that an item asked for: there is no such part, or the message is gone.
    Nil(FetchItem),
}
