//! What a server session asks its application.

use super::question::{Commit, OpenMaildrop, Retrieve};
use proto_core::sasl::{Authenticate, LoginFailed};
use proto_core::{Ask, AskId};

/// For the application. Those with an [`Ask`] stop the session until [`Server::answer`](super::Server::answer).
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// PASS, or AUTH with all that it takes.
    Authenticate(Ask<Authenticate>),
    /// A login has failed, and no verdict has said so. It counts as a rejected one. Told once for each.
    LoginFailed(LoginFailed),
    /// The user was accepted.
    OpenMaildrop(Ask<OpenMaildrop>),
    /// RETR or TOP.
    Retrieve(Ask<Retrieve>),
    /// QUIT, and there is something to remove.
    Commit(Ask<Commit>),
    /// The session no longer waits for this answer; it would be stale.
    Cancelled(AskId),
}
