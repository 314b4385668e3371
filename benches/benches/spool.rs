//! Durable commits a second: the spool beside the machine's own limits, in one run, as a table.
//!
//! `file each` is a thread a writer that appends to a file of its own and syncs it, for each message. `bare log` is what a
//! group-committed log can reach at most: each writer adds its octets to one buffer and waits; one thread writes the
//! buffer behind the last one, syncs, and wakes them all. It has no messages, no sums, no memory of what it has written.
//! `spool` is [`LogSpool`], begun, written, committed and, where that is said, delivered and released. The three take
//! turns, so that a disk that others use shows in all of them.
//!
//! A second table shows what a message costs when so many are in the queue, on a file system in memory, and what each of
//! them takes of memory: resident memory of the process, before and after.
//!
//! `cargo bench -p postroom-benches --bench spool -- [writers …]`, by default 1, 10 and 100.
#![allow(clippy::unwrap_used, reason = "a disk that fails measures nothing")]
#![allow(clippy::print_stdout, reason = "it prints a table")]

use mailstore::fs::{File, Fs as _, OpenMode, RealFs};
use mailstore::spool::{self, Envelope, LogSpool, Outcome, RecipientState, SpoolLimits};
use mailstore::{DeliveryId, Env, Spool};
use postroom_benches::NOW;
use postroom_benches::mail::{Kind, message};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const MESSAGE_BYTES: usize = 4096;

/// How long each of them works in a round, and how many rounds there are.
const ROUND: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 5;

fn main() {
    let writers: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    // `cargo test` asks for nothing but that it runs.
    let quick = std::env::args().any(|arg| arg == "--test");
    let writers = if writers.is_empty() { vec![1, 10, 100] } else { writers };
    let (round, rounds) = if quick { (Duration::from_millis(20), 1) } else { (ROUND, ROUNDS) };
    let octets = message(Kind::Text, MESSAGE_BYTES);
    println!("durable messages of {} octets a second, median of {rounds} rounds", octets.len());
    println!(
        "{:>8} {:>11} {:>11} {:>11} {:>11} {:>9} {:>9}",
        "writers", "file each", "bare log", "spool", "and out", "/ file", "/ bare"
    );
    for writers in writers {
        let mut rates = [const { Vec::new() }; 4];
        for _ in 0..rounds {
            // Not the system's temporary directory, which is in memory on many machines.
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            rates[0].push(files(dir.path(), writers, round, &octets));
            rates[1].push(bare_log(dir.path(), writers, round, &octets));
            rates[2].push(spool(&dir.path().join("in"), writers, round, &octets, false));
            rates[3].push(spool(&dir.path().join("through"), writers, round, &octets, true));
        }
        let [files, bare, spool, through] = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        });
        println!(
            "{writers:>8} {files:>11.0} {bare:>11.0} {spool:>11.0} {through:>11.0} {:>9.2} {:>9.2}",
            spool / files,
            spool / bare
        );
    }
    println!("\n{:>8} {:>14} {:>14} {:>16}", "queued", "in, us each", "out, us each", "octets in memory");
    for queued in if quick { vec![10] } else { vec![1_000, 10_000, 100_000] } {
        queue(queued);
    }
}

/// Fills the queue, then lets messages in and out while it is full.
fn queue(queued: usize) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let limits = SpoolLimits { messages_max: usize::MAX, bytes_max: u64::MAX, ..SpoolLimits::default() };
    let (spool, _) = LogSpool::open(Env::real("mx.example.test"), dir.path(), limits).unwrap();
    let accept = || {
        let envelope = Envelope::new("alice@example.net", NOW.utc).to("bob@example.test");
        let mut writer = spool.begin(envelope).unwrap();
        writer.write(b"Subject: x\r\n\r\nx\r\n").unwrap();
        spool::wait(|done| writer.commit(done)).unwrap();
    };
    let before = resident_bytes();
    (0..queued).for_each(|_| accept());
    let each = resident_bytes().saturating_sub(before) / queued;
    let times = queued.min(2_000);
    let started = Instant::now();
    (0..times).for_each(|_| accept());
    let inward = started.elapsed();
    let started = Instant::now();
    for _ in 0..times {
        let job = spool.next_ready(NOW.utc).unwrap().unwrap();
        let delivery = DeliveryId { queue_id: job.id.clone(), recipient: 0 };
        let outcome = Outcome::new(delivery, RecipientState::Delivered);
        spool::wait(|done| spool.record(vec![outcome], done)).unwrap();
        spool.release(&job.id);
    }
    let out = started.elapsed();
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / times as f64;
    println!("{queued:>8} {:>14.1} {:>14.1} {each:>16}", micros(inward), micros(out));
}

/// What the process has of memory; zero where the system does not tell it so.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).map_or(0, |pages| pages * 4096)
}

/// Lets so many threads do `work` until the time is over, and returns how often a second they did.
fn rate(writers: usize, round: Duration, work: impl Fn(usize) + Sync) -> f64 {
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (over, count, work) = (&over, &count, &work);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    work(writer);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(round);
        over.store(true, Ordering::Relaxed);
    });
    count.into_inner() as f64 / started.elapsed().as_secs_f64()
}

fn files(dir: &Path, writers: usize, round: Duration, octets: &[u8]) -> f64 {
    let open = |writer| RealFs.open(&dir.join(format!("file-{writer}")), OpenMode::CreateNew).unwrap();
    let files: Vec<Mutex<Box<dyn File>>> = (0..writers).map(|writer| Mutex::new(open(writer))).collect();
    rate(writers, round, |writer| {
        let mut file = files[writer].lock().unwrap();
        file.append(octets).unwrap();
        file.sync().unwrap();
    })
}

#[derive(Default)]
struct Bare {
    buffer: Vec<u8>,
    /// Which buffer fills, and which has been synced.
    filling: u64,
    synced: u64,
    over: bool,
}

fn bare_log(dir: &Path, writers: usize, round: Duration, octets: &[u8]) -> f64 {
    let file = RealFs.open(&dir.join("bare"), OpenMode::CreateWrite).unwrap();
    file.allocate(512 << 20).unwrap();
    file.sync().unwrap();
    let (bare, filled, synced) = (Mutex::new(Bare::default()), Condvar::new(), Condvar::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at = 0;
            loop {
                let mut state = bare.lock().unwrap();
                while state.buffer.is_empty() && !state.over {
                    state = filled.wait(state).unwrap();
                }
                if state.buffer.is_empty() {
                    return;
                }
                let buffer = std::mem::take(&mut state.buffer);
                let number = state.filling;
                state.filling += 1;
                drop(state);
                file.write_at(&[&buffer], at).unwrap();
                file.sync_data().unwrap();
                at += buffer.len() as u64;
                bare.lock().unwrap().synced = number + 1;
                synced.notify_all();
            }
        });
        let rate = rate(writers, round, |_| {
            let mut state = bare.lock().unwrap();
            state.buffer.extend_from_slice(octets);
            let mine = state.filling;
            filled.notify_one();
            while state.synced <= mine {
                state = synced.wait(state).unwrap();
            }
        });
        bare.lock().unwrap().over = true;
        filled.notify_one();
        rate
    })
}

fn spool(dir: &Path, writers: usize, round: Duration, octets: &[u8], out: bool) -> f64 {
    let limits = SpoolLimits { messages_max: usize::MAX, bytes_max: u64::MAX, ..SpoolLimits::default() };
    std::fs::create_dir(dir).unwrap();
    let (spool, _) = LogSpool::open(Env::real("mx.example.test"), dir, limits).unwrap();
    spool.start().unwrap();
    let spool: Arc<dyn Spool> = Arc::new(spool);
    rate(writers, round, |_| {
        let envelope = Envelope::new("alice@example.net", NOW.utc).to("bob@example.test");
        let mut writer = spool.begin(envelope).unwrap();
        writer.write(octets).unwrap();
        spool::wait(|done| writer.commit(done)).unwrap();
        if out && let Some(job) = spool.next_ready(NOW.utc).unwrap() {
            let delivery = DeliveryId { queue_id: job.id.clone(), recipient: 0 };
            let outcome = Outcome::new(delivery, RecipientState::Delivered);
            spool::wait(|done| spool.record(vec![outcome], done)).unwrap();
            spool.release(&job.id);
        }
    })
}
