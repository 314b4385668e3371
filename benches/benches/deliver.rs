//! Durable deliveries a second with 1, 10 and 100 writers at a time, on the real disk, beside a loop that writes and syncs
//! one file for each message, in one thread and in as many as there are writers, and beside the `maildir` crate.
//!
//! The contenders take turns, round by round, so that whatever else the machine does meets them all; the median of the
//! rounds is shown, and how many times the loop in one thread that is. A number or two behind `--` are the rounds, and
//! the messages of a round for one writer.
//!
//! Nothing is removed before the end: ext4 gives a new file no inode that was freed in the last minutes, and looks at
//! each such inode anew for every file, which can take longer than all else.
#![allow(clippy::unwrap_used, reason = "a disk that fails measures nothing")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use mailstore::batch::{Arrival, commit};
use mailstore::fs::{OpenMode, RealFs};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{Delivered, Delivery, DeliveryId, Env, MailboxName, MaildirStore, MessageReader, Store};
use postroom_benches::NOW;
use postroom_benches::mail::{Kind, message};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Four KiB, as most mail without attachments has.
const MESSAGE_BYTES: usize = 4096;
/// What the engine delivers to one mailbox at a time.
const RUN_MAX: usize = 32;
const HEADER: &[u8] = b"Return-Path: <alice@example.net>\r\nDelivered-To: bob@example.test\r\n";

/// One way of delivering: an empty directory, and the octets of every message.
trait Contender: Sync {
    /// Delivers messages one after the other until `next` says that there are enough.
    fn deliver(&self, octets: &[u8], next: &dyn Fn() -> Option<u64>);
}

/// A file for each message, written and synced; neither renamed nor its directory synced.
struct Plain<'a>(&'a Path);

impl Contender for Plain<'_> {
    fn deliver(&self, octets: &[u8], next: &dyn Fn() -> Option<u64>) {
        while let Some(number) = next() {
            let path = self.0.join(number.to_string());
            let mut file = mailstore::fs::Fs::open(&RealFs, &path, OpenMode::CreateNew).unwrap();
            file.append(HEADER).and_then(|()| file.append(octets)).and_then(|()| file.sync()).unwrap();
        }
    }
}

/// The `maildir` crate, which syncs the file and not the directory.
struct Crate(maildir::Maildir);

impl Contender for Crate {
    fn deliver(&self, octets: &[u8], next: &dyn Fn() -> Option<u64>) {
        while next().is_some() {
            self.0.store_new(&[HEADER, octets].concat()).unwrap();
        }
    }
}

/// Ours, message by message: whoever needs a sync at the same time shares it.
struct Ours(MaildirStore);

impl Contender for Ours {
    fn deliver(&self, octets: &[u8], next: &dyn Fn() -> Option<u64>) {
        while let Some(number) = next() {
            let delivery = delivery(number);
            let delivered = self.0.deliver(&MailboxName::inbox(), &delivery, &mut Octets(octets)).unwrap();
            assert_eq!(delivered, Delivered::Stored);
        }
    }
}

/// Ours as the engine does it: so many are staged by one thread and committed together, while another stages the next.
struct Batches(MaildirStore, usize);

impl Contender for Batches {
    fn deliver(&self, octets: &[u8], next: &dyn Fn() -> Option<u64>) {
        loop {
            let numbers: Vec<u64> = std::iter::from_fn(next).take(self.1).collect();
            if numbers.is_empty() {
                return;
            }
            let stage = |number: &u64| {
                self.0.stage(&MailboxName::inbox(), &delivery(*number), &mut Octets(octets)).unwrap()
            };
            let staged: Vec<_> = numbers.iter().map(stage).collect();
            commit(staged).into_iter().for_each(|result| assert_eq!(result.unwrap(), Delivered::Stored));
        }
    }
}

/// Ours into one mbox as the engine does it: what waits for it is delivered together, in one thread.
struct Mbox(MboxStore, usize);

impl Contender for Mbox {
    fn deliver(&self, octets: &[u8], next: &dyn Fn() -> Option<u64>) {
        let inbox = MailboxName::inbox();
        loop {
            let mut bodies: Vec<_> =
                std::iter::from_fn(next).take(self.1).map(|number| (number, Octets(octets))).collect();
            if bodies.is_empty() {
                return;
            }
            let arrivals = bodies.iter_mut().map(|(number, body)| Arrival {
                mailbox: &inbox,
                delivery: delivery(*number),
                body,
            });
            let staged = self.0.stage_all(&mut arrivals.collect::<Vec<_>>());
            let staged = staged.into_iter().map(Result::unwrap);
            commit(staged).into_iter().for_each(|result| assert_eq!(result.unwrap(), Delivered::Stored));
        }
    }
}

fn delivery(number: u64) -> Delivery<'static> {
    let id = DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 };
    Delivery { id, maybe_delivered: false, date: NOW.utc, header: HEADER }
}

struct Octets<'a>(&'a [u8]);

impl MessageReader for Octets<'_> {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> mailstore::Result<usize> {
        let rest = &self.0[self.0.len().min(offset as usize)..];
        let taken = rest.len().min(buf.len());
        buf[..taken].copy_from_slice(&rest[..taken]);
        Ok(taken)
    }
}

/// Messages a second.
fn measure(contender: &dyn Contender, threads: usize, messages: u64, octets: &[u8]) -> f64 {
    let taken = AtomicU64::new(0);
    let begin = Barrier::new(threads + 1);
    let next = || Some(taken.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < messages);
    let started = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                begin.wait();
                contender.deliver(octets, &next);
            });
        }
        begin.wait();
        Instant::now()
    });
    messages as f64 / started.elapsed().as_secs_f64()
}

/// Each contender once, in a directory of its own.
fn round(dir: &Path, writers: usize, messages: u64, octets: &[u8]) -> [f64; 6] {
    let sub = |name: &str| dir.join(name);
    std::fs::create_dir(sub("plain")).unwrap();
    std::fs::create_dir(sub("single")).unwrap();
    let theirs = maildir::Maildir::from(sub("crate"));
    theirs.create_dirs().unwrap();
    // As many in hands as there are writers.
    let threads = writers.min(2);
    let mbox = MboxLocation::new(sub("mbox"), sub("mbox/inbox"));
    let mbox = MboxStore::open(Env::real("mx.example.test"), mbox, MboxOptions::default(), None).unwrap();
    let ours = |name: &str| MaildirStore::open(Env::real("mx.example.test"), &sub(name), None).unwrap();
    [
        // As slow as it is, so many are enough.
        measure(&Plain(&sub("single")), 1, messages.min(200), octets),
        measure(&Plain(&sub("plain")), writers, messages, octets),
        measure(&Crate(theirs), writers, messages, octets),
        measure(&Ours(ours("ours")), writers, messages, octets),
        measure(&Batches(ours("batches"), writers / threads), threads, messages, octets),
        measure(&Mbox(mbox, writers.min(RUN_MAX)), 1, messages, octets),
    ]
}

fn main() {
    // Cargo adds `--bench`.
    let numbers: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let (rounds, messages) = (numbers.first().copied().unwrap_or(5), numbers.get(1).copied().unwrap_or(100));
    let octets = message(Kind::Text, MESSAGE_BYTES);
    // Not the system's temporary directory, which is in memory on many machines.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    println!(
        "durable deliveries of {MESSAGE_BYTES} octets a second, median of {rounds} rounds (times the loop in one thread)"
    );
    println!(
        "| writers | write + fsync, one thread | in as many threads | maildir crate | Maildir delivery | in batches | one mbox, together |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (writers, messages) in [(1, messages), (10, messages * 4), (100, messages * 16)] {
        let round = |number: u64| {
            let dir = dir.path().join(format!("{writers}.{number}"));
            std::fs::create_dir(&dir).unwrap();
            round(&dir, writers, messages, &octets)
        };
        let rounds: Vec<[f64; 6]> = (0..rounds).map(round).collect();
        let median = |contender: usize| {
            let mut of: Vec<f64> = rounds.iter().map(|round| round[contender]).collect();
            of.sort_by(f64::total_cmp);
            of[of.len() / 2]
        };
        let plain = median(0);
        let cell = |contender| format!("{:.0} ({:.1})", median(contender), median(contender) / plain);
        let cells: Vec<String> = (1..6).map(cell).collect();
        println!("| {writers} | {plain:.0} | {} |", cells.join(" | "));
    }
}
