//! SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE, UID EXPUNGE.
//!
//! RFC 3501 sections 6.3.1, 6.3.2, 6.4.2 and 6.4.3, RFC 3691, RFC 4315 section 2.1.
//!
//! # Departures
//! CLOSE, for which the RFC has no NO, is answered so when the store could not remove messages. The mailbox is left then
//! too.

use super::answer::Answer;
use super::ask::{Close, Expunge, Select, Selected, Verdict};
use super::phase::{Doing, Progress};
use super::refusal::Refusal;
use super::session::Selection;
use super::{Event, Server};
use crate::types::{MailboxName, NameFault, ResponseCode, StatusResponse, UntaggedResponse};
use crate::view::{Change, Moment, View};
use alloc::string::ToString;
use mail_message::{Flag, FlagSet, SequenceSet, UidSet};
use proto_core::{CloseReason, Now};

/// Why a session loses the mailbox it has selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailboxLost {
    /// It was deleted or renamed.
    Gone,
    /// Its UIDs mean other messages than before: it has a new UIDVALIDITY.
    Invalidated,
}

impl Server {
    /// The selected mailbox is no longer what the client was told: says BYE and closes, since there is no other way to
    /// take a mailbox back from a client (RFC 2180 section 3.3). Nothing happens when none is selected.
    pub fn mailbox_lost(&mut self, lost: MailboxLost) {
        if self.session.selected.is_none() {
            return;
        }
        let text = match lost {
            MailboxLost::Gone => "The selected mailbox has been deleted or renamed.",
            MailboxLost::Invalidated => "The selected mailbox has new UIDs.",
        };
        let reason = CloseReason::Aborted("the selected mailbox was lost".into());
        self.close(reason, Some(StatusResponse::bye(text)));
    }

    /// RFC 3501 section 6.3.1: the old mailbox is left first; when this fails, none is selected.
    pub(super) fn select(
        &mut self,
        now: Now,
        mut doing: Doing,
        mailbox: Result<MailboxName, NameFault>,
        read_only: bool,
    ) {
        let left = self.session.selected.take().is_some();
        match mailbox {
            Ok(mailbox) => self.ask(now, doing, Select { mailbox, read_only }, Event::Select),
            Err(fault) if left => {
                // There is no mailbox to ask for, yet the application has to know that the old one is left.
                doing.progress = Progress::Unselectable(fault);
                self.ask(now, doing, Close { expunge: false }, Event::Close);
            }
            Err(fault) => self.refuse(now, doing, unselectable(fault)),
        }
    }

    /// CLOSE (`expunge`) and UNSELECT. Nothing is told of what CLOSE removes.
    pub(super) fn close_mailbox(&mut self, now: Now, doing: Doing, expunge: bool) {
        let expunge = expunge && self.session.selected.as_ref().is_some_and(|s| !s.read_only);
        self.ask(now, doing, Close { expunge }, Event::Close);
    }

    pub(super) fn expunge(&mut self, now: Now, doing: Doing, uids: Option<&SequenceSet>) {
        let Some(selection) = &self.session.selected else { return self.done(now, doing) };
        if selection.read_only {
            return self.refuse_read_only(now, doing);
        }
        let uids = uids.map(|set| selection.view.by_uid(set).uids());
        self.ask(now, doing, Expunge { uids }, Event::Expunge);
    }

    /// A command that would change a mailbox that was opened with EXAMINE.
    pub(super) fn refuse_read_only(&mut self, now: Now, doing: Doing) {
        // READ-ONLY is no code for NO; nobody but this session is meant, so NOPERM would mislead.
        self.finish(now, doing.tag, StatusResponse::no("Mailbox is read-only."), doing.moment);
    }

    fn selected(&mut self, mailbox: Selected, read_only: bool) {
        let Selected { uid_validity, uid_next, uids, recent, first_unseen, flags, permanent_flags, .. } =
            mailbox;
        let mut flags_told: FlagSet = Flag::SYSTEM.into_iter().collect();
        flags_told.insert_all(&flags);
        flags_told.insert_all(&permanent_flags);
        let view = View::new(&uids, recent, self.config.limits.flag_changes_max);
        let unseen = first_unseen.and_then(|uid| view.seq_of(uid));
        let (exists, recent) = (view.exists(), view.recent());
        self.untagged(&UntaggedResponse::Flags(flags_told.clone()));
        self.untagged(&UntaggedResponse::Exists(exists));
        self.untagged(&UntaggedResponse::Recent(recent));
        if let Some(seq) = unseen {
            let first = StatusResponse::ok("First unseen message.");
            self.untagged_status(first.with_code(ResponseCode::Unseen(seq)));
        }
        let (flags, new_keywords) =
            if read_only { (FlagSet::new(), false) } else { (permanent_flags, mailbox.new_keywords) };
        for (text, code) in [
            ("Flags that can be changed.", ResponseCode::PermanentFlags { flags, new_keywords }),
            ("Predicted next UID.", ResponseCode::UidNext(uid_next)),
            ("UIDs valid.", ResponseCode::UidValidity(uid_validity)),
        ] {
            self.untagged_status(StatusResponse::ok(text).with_code(code));
        }
        self.session.selected = Some(Selection { view, read_only, flags_told });
    }
}

impl Answer for Select {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict<Selected>) {
        match verdict {
            Ok(mailbox) => {
                let read_only = self.read_only || mailbox.read_only;
                server.selected(mailbox, read_only);
                let code = if read_only { ResponseCode::ReadOnly } else { ResponseCode::ReadWrite };
                let reply = super::output::completed(doing.name).with_code(code);
                server.finish(now, doing.tag, reply, Moment::Silent);
            }
            Err(refusal) => server.refuse(now, doing, refusal),
        }
    }
}

impl Answer for Close {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict) {
        // Whatever became of it, the client asked to leave.
        server.session.selected = None;
        match (&doing.progress, verdict) {
            (&Progress::Unselectable(fault), _) => server.refuse(now, doing, unselectable(fault)),
            (_, Ok(())) => server.done(now, doing),
            (_, Err(refusal)) => server.refuse(now, doing, refusal),
        }
    }
}

/// The answer to a SELECT of a name that can be no mailbox's.
fn unselectable(fault: NameFault) -> Refusal {
    Refusal::Cannot(fault.to_string().into())
}

impl Answer for Expunge {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict<UidSet>) {
        match verdict {
            Ok(uids) => {
                // Vanishing is a change that the view can always take.
                let _ = server.session.apply(Change::Vanished { uids });
                server.done(now, doing);
            }
            Err(refusal) => server.refuse(now, doing, refusal),
        }
    }
}
