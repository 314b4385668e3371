//! What a server session tells and asks its application.

use super::ask::{
    AppendBegin, AppendEnd, Check, Close, CopyMessages, Create, Delete, Expunge, Fetch, List, Rename, Search,
    Select, Status, Store, Subscribe, Unsubscribe,
};
use bytes::Bytes;
use proto_core::sasl::{Authenticate, LoginFailed};
use proto_core::{Ask, AskId};

/// For the application. Those with an [`Ask`] stop the session until
/// [`Server::answer`](super::Server::answer).
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// LOGIN or AUTHENTICATE brought credentials.
    Authenticate(Ask<Authenticate>),
    /// A login has failed, and no verdict has said so. It counts as a rejected one. Told once for each.
    LoginFailed(LoginFailed),
    /// LIST or LSUB.
    List(Ask<List>),
    /// SUBSCRIBE.
    Subscribe(Ask<Subscribe>),
    /// UNSUBSCRIBE.
    Unsubscribe(Ask<Unsubscribe>),
    /// CREATE.
    Create(Ask<Create>),
    /// DELETE.
    Delete(Ask<Delete>),
    /// RENAME.
    Rename(Ask<Rename>),
    /// STATUS.
    Status(Ask<Status>),
    /// SELECT or EXAMINE. The mailbox selected before is left without a [`Event::Close`].
    Select(Ask<Select>),
    /// FETCH or UID FETCH.
    Fetch(Ask<Fetch>),
    /// STORE or UID STORE.
    Store(Ask<Store>),
    /// COPY or UID COPY.
    Copy(Ask<CopyMessages>),
    /// SEARCH or UID SEARCH.
    Search(Ask<Search>),
    /// APPEND, before the message.
    AppendBegin(Ask<AppendBegin>),
    /// The next octets of the message, as they came.
    AppendChunk(Bytes),
    /// The message is complete.
    AppendEnd(Ask<AppendEnd>),
    /// No message comes of the octets so far: throw them away. Told once for each accepted
    /// [`Event::AppendBegin`] that does not reach [`Event::AppendEnd`].
    AppendAborted,
    /// EXPUNGE or UID EXPUNGE.
    Expunge(Ask<Expunge>),
    /// CLOSE or UNSELECT; or a SELECT that fails before its mailbox could be asked for.
    Close(Ask<Close>),
    /// CHECK, and NOOP with a mailbox selected.
    Check(Ask<Check>),
    /// The client waits for news (RFC 2177): what goes to [`Server::notify`](super::Server::notify) is told at
    /// once until [`Event::IdleStopped`].
    IdleStarted,
    /// The client no longer waits. Not told when the session ends.
    IdleStopped,
    /// The session no longer waits for this answer; it would be stale.
    Cancelled(AskId),
}

impl Event {
    /// Whether it waits for an answer.
    pub(super) fn holds_ask(&self) -> bool {
        !matches!(
            self,
            Self::LoginFailed(_)
                | Self::AppendChunk(_)
                | Self::AppendAborted
                | Self::IdleStarted
                | Self::IdleStopped
                | Self::Cancelled(_)
        )
    }
}
