//! [`Record`]: the changes that make up an index, as octets.
//!
//! Numbers are little-endian. Each record is one octet for its kind and a fixed part; names and summaries bring their
//! length. Whether the octets are those that were written is the batch's checksum to say (`file.rs`); what is read here
//! is checked for sense all the same, so that no octets make a panic or a large allocation.

use std::ops::RangeInclusive;
use std::time::Duration;

use mail_message::{ModSeq, Uid};

use crate::fs::Metadata;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// A message is there.
    Row { uid: Uid, modseq: ModSeq, name: Name<'a>, facts: Facts },
    /// A message has another name; with it, where flags are in names, other flags.
    Renamed { uid: Uid, modseq: ModSeq, name: Name<'a> },
    /// Something was found out of a message; its summary is untouched. The row may come later.
    Facts { uid: Uid, facts: Facts },
    /// A message was summarised: a checksum and octets (see `file.rs`). The row may come later.
    Summary { uid: Uid, octets: &'a [u8] },
    /// Messages were removed.
    Gone { modseq: ModSeq, uids: RangeInclusive<Uid> },
    /// All of the above is what was found when the mailbox's files were these.
    Stamps(Stamps),
    /// The same, of a mailbox that is one file.
    File(FileStamp),
    /// From here on changes may be lost with the power (`dirty`), or all up to here are safe.
    Mark { dirty: bool, boot: u64 },
}

/// A name of a message: where it is, and its flags. In a Maildir the first `base_len` octets never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    /// A number for the directory; in an mbox, for traits of the message.
    pub(crate) place: u8,
    pub(crate) base_len: u8,
    /// At most 255 octets.
    pub(crate) text: &'a str,
}

/// What is known of a message that never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    size: u64,
    date: i64,
    summary_at: u64,
    /// In a Maildir, how many LFs have no CR; in an mbox, what its octets sum to. `known` says whether it is either.
    extra: u32,
    /// Eight bits of what is known, above the length of the summary.
    known: u32,
}

/// Size and date are known.
const META: u32 = 1 << 24;
/// The message was read through: the size is certain, and `extra` counts.
const COUNTED: u32 = 1 << 25;
/// Whether it ends in a line end is known, and whether it does.
const END: u32 = 1 << 26;
const ENDED: u32 = 1 << 27;
/// `extra` is a sum.
const SUMMED: u32 = 1 << 28;
const SUMMARY_LEN: u32 = META - 1;

impl Facts {
    /// Longer summaries are not kept.
    pub(crate) const SUMMARY_BYTES_MAX: usize = 1 << 20;

    /// Size with CRLF line ends, and date.
    pub(crate) fn meta(self) -> Option<(u64, i64)> {
        (self.known & META != 0).then_some((self.size, self.date))
    }

    pub(crate) fn set_meta(&mut self, size: u64, date: i64) {
        (self.size, self.date) = (size, date);
        self.known |= META;
    }

    /// Length of the file, and size with CRLF line ends, when the message was read through.
    pub(crate) fn counted(self) -> Option<(u64, u64)> {
        (self.known & COUNTED != 0).then(|| (self.size - u64::from(self.extra), self.size))
    }

    /// The message was read through. More bare line feeds than can be noted are counted again each time.
    pub(crate) fn set_counted(&mut self, stored: u64, size: u64, date: i64) {
        self.set_meta(size, date);
        if let Some(bare_lf) = size.checked_sub(stored).and_then(|bare_lf| u32::try_from(bare_lf).ok()) {
            self.extra = bare_lf;
            self.known = self.known & !SUMMED | COUNTED;
        }
    }

    /// What the octets of a message sum to that other programs can replace in its place.
    pub(crate) fn sum(self) -> Option<u32> {
        (self.known & SUMMED != 0).then_some(self.extra)
    }

    pub(crate) fn set_sum(&mut self, sum: u32) {
        self.extra = sum;
        self.known = self.known & !COUNTED | SUMMED;
    }

    /// Whether it ends in a line end.
    pub(crate) fn terminated(self) -> Option<bool> {
        (self.known & END != 0).then_some(self.known & ENDED != 0)
    }

    pub(crate) fn set_terminated(&mut self, is_terminated: bool) {
        self.known = self.known & !ENDED | END | if is_terminated { ENDED } else { 0 };
    }

    /// Where in the file its summary lies, checksum included, and how long it is.
    pub(crate) fn summary(self) -> Option<(u64, usize)> {
        let len = (self.known & SUMMARY_LEN) as usize;
        (len != 0).then_some((self.summary_at, len))
    }

    /// `None` forgets it.
    pub(crate) fn set_summary(&mut self, place: Option<(u64, usize)>) {
        let (at, len) = place.unwrap_or_default();
        let len = u32::try_from(len).unwrap_or(0) & SUMMARY_LEN;
        (self.summary_at, self.known) = (at, self.known & !SUMMARY_LEN | len);
    }

    fn is_sound(self) -> bool {
        let is_either = self.known & (COUNTED | SUMMED) != COUNTED | SUMMED;
        let counts = self.known & COUNTED == 0 || u64::from(self.extra) <= self.size;
        is_either && counts && self.summary().is_none_or(|(_, len)| len >= 4)
    }
}

/// The files of a mailbox as they were when they were read; only good in the same boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamps {
    pub(crate) boot: u64,
    /// Two directories and the list of UIDs.
    pub(crate) files: [Stamp; 3],
    /// What the list of UIDs says is the next one, and how many it has.
    pub(crate) uid_next: Uid,
    pub(crate) listed: u32,
}

/// The one file of a mailbox as it was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp {
    /// The boot in which it is good for more than to be held against the file.
    pub(crate) boot: u64,
    pub(crate) stamp: Stamp,
    /// Of its last octets.
    pub(crate) tail_sum: u32,
    /// Nobody had changed it for so long that a change since must have given it another time.
    pub(crate) is_settled: bool,
}

impl FileStamp {
    /// Whether nothing is to be learnt from the other one.
    pub(crate) fn says(&self, other: &Self) -> bool {
        Self { is_settled: self.is_settled && other.is_settled, ..*self } == *other
    }
}

/// A file or directory at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) mtime: Duration,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { inode: metadata.inode, size: metadata.size, mtime: metadata.mtime }
    }

    /// Of the same file, but not as it is now.
    pub(crate) fn distrusted(self) -> Self {
        Self { size: u64::MAX, ..self }
    }
}

/// Records one behind the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    octets: Vec<u8>,
    has_changes: bool,
}

impl Records {
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Whether there are mod-sequences among them.
    pub(crate) fn has_changes(&self) -> bool {
        self.has_changes
    }

    pub(crate) fn clear(&mut self) {
        self.octets.clear();
        self.has_changes = false;
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.octets.extend_from_slice(&others.octets);
        self.has_changes |= others.has_changes;
    }

    pub(crate) fn push(&mut self, record: &Record<'_>) {
        self.has_changes |=
            matches!(record, Record::Row { .. } | Record::Renamed { .. } | Record::Gone { .. });
        let out = &mut self.octets;
        match record {
            Record::Row { uid, modseq, name, facts } => {
                out.push(1);
                put_uid(out, *uid);
                put_u64(out, modseq.get());
                put_facts(out, facts);
                put_name(out, name);
            }
            Record::Renamed { uid, modseq, name } => {
                out.push(2);
                put_uid(out, *uid);
                put_u64(out, modseq.get());
                put_name(out, name);
            }
            Record::Facts { uid, facts } => {
                out.push(3);
                put_uid(out, *uid);
                put_facts(out, facts);
            }
            Record::Summary { uid, octets } => {
                out.push(4);
                put_uid(out, *uid);
                put_u32(out, u32::try_from(octets.len()).unwrap_or(u32::MAX));
                out.extend_from_slice(octets);
            }
            Record::Gone { modseq, uids } => {
                out.push(5);
                put_u64(out, modseq.get());
                put_uid(out, *uids.start());
                put_uid(out, *uids.end());
            }
            Record::Stamps(stamps) => {
                out.push(6);
                put_u64(out, stamps.boot);
                put_uid(out, stamps.uid_next);
                put_u32(out, stamps.listed);
                stamps.files.iter().for_each(|stamp| put_stamp(out, stamp));
            }
            Record::Mark { dirty, boot } => {
                out.push(7);
                out.push(u8::from(*dirty));
                put_u64(out, *boot);
            }
            Record::File(file) => {
                out.push(8);
                put_u64(out, file.boot);
                put_stamp(out, &file.stamp);
                put_u32(out, file.tail_sum);
                out.push(u8::from(file.is_settled));
            }
        }
    }

    /// Reads records one by one; `Err` is the last of it. With each comes where its octets end.
    pub(crate) fn read(octets: &[u8]) -> Reader<'_> {
        Reader { octets, at: 0, failed: false }
    }
}

/// Octets that are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nonsense;

/// Records out of octets.
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
    failed: bool,
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<(Record<'a>, usize), Nonsense>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.at == self.octets.len() {
            return None;
        }
        let record = self.record().ok_or(Nonsense);
        self.failed = record.is_err();
        Some(record.map(|record| (record, self.at)))
    }
}

impl<'a> Reader<'a> {
    fn record(&mut self) -> Option<Record<'a>> {
        Some(match self.u8()? {
            1 => {
                let (uid, modseq, facts) = (self.uid()?, self.modseq()?, self.facts()?);
                Record::Row { uid, modseq, name: self.name()?, facts }
            }
            2 => Record::Renamed { uid: self.uid()?, modseq: self.modseq()?, name: self.name()? },
            3 => Record::Facts { uid: self.uid()?, facts: self.facts()? },
            4 => {
                let uid = self.uid()?;
                let len = usize::try_from(self.u32()?).ok()?;
                let fits = (4..=Facts::SUMMARY_BYTES_MAX).contains(&len);
                Record::Summary { uid, octets: self.take(len).filter(|_| fits)? }
            }
            5 => {
                let (modseq, first, last) = (self.modseq()?, self.uid()?, self.uid()?);
                Record::Gone { modseq, uids: (first <= last).then_some(first..=last)? }
            }
            6 => {
                let (boot, uid_next, listed) = (self.u64()?, self.uid()?, self.u32()?);
                Record::Stamps(Stamps {
                    boot,
                    files: [self.stamp()?, self.stamp()?, self.stamp()?],
                    uid_next,
                    listed,
                })
            }
            7 => Record::Mark { dirty: self.bool()?, boot: self.u64()? },
            8 => {
                let (boot, stamp) = (self.u64()?, self.stamp()?);
                let (tail_sum, is_settled) = (self.u32()?, self.bool()?);
                Record::File(FileStamp { boot, stamp, tail_sum, is_settled })
            }
            _ => return None,
        })
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.octets.get(self.at..)?.get(..len)?;
        self.at += len;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|octets| octets[0])
    }

    fn bool(&mut self) -> Option<bool> {
        self.u8().filter(|octet| *octet < 2).map(|octet| octet == 1)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn uid(&mut self) -> Option<Uid> {
        Uid::new(self.u32()?)
    }

    fn modseq(&mut self) -> Option<ModSeq> {
        ModSeq::new(self.u64()?)
    }

    fn name(&mut self) -> Option<Name<'a>> {
        let (place, base_len, len) = (self.u8()?, self.u8()?, self.u8()?);
        let text = std::str::from_utf8(self.take(len.into())?).ok()?;
        // The highest number of a place marks rows that are gone (`state.rs`).
        (place < u8::MAX && text.is_char_boundary(base_len.into())).then_some(Name { place, base_len, text })
    }

    fn facts(&mut self) -> Option<Facts> {
        let (size, date, summary_at) = (self.u64()?, self.u64()?.cast_signed(), self.u64()?);
        let facts = Facts { size, date, summary_at, extra: self.u32()?, known: self.u32()? };
        facts.is_sound().then_some(facts)
    }

    fn stamp(&mut self) -> Option<Stamp> {
        let (inode, size, seconds, nanos) = (self.u64()?, self.u64()?, self.u64()?, self.u32()?);
        let mtime = (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))?;
        Some(Stamp { inode, size, mtime })
    }
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_uid(out: &mut Vec<u8>, uid: Uid) {
    put_u32(out, uid.get());
}

fn put_stamp(out: &mut Vec<u8>, stamp: &Stamp) {
    put_u64(out, stamp.inode);
    put_u64(out, stamp.size);
    put_u64(out, stamp.mtime.as_secs());
    put_u32(out, stamp.mtime.subsec_nanos());
}

fn put_facts(out: &mut Vec<u8>, facts: &Facts) {
    put_u64(out, facts.size);
    put_u64(out, facts.date.cast_unsigned());
    put_u64(out, facts.summary_at);
    put_u32(out, facts.extra);
    put_u32(out, facts.known);
}

fn put_name(out: &mut Vec<u8>, name: &Name<'_>) {
    let len = u8::try_from(name.text.len()).expect("invariant: names are cut to 255 octets by file systems");
    out.extend_from_slice(&[name.place, name.base_len, len]);
    out.extend_from_slice(name.text.as_bytes());
}
