//! Segments that are written over: how many are kept, when they are made, and what stands behind the end of one.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::path::{Path, PathBuf};

use common::{SPOOL, commit, env, message, read_all, record};
use mailstore::fs::{Fs as _, OpenMode, SimFs};
use mailstore::spool::{Envelope, LogSpool, QueueId, RecipientState, Recovered, Spool, SpoolLimits};
use proto_core::UnixTime;

const LOG: &str = "/spool/log";
const SMALL: SpoolLimits =
    SpoolLimits { messages_max: 1000, bytes_max: 1 << 20, small_bytes_max: 400, segment_bytes: 6000 };

fn open(fs: &SimFs, pid: u32, limits: SpoolLimits) -> (LogSpool, Recovered) {
    LogSpool::open(env(fs, pid), Path::new(SPOOL), limits).unwrap()
}

fn accept(spool: &LogSpool, body: &[u8]) -> QueueId {
    let mut writer = spool.begin(Envelope::new("s@x.test", UnixTime(1)).to("a@x.test")).unwrap();
    writer.write(body).unwrap();
    commit(writer).unwrap()
}

fn deliver(spool: &LogSpool, id: &QueueId) {
    record(spool, id, 0, RecipientState::Delivered).unwrap();
    spool.release(id);
}

/// So many messages come and go.
fn pass_through(spool: &LogSpool, count: u32) {
    for number in 0..count {
        let id = accept(spool, &message(number));
        deliver(spool, &id);
    }
}

fn names(fs: &SimFs) -> Vec<String> {
    common::read_names(fs, LOG)
}

fn spares(fs: &SimFs) -> Vec<PathBuf> {
    let spares = names(fs).into_iter().filter(|name| name.starts_with("spare-"));
    spares.map(|name| Path::new(LOG).join(name)).collect()
}

fn count(fs: &SimFs, name: &str) -> usize {
    fs.log().iter().filter(|operation| operation.name == name && operation.path.starts_with(LOG)).count()
}

#[test]
fn files_are_written_over_and_two_are_kept() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    pass_through(&spool, 1000);
    assert!(names(&fs).len() <= 4, "{:?}", names(&fs));
    assert!(
        count(&fs, "create") <= 4,
        "{} files for {} segments",
        count(&fs, "create"),
        count(&fs, "rename") / 2
    );
    assert!(count(&fs, "rename") > 100);
    // A backlog goes at once: what is more than two files is given back.
    let ids: Vec<QueueId> = (0..100).map(|number| accept(&spool, &message(number))).collect();
    assert!(names(&fs).len() > 10);
    ids.iter().for_each(|id| deliver(&spool, id));
    spool.upkeep().unwrap();
    assert!(names(&fs).len() <= 4, "{:?}", names(&fs));
    let kept = spares(&fs);
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|path| fs.metadata(path).unwrap().size == 6000));
    // They are there after a restart, unless segments have another size now.
    drop(spool);
    drop(open(&fs, 2, SMALL));
    assert_eq!(spares(&fs), kept);
    drop(open(&fs, 3, SpoolLimits { segment_bytes: 7000, ..SMALL }));
    assert_eq!(spares(&fs), Vec::<PathBuf>::new());
}

#[test]
fn a_spare_is_made_when_mail_comes_and_nothing_goes() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SpoolLimits { segment_bytes: 20_000, small_bytes_max: 4000, ..SMALL });
    accept(&spool, &[b'x'; 2000]);
    spool.upkeep().unwrap();
    assert_eq!(spares(&fs), Vec::<PathBuf>::new(), "a spool that has little to do makes none");
    accept(&spool, &[b'x'; 3900]);
    spool.upkeep().unwrap();
    assert_eq!(spares(&fs).len(), 1, "the segment is half full");
    let ids: Vec<QueueId> = (0..20).map(|_| accept(&spool, &[b'y'; 1000])).collect();
    assert_eq!(count(&fs, "create"), 3, "the first, the spare, and one for want of another");
    assert_eq!(count(&fs, "rename"), 1);
    drop(spool);
    let (spool, recovered) = open(&fs, 2, SMALL);
    assert_eq!((recovered.messages, recovered.corrupt), (22, vec![]));
    assert_eq!(read_all(&mut *spool.body(&ids[19]).unwrap()).unwrap(), [b'y'; 1000]);
}

/// A spare that somebody has removed costs nobody his mail.
#[test]
fn without_its_spares_a_spool_makes_files() {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    pass_through(&spool, 100);
    assert!(!spares(&fs).is_empty());
    spares(&fs).iter().for_each(|path| fs.unlink(path).unwrap());
    pass_through(&spool, 100);
    assert!(!spares(&fs).is_empty());
    assert_eq!(spool.backlog(), 0);
}

/// Segments written over, each with messages that stay, the last of them too; the one behind the first is gone.
fn with_a_gap() -> (SimFs, Vec<(QueueId, Vec<u8>)>, PathBuf) {
    let fs = SimFs::new();
    let (spool, _) = open(&fs, 1, SMALL);
    pass_through(&spool, 200);
    let mut stay = Vec::new();
    let mut number = 0;
    let mut stays = |spool: &LogSpool| {
        number += 1;
        let body = message(number);
        stay.push((accept(spool, &body), body));
    };
    let last = |fs: &SimFs| names(fs).into_iter().rfind(|name| !name.starts_with("spare-")).unwrap();
    let before = last(&fs);
    while last(&fs) == before {
        pass_through(&spool, 1);
    }
    let full = last(&fs);
    while last(&fs) == full {
        stays(&spool);
    }
    // The one that was just begun shall hold nothing that stays.
    let gap = last(&fs);
    let (id, _) = stay.pop().unwrap();
    deliver(&spool, &id);
    while last(&fs) == gap {
        pass_through(&spool, 1);
    }
    pass_through(&spool, 12);
    spool.upkeep().unwrap();
    assert!(!names(&fs).contains(&gap) && names(&fs).contains(&full), "{gap} of {:?}", names(&fs));
    (fs, stay, Path::new(LOG).join(full))
}

#[test]
fn octets_of_an_earlier_life_are_neither_mail_nor_damage() {
    let (fs, stay, full) = with_a_gap();
    let content = mailstore::fs::read(&fs, &full).unwrap();
    assert_eq!(content.len(), 6000, "its end is not its length");
    for pid in 2..4 {
        let (spool, recovered) = open(&fs, pid, SMALL);
        assert_eq!((recovered.messages, recovered.corrupt), (stay.len(), vec![]));
        for (id, body) in &stay {
            assert_eq!(read_all(&mut *spool.body(id).unwrap()).unwrap(), *body);
        }
    }
    // Also when what closes it did not come to the disk.
    let file = fs.open(&full, OpenMode::Write).unwrap();
    file.write_at(&[&[0; 24]], 6000 - 24).unwrap();
    let (_, recovered) = open(&fs, 4, SMALL);
    assert_eq!((recovered.messages, recovered.corrupt), (stay.len(), vec![]));
}

/// What closes a segment tells that its last record was whole once, when no later segment does.
#[test]
fn a_damaged_end_is_told_where_the_next_segment_is_gone() {
    let (fs, stay, full) = with_a_gap();
    let (last, body) = stay.last().unwrap();
    let content = mailstore::fs::read(&fs, &full).unwrap();
    let at = content.windows(body.len()).rposition(|octets| octets == body).unwrap();
    let file = fs.open(&full, OpenMode::Write).unwrap();
    file.write_at(&[b"damage"], at as u64).unwrap();
    let (spool, recovered) = open(&fs, 2, SMALL);
    assert_eq!((recovered.messages, recovered.corrupt.len()), (stay.len() - 1, 1), "{recovered:?}");
    assert!(spool.body(last).is_err());
    let (aside, _) = &recovered.corrupt[0];
    let kept = fs.metadata(aside).unwrap().size;
    assert!((kept as usize) < 2 * body.len() + 200, "{kept} octets: the record, not what stands behind it");
    drop(spool);
    assert_eq!(open(&fs, 3, SMALL).1.corrupt, [], "told once");
}

/// That a later record was written tells that the message was answered, wherever it stands.
#[test]
fn a_message_that_lost_a_part_is_told_by_name_in_the_last_segment_too() {
    let fs = SimFs::new();
    let limits = SpoolLimits { segment_bytes: 20_000, ..SMALL };
    let (spool, _) = open(&fs, 1, limits);
    let body = [[b'a'; 400], [b'b'; 400], [b'c'; 400]].concat();
    let lost = accept(&spool, &body);
    let stays = accept(&spool, b"later");
    drop(spool);
    let last = names(&fs).into_iter().rfind(|name| !name.starts_with("spare-")).unwrap();
    let path = Path::new(LOG).join(last);
    let content = mailstore::fs::read(&fs, &path).unwrap();
    let at = content.windows(400).position(|octets| octets == [b'a'; 400]).unwrap();
    fs.open(&path, OpenMode::Write).unwrap().write_at(&[b"damage"], at as u64).unwrap();
    let (spool, recovered) = open(&fs, 2, limits);
    assert_eq!((recovered.messages, recovered.corrupt.len()), (1, 2), "{recovered:?}");
    let aside = Path::new(SPOOL).join("corrupt").join(lost.as_str());
    let left = mailstore::fs::read(&fs, &aside).unwrap();
    assert!(left.ends_with(&body[400..]), "what is left of it is kept");
    assert!(spool.body(&lost).is_err() && spool.body(&stays).is_ok());
}

/// Zeros are written twice and no more: what comes then goes to files that are made, each with twice the room, and those that
/// are large enough are spares later.
#[test]
fn while_more_comes_than_goes_files_grow_and_no_more_zeros_are_written() {
    const MIB: u64 = 1 << 20;
    let fs = SimFs::new();
    let limits =
        SpoolLimits { bytes_max: 1 << 30, small_bytes_max: 1 << 20, segment_bytes: 16 * MIB, ..SMALL };
    let (spool, _) = open(&fs, 1, limits);
    let body = vec![b'x'; 1_000_000];
    let ids: Vec<QueueId> = (0..50)
        .map(|_| {
            let id = accept(&spool, &body);
            spool.upkeep().unwrap();
            id
        })
        .collect();
    let room = |name: &String| fs.metadata(&Path::new(LOG).join(name)).unwrap().size.div_ceil(MIB);
    let segments: Vec<u64> = names(&fs).iter().map(room).collect();
    assert_eq!(
        segments,
        [3, 16, 16, 7, 10],
        "4 and 8 MiB cut to what is in them, and 16 that are written to"
    );
    assert_eq!(count(&fs, "rename"), 2, "two were spares");
    ids.iter().for_each(|id| deliver(&spool, id));
    assert_eq!(spares(&fs).len(), 2);
    let made = count(&fs, "create");
    for _ in 0..50 {
        let id = accept(&spool, &body);
        deliver(&spool, &id);
    }
    assert_eq!(count(&fs, "create"), made, "they are written over");
}
