//! [`DefaultMailbox`]: the mailboxes that every user has, and what they are for; in Dovecot's words.
//!
//! [`provide`] makes those that are missing, and [`show_uses`] adds to a list of mailboxes what the settings say of them.
//! Both work on any [`Store`].

use crate::error::{ErrorKind, Result};
use crate::name::MailboxName;
use crate::special_use::SpecialUses;
use crate::store::{MailboxInfo, Store};

/// A mailbox that the settings name (`mailbox NAME { … }` of Dovecot).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DefaultMailbox {
    /// Its name.
    pub name: MailboxName,
    /// What it is for, in every user's mail (`special_use`).
    pub special_use: SpecialUses,
    /// Whether it is made by itself.
    pub auto: AutoCreate,
}

/// Whether a mailbox is made by itself (`auto` of Dovecot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AutoCreate {
    /// It is not (`no`).
    #[default]
    No,
    /// It is made where it is missing (`create`).
    Create,
    /// It is made where it is missing, and subscribed then (`subscribe`). Who unsubscribes it later has done so.
    Subscribe,
}

impl DefaultMailbox {
    /// A mailbox for nothing in particular that is not made by itself.
    pub fn new(name: MailboxName) -> Self {
        Self { name, special_use: SpecialUses::NONE, auto: AutoCreate::No }
    }

    /// The same, for this.
    #[must_use]
    pub fn special_use(mut self, uses: impl Into<SpecialUses>) -> Self {
        self.special_use = uses.into();
        self
    }

    /// The same, made by itself or not.
    #[must_use]
    pub fn auto(mut self, auto: AutoCreate) -> Self {
        self.auto = auto;
        self
    }
}

/// Makes those of `mailboxes` that are to be made by themselves and are missing, each durably; to be called when a user's
/// mail is opened. It may run at several places at once. A mailbox that the user has deleted is made again.
///
/// Each is subscribed before it is made: so what a power cut has left undone is done at the next call.
///
/// # Errors
/// The first that the store told; the others have been tried all the same.
///
/// ```
/// use mailstore::{AutoCreate, DefaultMailbox, MemoryStore, RealHost, SpecialUse, Store, defaults};
///
/// let store = MemoryStore::new(RealHost::new("mail.example"));
/// let sent = DefaultMailbox::new("Sent".parse()?).special_use(SpecialUse::Sent).auto(AutoCreate::Subscribe);
/// defaults::provide(&store, &[sent.clone()])?;
/// assert_eq!(store.subscriptions()?, ["Sent".parse()?]);
/// let mut list = store.list()?;
/// defaults::show_uses(&mut list, &[sent]);
/// assert!(list[1].special_use.contains(SpecialUse::Sent));
/// # Ok::<(), mailstore::StoreError>(())
/// ```
pub fn provide(store: &dyn Store, mailboxes: &[DefaultMailbox]) -> Result<()> {
    if mailboxes.iter().all(|mailbox| mailbox.auto == AutoCreate::No) {
        return Ok(());
    }
    let list = store.list()?;
    let is_there = |name: &MailboxName| list.iter().any(|info| info.exists && info.name == *name);
    let mut outcome = Ok(());
    for mailbox in mailboxes.iter().filter(|mailbox| mailbox.auto != AutoCreate::No) {
        if !is_there(&mailbox.name) {
            outcome = outcome.and(make(store, mailbox));
        }
    }
    outcome
}

fn make(store: &dyn Store, mailbox: &DefaultMailbox) -> Result<()> {
    if mailbox.auto == AutoCreate::Subscribe {
        store.subscribe(&mailbox.name)?;
    }
    match store.create(&mailbox.name) {
        // Somebody else was faster.
        Err(error) if error.kind() == ErrorKind::MailboxExists => Ok(()),
        created => created,
    }
}

/// Adds what the settings say mailboxes are for to what their store says.
pub fn show_uses(list: &mut [MailboxInfo], mailboxes: &[DefaultMailbox]) {
    for info in list.iter_mut().filter(|info| info.exists) {
        for mailbox in mailboxes.iter().filter(|mailbox| mailbox.name == info.name) {
            info.special_use = info.special_use.union(mailbox.special_use);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::RealHost;
    use crate::memory::MemoryStore;
    use crate::special_use::SpecialUse;

    fn name(text: &str) -> MailboxName {
        text.parse().unwrap()
    }

    fn names(store: &MemoryStore) -> Vec<String> {
        store.list().unwrap().iter().map(|info| info.name.to_string()).collect()
    }

    #[test]
    fn r147_what_is_missing_is_made_and_what_is_there_stays() {
        let store = MemoryStore::new(RealHost::new("test.example"));
        store.create(&name("Drafts")).unwrap();
        let defaults = [
            DefaultMailbox::new(name("INBOX")).auto(AutoCreate::Subscribe),
            DefaultMailbox::new(name("Drafts")).auto(AutoCreate::Subscribe),
            DefaultMailbox::new(name("Sent")).auto(AutoCreate::Subscribe),
            DefaultMailbox::new(name("Archive/2026")).auto(AutoCreate::Create),
            DefaultMailbox::new(name("Virtual")),
        ];
        for _ in 0..2 {
            provide(&store, &defaults).unwrap();
            assert_eq!(names(&store), ["Archive", "Archive/2026", "Drafts", "INBOX", "Sent"]);
            assert_eq!(store.subscriptions().unwrap(), [name("Sent")]);
        }
        // What the user does holds, but that a mailbox is there.
        store.unsubscribe(&name("Sent")).unwrap();
        provide(&store, &defaults).unwrap();
        assert_eq!(store.subscriptions().unwrap(), []);
        store.delete(&name("Sent")).unwrap();
        provide(&store, &defaults).unwrap();
        assert_eq!(store.subscriptions().unwrap(), [name("Sent")]);
    }

    #[test]
    fn settings_and_store_are_shown_together_and_of_mailboxes_alone() {
        let store = MemoryStore::new(RealHost::new("test.example"));
        store.create(&name("a/b")).unwrap();
        store.set_special_use(&name("a/b"), SpecialUse::Junk.into()).unwrap();
        let mut list = store.list().unwrap();
        let of = |name: MailboxName| DefaultMailbox::new(name).special_use(SpecialUse::Trash);
        show_uses(&mut list, &[of(name("a")), of(name("a/b"))]);
        let uses: Vec<String> = list.iter().map(|info| info.special_use.to_string()).collect();
        assert_eq!(uses, ["", "", "\\Junk \\Trash"]);
    }
}
