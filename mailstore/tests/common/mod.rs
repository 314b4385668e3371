//! What the tests of this crate share: processes on a simulated machine, messages, and the loop over every
//! power cut.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "each test file uses a part, and shows its seed"
)]

pub mod answers;
pub mod clients;
pub mod crash;
pub mod dovecot;
pub mod journal;

use std::collections::HashSet;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use mail_message::{Flag, FlagSet, Uid, UidSet};
use mailstore::fs::SimFs;
use mailstore::fs::sim::SimHost;
use mailstore::maildir::{Layout, MaildirOptions, NameEncoding};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::spool::{self, Outcome, QueueId, RecipientState, Spool, SpoolWriter};
use mailstore::{
    Appended, DeliveryId, Env, Flagged, MailboxName, MaildirStore, MessageReader, Result, Settle, Store,
};
use proto_core::UnixTime;
pub use testkit::programs::has;

pub const ROOT: &str = "/mail/alice/Maildir";
pub const SPOOL: &str = "/spool";

/// A number that who runs the tests may set.
pub fn from_environment<T: FromStr>(variable: &str, otherwise: T) -> T {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The seed of this run; `MAILSTORE_SEED` repeats another.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let seed = from_environment("MAILSTORE_SEED", 20_261_122);
        println!("MAILSTORE_SEED={seed}");
        seed
    })
}

/// A process on the machine of `fs`.
pub fn env(fs: &SimFs, pid: u32) -> Env {
    Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(fs, pid)))
}

pub fn maildir(fs: &SimFs, pid: u32) -> Result<MaildirStore> {
    MaildirStore::open(env(fs, pid), Path::new(ROOT), None)
}

/// As [`maildir`], where mailboxes are directories in directories, with names in UTF-8.
pub fn maildir_nested(fs: &SimFs, pid: u32) -> Result<MaildirStore> {
    let (layout, names) = (Layout::Fs, NameEncoding::Utf8);
    let options = MaildirOptions { layout, names, ..MaildirOptions::default() };
    MaildirStore::open_with(env(fs, pid), Path::new(ROOT), options)
}

pub fn maildir_with(fs: &SimFs, pid: u32, settle: Arc<dyn Settle>) -> Result<MaildirStore> {
    MaildirStore::open(env(fs, pid), Path::new(ROOT), Some(settle))
}

pub fn mbox(fs: &SimFs, pid: u32) -> Result<MboxStore> {
    mbox_with(fs, pid, MboxOptions::default(), None)
}

/// As a user has it: folders in his home directory, the INBOX where all programs deliver.
pub fn mbox_with(
    fs: &SimFs,
    pid: u32,
    options: MboxOptions,
    settle: Option<Arc<dyn Settle>>,
) -> Result<MboxStore> {
    let location = MboxLocation::new("/home/alice/mail", "/var/mail/alice");
    MboxStore::open(env(fs, pid), location, options, settle)
}

pub fn inbox() -> MailboxName {
    MailboxName::inbox()
}

pub fn name(text: &str) -> MailboxName {
    text.parse().unwrap()
}

pub fn uid(raw: u32) -> Uid {
    Uid::new(raw).unwrap()
}

pub fn uids(raw: &[u32]) -> UidSet {
    raw.iter().map(|&raw| uid(raw)).collect()
}

pub fn all() -> UidSet {
    let mut set = UidSet::new();
    set.insert_range(Uid::MIN..=Uid::MAX);
    set
}

pub fn flags(text: &str) -> FlagSet {
    text.split_whitespace().map(|flag| flag.parse::<Flag>().unwrap()).collect()
}

/// The set of these UIDs.
pub fn set(uids: &[Uid]) -> UidSet {
    uids.iter().copied().collect()
}

/// Messages and their flags.
pub fn told(changed: &[Flagged]) -> Vec<(Uid, FlagSet)> {
    changed.iter().map(|changed| (changed.uid, changed.flags.clone())).collect()
}

/// A message that can be told from all others, and from any part of itself.
pub fn message(number: u32) -> Vec<u8> {
    let filler = "line\r\n".repeat(number as usize % 7);
    format!("Subject: {number}\r\n\r\n{filler}end of {number}\r\n").into_bytes()
}

pub fn read_all(reader: &mut dyn MessageReader) -> Result<Vec<u8>> {
    let mut data = vec![0; reader.size_bytes() as usize + 1];
    let n = reader.read_at(0, &mut data)?;
    data.truncate(n);
    assert_eq!(n as u64, reader.size_bytes(), "the announced size is exact");
    Ok(data)
}

pub fn append(store: &dyn Store, mailbox: &MailboxName, content: &[u8], flags: &FlagSet) -> Result<Uid> {
    append_told(store, mailbox, content, flags).map(|appended| appended.uids[0])
}

pub fn append_told(
    store: &dyn Store,
    mailbox: &MailboxName,
    content: &[u8],
    flags: &FlagSet,
) -> Result<Appended> {
    let mut append = store.append(mailbox)?;
    append.begin(flags, Some(UnixTime(1_700_000_000)))?;
    for chunk in content.chunks(11) {
        append.write(chunk)?;
    }
    append.commit()
}

pub fn commit(writer: Box<dyn SpoolWriter>) -> Result<QueueId> {
    spool::wait(|done| writer.commit(done))
}

pub fn record(spool: &dyn Spool, id: &QueueId, recipient: u32, state: RecipientState) -> Result<()> {
    let outcome = Outcome::new(DeliveryId { queue_id: id.clone(), recipient }, state);
    spool::wait(|done| spool.record(vec![outcome], done))
}

/// Message octets in memory.
pub struct Octets(pub Vec<u8>);

impl MessageReader for Octets {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let rest = &self.0[self.0.len().min(offset as usize)..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// Cuts the power before every operation that `fs` has recorded, and calls `check` with every disk that may
/// be found: all combinations up to eight pending things, else 32 drawn from the seed. Of disks with equal
/// content and equal `key` only one is checked; `key` tells which operations make the same demands.
pub fn every_power_cut(fs: &SimFs, key: impl Fn(u64) -> u64, check: impl FnMut(u64, &SimFs)) {
    some_power_cuts(fs, 32, key, check);
}

/// The same with so many disks drawn where there are more than eight pending things.
pub fn some_power_cuts(fs: &SimFs, drawn: u32, key: impl Fn(u64) -> u64, mut check: impl FnMut(u64, &SimFs)) {
    let seed = seed();
    let (mut points, mut outcomes, mut checked, mut sampled) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut seen = HashSet::new();
    for point in fs.crash_points() {
        points += 1;
        sampled += u32::from(point.pending() > mailstore::fs::sim::CrashPoint::EXHAUSTIVE_MAX);
        for disk in point.outcomes(seed, drawn) {
            outcomes += 1;
            if seen.insert((key(point.op), disk.fingerprint())) {
                checked += 1;
                check(point.op, &disk);
            }
        }
    }
    println!(
        "{points} power cuts ({sampled} sampled), {outcomes} disks, {checked} of different content checked"
    );
    assert!(points > 1 && checked >= points / 2, "the power was cut somewhere");
}

/// The names in a directory, sorted.
pub fn read_names(fs: &SimFs, dir: &str) -> Vec<String> {
    let entries = mailstore::fs::Fs::read_dir(fs, Path::new(dir)).unwrap();
    entries.into_iter().map(|entry| entry.name.into_string().unwrap()).collect()
}
