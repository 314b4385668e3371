//! Accepting into the spool and delivering into a Maildir: on the real disk, with every sync, and on the simulated one.
//!
//! The measure on the real disk is `one durable file` in the same run: a file written, synced, renamed, and its
//! directory synced, with nothing around it. What stands above that is ours.
#![allow(missing_docs, reason = "criterion's macros make functions that nobody documents")]
#![allow(clippy::unwrap_used, reason = "a disk that fails measures nothing")]

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use mail_message::FlagSet;
use mailstore::fs::sim::SimHost;
use mailstore::fs::{OpenMode, SimFs};
use mailstore::spool::{self, Envelope, LogSpool, QueueId, SpoolLimits};
use mailstore::{
    Delivered, Delivery, DeliveryId, Env, MailboxName, MaildirStore, MessageReader, Spool, Store,
};
use postroom_benches::NOW;
use postroom_benches::mail::{Kind, message};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Stores below one directory of one disk.
struct Disk {
    env: Env,
    dir: PathBuf,
    spool: LogSpool,
    maildir: MaildirStore,
    number: u64,
}

impl Disk {
    fn new(env: Env, dir: &Path) -> Self {
        let (spool, _) = LogSpool::open(env.clone(), &dir.join("spool"), SpoolLimits::default()).unwrap();
        let maildir = MaildirStore::open(env.clone(), &dir.join("Maildir"), None).unwrap();
        for sub in ["plain", "plain/tmp", "plain/new"] {
            env.fs().mkdir(&dir.join(sub)).unwrap();
        }
        Self { env, dir: dir.to_owned(), spool, maildir, number: 0 }
    }

    fn simulated() -> Self {
        let fs = SimFs::new();
        let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
        let dir = Path::new("/data");
        env.fs().mkdir(dir).unwrap();
        Self::new(env, dir)
    }

    fn next(&mut self) -> String {
        self.number += 1;
        format!("Q{}", self.number)
    }

    fn durable_file(&mut self, octets: &[u8]) {
        let (fs, name) = (self.env.fs(), format!("Q{}", self.number));
        self.number += 1;
        let (from, to) = (self.dir.join("plain/tmp").join(&name), self.dir.join("plain/new").join(&name));
        let mut file = fs.open(&from, OpenMode::CreateNew).unwrap();
        file.append(octets).unwrap();
        file.sync().unwrap();
        fs.rename(&from, &to).unwrap();
        fs.sync_dir(&self.dir.join("plain/new")).unwrap();
    }

    fn accept(&mut self, octets: &[u8]) -> QueueId {
        let envelope = Envelope::new("alice@example.net", NOW.utc).to("bob@example.test");
        let mut writer = self.spool.begin(envelope).unwrap();
        writer.write(octets).unwrap();
        spool::wait(|done| writer.commit(done)).unwrap()
    }

    fn deliver(&mut self, octets: &[u8]) {
        let id = DeliveryId { queue_id: self.next().parse().unwrap(), recipient: 0 };
        let header = b"Return-Path: <alice@example.net>\r\nDelivered-To: bob@example.test\r\n";
        let delivery = Delivery { id, maybe_delivered: false, date: NOW.utc, header };
        let delivered = self.maildir.deliver(&MailboxName::inbox(), &delivery, &mut Octets(octets)).unwrap();
        assert_eq!(delivered, Delivered::Stored);
    }

    fn append(&mut self, octets: &[u8]) {
        let mut append = self.maildir.append(&MailboxName::inbox()).unwrap();
        append.begin(&FlagSet::new(), Some(NOW.utc)).unwrap();
        append.write(octets).unwrap();
        append.commit().unwrap();
    }
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

type Work = fn(&mut Disk, &[u8]);

/// What is done to a disk, by name.
const WORK: [(&str, Work); 4] = [
    ("one durable file", Disk::durable_file),
    ("spool accept", |disk, octets| drop(disk.accept(octets))),
    ("Maildir delivery", Disk::deliver),
    ("Maildir append", Disk::append),
];

/// A directory that is made and removed outside the measurement after so many messages: no directory grows large, and
/// no backlog fills.
const MESSAGES_A_DISK: u64 = 200;

fn real(c: &mut Criterion) {
    let octets = message(Kind::Text, 4096);
    let mut group = c.benchmark_group("disk/real, 4 KiB");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    for (name, work) in WORK {
        group.bench_function(name, |b| b.iter_custom(|times| on_real_disk(work, times, &octets)));
    }
    group.finish();
}

fn on_real_disk(work: Work, times: u64, octets: &[u8]) -> Duration {
    let (mut spent, mut left) = (Duration::ZERO, times);
    while left > 0 {
        // Not the system's temporary directory, which is in memory on many machines.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut disk = Disk::new(Env::real("mx.example.test"), dir.path());
        let now = left.min(MESSAGES_A_DISK);
        let started = Instant::now();
        for _ in 0..now {
            work(&mut disk, octets);
        }
        spent += started.elapsed();
        left -= now;
    }
    spent
}

fn simulated(c: &mut Criterion) {
    let octets = message(Kind::Text, 4096);
    let mut group: BenchmarkGroup<'_, WallTime> = c.benchmark_group("disk/simulated, 100 x 4 KiB");
    group.sample_size(10).throughput(Throughput::Elements(100));
    for (name, work) in WORK {
        group.bench_function(name, |b| {
            let routine = |mut disk: Disk| {
                (0..100).for_each(|_| work(&mut disk, &octets));
                disk
            };
            b.iter_batched(Disk::simulated, routine, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, real, simulated);
criterion_main!(benches);
