//! The spool as those see it who use it: limits, order, holds, and what is kept of a log that was damaged.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::{SPOOL, commit, env, message, read_all, record};
use mailstore::fs::sim::{Fault, SimHost};
use mailstore::fs::{DirEntry, File, Fs, Metadata, OpenMode, SimFs};
use mailstore::spool::{
    Envelope, LogSpool, Outcome, QueueId, Recipient, RecipientState, Recovered, Spool, SpoolLimits, wait,
};
use mailstore::{Class, DeliveryId, Env, ErrorKind, Settle as _};
use proto_core::UnixTime;

const SMALL: SpoolLimits =
    SpoolLimits { messages_max: 1000, bytes_max: 1 << 20, small_bytes_max: 40, segment_bytes: 5000 };

fn open(fs: &SimFs, pid: u32, limits: SpoolLimits) -> (LogSpool, Recovered) {
    LogSpool::open(env(fs, pid), Path::new(SPOOL), limits).unwrap()
}

fn envelope(number: u32) -> Envelope {
    Envelope::new("s@x.test", UnixTime(number.into())).to("a@x.test").to("b@x.test")
}

fn accept(spool: &LogSpool, number: u32) -> QueueId {
    let mut writer = spool.begin(envelope(number)).unwrap();
    writer.write(&message(number)).unwrap();
    commit(writer).unwrap()
}

fn deliver(spool: &LogSpool, id: &QueueId) {
    let outcome =
        |recipient| Outcome::new(DeliveryId { queue_id: id.clone(), recipient }, RecipientState::Delivered);
    wait(|done| spool.record(vec![outcome(0), outcome(1)], done)).unwrap();
    spool.release(id);
}

/// The segments; what is kept to be written over is none.
fn segments(fs: &SimFs) -> Vec<PathBuf> {
    let log = Path::new("/spool/log");
    let paths = fs.read_dir(log).unwrap().into_iter().map(|entry| log.join(entry.name));
    paths.filter(|path| !path.to_str().unwrap().contains("spare")).collect()
}

#[test]
fn above_a_limit_new_mail_is_refused_for_now() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SpoolLimits { messages_max: 2, bytes_max: 100, ..SMALL });
    let first = spool.begin(envelope(1)).unwrap();
    let second = spool.begin(envelope(2)).unwrap();
    let error = spool.begin(envelope(3)).err().unwrap();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Backlog, Class::Temporary));
    drop((first, second));
    let mut large = spool.begin(envelope(4)).unwrap();
    large.write(&[b'x'; 90]).unwrap();
    assert_eq!(large.write(&[b'x'; 11]).unwrap_err().kind(), ErrorKind::Backlog);
    drop(large);
    let id = accept(&spool, 5);
    assert_eq!(spool.backlog(), 1);
    wait(|done| spool.remove(&id, done)).unwrap();
    assert_eq!(spool.backlog(), 0);
    let mut large = spool.begin(envelope(6)).unwrap();
    large.write(&[b'x'; 100]).unwrap();
    commit(large).unwrap();
    assert_eq!(spool.begin(envelope(7)).err().unwrap().kind(), ErrorKind::Backlog);
    let (spool, _) = open(&fs, 2, SpoolLimits { bytes_max: 100, ..SMALL });
    assert_eq!(spool.begin(envelope(8)).err().unwrap().kind(), ErrorKind::Backlog, "also after a restart");
}

#[test]
fn above_a_limit_there_is_room_for_reports() {
    let limits = [SpoolLimits { messages_max: 2, ..SMALL }, SpoolLimits { bytes_max: 80, ..SMALL }];
    for limits in limits {
        let fs = SimFs::new();
        let (spool, _) = open(&fs, 1, limits);
        for number in [1, 2] {
            let mut writer = spool.begin(envelope(number)).unwrap();
            writer.write(&[b'x'; 40]).unwrap();
            commit(writer).unwrap();
        }
        assert_eq!(spool.begin(envelope(3)).err().unwrap().kind(), ErrorKind::Backlog);
        let mut report = spool.begin_report(envelope(4)).unwrap();
        report.write(&[b'r'; 10]).unwrap();
        commit(report).unwrap();
        assert_eq!(spool.begin_report(envelope(5)).err().unwrap().kind(), ErrorKind::Backlog);
        assert_eq!(spool.begin(envelope(6)).err().unwrap().kind(), ErrorKind::Backlog);
    }
}

#[test]
fn an_envelope_without_measure_is_refused() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    let mut huge = envelope(1);
    huge.facts.push(("fact".into(), "x".repeat(5 << 20)));
    assert_eq!(spool.begin(huge).err().unwrap().kind(), ErrorKind::Refused);
    accept(&spool, 2);
    assert_eq!(spool.backlog(), 1);
}

#[test]
fn sender_and_recipients_are_changed_while_a_message_arrives() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    // A small message, whose envelope is in memory with it, and one of which chunks are in the log already.
    let bodies = [vec![b's'; 20], vec![b'l'; 1_000]];
    let to = |name: &str| vec![Recipient::new(format!("{name}@x.test"))];
    for body in &bodies {
        let mut writer = spool.begin(envelope(1)).unwrap();
        writer.write(&body[..10]).unwrap();
        writer.set_recipients(to("somebody-with-a-longer-name")).unwrap();
        writer.write(&body[10..]).unwrap();
        writer.set_recipients(to("c")).unwrap();
        writer.set_sender("another@y.test".into()).unwrap();
        commit(writer).unwrap();
    }
    let mut writer = spool.begin(envelope(1)).unwrap();
    let error = writer.set_recipients(to(&"x".repeat(5 << 20))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    drop(writer);
    drop(spool);
    let (spool, _) = open(&fs, 2, SMALL);
    assert_eq!(spool.backlog(), 2);
    for body in bodies {
        let job = spool.next_ready(UnixTime(9)).unwrap().unwrap();
        let to: Vec<&str> = job.envelope.recipients.iter().map(|to| to.address.as_str()).collect();
        assert_eq!((to, job.statuses.len()), (vec!["c@x.test"], 1));
        assert_eq!(job.envelope.reverse_path, "another@y.test");
        assert_eq!(read_all(&mut *spool.body(&job.id).unwrap()).unwrap(), body);
    }
}

#[test]
fn messages_fall_due_in_order_and_one_deliverer_has_each() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    let (late, early) = (accept(&spool, 20), accept(&spool, 10));
    assert_eq!(spool.next_due(), Some(UnixTime(10)));
    let job = spool.next_ready(UnixTime(15)).unwrap().unwrap();
    assert_eq!((&job.id, job.maybe_delivered), (&early, false));
    assert_eq!(spool.next_ready(UnixTime(15)).unwrap(), None);
    for recipient in 0..2 {
        record(&spool, &early, recipient, RecipientState::Deferred(UnixTime(30))).unwrap();
    }
    assert!(spool.list()[0].active);
    spool.release(&early);
    assert_eq!(spool.next_ready(UnixTime(25)).unwrap().unwrap().id, late);
    assert_eq!(spool.next_due(), Some(UnixTime(30)));
    let again = spool.next_ready(UnixTime(30)).unwrap().unwrap();
    assert_eq!((&again.id, again.maybe_delivered), (&early, true));
    assert!(record(&spool, &early, 2, RecipientState::Delivered).is_err());
}

#[test]
fn who_is_asked_to_try_now_is_due_now() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    let ids = [1, 2, 3].map(|number| accept(&spool, number));
    for id in &ids {
        let job = spool.next_ready(UnixTime(5)).unwrap().unwrap();
        assert_eq!(job.id, *id);
        let status = |recipient, state| Outcome::new(DeliveryId { queue_id: id.clone(), recipient }, state);
        let later = status(0, RecipientState::Deferred(UnixTime(500))).because("450 4.2.0 greylisted");
        wait(|done| spool.record(vec![later, status(1, RecipientState::Delivered)], done)).unwrap();
        spool.release(id);
    }
    assert_eq!(spool.next_ready(UnixTime(499)).unwrap(), None);
    assert_eq!(spool.retry_now(Some(&ids[1])), 1);
    assert_eq!(spool.next_ready(UnixTime(499)).unwrap().unwrap().id, ids[1]);
    assert_eq!(spool.retry_now(None), 2);
    assert_eq!(spool.next_ready(UnixTime(499)).unwrap().unwrap().id, ids[0]);
    drop(spool);
    let (spool, _) = open(&fs, 2, SMALL);
    assert_eq!(spool.next_due(), Some(UnixTime(500)), "it is forgotten at a restart");
    let reason = spool.list()[0].statuses[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("450 4.2.0 greylisted"));
}

#[test]
fn what_is_on_hold_stays_until_it_is_taken_off() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    let mut writer = spool.begin(envelope(1)).unwrap();
    writer.write(&message(1)).unwrap();
    writer.hold();
    writer.expire(UnixTime(99));
    let held = commit(writer).unwrap();
    let free = accept(&spool, 2);
    for pid in 2..5 {
        let (spool, _) = open(&fs, pid, SMALL);
        let job = spool.next_ready(UnixTime(1000)).unwrap().unwrap();
        assert_eq!((job.id, job.expires), (free.clone(), None));
        assert_eq!(spool.next_ready(UnixTime(1000)).unwrap(), None);
        assert_eq!(spool.next_due(), None);
        let entry = &spool.list()[0];
        assert_eq!(
            (&entry.id, entry.hold, entry.active, entry.expires),
            (&held, true, false, Some(UnixTime(99)))
        );
    }
    let (spool, _) = open(&fs, 5, SMALL);
    wait(|done| spool.hold(&held, false, done)).unwrap();
    wait(|done| spool.hold(&free, true, done)).unwrap();
    wait(|done| spool.expire(&held, Some(UnixTime(7)), done)).unwrap();
    drop(spool);
    let (spool, _) = open(&fs, 6, SMALL);
    let job = spool.next_ready(UnixTime(1000)).unwrap().unwrap();
    assert_eq!((&job.id, job.expires), (&held, Some(UnixTime(7))));
    assert_eq!(spool.next_ready(UnixTime(1000)).unwrap(), None);
    wait(|done| spool.hold(&held, true, done)).unwrap();
    record(&spool, &held, 0, RecipientState::Delivered).unwrap();
    spool.release(&held);
    assert_eq!(spool.next_ready(UnixTime(1000)).unwrap(), None, "held while it was delivered");
    let unknown = "0".parse().unwrap();
    assert!(wait(|done| spool.hold(&unknown, true, done)).is_err());
}

/// A disk on which there is no room for another file while it is full.
#[derive(Debug)]
struct Filling {
    disk: SimFs,
    full: AtomicBool,
}

impl Fs for Filling {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        if mode == OpenMode::CreateWrite && self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.open(path, mode)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }

    fn mkdir(&self, path: &Path) -> io::Result<()> {
        self.disk.mkdir(path)
    }

    fn rmdir(&self, path: &Path) -> io::Result<()> {
        self.disk.rmdir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.read_dir(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.disk.metadata(path)
    }
}

#[test]
fn r222_a_full_disk_refuses_mail_lets_mail_out_and_is_forgotten_when_there_is_room() {
    let disk = SimFs::new();
    let filling = Arc::new(Filling { disk: disk.clone(), full: AtomicBool::new(false) });
    let host = Arc::new(SimHost::new(&disk, 1));
    let env = Env::new(Arc::clone(&filling) as Arc<dyn Fs>, host);
    // What is kept for letting mail out, a sixteenth, is enough for what one segment holds.
    let limits = SpoolLimits { segment_bytes: 9000, ..SMALL };
    let (spool, _) = LogSpool::open(env, Path::new(SPOOL), limits).unwrap();
    let mut ids = vec![accept(&spool, 0)];
    filling.full.store(true, Ordering::Relaxed);
    let error = loop {
        let mut writer = spool.begin(envelope(1)).unwrap();
        match writer.write(&message(1)).and_then(|()| commit(writer)) {
            Ok(id) => ids.push(id),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.class()), (ErrorKind::DiskFull, Class::Temporary), "{error}");
    // A segment is begun in one piece, so that less free room than that takes nothing.
    assert!(error.to_string().contains(" KiB of room are needed"), "{error}");
    assert!(ids.len() > 5);
    ids.iter().take(5).for_each(|id| deliver(&spool, id));
    assert_eq!(spool.backlog(), ids.len() - 5, "what was delivered is recorded");
    filling.full.store(false, Ordering::Relaxed);
    let id = accept(&spool, 40);
    let (spool, recovered) = open(&disk, 2, SMALL);
    assert_eq!((recovered.messages, recovered.corrupt), (ids.len() - 4, vec![]));
    assert_eq!(read_all(&mut *spool.body(&id).unwrap()).unwrap(), message(40));
}

#[test]
fn a_reader_keeps_what_it_reads() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    let id = accept(&spool, 6);
    let mut body = spool.body(&id).unwrap();
    deliver(&spool, &id);
    for number in 10..60 {
        let id = accept(&spool, number);
        deliver(&spool, &id);
    }
    assert!(segments(&fs).iter().any(|path| path.ends_with("0000000000000001")), "it is read");
    assert_eq!(read_all(&mut *body).unwrap(), message(6));
    drop(body);
    spool.upkeep().unwrap();
    assert!(segments(&fs).len() <= 2, "{:?}", segments(&fs));
}

#[test]
fn mail_that_stays_does_not_keep_mail_that_went() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    let mut stays = Vec::new();
    for number in 0..600 {
        let id = accept(&spool, number % 50);
        if number % 60 == 0 {
            let body = message(number % 50);
            record(&spool, &id, 0, RecipientState::Deferred(UnixTime(9000))).unwrap();
            stays.push((id, body));
        } else {
            deliver(&spool, &id);
        }
    }
    spool.upkeep().unwrap();
    let most = 2 * 10 + 8;
    assert!(segments(&fs).len() <= most, "{} segments for 10 messages", segments(&fs).len());
    for pid in 2..4 {
        let (spool, recovered) = open(&fs, pid, SMALL);
        assert_eq!((recovered.messages, recovered.corrupt), (stays.len(), vec![]));
        for (id, content) in &stays {
            assert_eq!(read_all(&mut *spool.body(id).unwrap()).unwrap(), *content);
        }
        assert!(spool.list().iter().all(|entry| {
            entry.statuses[0].state == RecipientState::Deferred(UnixTime(9000))
                && entry.statuses[1].state == RecipientState::Pending
        }));
    }
}

/// Nobody waits for it, so an administrator is told: once, and that it works again.
#[test]
fn room_that_cannot_be_given_back_is_told_and_is_given_back_later() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    let told = Arc::new(Mutex::new(Vec::new()));
    let notices = Arc::clone(&told);
    spool.on_notice(Arc::new(move |notice| notices.lock().unwrap().push(notice.to_string())));
    let some = || {
        for number in 0..100 {
            let id = accept(&spool, number % 50);
            deliver(&spool, &id);
        }
        std::mem::take(&mut *told.lock().unwrap())
    };
    // While it is read, the first segment stays, and others come.
    let id = accept(&spool, 1);
    let body = spool.body(&id).unwrap();
    deliver(&spool, &id);
    assert_eq!(some().len(), 0);
    let first = segments(&fs).into_iter().min().unwrap();
    // Neither to be removed nor to become a spare.
    let denied = Some(io::ErrorKind::PermissionDenied);
    let refused =
        ["/spool/log/spare-0", "/spool/log/spare-1"].map(PathBuf::from).into_iter().chain([first.clone()]);
    refused.for_each(|path| fs.refuse(&path, denied));
    drop(body);
    let notices = some();
    assert!(
        notices.len() == 1
            && notices[0].starts_with("the spool cannot give back the room")
            && notices[0].contains(&first.display().to_string())
            && notices[0].contains("check owner, mode and mount options"),
        "{notices:?}"
    );
    assert_eq!(some().len(), 0, "it is told once");
    assert!(fs.metadata(&first).is_ok());
    fs.refuse(&first, None);
    let notices = some();
    assert!(notices.len() == 1 && notices[0].ends_with("again"), "{notices:?}");
    assert!(fs.metadata(&first).is_err());
}

/// Every octet of a segment is changed, one at a time: one message is lost at most, it is told, what is left of it is
/// kept, and the rest is there.
#[test]
fn damage_costs_what_was_damaged_and_is_told_once() {
    let limits = SpoolLimits { segment_bytes: 1 << 16, ..SMALL };
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, limits);
    let ids: Vec<QueueId> = (1..=5).map(|number| accept(&spool, number)).collect();
    record(&spool, &ids[0], 0, RecipientState::Delivered).unwrap();
    let written = usize::try_from(spool.log_bytes()).unwrap();
    drop(spool);
    let path = segments(&fs).remove(0);
    let mut content = mailstore::fs::read(&fs, &path).unwrap();
    assert!(content.len() > written && content[written..].iter().all(|&octet| octet == 0), "reserved room");
    content.truncate(written);
    // What nothing durable stands behind could be the torn end of a group that was never answered.
    let last = content.len() - 64;
    for at in (0..content.len()).filter(|at| !(40..4096).contains(at)) {
        let fs = fs.fork();
        let file = fs.open(&path, OpenMode::Write).unwrap();
        file.write_at(&[&[content[at] ^ 0x10]], at as u64).unwrap();
        let (spool, recovered) = open(&fs, 2, limits);
        assert!(recovered.messages >= 4, "{at}: {recovered:?}");
        let is_last = at >= last;
        assert!(recovered.messages == 5 || is_last || !recovered.corrupt.is_empty(), "{at}: {recovered:?}");
        for (id, number) in ids.iter().zip(1..) {
            if let Ok(mut body) = spool.body(id) {
                assert_eq!(read_all(&mut *body).unwrap(), message(number), "{at}");
            }
        }
        accept(&spool, 9);
        drop(spool);
        let (_, again) = open(&fs, 3, limits);
        assert_eq!(again.corrupt, [], "{at}: told once");
        assert_eq!(again.messages, recovered.messages + 1);
    }
}

/// What has rotted or was cut off is not written anew under a sum that is right: its segment stays, and recovery sets it aside.
#[test]
fn damage_is_not_moved() {
    for cut in [false, true] {
        let fs = SimFs::new();
        let (spool, _) = open(&fs, 1, SMALL);
        let stays = accept(&spool, 3);
        record(&spool, &stays, 0, RecipientState::Deferred(UnixTime(9000))).unwrap();
        let path = segments(&fs).remove(0);
        let content = mailstore::fs::read(&fs, &path).unwrap();
        let text = message(3);
        let at = content.windows(8).position(|octets| *octets == text[..8]).unwrap();
        let file = fs.open(&path, OpenMode::Write).unwrap();
        match cut {
            true => file.set_len(at as u64).unwrap(),
            false => file.write_at(&[&[content[at] ^ 1]], at as u64).unwrap(),
        }
        for number in 0..600 {
            let id = accept(&spool, number % 50);
            deliver(&spool, &id);
        }
        assert!(segments(&fs).contains(&path), "it stays");
        spool.upkeep().unwrap();
        assert!(segments(&fs).len() < 12, "and the others go: {}", segments(&fs).len());
        drop(spool);
        let (spool, recovered) = open(&fs, 2, SMALL);
        assert!(!recovered.corrupt.is_empty(), "{recovered:?}");
        if let Ok(mut body) = spool.body(&stays) {
            assert!(read_all(&mut *body).is_err(), "no other text in its place");
        }
    }
}

/// Segments that the disk does not give back keep none of the others from being emptied.
#[test]
fn segments_that_cannot_be_read_stay_and_the_others_go() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SpoolLimits { segment_bytes: 9000, ..SMALL });
    let (mut stays, mut bad, mut before) = (Vec::new(), Vec::new(), 0);
    for number in 0..1200 {
        if number == 600 {
            bad = segments(&fs);
            // It is written to.
            bad.pop();
            bad.iter().for_each(|path| fs.spoil(path).unwrap());
            before = stays.len();
        }
        let id = accept(&spool, number % 50);
        if number % 30 == 0 {
            record(&spool, &id, 0, RecipientState::Deferred(UnixTime(9000))).unwrap();
            stays.push((id, message(number % 50)));
        } else {
            deliver(&spool, &id);
        }
    }
    // It tells of what cannot be read, if it was not told of meanwhile.
    let _ = spool.upkeep();
    spool.upkeep().unwrap();
    let left = segments(&fs);
    let stay = bad.iter().filter(|bad| left.contains(bad)).count();
    assert!(stay > 5, "{stay} of {} stay", bad.len());
    assert!(left.len() <= stay + 12, "{} segments, {stay} of them bad", left.len());
    for (id, content) in &stays[before..] {
        assert_eq!(read_all(&mut *spool.body(id).unwrap()).unwrap(), *content);
    }
}

#[test]
fn messages_of_the_old_form_are_not_passed_over() {
    let fs = SimFs::new();
    for dir in ["/spool", "/spool/queue"] {
        fs.mkdir(Path::new(dir)).unwrap();
    }
    open(&fs, 1, SMALL);
    drop(fs.open(Path::new("/spool/queue/1,5"), OpenMode::CreateNew).unwrap());
    let error = LogSpool::open(env(&fs, 2), Path::new(SPOOL), SMALL).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OldFormat);
    assert!(error.to_string().contains("let the version that wrote these files deliver"), "{error}");
}

#[test]
fn a_delivery_is_settled_whether_its_message_is_there_or_not() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    let id = accept(&spool, 1);
    let delivery = |recipient| DeliveryId { queue_id: id.clone(), recipient };
    spool.settle(&delivery(0)).unwrap();
    assert_eq!(spool.list()[0].statuses[0].state, RecipientState::Delivered);
    spool.settle(&delivery(1)).unwrap();
    assert_eq!(spool.backlog(), 0, "nobody will release it");
    let before = fs.ops();
    spool.settle(&delivery(1)).unwrap();
    assert_eq!(fs.ops(), before, "nothing is written for a message that is gone");
    let _: Arc<dyn Spool> = Arc::new(spool);
}

#[test]
fn a_sync_that_fails_gives_up_the_segment_and_what_was_not_durable_in_it() {
    let fs = SimFs::new();
    let limits = SpoolLimits { segment_bytes: 1 << 16, ..SMALL };
    let (spool, _) = open(&fs, 1, limits);
    let first = accept(&spool, 1);
    // A large message is half written when the sync of another one fails.
    let mut large = spool.begin(envelope(2)).unwrap();
    large.write(&[b'x'; 100]).unwrap();
    fs.fail_at(fs.ops() + 1, Fault::Io);
    let mut writer = spool.begin(envelope(3)).unwrap();
    writer.write(b"small").unwrap();
    assert_eq!(commit(writer).unwrap_err().kind(), ErrorKind::Io);
    large.write(&[b'y'; 100]).unwrap();
    assert_eq!(commit(large).unwrap_err().kind(), ErrorKind::Io, "a part of it went with the segment");
    let next = accept(&spool, 4);
    assert_eq!(segments(&fs).len(), 2, "a new segment is begun");
    let ids: Vec<QueueId> = spool.list().into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [first, next]);
    drop(spool);
    let (spool, recovered) = open(&fs, 2, limits);
    assert_eq!(recovered.corrupt, []);
    assert_eq!(spool.list().into_iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
}
