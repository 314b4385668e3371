//! [`MaildirAppend`]: APPEND, one or several messages.
//!
//! # Limits
//! Up to [`UNSYNCED_MAX`] files are open. After a commit the list of UIDs and the index are kept for the next.

use std::sync::Arc;

use mail_message::FlagSet;
use proto_core::UnixTime;

use super::keywords::Keywords;
use super::message::Counted;
use super::paths::MailboxPaths;
use super::quota::Reserved;
use super::staged::Staged;
use super::uids::{UidLock, Uids};
use super::wal::{Target, Together};
use crate::error::{Result, StoreError};
use crate::fs::File;
use crate::index::{Facts, Index, Learned};
use crate::quota::{Adding, QuotaUsage};
use crate::store::{Append, Appended};
use crate::summary::Summarizer;

/// How many messages wait to be flushed together.
const UNSYNCED_MAX: usize = 32;

/// Messages in `tmp/` on their way to `new/`, or to `cur/` when they have flags.
#[derive(Debug)]
pub(super) struct MaildirAppend {
    paths: MailboxPaths,
    keywords: Keywords,
    messages: Vec<Message>,
    /// Files that are written and not durable yet.
    unsynced: Vec<Box<dyn File>>,
    /// The list as the last commit left it.
    uids: Option<Uids>,
    index: Option<Index>,
}

#[derive(Debug)]
struct Message {
    staged: Staged,
    summarizer: Summarizer,
    letters: String,
    date: UnixTime,
}

impl MaildirAppend {
    pub(super) fn open(paths: MailboxPaths) -> Result<Self> {
        paths.check_exists()?;
        let keywords = Keywords::load(&paths)?;
        Ok(Self { paths, keywords, messages: Vec::new(), unsynced: Vec::new(), uids: None, index: None })
    }

    fn finish_last(&mut self) -> Result<()> {
        let Some(message) = self.messages.last_mut() else { return Ok(()) };
        self.unsynced.extend(message.staged.complete(message.date)?);
        if self.unsynced.len() < UNSYNCED_MAX { Ok(()) } else { self.sync() }
    }

    fn sync(&mut self) -> Result<()> {
        let flushed = self.paths.env.syncs().submit(std::mem::take(&mut self.unsynced), Vec::new()).wait();
        flushed.all().map_err(|error| StoreError::io("writing in", &self.paths.tmp(), &error))
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
        let named = self.messages.iter().map(|message| {
            let base = message.staged.base(&self.paths.env.unique_name());
            (Target::new(&base, &message.letters), Arc::from(base))
        });
        let (targets, bases): (Vec<Target>, Vec<Arc<str>>) = named.unzip();
        let lock = UidLock::take(&self.paths)?;
        let mut uids = match self.uids.take() {
            Some(uids) if uids.is_current(&self.paths) => uids,
            _ => Uids::load_or_create(&self.paths, &lock, None)?,
        };
        let mut together = Together::begin(&self.paths, &lock, &uids, targets)?;
        let given = Reserved::place(&mut reserved, || {
            self.messages
                .iter_mut()
                .try_for_each(|message| together.place(|target| message.staged.place(target)))
        })
        .and_then(|()| together.sync())
        .and_then(|()| uids.assign(&self.paths, &lock, &bases, None));
        match given {
            Ok(given) => {
                together.done();
                let uid_validity = uids.list.uid_validity;
                self.uids = Some(uids);
                Ok(Appended { uid_validity, uids: given })
            }
            Err(error) => {
                Reserved::take_back(&mut reserved, || drop(together));
                Err(error)
            }
        }
    }

    /// Writes down what passed by, so that nobody need read it again.
    fn foretell(&mut self, messages: Vec<Message>, appended: &Appended) {
        let known = messages.into_iter().map(|message| {
            let Counted { sizes, is_terminated } = message.staged.counted();
            let mut facts = Facts::default();
            facts.set_counted(sizes.stored_bytes, sizes.crlf_bytes, message.date.0.max(0));
            facts.set_terminated(is_terminated);
            // One with bare line feeds is served otherwise than it came.
            let is_same = sizes.stored_bytes == sizes.crlf_bytes;
            let summary = is_same.then(|| Arc::new(message.summarizer.finish()));
            Learned { facts, summary }
        });
        let paths = &self.paths;
        let index = self.index.get_or_insert_with(|| Index::new(&paths.env, paths.index(), paths.tmp()));
        index.foretell(appended.uid_validity, appended.uids.iter().copied().zip(known));
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
        let (staged, summarizer) = (Staged::create(&self.paths)?, Summarizer::new());
        self.messages.push(Message { staged, summarizer, letters, date });
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> Result<()> {
        if self.messages.is_empty() {
            self.begin(&FlagSet::new(), None)?;
        }
        match self.messages.last_mut() {
            Some(message) => {
                message.summarizer.feed(octets);
                message.staged.write(octets)
            }
            None => Ok(()),
        }
    }

    fn commit(&mut self) -> Result<Appended> {
        let placed = self.finish_last().and_then(|()| self.sync()).and_then(|()| self.place());
        let messages = std::mem::take(&mut self.messages);
        self.unsynced.clear();
        let appended = placed?;
        self.foretell(messages, &appended);
        Ok(appended)
    }

    fn abort(self: Box<Self>) {}
}
