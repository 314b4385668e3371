//! An mbox as rows of its [index](crate::index), and its messages out of them.
//!
//! A row's name is the text of [`Message::put_shape`], which tells where the message lies behind the one before it, and
//! then its flags: a letter for each as in `Status` and `X-Status`, keywords behind spaces. Its place is the message's
//! traits, its facts are length, date, and the sum of its octets. A message that is scanned again and has another sum is
//! another message: nothing that is known of the one before holds.
//!
//! # Limits
//! Flags that do not fit into a name, 255 octets, are told by their checksum: such a message has to be looked at when
//! the mailbox is opened.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use mail_message::{Flag, FlagSet, Keyword, UidSet};
use proto_core::UnixTime;

use super::message::{Message, TRAITS};
use super::place::Place;
use super::scan;
use super::snapshot::{Known, Snapshot};
use crate::error::Result;
use crate::fs::{self, File};
use crate::index::{Facts, FileStamp, Index, Name, Record, Records, Stamp, State};

/// How much of the end of the file is summed.
const TAIL_BYTES: u64 = 4096;

/// The most octets of a name.
const NAME_BYTES_MAX: usize = 255;

const LETTERS: [(Flag, char); 5] = [
    (Flag::Seen, 'R'),
    (Flag::Answered, 'A'),
    (Flag::Flagged, 'F'),
    (Flag::Draft, 'T'),
    (Flag::Deleted, 'D'),
];

/// Stands before the checksum of flags that do not fit.
const SUMMED: char = '?';

fn put_flags(flags: &FlagSet, text: &mut String) {
    let at = text.len();
    let letters = LETTERS.into_iter().filter(|(flag, _)| flags.contains(flag));
    text.extend(letters.map(|(_, letter)| letter));
    for keyword in flags.keywords() {
        text.push(' ');
        text.push_str(keyword.as_str());
    }
    if text.len() > NAME_BYTES_MAX {
        let sum = crc32c::crc32c(&text.as_bytes()[at..]);
        text.truncate(at);
        let _ = write!(text, "{SUMMED}{sum:08x}");
    }
}

/// The flags; `None` where only their sum is told.
fn flags_of(text: &str) -> Option<FlagSet> {
    let mut words = text.split(' ');
    let letters = words.next().unwrap_or_default();
    let mut flags = FlagSet::new();
    for letter in letters.chars() {
        let (flag, _) = LETTERS.into_iter().find(|(_, known)| *known == letter)?;
        flags.insert(flag);
    }
    for word in words {
        flags.insert(Flag::Keyword(Keyword::new(word).ok()?));
    }
    Some(flags)
}

/// What the index has to be told, so that it says what the snapshot does. All changes get one mod-sequence.
pub(super) fn differences(state: &State, disk: &Snapshot) -> Records {
    let modseq = state.next_modseq();
    let (mut gone, mut changes) = (UidSet::new(), Records::default());
    let mut rows = state.rows().iter().peekable();
    let mut text = String::with_capacity(NAME_BYTES_MAX);
    let mut before = 0;
    for Known { message, flags } in &disk.messages {
        text.clear();
        message.put_shape(before, &mut text);
        before = message.end;
        // The one that is none has none.
        let Some(uid) = message.uid.filter(|_| !message.is_pseudo()) else { continue };
        let base_len = text.len() as u8;
        put_flags(flags, &mut text);
        let name = Name { place: message.traits & TRAITS, base_len, text: &text };
        while let Some(row) = rows.next_if(|row| row.uid < uid) {
            gone.insert(row.uid);
        }
        let meta = (message.shown_bytes, message.date.0);
        match rows.next_if(|row| row.uid == uid) {
            Some(row) if row.facts.meta() == Some(meta) && has_sum_of(message, row.facts) => {
                let known = state.name(row);
                if known != name {
                    let flags = |name: &Name<'_>| name.text[name.base_len.into()..].to_owned();
                    let modseq = if flags(&known) == flags(&name) { row.modseq } else { modseq };
                    changes.push(&Record::Renamed { uid, modseq, name });
                }
            }
            known => {
                if known.is_some() {
                    // Another program has put another message in its place: nothing that is known of it holds.
                    gone.insert(uid);
                }
                let mut facts = Facts::default();
                facts.set_meta(meta.0, meta.1);
                message.sum.into_iter().for_each(|sum| facts.set_sum(sum));
                changes.push(&Record::Row { uid, modseq, name, facts });
            }
        }
    }
    rows.for_each(|row| gone.extend([row.uid]));
    let mut records = Records::default();
    for uids in gone.ranges() {
        records.push(&Record::Gone { modseq, uids });
    }
    records.extend(&changes);
    records
}

/// Whether a message has the sum that is known of it, as far as it was scanned since.
fn has_sum_of(message: &Message, facts: Facts) -> bool {
    message.sum.is_none_or(|sum| facts.sum() == Some(sum))
}

/// The file as the snapshot has it, for [`restore`] to know it again.
pub(super) fn stamp(index: &Index, disk: &Snapshot, file: &dyn File) -> std::io::Result<Option<FileStamp>> {
    let Some(stamp) = disk.stamp else { return Ok(None) };
    let (boot, is_settled) = (index.boot(), disk.is_settled);
    Ok(Some(FileStamp { boot, stamp, tail_sum: tail_sum(file, stamp.size)?, is_settled }))
}

fn tail_sum(file: &dyn File, size: u64) -> std::io::Result<u32> {
    let mut tail = vec![0; size.min(TAIL_BYTES) as usize];
    let n = fs::read_full(file, &mut tail, size.saturating_sub(TAIL_BYTES))?;
    Ok(crc32c::crc32c(&tail[..n]))
}

/// The snapshot of which the index was told; `None` when there is none, or the file is another. When it is certain that
/// the file is as it was then, this is all; else every message is looked at where it was
/// ([`Snapshot::update`]).
pub(super) fn restore(place: &Place, index: &Index, file: &dyn File) -> Result<Option<Snapshot>> {
    let failed = |error: std::io::Error| place.failed("reading", &error);
    let Some(known) = index.file_stamp() else { return Ok(None) };
    let now = Stamp::of(&file.metadata().map_err(failed)?);
    if now.inode != known.stamp.inode {
        return Ok(None);
    }
    // What the first message says of the mailbox is not in the index.
    let (mut messages, mut base) = (Vec::with_capacity(index.state().rows().len() + 1), None);
    scan::scan(file, 0, now.size, place.options.format, &mut |message, marks| {
        base = marks.base;
        messages.push(Known { message, flags: marks.flags });
        ControlFlow::Break(())
    })
    .map_err(failed)?;
    messages.retain(|first: &Known| first.message.is_pseudo());
    let mut is_certain = known.is_settled
        && known.stamp == now
        && known.tail_sum == tail_sum(file, now.size).map_err(failed)?;
    for row in index.state().rows() {
        let before = messages.last().map_or(0, |before| before.message.end);
        let name = index.state().name(row);
        let (shape, flags) = name.text.split_at(name.base_len.into());
        let message = Message::from_shape(before, shape.as_bytes(), row.uid, name.place);
        let (Some(mut message), Some((shown_bytes, date))) = (message, row.facts.meta()) else {
            return Ok(None);
        };
        (message.shown_bytes, message.date) = (shown_bytes, UnixTime(date));
        let flags = flags_of(flags);
        is_certain &= flags.is_some();
        messages.push(Known { message, flags: flags.unwrap_or_default() });
    }
    let fits = messages.last().is_none_or(|last| last.message.end <= now.size);
    let stamp = Some(if is_certain && fits { known.stamp } else { known.stamp.distrusted() });
    Ok(Some(Snapshot { messages, base, stamp, is_settled: is_certain, loose: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> FlagSet {
        text.split_whitespace().map(|flag| flag.parse::<Flag>().unwrap()).collect()
    }

    #[test]
    fn flags_read_back_unless_they_are_too_long() {
        for (written, text) in
            [("", ""), ("\\Seen \\Deleted", "RD"), ("work $Junk", " $Junk work"), ("\\Draft R", "T R")]
        {
            let mut out = String::new();
            put_flags(&flags(written), &mut out);
            assert_eq!((&*out, flags_of(&out)), (text, Some(flags(written))));
        }
        let long = |last: &str| {
            let mut out = "shape".to_owned();
            put_flags(&flags(&format!("{} {last}", "k".repeat(250))), &mut out);
            out
        };
        assert_eq!(flags_of(&long("x")[5..]), None);
        assert!(long("x").len() < NAME_BYTES_MAX && long("x") != long("y"));
    }
}
