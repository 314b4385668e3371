//! From commands to what they do: in which state each is allowed, and what may be told at its end.
//!
//! RFC 3501 sections 3 and 6; the moments are those of [`crate::view::moment`].

use super::Server;
use super::phase::{Doing, Progress};
use super::session::Needs;
use super::store::FlagChange;
use crate::types::{Command, CommandBody};
use crate::view::Moment;
use proto_core::Now;

/// In which state a command is allowed.
fn needs(body: &CommandBody) -> Needs {
    use CommandBody as C;
    match body {
        C::Capability | C::Noop | C::Logout | C::Id(_) => Needs::Nothing,
        C::StartTls | C::Authenticate { .. } | C::Login { .. } => Needs::NoLogin,
        C::Check
        | C::Close
        | C::Unselect
        | C::Expunge { .. }
        | C::Search { .. }
        | C::Fetch { .. }
        | C::Store { .. }
        | C::Copy { .. } => Needs::Mailbox,
        _ => Needs::Login,
    }
}

/// What may be told at its end.
fn moment(body: &CommandBody) -> Moment {
    use CommandBody as C;
    match body {
        C::Fetch { uid: false, .. } | C::Store { uid: false, .. } | C::Search { uid: false, .. } => {
            Moment::KeepNumbers
        }
        C::Close | C::Unselect | C::Select(_) | C::Examine(_) | C::Logout => Moment::Silent,
        _ => Moment::Free,
    }
}

impl Server {
    /// Starts a command.
    pub(super) fn dispatch(&mut self, now: Now, command: Command) {
        let Command { tag, body } = command;
        if let Some(objection) = self.session.objection(needs(&body)) {
            return self.bad(now, &tag, objection);
        }
        let doing = Doing { tag, name: body.name(), moment: moment(&body), progress: Progress::None };
        match body {
            CommandBody::Capability => self.capability(now, doing),
            CommandBody::Noop => self.noop(now, doing),
            CommandBody::Logout => self.logout(&doing.tag),
            CommandBody::Id(_) => self.id(now, doing),
            CommandBody::StartTls => self.starttls(now, doing.tag),
            CommandBody::Authenticate { mechanism, initial_response } => {
                self.authenticate(now, doing.tag, mechanism.as_str(), initial_response.as_ref());
            }
            CommandBody::Login { user, password } => self.login(now, doing.tag, &user, &password),
            CommandBody::Select(mailbox) => self.select(now, doing, mailbox, false),
            CommandBody::Examine(mailbox) => self.select(now, doing, mailbox, true),
            CommandBody::Create(mailbox) => self.create(now, doing, mailbox),
            CommandBody::Delete(mailbox) => self.delete(now, doing, mailbox),
            CommandBody::Rename { from, to } => self.rename(now, doing, from, to),
            CommandBody::Subscribe(mailbox) => self.subscribe(now, doing, mailbox),
            CommandBody::Unsubscribe(mailbox) => self.unsubscribe(now, doing, mailbox),
            CommandBody::List(pattern) => self.list(now, doing, pattern, false),
            CommandBody::Lsub(pattern) => self.list(now, doing, pattern, true),
            CommandBody::Status { mailbox, items } => self.status(now, doing, mailbox, items),
            CommandBody::Namespace => self.namespace(now, doing),
            CommandBody::Idle => self.idle(now, doing),
            CommandBody::Check => self.check(now, doing),
            CommandBody::Close => self.close_mailbox(now, doing, true),
            CommandBody::Unselect => self.close_mailbox(now, doing, false),
            CommandBody::Expunge { uids } => self.expunge(now, doing, uids.as_ref()),
            CommandBody::Search { uid, key } => self.start_search(now, doing, uid, key),
            CommandBody::Fetch { uid, set, items } => self.start_fetch(now, doing, uid, &set, items),
            CommandBody::Store { uid, set, action, silent, flags } => {
                self.start_store(now, doing, uid, &set, FlagChange { action, flags, silent });
            }
            CommandBody::Copy { uid, set, to } => self.start_copy(now, doing, uid, &set, to),
        }
    }
}
