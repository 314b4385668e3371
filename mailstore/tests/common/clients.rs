//! A client that knows a mailbox as it once was, and asks what has changed since (RFC 7162 §3.2.5).

use std::collections::BTreeMap;

use mail_message::{FlagSet, ModSeq, Uid, UidValidity};
use mailstore::Mailbox;

/// What a client knows.
#[derive(Debug, Clone)]
pub struct Client {
    pub uid_validity: UidValidity,
    pub highest: ModSeq,
    pub messages: BTreeMap<Uid, FlagSet>,
}

impl Client {
    /// One that has just been told everything.
    pub fn of(mailbox: &dyn Mailbox) -> Self {
        let messages = mailbox.entries().iter().map(|entry| (entry.uid, entry.flags.clone())).collect();
        Self { uid_validity: mailbox.uid_validity(), highest: mailbox.highest_modseq(), messages }
    }

    /// Asks for what has changed, and must know everything then.
    pub fn sync(&mut self, mailbox: &dyn Mailbox) {
        let now = Self::of(mailbox);
        if self.uid_validity != now.uid_validity {
            *self = now;
            return;
        }
        assert!(
            now.highest >= self.highest,
            "mod-sequences went back from {} to {}",
            self.highest,
            now.highest
        );
        for entry in mailbox.entries().iter().filter(|entry| entry.modseq > self.highest) {
            self.messages.insert(entry.uid, entry.flags.clone());
        }
        match mailbox.vanished_since(self.highest) {
            Some(vanished) => self.messages.retain(|uid, _| !vanished.contains(*uid)),
            // It has to ask which ones are there.
            None => self.messages.retain(|uid, _| now.messages.contains_key(uid)),
        }
        assert_eq!(self.messages, now.messages, "what has changed since {} is not told", self.highest);
        assert!(mailbox.entries().iter().all(|entry| entry.modseq > ModSeq::ZERO));
        *self = now;
    }
}
