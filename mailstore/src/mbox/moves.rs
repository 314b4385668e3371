//! MOVE within one user's mbox files (RFC 6851).
//!
//! # Order of operations
//! With the locks of both mailboxes held, those of the file that sorts first taken first, so that two sessions that move
//! messages against each other do not wait for each other:
//!
//! 1. What is to be moved is read into files of its own, since the octets around it may move.
//! 2. The spool is told of deliveries that go ([`Settle`](crate::Settle)).
//! 3. All are appended to the target, durably, together ([`add`](super::add)).
//! 4. All are taken out of the source, durably, together ([`rewrite`](super::rewrite)); answer.
//!
//! # What a crash can leave
//!
//! | source | target | when |
//! | --- | --- | --- |
//! | all | none | before the append is on disk |
//! | all | all | before the journal of the rewrite is |
//! | none | all | after it; whoever next takes the source's locks completes the rewrite |
//!
//! # Departures
//! What fails after 3 leaves all messages in both mailboxes, which RFC 6851 §3.3 advises against: they are not taken out
//! of the target again, because the source's journal may already say that they go.

use mail_message::{Uid, UidSet};

use super::append::MboxAppend;
use super::mailbox::MboxMailbox;
use super::reader::MboxMessage;
use super::sight::Sight;
use super::snapshot::Known;
use crate::error::Result;
use crate::fs::OpenMode;
use crate::name::MailboxName;
use crate::store::{Copied, Expunge};

pub(super) fn move_to(source: &mut MboxMailbox, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
    source.check_writable()?;
    let wanted = source.select(uids);
    let target = source.store.place(target);
    let (from, to) = (source.place().path.clone(), target.path.clone());
    let mut append = MboxAppend::begin_at(target.clone())?;
    let mut sight = Sight::new(target);
    let mut other = if to < from { Some(sight.lock()?) } else { None };
    let mut locked = source.lock()?;
    if to > from {
        other = Some(sight.lock()?);
    }
    let before = source.sight.highest_modseq();
    let moved: Vec<Uid> = wanted.iter().filter(|uid| source.find(*uid).is_ok()).collect();
    for &uid in &moved {
        let Known { message, flags } = source.find(uid)?.clone();
        let file = source.place().open(OpenMode::Read)?;
        let mut reader = MboxMessage::locked(source.place().clone(), file, uid, message);
        append.take(&flags, message.date, &mut reader)?;
    }
    source.settle(&*source.place().open(OpenMode::Read)?, &moved)?;
    let appended = match &mut other {
        Some(other) => {
            sight.give_uids(&mut other.lock, false)?;
            let appended = append.add(&mut sight, &mut other.lock)?;
            sight.note(Some(&other.turn), other.lock.file())?;
            appended
        }
        None => append.add(&mut source.sight, &mut locked.lock)?,
    };
    source.drop_messages(&mut locked.lock, &moved.iter().copied().collect(), Expunge::Any)?;
    let told = source.told;
    source.note(&locked, before)?;
    if other.is_none() {
        // What came is news here.
        source.told = told;
    }
    source.entries.retain(|entry| moved.binary_search(&entry.uid).is_err());
    let pairs = moved.into_iter().zip(appended.uids).collect();
    Ok(Copied { uid_validity: appended.uid_validity, pairs })
}
