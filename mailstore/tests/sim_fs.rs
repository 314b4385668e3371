//! The simulated disk: what it must forget, and what it must not.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::read_names;
use mailstore::fs::sim::{CrashPoint, Fault};
use mailstore::fs::{self, Fs, LockKind, OpenMode, RealFs, SimFs};

fn create(disk: &SimFs, path: &str, data: &[u8]) -> Box<dyn fs::File> {
    let mut file = disk.open(Path::new(path), OpenMode::CreateNew).unwrap();
    file.append(data).unwrap();
    file
}

/// Everything that may be found after a power cut now: the names in `/d` and their contents.
fn found(disk: &SimFs) -> BTreeSet<Vec<(String, Vec<u8>)>> {
    let point = disk.crash_point();
    assert!(point.pending() <= CrashPoint::EXHAUSTIVE_MAX);
    let read = |disk: SimFs| {
        let names = read_names(&disk, "/d");
        names
            .into_iter()
            .map(|name| {
                let data = fs::read(&disk, Path::new(&format!("/d/{name}"))).unwrap();
                (name, data)
            })
            .collect()
    };
    (0..60).flat_map(|seed| point.outcomes(seed, 0).map(read).collect::<Vec<_>>()).collect()
}

fn with_dir() -> SimFs {
    let disk = SimFs::new();
    disk.mkdir(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn names(found: &BTreeSet<Vec<(String, Vec<u8>)>>) -> BTreeSet<String> {
    found
        .iter()
        .map(|files| files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" "))
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_file_and_its_name_are_made_durable_each_by_its_own_sync() {
    let disk = with_dir();
    let file = create(&disk, "/d/f", b"abc");
    let loose = found(&disk);
    assert!(loose.contains(&vec![]) && loose.contains(&vec![("f".into(), b"abc".to_vec())]));
    assert!(loose.contains(&vec![("f".into(), b"".to_vec())]), "the name without the octets");
    assert!(loose.contains(&vec![("f".into(), b"\0\0\0".to_vec())]), "the length without the octets");
    file.sync().unwrap();
    assert_eq!(names(&found(&disk)), set(&["", "f"]), "a synced file may still have no name");
    assert!(found(&disk).iter().flatten().all(|(_, data)| data == b"abc"));
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(found(&disk).len(), 1);
    assert_eq!(disk.crash_point().pending(), 0);
}

#[test]
fn writes_are_lost_independently_and_may_leave_holes() {
    let disk = with_dir();
    let mut file = create(&disk, "/d/f", b"ab");
    disk.sync_dir(Path::new("/d")).unwrap();
    file.append(b"cd").unwrap();
    let contents: BTreeSet<Vec<u8>> = found(&disk).into_iter().map(|mut files| files.remove(0).1).collect();
    for expected in [&b""[..], b"ab", b"abcd", b"\0\0cd", b"a", b"abc"] {
        assert!(contents.contains(expected), "{expected:?} of {contents:?}");
    }
}

#[test]
fn a_rename_is_there_or_not_or_both_and_never_neither() {
    let disk = with_dir();
    create(&disk, "/d/old", b"x").sync().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.rename(Path::new("/d/old"), Path::new("/d/new")).unwrap();
    assert_eq!(names(&found(&disk)), set(&["old", "new", "new old"]));
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(names(&found(&disk)), set(&["new"]));
}

#[test]
fn a_rename_between_directories_needs_the_target_synced() {
    let disk = with_dir();
    create(&disk, "/f", b"x").sync().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.rename(Path::new("/f"), Path::new("/d/f")).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    let roots: BTreeSet<Vec<String>> =
        disk.crash_point().outcomes(0, 0).map(|disk| read_names(&disk, "/")).collect();
    assert_eq!(roots, BTreeSet::from([vec!["d".to_owned()], vec!["d".to_owned(), "f".to_owned()]]));
    assert_eq!(names(&found(&disk)), set(&["f"]));
}

#[test]
fn removals_and_replacements_come_back_until_synced() {
    let disk = with_dir();
    create(&disk, "/d/f", b"one").sync().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    create(&disk, "/d/g", b"two").sync().unwrap();
    disk.rename(Path::new("/d/g"), Path::new("/d/f")).unwrap();
    let f = |files: &Vec<(String, Vec<u8>)>| {
        files.iter().find(|(name, _)| name == "f").map(|(_, data)| data.clone())
    };
    assert_eq!(
        found(&disk).iter().filter_map(f).collect::<BTreeSet<_>>(),
        BTreeSet::from([b"one".to_vec(), b"two".to_vec()])
    );
    assert!(found(&disk).iter().all(|files| f(files).is_some()), "one or the other, never neither");
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.unlink(Path::new("/d/f")).unwrap();
    assert_eq!(names(&found(&disk)), set(&["", "f"]));
}

#[test]
fn what_a_failed_sync_lost_no_later_sync_saves() {
    let disk = with_dir();
    let mut file = create(&disk, "/d/f", b"abc");
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.fail_at(disk.ops(), Fault::Io);
    assert!(file.sync().is_err());
    assert_eq!(fs::read(&disk, Path::new("/d/f")).unwrap(), b"abc", "readers still see it");
    assert_eq!(found(&disk), BTreeSet::from([vec![("f".to_owned(), Vec::new())]]));
    file.append(b"de").unwrap();
    file.sync().unwrap();
    assert_eq!(found(&disk), BTreeSet::from([vec![("f".to_owned(), b"\0\0\0de".to_vec())]]));
}

#[test]
fn a_full_disk_takes_half_a_write_and_a_dead_machine_nothing() {
    let disk = with_dir();
    let mut file = create(&disk, "/d/f", b"");
    disk.fail_at(disk.ops(), Fault::NoSpace);
    assert_eq!(file.append(b"abcd").unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(file.metadata().unwrap().size, 2);
    disk.power_off_at(disk.ops());
    let ops = disk.ops();
    assert!(file.append(b"x").is_err() && disk.read_dir(Path::new("/")).is_err());
    assert_eq!(disk.ops(), ops);
}

#[test]
fn a_fork_goes_its_own_way_and_the_same_seed_gives_the_same_disks() {
    let disk = with_dir();
    for n in 0..6 {
        create(&disk, &format!("/d/{n}"), b"octets");
    }
    let fork = disk.fork();
    fork.unlink(Path::new("/d/0")).unwrap();
    assert!(disk.metadata(Path::new("/d/0")).is_ok());
    let point = disk.crash_point();
    assert!(point.pending() > CrashPoint::EXHAUSTIVE_MAX);
    let prints = |seed| point.outcomes(seed, 20).map(|disk| disk.fingerprint()).collect::<Vec<_>>();
    assert_eq!(prints(1), prints(1));
    assert_ne!(prints(1), prints(2));
}

#[test]
fn the_parts_of_one_write_reach_the_disk_in_any_order() {
    let disk = SimFs::new();
    disk.mkdir(Path::new("/d")).unwrap();
    let file = disk.open(Path::new("/d/a"), OpenMode::CreateWrite).unwrap();
    file.allocate(8).unwrap();
    file.write_at(&[b"1234", b"5678"], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.write_at(&[b"ab", b"", b"cd"], 2).unwrap();
    let contents: BTreeSet<Vec<u8>> = found(&disk).into_iter().map(|mut names| names.remove(0).1).collect();
    for whole in [b"12345678", b"12ab5678", b"1234cd78", b"12abcd78"] {
        assert!(contents.contains(&whole[..]), "{whole:?}");
    }
    // What is torn leaves the old octets before or behind it.
    for torn in [b"12a45678", b"123b5678", b"1234c678", b"12345d78"] {
        assert!(contents.contains(&torn[..]), "{torn:?}");
    }
    assert!(contents.contains(&b"12345678"[..]) && contents.iter().all(|content| content.len() == 8));
}

/// Both disks hold to it; where a file system cannot reserve, nothing shows.
#[test]
fn reserved_room_is_zeros_at_the_end_of_a_file() {
    let real = tempfile::tempdir().unwrap();
    let disks: [(&dyn Fs, &Path); 2] = [(&SimFs::new(), Path::new("/")), (&RealFs, real.path())];
    for (fs, dir) in disks {
        let path = dir.join("m");
        let file = fs.open(&path, OpenMode::CreateWrite).unwrap();
        file.write_at(&[b"ab"], 0).unwrap();
        file.allocate(6).unwrap();
        if file.metadata().unwrap().size == 2 {
            continue;
        }
        assert_eq!(mailstore::fs::read(fs, &path).unwrap(), b"ab\0\0\0\0");
        file.allocate(3).unwrap();
        file.write_at(&[b"c"], 3).unwrap();
        fs.open(&path, OpenMode::Append).unwrap().append(b"d").unwrap();
        assert_eq!(mailstore::fs::read(fs, &path).unwrap(), b"ab\0c\0\0d");
        file.set_len(4).unwrap();
        file.allocate(5).unwrap();
        assert_eq!(mailstore::fs::read(fs, &path).unwrap(), b"ab\0c\0");
    }
}

#[test]
fn reserved_room_is_there_or_not_after_a_power_cut_and_there_when_it_was_synced() {
    let disk = with_dir();
    let file = disk.open(Path::new("/d/f"), OpenMode::CreateWrite).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.allocate(4).unwrap();
    let content = |content: &[u8]| vec![("f".to_owned(), content.to_vec())];
    assert_eq!(found(&disk), BTreeSet::from([content(b""), content(b"\0\0\0\0")]));
    let print = disk.crash_point().outcomes(0, 0).nth(1).unwrap().fingerprint();
    file.sync_data().unwrap();
    file.write_at(&[b"x"], 0).unwrap();
    assert_eq!(found(&disk), BTreeSet::from([content(b"\0\0\0\0"), content(b"x\0\0\0")]));
    file.set_len(0).unwrap();
    file.set_len(4).unwrap();
    assert_eq!(disk.fingerprint(), print, "zeros are zeros, however they came there");
}

/// Both disks hold to it: a lock is one open file's, shared ones go together, and closing lets go.
#[test]
fn locks_belong_to_an_open_file_and_writes_stay_where_they_are_put() {
    let real = tempfile::tempdir().unwrap();
    let disks: [(&dyn Fs, &Path); 2] = [(&SimFs::new(), Path::new("/")), (&RealFs, real.path())];
    for (fs, dir) in disks {
        let path = dir.join("m");
        fs.open(&path, OpenMode::CreateNew).unwrap().append(b"0123456789").unwrap();
        let open = |mode| fs.open(&path, mode).unwrap();
        let (one, two, reader) = (open(OpenMode::Write), open(OpenMode::Write), open(OpenMode::Read));
        assert!(one.try_lock(LockKind::Exclusive).unwrap());
        assert!(one.try_lock(LockKind::Exclusive).unwrap(), "its own");
        assert!(!two.try_lock(LockKind::Exclusive).unwrap() && !reader.try_lock(LockKind::Shared).unwrap());
        drop(reader);
        assert!(!two.try_lock(LockKind::Shared).unwrap(), "closing another handle lets nothing go");
        assert!(one.try_lock(LockKind::Shared).unwrap());
        assert!(two.try_lock(LockKind::Shared).unwrap() && !two.try_lock(LockKind::Exclusive).unwrap());
        one.unlock().unwrap();
        assert!(two.try_lock(LockKind::Exclusive).unwrap());
        drop(two);
        assert!(one.try_lock(LockKind::Exclusive).unwrap());
        assert!(open(OpenMode::Read).try_lock(LockKind::Exclusive).is_err(), "not opened for writing");

        one.write_at(&[b"ab", b"c"], 8).unwrap();
        one.write_at(&[b"x"], 0).unwrap();
        assert_eq!(mailstore::fs::read(fs, &path).unwrap(), b"x1234567abc");
        one.set_len(12).unwrap();
        assert_eq!(mailstore::fs::read(fs, &path).unwrap(), b"x1234567abc\0");
        fs.link(&path, &dir.join("n")).unwrap();
        assert_eq!(one.metadata().unwrap().links, 2);
    }
}
