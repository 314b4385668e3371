//! [`MaildirAppend`]: APPEND, one or several messages.

use std::path::PathBuf;
use std::sync::Arc;

use mail_message::FlagSet;
use proto_core::UnixTime;

use super::keywords::Keywords;
use super::paths::{MailboxPaths, Sub};
use super::quota::Reserved;
use super::staged::{self, Staged};
use super::uids::{UidLock, Uids};
use crate::error::Result;
use crate::quota::{Adding, QuotaUsage};
use crate::store::{Append, Appended};

/// Messages in `tmp/` on their way to `new/`, or to `cur/` when they have flags.
#[derive(Debug)]
pub(super) struct MaildirAppend {
    paths: MailboxPaths,
    keywords: Keywords,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    staged: Staged,
    letters: String,
    date: UnixTime,
}

impl MaildirAppend {
    pub(super) fn open(paths: MailboxPaths) -> Result<Self> {
        paths.check_exists()?;
        let keywords = Keywords::load(&paths)?;
        Ok(Self { paths, keywords, messages: Vec::new() })
    }

    fn finish_last(&mut self) -> Result<()> {
        match self.messages.last_mut() {
            Some(message) => message.staged.finish(message.date),
            None => Ok(()),
        }
    }

    /// Places all messages and gives them UIDs; all or none.
    fn place(&mut self) -> Result<Appended> {
        let counted = self.messages.iter().filter(|message| self.paths.counts(&message.letters));
        let sizes = counted.map(|message| QuotaUsage::message(message.staged.stored_bytes()));
        let size = sizes.fold(QuotaUsage::default(), QuotaUsage::plus);
        let mut reserved = self.paths.quota.reserve(&self.paths.name, size, Adding::User)?;
        if let Some(reserved) = &mut reserved {
            reserved.sync()?;
        }
        let lock = UidLock::take(&self.paths)?;
        let mut uids = Uids::load_or_create(&self.paths, &lock, None)?;
        let mut placed = Vec::new();
        let result = Reserved::place(&mut reserved, || self.place_files(&mut placed)).and_then(|bases| {
            for (sub, flagged) in [(Sub::New, false), (Sub::Cur, true)] {
                if self.messages.iter().any(|message| message.letters.is_empty() != flagged) {
                    self.paths.sync(&self.paths.sub(sub))?;
                }
            }
            uids.assign(&self.paths, &lock, &bases, None)
        });
        if result.is_err() {
            let remove = || placed.iter().for_each(|path| staged::remove(&self.paths, path));
            Reserved::take_back(&mut reserved, remove);
        }
        Ok(Appended { uid_validity: uids.list.uid_validity, uids: result? })
    }

    /// Renames all messages to their places; what got there is in `placed`. Returns the bases of their names.
    fn place_files(&mut self, placed: &mut Vec<PathBuf>) -> Result<Vec<Arc<str>>> {
        let mut bases: Vec<Arc<str>> = Vec::new();
        for message in &mut self.messages {
            let unique = self.paths.env.unique_name();
            let sub = if message.letters.is_empty() { Sub::New } else { Sub::Cur };
            let (base, path) = message.staged.place(&unique, sub, &message.letters)?;
            placed.push(path);
            bases.push(base.into());
        }
        Ok(bases)
    }
}

impl Append for MaildirAppend {
    fn begin(&mut self, flags: &FlagSet, date: Option<UnixTime>) -> Result<()> {
        self.finish_last()?;
        self.keywords.ensure(&self.paths, flags)?;
        let letters = self.keywords.letters(flags, "");
        let date = date.unwrap_or_else(|| self.paths.env.utc());
        if self.messages.is_empty() && self.paths.counts(&letters) {
            // What is full already is told before the octets come.
            self.paths.quota.check(&self.paths.name, QuotaUsage::message(0), Adding::User)?;
        }
        self.messages.push(Message { staged: Staged::create(&self.paths)?, letters, date });
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> Result<()> {
        if self.messages.is_empty() {
            self.begin(&FlagSet::new(), None)?;
        }
        match self.messages.last_mut() {
            Some(message) => message.staged.write(octets),
            None => Ok(()),
        }
    }

    fn commit(mut self: Box<Self>) -> Result<Appended> {
        self.finish_last()?;
        self.place()
    }

    fn abort(self: Box<Self>) {}
}
