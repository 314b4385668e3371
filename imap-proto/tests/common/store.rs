//! Mailboxes in memory, and who has to hear of their changes.

use imap_proto::types::{DateTime, MailboxName, SearchKey, StatusItem};
use imap_proto::view::Change;
use mail_message::mime::{Limits, Scanner};
use mail_message::{Flag, FlagSet, Uid, UidSet, UidValidity};
use proto_core::UnixTime;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) uid: Uid,
    pub(crate) flags: FlagSet,
    pub(crate) date: DateTime,
    pub(crate) octets: Vec<u8>,
    /// No session has seen it as recent.
    pub(crate) recent: bool,
}

impl Message {
    pub(crate) fn scan(&self) -> mail_message::mime::Message {
        let mut scanner = Scanner::new(Limits::default());
        scanner.feed(&self.octets);
        scanner.finish()
    }

    fn meets(&self, key: &SearchKey) -> bool {
        let text = String::from_utf8_lossy(&self.octets).to_lowercase();
        match key {
            SearchKey::All => true,
            SearchKey::And(keys) => keys.iter().all(|key| self.meets(key)),
            SearchKey::Or(keys) => self.meets(&keys.0) || self.meets(&keys.1),
            SearchKey::Not(key) => !self.meets(key),
            SearchKey::Flag(flag) => self.flags.contains(flag),
            SearchKey::Unflag(flag) => !self.flags.contains(flag),
            SearchKey::Uid(set) => set.resolve(None::<Uid>).contains(self.uid),
            SearchKey::Text(needle) | SearchKey::Subject(needle) => text.contains(&needle.to_lowercase()),
            SearchKey::Larger(octets) => self.octets.len() as u64 > *octets,
            SearchKey::Smaller(octets) => (self.octets.len() as u64) < *octets,
            other => panic!(
                "the machine left a key that only it can resolve, or the test store lacks it: {other:?}"
            ),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: Uid,
    pub(crate) messages: Vec<Message>,
}

impl Mailbox {
    fn new(uid_validity: u32) -> Self {
        Self {
            uid_validity: UidValidity::new(uid_validity).unwrap(),
            uid_next: Uid::MIN,
            messages: Vec::new(),
        }
    }

    pub(crate) fn find(&self, uid: Uid) -> Option<&Message> {
        self.messages.iter().find(|message| message.uid == uid)
    }

    pub(crate) fn uids(&self) -> UidSet {
        self.messages.iter().map(|message| message.uid).collect()
    }

    pub(crate) fn search(&self, key: &SearchKey) -> UidSet {
        self.messages.iter().filter(|message| message.meets(key)).map(|message| message.uid).collect()
    }

    pub(crate) fn status(&self, item: StatusItem) -> u64 {
        let count =
            |which: &dyn Fn(&Message) -> bool| self.messages.iter().filter(|m| which(m)).count() as u64;
        match item {
            StatusItem::Messages => count(&|_| true),
            StatusItem::Recent => count(&|m| m.recent),
            StatusItem::UidNext => self.uid_next.get().into(),
            StatusItem::UidValidity => self.uid_validity.get().into(),
            StatusItem::Unseen => count(&|m| !m.flags.contains(&Flag::Seen)),
            other => panic!("unknown item {other:?}"),
        }
    }
}

/// A session that has a mailbox selected, and what it has to be told.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) mailbox: MailboxName,
    pub(crate) read_only: bool,
    pub(crate) news: VecDeque<Change>,
}

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) mailboxes: BTreeMap<MailboxName, Mailbox>,
    pub(crate) subscribed: BTreeSet<MailboxName>,
    pub(crate) listeners: BTreeMap<usize, Listener>,
    pub(crate) sessions: usize,
    pub(crate) quota_bytes: Option<u64>,
}

impl Store {
    /// INBOX with five messages, UIDs 2, 4, 5, 6, 9 and UIDNEXT 10, the last one recent; and an empty mailbox.
    pub(crate) fn published(user: &str, password: &str) -> Self {
        let mut inbox = Mailbox::new(7);
        for raw in [2, 4, 5, 6, 9] {
            let octets = format!(
                "From: a@example.test\r\nSubject: message {raw}\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n\
                 body of {raw}\r\n"
            );
            inbox.messages.push(Message {
                uid: Uid::new(raw).unwrap(),
                flags: FlagSet::new(),
                date: date(),
                octets: octets.into_bytes(),
                recent: raw == 9,
            });
        }
        inbox.uid_next = Uid::new(10).unwrap();
        let empty = MailboxName::new("empty").unwrap();
        Self {
            user: user.into(),
            password: password.into(),
            mailboxes: [(MailboxName::inbox(), inbox), (empty, Mailbox::new(8))].into(),
            subscribed: [MailboxName::inbox()].into(),
            listeners: BTreeMap::new(),
            sessions: 0,
            quota_bytes: None,
        }
    }

    pub(crate) fn create(&mut self, name: MailboxName) -> bool {
        let generation = 100 + self.mailboxes.len() as u32;
        if self.mailboxes.contains_key(&name) {
            return false;
        }
        self.mailboxes.insert(name, Mailbox::new(generation));
        true
    }

    /// Stores a message; every session that has the mailbox selected hears of it, one of them as recent.
    pub(crate) fn deliver(
        &mut self,
        name: &MailboxName,
        octets: Vec<u8>,
        flags: FlagSet,
        date: DateTime,
    ) -> Uid {
        let mailbox = self.mailboxes.get_mut(name).unwrap();
        let uid = mailbox.uid_next;
        mailbox.uid_next = uid.next().unwrap();
        let uids: UidSet = [uid].into_iter().collect();
        let mut recent = true;
        for listener in self.listeners.values_mut().filter(|listener| listener.mailbox == *name) {
            let first = recent && !listener.read_only;
            recent &= !first;
            listener.news.push_back(Change::New { uids: uids.clone(), recent: first });
        }
        mailbox.messages.push(Message { uid, flags, date, octets, recent });
        uid
    }

    /// Changes the flags of a message; every session but `by` hears of it.
    pub(crate) fn flag(
        &mut self,
        name: &MailboxName,
        uid: Uid,
        by: Option<usize>,
        change: impl FnOnce(&mut FlagSet),
    ) {
        let mailbox = self.mailboxes.get_mut(name).unwrap();
        let Some(message) = mailbox.messages.iter_mut().find(|message| message.uid == uid) else { return };
        let before = message.flags.clone();
        change(&mut message.flags);
        if before != message.flags {
            let flags = message.flags.clone();
            self.tell(name, by, &Change::Flags { uid, flags });
        }
    }

    /// Removes messages; every session but `by` hears of it.
    pub(crate) fn remove(
        &mut self,
        name: &MailboxName,
        by: Option<usize>,
        which: impl Fn(&Message) -> bool,
    ) -> UidSet {
        let mailbox = self.mailboxes.get_mut(name).unwrap();
        let gone: UidSet = mailbox.messages.iter().filter(|m| which(m)).map(|m| m.uid).collect();
        mailbox.messages.retain(|message| !gone.contains(message.uid));
        if !gone.is_empty() {
            self.tell(name, by, &Change::Vanished { uids: gone.clone() });
        }
        gone
    }

    fn tell(&mut self, name: &MailboxName, by: Option<usize>, change: &Change) {
        for (id, listener) in &mut self.listeners {
            if listener.mailbox == *name && Some(*id) != by {
                listener.news.push_back(change.clone());
            }
        }
    }
}

pub(crate) fn date() -> DateTime {
    DateTime::from_unix(UnixTime(1_767_225_600)).unwrap()
}
