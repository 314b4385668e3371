//! LIST, LSUB, SUBSCRIBE, UNSUBSCRIBE, CREATE, DELETE, RENAME, STATUS.
//!
//! RFC 3501 sections 6.3.3–6.3.10. What the law says of INBOX is decided here: it exists (CREATE), it stays (DELETE),
//! and it is nobody's new name (RENAME).

use super::answer::Answer;
use super::ask::{Create, Delete, List, Rename, Status, Subscribe, Unsubscribe, Verdict};
use super::phase::Doing;
use super::refusal::Refusal;
use super::{Event, Server};
use crate::types::{
    ListData, ListPattern, MailboxAttribute, MailboxName, StatusData, StatusItem, UntaggedResponse,
};
use alloc::vec::Vec;
use proto_core::{Ask, CallerFault, Now};

impl Server {
    pub(super) fn list(&mut self, now: Now, doing: Doing, pattern: ListPattern, subscribed: bool) {
        // RFC 3501 section 6.3.8: an empty pattern asks for the delimiter. LSUB knows no such form, and there an
        // empty pattern matches no name.
        if pattern.is_root() {
            if !subscribed {
                self.untagged(&UntaggedResponse::Delimiter);
            }
            return self.done(now, doing);
        }
        self.ask(now, doing, List { pattern, subscribed }, Event::List);
    }

    /// Tells of one mailbox in answer to LIST or LSUB.
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`].
    pub fn listed(&mut self, now: Now, ask: &Ask<List>, mut mailbox: ListData) -> Result<(), CallerFault> {
        if !self.asks.holds(ask) {
            return Err(CallerFault::StaleAsk);
        }
        self.sign_of_life(now);
        if !self.config.children {
            let of_children = [MailboxAttribute::HasChildren, MailboxAttribute::HasNoChildren];
            mailbox.attributes.retain(|attribute| !of_children.contains(attribute));
        }
        self.untagged(&if ask.detail.subscribed {
            UntaggedResponse::Lsub(mailbox)
        } else {
            UntaggedResponse::List(mailbox)
        });
        Ok(())
    }

    pub(super) fn subscribe(&mut self, now: Now, doing: Doing, mailbox: MailboxName) {
        self.ask(now, doing, Subscribe { mailbox }, Event::Subscribe);
    }

    pub(super) fn unsubscribe(&mut self, now: Now, doing: Doing, mailbox: MailboxName) {
        self.ask(now, doing, Unsubscribe { mailbox }, Event::Unsubscribe);
    }

    pub(super) fn create(&mut self, now: Now, doing: Doing, mailbox: MailboxName) {
        if mailbox.is_inbox() {
            return self.refuse(now, doing, Refusal::AlreadyExists);
        }
        self.ask(now, doing, Create { mailbox }, Event::Create);
    }

    pub(super) fn delete(&mut self, now: Now, doing: Doing, mailbox: MailboxName) {
        if mailbox.is_inbox() {
            return self.refuse(now, doing, Refusal::Cannot("INBOX cannot be deleted.".into()));
        }
        self.ask(now, doing, Delete { mailbox }, Event::Delete);
    }

    pub(super) fn rename(&mut self, now: Now, doing: Doing, from: MailboxName, to: MailboxName) {
        if to.is_inbox() || from == to {
            return self.refuse(now, doing, Refusal::AlreadyExists);
        }
        self.ask(now, doing, Rename { from, to }, Event::Rename);
    }

    pub(super) fn status(&mut self, now: Now, doing: Doing, mailbox: MailboxName, items: Vec<StatusItem>) {
        self.ask(now, doing, Status { mailbox, items }, Event::Status);
    }
}

impl Answer for Status {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict<Vec<(StatusItem, u64)>>) {
        match verdict {
            Ok(mut items) => {
                items.retain(|(item, _)| self.items.contains(item));
                server
                    .untagged(&UntaggedResponse::MailboxStatus(StatusData { mailbox: self.mailbox, items }));
                server.done(now, doing);
            }
            Err(refusal) => server.refuse(now, doing, refusal),
        }
    }
}
