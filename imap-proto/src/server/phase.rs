//! What a session is doing now. One command at a time (RFC 3501 section 5.5): the next is not looked at before the
//! answer to this one is out, so pipelined commands see each other's effects in order and no hazard can arise.

use super::append::Incoming;
use super::auth::Exchange;
use super::fetch::FetchProgress;
use super::store::StoreProgress;
use crate::types::{NameFault, StatusResponse, Tag};
use crate::view::{Messages, Moment, Telling};
use proto_core::sasl::ServerExchange;

/// What the machine does next.
#[derive(Debug)]
pub(super) enum Phase {
    /// Waits for a TLS handshake, the listener's or that of STARTTLS.
    AwaitTls,
    /// Has not greeted yet.
    Greet,
    /// Looks for the next command.
    Command,
    /// Lets a command go by, then gives this answer to it.
    Refusing(StatusResponse),
    /// Looks for the client's next line in an AUTHENTICATE.
    Exchange(Exchange),
    /// An ask is out.
    Asking(Doing),
    /// The octets of a message come.
    Append(Incoming),
    /// Tells what has to be told before the tagged response.
    Finish(Finish),
    /// Between IDLE and DONE.
    Idle(Idling),
    /// Over.
    Closed,
}

/// The command whose ask is out.
#[derive(Debug)]
pub(super) struct Doing {
    pub(super) tag: Tag,
    /// Its name, for the text of the tagged response.
    pub(super) name: &'static str,
    /// What may be told at its end.
    pub(super) moment: Moment,
    pub(super) progress: Progress,
}

/// How far the responses of a command have come.
#[derive(Debug)]
pub(super) enum Progress {
    /// It has none, or they need no memory.
    None,
    Fetch(FetchProgress),
    Store(StoreProgress),
    /// A SEARCH; whether it is answered with UIDs.
    Search {
        by_uid: bool,
    },
    /// An AUTHENTICATE, with what is left of its exchange.
    Authenticate(ServerExchange),
    /// An APPEND before its message; whether the client waits for the continuation.
    AppendBegin {
        synchronising: bool,
    },
    /// An APPEND after its message.
    AppendEnd,
    /// A COPY.
    Copy,
    /// A SELECT that fails by its name, once the mailbox selected before is left.
    Unselectable(NameFault),
}

/// The end of a command.
#[derive(Debug)]
pub(super) struct Finish {
    pub(super) tag: Tag,
    pub(super) reply: StatusResponse,
    /// The rest of a SEARCH response.
    pub(super) found: Option<Found>,
    /// What may be told after it.
    pub(super) moment: Moment,
    pub(super) telling: Telling,
}

/// A SEARCH response that is on its way out.
#[derive(Debug)]
pub(super) struct Found {
    /// Not told yet.
    pub(super) messages: Messages,
    /// As UIDs; as sequence numbers otherwise.
    pub(super) by_uid: bool,
    /// The response has been begun.
    pub(super) begun: bool,
}

/// An IDLE.
#[derive(Debug)]
pub(super) struct Idling {
    pub(super) tag: Tag,
    pub(super) telling: Telling,
}

impl Phase {
    /// Whether no goodbye can stand here: in the middle of a response, or of a TLS handshake.
    pub(super) fn forbids_goodbye(&self) -> bool {
        match self {
            Self::AwaitTls => true,
            Self::Asking(Doing { progress: Progress::Fetch(fetch), .. }) => fetch.is_open(),
            Self::Finish(Finish { found: Some(found), .. }) => found.begun,
            _ => false,
        }
    }

    /// Whether a shutdown waits for it: a response that has begun is not cut off, and the answer to a command that a
    /// client would give again, and have its message twice, is told.
    pub(super) fn outlasts_shutdown(&self) -> bool {
        match self {
            Self::Asking(doing) => match &doing.progress {
                Progress::Fetch(fetch) => fetch.is_open(),
                Progress::AppendEnd | Progress::Copy => true,
                _ => false,
            },
            Self::Finish(_) => true,
            _ => false,
        }
    }

    /// Whether octets of a message were announced to the application, which awaits their end.
    /// `unseen`: the ask that is out was not taken.
    pub(super) fn has_message_begun(&self, unseen: bool) -> bool {
        match self {
            Self::Append(_) => true,
            Self::Asking(Doing { progress: Progress::AppendEnd, .. }) => unseen,
            _ => false,
        }
    }
}
