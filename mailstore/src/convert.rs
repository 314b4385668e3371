//! From one store into another: Maildir to mbox, mbox to Maildir.
//!
//! Every mailbox of the source is made in the target if it is not there, and every message appended to it with its flags,
//! keywords and date, in the order of the UIDs; subscriptions are taken over. No message of the source is changed or
//! removed; those that have no UID yet get one, as whenever a mailbox is opened.
//!
//! # After a crash or an error
//! In the target are then all mailboxes that were done, of the one that was being converted a beginning that is whole,
//! message by message and batch by batch, and nothing of the others; no message is there in part. The source is as it
//! was, and subscriptions come last.
//!
//! The same call is safe, and goes on where the last one ended: messages at the beginning of a target mailbox that are
//! those of the source, by date and length, and the last of them octet by octet, are not appended again. A mailbox of the target that holds anything else,
//! be it mail that came in meanwhile or a message that was removed at either end, is not touched, and ends the call
//! with `MailboxExists`. So nothing should write to either store before it is done; a change of flags does no harm, but
//! is not taken over for messages that were there.
//!
//! # Limits
//! One piece of one message is in memory, what both stores keep of a mailbox, and what is known of the messages of one
//! batch: up to [`BATCH_MESSAGES_MAX`] messages, or 64 MiB and the rest of one message, become part of the target at a
//! time. An mbox holds a batch twice meanwhile, on the disk. Each message of a mailbox is looked at a few times, however
//! many there are: a batch does not look at those before it.
//!
//! # Departures
//! Messages get new UIDs, since a store gives its own; clients see a new UIDVALIDITY and fetch again what they keep. A
//! message without a line end at its end gets one in an mbox.

use crate::error::{ErrorKind, Result, StoreError};
use crate::name::MailboxName;
use crate::store::{Access, Append, Mailbox, MessageReader, Meta, Store};

/// How many messages become part of the target at a time.
pub const BATCH_MESSAGES_MAX: usize = 512;

/// How many octets, about, become part of the target at a time.
const BATCH_BYTES_MAX: u64 = 64 << 20;

const CHUNK_BYTES: usize = 64 << 10;

/// How far a conversion is in one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The mailbox.
    pub mailbox: &'a MailboxName,
    /// How many of its messages are in the target.
    pub done: usize,
    /// How many it has.
    pub messages: usize,
}

/// What a conversion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Converted {
    /// Mailboxes that were gone through.
    pub mailboxes: usize,
    /// Messages that were appended.
    pub messages: usize,
    /// Messages that an earlier call had appended.
    pub there_already: usize,
}

/// Converts everything. `progress` is called for each mailbox when it begins, and after each batch of messages.
///
/// # Errors
/// What either store says; `MailboxExists` when a mailbox of the target holds other mail. What was converted by then
/// stays.
pub fn convert(
    source: &dyn Store,
    target: &dyn Store,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Converted> {
    let mut converted = Converted::default();
    for info in source.list()?.into_iter().filter(|info| info.exists) {
        one(source, target, &info.name, &mut converted, progress)?;
    }
    for name in source.subscriptions()? {
        target.subscribe(&name)?;
    }
    Ok(converted)
}

fn one(
    source: &dyn Store,
    target: &dyn Store,
    name: &MailboxName,
    converted: &mut Converted,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<()> {
    if !name.is_inbox() {
        match target.create(name) {
            Err(error) if error.kind() != ErrorKind::MailboxExists => return Err(error),
            _ => {}
        }
    }
    let mut from = source.open(name, Access::ReadOnly)?;
    let entries = from.entries().to_vec();
    let mut done = there_already(&mut *from, &mut *target.open(name, Access::ReadOnly)?, name)?;
    converted.mailboxes += 1;
    converted.there_already += done;
    progress(Progress { mailbox: name, done, messages: entries.len() });
    if done == entries.len() {
        return Ok(());
    }
    let mut append = target.append(name)?;
    while done < entries.len() {
        let (mut count, mut bytes) = (0, 0);
        for entry in entries[done..].iter().take(BATCH_MESSAGES_MAX) {
            if bytes > BATCH_BYTES_MAX {
                break;
            }
            let date = from.meta(entry.uid)?.internal_date;
            append.begin(&entry.flags, Some(date))?;
            bytes += copy(&mut *from, entry.uid, &mut *append)?;
            count += 1;
        }
        append.commit()?;
        done += count;
        converted.messages += count;
        progress(Progress { mailbox: name, done, messages: entries.len() });
    }
    Ok(())
}

fn copy(from: &mut dyn Mailbox, uid: mail_message::Uid, append: &mut dyn Append) -> Result<u64> {
    let mut reader = from.message(uid)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < reader.size_bytes() {
        let n = reader.read_at(offset, &mut chunk)?;
        if n == 0 {
            return Err(StoreError::new(ErrorKind::Corrupt, "converting a message", "it ended early"));
        }
        append.write(&chunk[..n])?;
        offset += n as u64;
    }
    Ok(offset)
}

/// How many messages of the source are in the target, which holds nothing else.
fn there_already(from: &mut dyn Mailbox, to: &mut dyn Mailbox, name: &MailboxName) -> Result<usize> {
    let sources = from.entries().to_vec();
    let targets = to.entries().to_vec();
    for (index, target) in targets.iter().enumerate() {
        let is_same = match sources.get(index) {
            Some(source) => is_same(from.meta(source.uid)?, to.meta(target.uid)?),
            None => false,
        };
        if !is_same {
            return Err(holds_other(name));
        }
    }
    // Messages of a kind may be as long as others, and come at the same times.
    if let (Some(target), Some(source)) = (targets.last(), sources.get(targets.len().saturating_sub(1)))
        && !begins_with(&mut *to.message(target.uid)?, &mut *from.message(source.uid)?)?
    {
        return Err(holds_other(name));
    }
    Ok(targets.len())
}

fn holds_other(name: &MailboxName) -> StoreError {
    let cause = format!(
        "{name} of the target holds other mail than the source begins with; nothing was appended to it"
    );
    StoreError::new(ErrorKind::MailboxExists, "converting a mailbox", cause)
}

/// Whether a message begins with all of another.
fn begins_with(whole: &mut dyn MessageReader, part: &mut dyn MessageReader) -> Result<bool> {
    let (mut ours, mut theirs) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let mut offset = 0;
    while offset < part.size_bytes() {
        let n = part.read_at(offset, &mut theirs)?;
        if n == 0 || whole.read_at(offset, &mut ours[..n])? < n || ours[..n] != theirs[..n] {
            return Ok(false);
        }
        offset += n as u64;
    }
    Ok(true)
}

/// A message may have got the line end that it lacked.
fn is_same(source: Meta, target: Meta) -> bool {
    source.internal_date == target.internal_date
        && (source.size_bytes == target.size_bytes || source.size_bytes + 2 == target.size_bytes)
}
