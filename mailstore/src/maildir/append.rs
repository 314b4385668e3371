//! [`MaildirAppend`]: APPEND, one or several messages.

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
use crate::error::Result;
use crate::index::{Facts, Index, Learned};
use crate::quota::{Adding, QuotaUsage};
use crate::store::{Append, Appended};
use crate::summary::Summarizer;

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
    summarizer: Summarizer,
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
        let named = self.messages.iter().map(|message| {
            let base = message.staged.base(&self.paths.env.unique_name());
            (Target::new(&base, &message.letters), Arc::from(base))
        });
        let (targets, bases): (Vec<Target>, Vec<Arc<str>>) = named.unzip();
        let lock = UidLock::take(&self.paths)?;
        let mut uids = Uids::load_or_create(&self.paths, &lock, None)?;
        let together = Together::begin(&self.paths, &lock, &uids, targets)?;
        let given = Reserved::place(&mut reserved, || {
            let messages = self.messages.iter_mut().zip(together.targets());
            messages.into_iter().try_for_each(|(message, target)| message.staged.place(target))
        })
        .and_then(|()| together.sync())
        .and_then(|()| uids.assign(&self.paths, &lock, &bases, None));
        match given {
            Ok(given) => {
                together.done();
                Ok(Appended { uid_validity: uids.list.uid_validity, uids: given })
            }
            Err(error) => {
                Reserved::take_back(&mut reserved, || drop(together));
                Err(error)
            }
        }
    }

    /// Writes down what passed by, so that nobody need read it again.
    fn foretell(self, appended: &Appended) {
        let known = self.messages.into_iter().map(|message| {
            let Counted { sizes, is_terminated } = message.staged.counted();
            let mut facts = Facts::default();
            facts.set_counted(sizes.stored_bytes, sizes.crlf_bytes, message.date.0.max(0));
            facts.set_terminated(is_terminated);
            // One with bare line feeds is served otherwise than it came.
            let is_same = sizes.stored_bytes == sizes.crlf_bytes;
            let summary = is_same.then(|| Arc::new(message.summarizer.finish()));
            Learned { facts, summary }
        });
        let index = Index::new(&self.paths.env, self.paths.index(), self.paths.tmp());
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

    fn commit(mut self: Box<Self>) -> Result<Appended> {
        self.finish_last()?;
        let appended = self.place()?;
        self.foretell(&appended);
        Ok(appended)
    }

    fn abort(self: Box<Self>) {}
}
