//! One opened blocking mailbox, message or append behind [`Mailbox`], [`MessageReader`] and [`Append`].

use super::Shared;
use crate::blocking::Blocking;
use crate::wall::{Append, Mailbox, MessageReader, Opened, Refreshed, StoreResult, Visitor};
use bytes::Bytes;
use mail_message::{FlagSet, ModSeq, Uid, UidSet};
use mailstore::{
    Appended, Copied, ErrorKind, Expunge, FlagChange, MailboxName, Meta, StoreError, Stored, Summary,
};
use proto_core::UnixTime;
use std::ops::Range;
use std::sync::Arc;

pub(super) struct LocalMailbox(Shared<dyn mailstore::Mailbox>);

impl LocalMailbox {
    /// Takes the snapshot, on the thread that opened it.
    pub(super) fn opened(mailbox: Box<dyn mailstore::Mailbox>, blocking: Blocking) -> Opened {
        Opened {
            uid_validity: mailbox.uid_validity(),
            uid_next: mailbox.uid_next(),
            entries: mailbox.entries().to_vec(),
            permanent_flags: mailbox.permanent_flags(),
            highest_modseq: mailbox.highest_modseq(),
            mailbox: Arc::new(Self(Shared::new(mailbox, blocking))),
        }
    }
}

impl Mailbox for LocalMailbox {
    fn refresh(&self) -> StoreResult<Refreshed> {
        self.0.run(|mailbox| {
            let changes = mailbox.refresh()?;
            Ok(Refreshed {
                changes,
                uid_next: mailbox.uid_next(),
                permanent_flags: mailbox.permanent_flags(),
                highest_modseq: mailbox.highest_modseq(),
            })
        })
    }

    fn vanished_since(&self, modseq: ModSeq) -> StoreResult<Option<UidSet>> {
        self.0.run(move |mailbox| Ok(mailbox.vanished_since(modseq)))
    }

    fn meta(&self, uids: Vec<Uid>) -> StoreResult<Vec<(Uid, Meta)>> {
        self.0.run(move |mailbox| of_each(uids, |uid| mailbox.meta(uid)))
    }

    fn summaries(&self, uids: Vec<Uid>) -> StoreResult<Vec<(Uid, Arc<Summary>)>> {
        self.0.run(move |mailbox| of_each(uids, |uid| mailbox.summary(uid)))
    }

    fn unterminated(&self, uids: Vec<Uid>) -> StoreResult<UidSet> {
        self.0.run(move |mailbox| {
            let found = of_each(uids, |uid| mailbox.is_terminated(uid))?;
            Ok(found.into_iter().filter(|(_, is_terminated)| !is_terminated).map(|(uid, _)| uid).collect())
        })
    }

    fn pop3_uidls(&self) -> StoreResult<Vec<(Uid, String)>> {
        self.0.run(|mailbox| mailbox.pop3_uidls())
    }

    fn message(&self, uid: Uid) -> StoreResult<Arc<dyn MessageReader>> {
        let blocking = self.0.blocking.clone();
        self.0.run(move |mailbox| {
            let reader = mailbox.message(uid)?;
            let size_bytes = reader.size_bytes();
            Ok(Arc::new(LocalReader { reader: Shared::new(reader, blocking), size_bytes }) as _)
        })
    }

    fn set_flags(
        &self,
        uids: UidSet,
        change: FlagChange,
        flags: FlagSet,
        unchanged_since: Option<ModSeq>,
    ) -> StoreResult<Stored> {
        self.0.run(move |mailbox| mailbox.set_flags(&uids, change, &flags, unchanged_since))
    }

    fn expunge(&self, uids: UidSet, which: Expunge) -> StoreResult<Vec<Uid>> {
        self.0.run(move |mailbox| mailbox.expunge(&uids, which))
    }

    fn copy(&self, uids: UidSet, target: &MailboxName) -> StoreResult<Copied> {
        let target = target.clone();
        self.0.run(move |mailbox| mailbox.copy(&uids, &target))
    }
}

/// What is found of each of the messages that are still there.
fn of_each<T>(
    uids: Vec<Uid>,
    mut find: impl FnMut(Uid) -> Result<T, StoreError>,
) -> Result<Vec<(Uid, T)>, StoreError> {
    let mut found = Vec::with_capacity(uids.len());
    for uid in uids {
        match find(uid) {
            Ok(one) => found.push((uid, one)),
            Err(error) if error.kind() == ErrorKind::NoSuchMessage => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

struct LocalReader {
    reader: Shared<dyn mailstore::MessageReader>,
    size_bytes: u64,
}

impl MessageReader for LocalReader {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, octets_max: usize) -> StoreResult<Bytes> {
        let left = usize::try_from(self.size_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = octets_max.min(left);
        self.reader.run(move |reader| {
            let mut octets = vec![0; wanted];
            let filled = reader.read_at(offset, &mut octets)?;
            octets.truncate(filled);
            Ok(octets.into())
        })
    }

    fn visit(&self, range: Range<u64>, mut visitor: Visitor) -> StoreResult<()> {
        self.reader.run(move |reader| {
            let mut piece = vec![0; VISIT_BYTES];
            let mut at = range.start;
            while at < range.end {
                let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
                let filled = reader.read_at(at, &mut piece[..left.min(VISIT_BYTES)])?;
                if filled == 0 || visitor(&piece[..filled]).is_break() {
                    break;
                }
                at += filled as u64;
            }
            Ok(())
        })
    }
}

/// How much a visitor is shown at a time.
const VISIT_BYTES: usize = 64 * 1024;

pub(super) struct LocalAppend(Shared<dyn mailstore::Append>);

impl LocalAppend {
    pub(super) fn boxed(append: Box<dyn mailstore::Append>, blocking: Blocking) -> Box<dyn Append> {
        Box::new(Self(Shared::new(append, blocking)))
    }
}

impl Append for LocalAppend {
    fn begin(&mut self, flags: FlagSet, date: Option<UnixTime>) -> StoreResult<()> {
        self.0.run(move |append| append.begin(&flags, date))
    }

    fn write(&mut self, octets: Bytes) -> StoreResult<()> {
        self.0.run(move |append| append.write(&octets))
    }

    fn commit(self: Box<Self>) -> StoreResult<Appended> {
        self.0.finish(|mut append| append.commit())
    }
}
