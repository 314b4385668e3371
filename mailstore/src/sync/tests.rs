//! The flushes that are shared, counted on the simulated disk.

use super::*;
use crate::fs::sim::{Fault, SimFs, SimHost};
use crate::fs::{self, OpenMode};
use std::sync::Barrier;

fn disk(attached: bool) -> (SimFs, Syncs) {
    let fs = SimFs::new();
    let syncs = Syncs::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
    if attached {
        syncs.attach(Path::new("/")).unwrap();
    }
    (fs, syncs)
}

fn written(fs: &SimFs, name: &str) -> Box<dyn File> {
    let mut file = fs.open(Path::new(name), OpenMode::CreateNew).unwrap();
    file.append(name.as_bytes()).unwrap();
    file
}

/// How often an operation was called.
fn calls(fs: &SimFs, name: &str) -> usize {
    fs.log().iter().filter(|operation| operation.name == name).count()
}

/// How much would be found after a power cut whatever it takes: files that are whole.
fn durable(fs: &SimFs) -> usize {
    let worst = fs.crash_point().outcomes(0, 0).next().unwrap();
    let names = worst.read_dir(Path::new("/")).unwrap();
    let whole = |name: &&std::ffi::OsString| {
        let path = Path::new("/").join(name);
        fs::read(&worst, &path).unwrap() == path.to_str().unwrap().as_bytes()
    };
    names.iter().map(|entry| &entry.name).filter(whole).count()
}

#[test]
fn many_share_one_flush_of_the_file_system() {
    let (fs, syncs) = disk(true);
    let tickets: Vec<Ticket> = (0..10)
        .map(|n| syncs.submit(vec![written(&fs, &format!("/{n}"))], vec![PathBuf::from("/")]))
        .collect();
    assert_eq!(durable(&fs), 0);
    for ticket in tickets {
        ticket.wait().all().unwrap();
    }
    assert_eq!((calls(&fs, "sync_fs"), calls(&fs, "sync"), calls(&fs, "sync_dir")), (1, 0, 0));
    assert_eq!(durable(&fs), 10);
}

#[test]
fn a_few_are_synced_one_by_one_and_a_directory_once() {
    let (fs, syncs) = disk(true);
    let first = syncs.submit(vec![written(&fs, "/a")], vec![PathBuf::from("/")]);
    let others: Vec<Ticket> = (0..5).map(|_| syncs.submit(Vec::new(), vec![PathBuf::from("/")])).collect();
    first.wait().all().unwrap();
    others.into_iter().for_each(|ticket| ticket.wait().all().unwrap());
    assert_eq!((calls(&fs, "sync_fs"), calls(&fs, "sync"), calls(&fs, "sync_dir")), (0, 1, 1));
    assert_eq!(durable(&fs), 1);
}

#[test]
fn what_was_not_attached_is_never_flushed_as_a_whole() {
    let (fs, syncs) = disk(false);
    let files = (0..10).map(|n| written(&fs, &format!("/{n}"))).collect();
    syncs.submit(files, vec![PathBuf::from("/")]).wait().all().unwrap();
    assert_eq!((calls(&fs, "sync_fs"), calls(&fs, "sync"), calls(&fs, "sync_dir")), (0, 10, 1));
    assert_eq!(durable(&fs), 10);
}

#[test]
fn a_flush_that_fails_fails_for_all_in_it_and_is_never_tried_again() {
    for fault in [Fault::Io, Fault::NoSpace] {
        let (fs, syncs) = disk(true);
        // Written when the flush fails, and submitted by nobody.
        let beside = written(&fs, "/beside");
        let group: Vec<Ticket> =
            (0..4).map(|n| syncs.submit(vec![written(&fs, &format!("/{n}"))], Vec::new())).collect();
        // Each file is looked at for its device first.
        fs.fail_at(fs.ops() + 4, fault);
        for ticket in group {
            assert!(ticket.wait().all().is_err());
        }
        assert_eq!((calls(&fs, "sync_fs"), calls(&fs, "sync")), (1, 0));
        let files = vec![beside, written(&fs, "/a"), written(&fs, "/b"), written(&fs, "/c")];
        let results: Vec<bool> =
            syncs.sync_files(files).into_iter().map(|(_, result)| result.is_ok()).collect();
        assert_eq!(results, [false, true, true, true], "what was lost beside is told by its own sync");
        syncs.sync_dir(Path::new("/")).unwrap();
        assert_eq!((calls(&fs, "sync_fs"), calls(&fs, "sync")), (1, 4));
        assert_eq!(durable(&fs), 3);
    }
}

#[test]
fn an_error_of_one_file_is_its_owners_and_one_of_a_directory_everybodys() {
    let (fs, syncs) = disk(false);
    fs.mkdir(Path::new("/d")).unwrap();
    let one = syncs.submit(vec![written(&fs, "/a")], vec![PathBuf::from("/")]);
    let two = syncs.submit(vec![written(&fs, "/b")], vec![PathBuf::from("/d"), PathBuf::from("/")]);
    // Three devices of files and directories are looked at, then the files are synced, then the directories by name.
    let begin = fs.ops() + 4;
    fs.fail_at(begin, Fault::Io);
    fs.fail_at(begin + 2, Fault::NoSpace);
    let (one, two) = (one.wait(), two.wait());
    assert!(one.files[0].1.is_err() && two.files[0].1.is_ok());
    assert_eq!(one.dirs[0].as_ref().unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(two.dirs[0].is_ok());
    assert_eq!(two.dirs[1].as_ref().unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn threads_share_and_each_has_what_it_waited_for() {
    const THREADS: usize = 8;
    let (fs, syncs) = disk(true);
    let begin = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (fs, syncs, begin) = (&fs, &syncs, &begin);
            scope.spawn(move || {
                begin.wait();
                for n in 0..50 {
                    let file = written(fs, &format!("/{thread}.{n}"));
                    syncs.submit(vec![file], vec![PathBuf::from("/")]).wait().all().unwrap();
                    // Nobody else removes anything, so what is durable stays so.
                    let worst = fs.crash_point().outcomes(0, 0).next().unwrap();
                    let name = format!("/{thread}.{n}");
                    assert_eq!(fs::read(&worst, Path::new(&name)).unwrap(), name.as_bytes());
                }
            });
        }
    });
    assert_eq!(durable(&fs), THREADS * 50);
}

/// A disk on which a flush of `/panic` panics, and one of `/slow` takes 10 ms, by its own clock.
#[derive(Debug)]
struct Panicking(SimFs);

impl Fs for Panicking {
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        assert_ne!(path, Path::new("/panic"), "on purpose");
        if path == Path::new("/slow") {
            self.0.advance(Duration::from_millis(10));
        }
        self.0.sync_dir(path)
    }
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        self.0.open(path, mode)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.link(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.0.unlink(path)
    }
    fn mkdir(&self, path: &Path) -> io::Result<()> {
        self.0.mkdir(path)
    }
    fn rmdir(&self, path: &Path) -> io::Result<()> {
        self.0.rmdir(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<fs::DirEntry>> {
        self.0.read_dir(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<fs::Metadata> {
        self.0.metadata(path)
    }
}

fn panicking() -> Syncs {
    let disk = SimFs::new();
    let host = Arc::new(SimHost::new(&disk, 1));
    Syncs::new(Arc::new(Panicking(disk)), host)
}

#[test]
fn a_panic_of_the_disk_leaves_nobody_waiting() {
    let syncs = panicking();
    let panics = syncs.submit(Vec::new(), vec![PathBuf::from("/panic")]);
    let beside = syncs.submit(Vec::new(), vec![PathBuf::from("/")]);
    std::thread::scope(|scope| {
        assert!(scope.spawn(|| panics.wait()).join().is_err());
    });
    assert!(beside.wait().all().is_err(), "not known to be durable");
    syncs.sync_dir(Path::new("/")).unwrap();
}

#[test]
fn a_panic_of_who_leads_wakes_all_who_sleep() {
    for _ in 0..50 {
        let syncs = panicking();
        let begin = Barrier::new(5);
        let wait = |dir: &str| {
            begin.wait();
            syncs.submit(Vec::new(), vec![PathBuf::from(dir)]).wait()
        };
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| wait("/panic"));
            let others: Vec<_> = (0..4).map(|_| scope.spawn(|| wait("/"))).collect();
            // Whoever leads the group with that directory panics; that he waited for another does not save him.
            let panicked = others.into_iter().map(std::thread::ScopedJoinHandle::join).filter(Result::is_err);
            assert_eq!(panicked.count() + usize::from(panics.join().is_err()), 1);
        });
        syncs.sync_dir(Path::new("/")).unwrap();
    }
}

#[test]
fn a_flush_that_took_long_lets_nobody_linger_long() {
    for (took, lingers) in [(0, 0), (4, 2), (40, 20), (60_000, 20)] {
        assert_eq!(linger_after(Duration::from_millis(took)), Duration::from_millis(lingers));
    }
}

#[test]
fn how_long_a_flush_took_is_told_by_the_clock_of_the_host() {
    let disk = SimFs::new();
    disk.mkdir(Path::new("/slow")).unwrap();
    let syncs = Syncs::new(Arc::new(Panicking(disk.clone())), Arc::new(SimHost::new(&disk, 1)));
    for (dir, lingers_ms) in [("/", 0), ("/slow", 5), ("/", 0)] {
        syncs.sync_dir(Path::new(dir)).unwrap();
        // Of the disk's time each operation takes a microsecond besides.
        let lingers = syncs.lock().expected_until - disk.now();
        assert_eq!(lingers.as_millis(), lingers_ms, "{dir}: {lingers:?}");
    }
}
