//! [`SimFs`]: a disk in memory that forgets, at a power cut, what was not synced.
//!
//! Every write and every entry change (a file created, renamed, linked, removed) is *pending* until
//! [`File::sync`] of that file or [`Fs::sync_dir`] of that directory. At a power cut each pending thing is
//! dropped, kept or torn, independently of all others and of their order:
//!
//! * a write: not there; there; its first part, followed by nothing or by zeros. Where octets stood already, these stand
//!   there still, and its last part may be what is there. Of a write of several parts that is said of each part by itself;
//! * a creation or removal: not there; there;
//! * a rename: not there; there; the file has both names. It never has neither: no file system we know loses
//!   a renamed file, and no order of operations could guard against one that did. A directory never has both: whichever of
//!   the directories it is renamed from and to is synced, that makes the rename durable.
//!
//! Syncing a file does not make its name durable, syncing a directory not the files in it. A failed sync
//! leaves what it should have made durable visible and not durable for ever, as on Linux. [`Volume::sync`] makes all
//! that is pending durable; when it fails, every pending write is lost so, and the next sync of each file by a handle
//! that was not told yet fails too.
//!
//! Reserved room ([`File::allocate`]) makes a file longer at once, zeros standing where nothing was written; at a power cut
//! it is there or not, like a length that was set. No more than 16 KiB of it shows at a time.
//!
//! Every call is an *operation* with a number. [`SimFs::fail_at`] makes one fail; [`SimFs::power_off_at`]
//! ends the machine at one; [`SimFs::record_crash_points`] keeps the state before each, so that one run gives
//! all power cuts.
//!
//! ```
//! use mailstore::fs::{Fs, OpenMode, SimFs};
//! use std::path::Path;
//!
//! let fs = SimFs::new();
//! fs.record_crash_points();
//! let mut file = fs.open(Path::new("/a"), OpenMode::CreateNew)?;
//! file.append(b"octets")?;
//! file.sync()?;
//! fs.sync_dir(Path::new("/"))?;
//! // Operation 3 was the sync of the directory. Before it the file may be there or not; if it is, it is whole.
//! let point = fs.crash_points().into_iter().find(|point| point.op == 3).unwrap();
//! let found: Vec<bool> = point.outcomes(0, 0).map(|disk| disk.metadata(Path::new("/a")).is_ok()).collect();
//! assert_eq!(found, [false, true]);
//! # Ok::<(), std::io::Error>(())
//! ```

mod crash;
mod disk;
mod host;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{DirEntry, File, Fs, LockKind, Metadata, OpenMode, Volume};
pub use crash::CrashPoint;
use disk::{DirNode, Disk, FileNode, Inode};
pub use host::SimHost;

/// A simulated disk. Cloning gives another handle to the same disk; [`SimFs::fork`] a copy.
#[derive(Debug, Clone)]
pub struct SimFs(Arc<Mutex<Sim>>);

#[derive(Debug)]
struct Sim {
    disk: Disk,
    ops: u64,
    read_bytes: u64,
    log: Vec<Operation>,
    faults: BTreeMap<u64, Fault>,
    refused: Vec<(PathBuf, io::ErrorKind)>,
    unreadable: BTreeSet<usize>,
    /// Directories in which no name may be made or removed.
    sealed: BTreeSet<PathBuf>,
    power_off_at: Option<u64>,
    takes_turns: bool,
    points: Option<Vec<CrashPoint>>,
    /// Processes, each with how many hosts stand for it.
    alive: BTreeMap<u32, usize>,
    boot: u64,
    booted: Duration,
    /// Who holds which lock on which inode; a handle is known by its number.
    locks: BTreeMap<usize, BTreeMap<u64, LockKind>>,
    handles: u64,
}

impl Sim {
    /// With what a change is refused, if it is.
    fn refusal(&self, name: &str, path: &Path) -> Option<io::ErrorKind> {
        let is_entry = matches!(name, "create" | "link" | "rename" | "unlink" | "mkdir" | "rmdir");
        if is_entry && path.parent().is_some_and(|dir| self.sealed.contains(dir)) {
            return Some(io::ErrorKind::PermissionDenied);
        }
        let (_, kind) = self.refused.iter().find(|(refused, _)| path.starts_with(refused))?;
        let needs_room =
            matches!(name, "create" | "append" | "write" | "allocate" | "mkdir" | "link" | "rename");
        let is_change = needs_room || matches!(name, "unlink" | "rmdir" | "set_len" | "set_mtime");
        let is_full = matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        (if is_full { needs_room } else { is_change }).then_some(*kind)
    }
}

/// A way for one operation to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// EIO: the operation has no effect; a sync also loses what it should have made durable.
    Io,
    /// ENOSPC: the operation has no effect, but a write leaves its first half.
    NoSpace,
}

/// An operation that was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its name: `open`, `create`, `append`, `sync`, `sync_dir`, `rename`, …
    pub name: &'static str,
    /// What it was called with; of two paths, the second.
    pub path: PathBuf,
}

/// Where the clock of a new disk stands: 2026-11-22 00:00 UTC.
const EPOCH: Duration = Duration::from_secs(1_795_305_600);

/// How long every operation takes.
const TICK: Duration = Duration::from_micros(1);

impl Default for SimFs {
    fn default() -> Self {
        Self::new()
    }
}

impl SimFs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::booted(Disk::new(EPOCH), 0)
    }

    fn booted(disk: Disk, boot: u64) -> Self {
        Self(Arc::new(Mutex::new(Sim {
            booted: disk.clock,
            disk,
            ops: 0,
            read_bytes: 0,
            log: Vec::new(),
            faults: BTreeMap::new(),
            refused: Vec::new(),
            unreadable: BTreeSet::new(),
            sealed: BTreeSet::new(),
            power_off_at: None,
            takes_turns: false,
            points: None,
            alive: BTreeMap::new(),
            boot,
            locks: BTreeMap::new(),
            handles: 0,
        })))
    }

    /// A copy of the disk as it is now, pending things included, on a machine of its own.
    pub fn fork(&self) -> Self {
        let (disk, boot) = self.with(|sim| (sim.disk.clone(), sim.boot));
        Self::booted(disk, boot)
    }

    /// How many operations have been called.
    pub fn ops(&self) -> u64 {
        self.with(|sim| sim.ops)
    }

    /// How many octets have been read from files.
    pub fn read_bytes(&self) -> u64 {
        self.with(|sim| sim.read_bytes)
    }

    /// The operations that have been called, in order.
    pub fn log(&self) -> Vec<Operation> {
        self.with(|sim| sim.log.clone())
    }

    /// Makes operation number `op` fail.
    pub fn fail_at(&self, op: u64, fault: Fault) {
        self.with(|sim| sim.faults.insert(op, fault));
    }

    /// From now on refuses what would change something at `path` or below with an error of this kind: `PermissionDenied`
    /// or `ReadOnlyFilesystem` for every change, `StorageFull` or `QuotaExceeded` for those that need room. `None` lifts it.
    pub fn refuse(&self, path: &Path, kind: Option<io::ErrorKind>) {
        self.with(|sim| {
            sim.refused.retain(|(refused, _)| refused != path);
            sim.refused.extend(kind.map(|kind| (path.to_path_buf(), kind)));
        });
    }

    /// From now on the file at `path` cannot be read, as where a sector of the disk is bad.
    ///
    /// # Errors
    /// There is none.
    pub fn spoil(&self, path: &Path) -> io::Result<()> {
        self.with(|sim| {
            let inode = sim.disk.find(path)?;
            sim.unreadable.insert(inode);
            Ok(())
        })
    }

    /// From now on no name can be made or removed in `dir`, as in a directory without the right to write; the files in it
    /// can be changed.
    pub fn seal(&self, dir: &Path) {
        self.with(|sim| sim.sealed.insert(dir.to_path_buf()));
    }

    /// Makes operation number `op` and all after it fail without effect: the machine is off. What is found at
    /// the next boot are the outcomes of [`SimFs::crash_point`].
    pub fn power_off_at(&self, op: u64) {
        self.with(|sim| sim.power_off_at = Some(op));
    }

    /// From now on every operation lets other threads go first, so that they come between each other's operations also where the
    /// processor is one.
    pub fn take_turns(&self) {
        self.with(|sim| sim.takes_turns = true);
    }

    /// The power cut that comes now.
    pub fn crash_point(&self) -> CrashPoint {
        self.with(|sim| CrashPoint { op: sim.ops, disk: sim.disk.clone() })
    }

    /// From now on, keeps the state before every operation that changes something.
    pub fn record_crash_points(&self) {
        self.with(|sim| sim.points = Some(Vec::new()));
    }

    /// The states kept so far, and the present one.
    pub fn crash_points(&self) -> Vec<CrashPoint> {
        let mut points = self.with(|sim| sim.points.clone().unwrap_or_default());
        points.push(self.crash_point());
        points
    }

    /// A number that differs for disks of different content; times and inode numbers do not count.
    pub fn fingerprint(&self) -> u64 {
        self.with(|sim| crash::fingerprint(&sim.disk))
    }

    /// The machine's calendar.
    pub fn now(&self) -> Duration {
        self.with(|sim| sim.disk.clock)
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.with(|sim| sim.disk.clock += duration);
    }

    fn with<T>(&self, call: impl FnOnce(&mut Sim) -> T) -> T {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts an operation and lets it fail if it is to.
    fn op<T>(
        &self,
        name: &'static str,
        path: &Path,
        changes: bool,
        call: impl FnOnce(&mut Disk, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.with(|sim| sim.takes_turns) {
            std::thread::yield_now();
        }
        self.with(|sim| {
            let op = sim.ops;
            if sim.power_off_at.is_some_and(|off| op >= off) {
                return Err(io::Error::other("the power is off"));
            }
            if changes && let Some(points) = &mut sim.points {
                points.push(CrashPoint { op, disk: sim.disk.clone() });
            }
            sim.ops += 1;
            sim.log.push(Operation { name, path: path.to_path_buf() });
            sim.disk.clock += TICK;
            let fault = sim.faults.remove(&op);
            if changes && let Some(kind) = sim.refusal(name, path) {
                return Err(kind.into());
            }
            let result = call(&mut sim.disk, fault);
            match fault {
                None => result,
                Some(Fault::Io) => Err(io::Error::other("input/output error (simulated)")),
                Some(Fault::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
            }
        })
    }

    /// An operation that has no effect at all when it fails.
    fn simple<T: Default>(
        &self,
        name: &'static str,
        path: &Path,
        changes: bool,
        call: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        self.op(
            name,
            path,
            changes,
            |disk, fault| if fault.is_some() { Ok(T::default()) } else { call(disk) },
        )
    }
}

impl Fs for SimFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let (inode, known) = match mode {
            OpenMode::CreateNew | OpenMode::CreateWrite => self.simple("create", path, true, |disk| {
                disk.create(path, Inode::File(FileNode::default())).map(|inode| (inode, 0))
            }),
            OpenMode::Read
            | OpenMode::ReadItself
            | OpenMode::Append
            | OpenMode::Write
            | OpenMode::WriteItself => self.simple("open", path, false, |disk| {
                let inode = disk.find(path)?;
                disk.file(inode).map(|file| (inode, file.losses.known_on_open()))
            }),
        }?;
        Ok(Box::new(SimFile {
            fs: self.clone(),
            inode,
            losses_known: AtomicU32::new(known),
            path: path.to_path_buf(),
            writable: !matches!(mode, OpenMode::Read | OpenMode::ReadItself),
            handle: self.with(|sim| {
                sim.handles += 1;
                sim.handles
            }),
        }))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.simple("sync_dir", path, true, |disk| disk.find(path).and_then(|inode| disk.sync_dir(inode)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.simple("rename", to, true, |disk| disk.rename(from, to))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.simple("rename", to, true, |disk| match disk.find(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => disk.rename(from, to),
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.simple("link", to, true, |disk| disk.link(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.simple("unlink", path, true, |disk| disk.unlink(path))
    }

    fn mkdir(&self, path: &Path) -> io::Result<()> {
        self.simple("mkdir", path, true, |disk| disk.create(path, Inode::Dir(DirNode::default())).map(drop))
    }

    fn rmdir(&self, path: &Path) -> io::Result<()> {
        self.simple("rmdir", path, true, |disk| disk.rmdir(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.simple("read_dir", path, false, |disk| disk.read_dir(path))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.op("metadata", path, false, |disk, _| disk.find(path).map(|inode| disk.metadata(inode)))
    }

    fn volume(&self, path: &Path) -> io::Result<Option<Box<dyn Volume>>> {
        self.simple("volume", path, false, |disk| disk.find(path))?;
        Ok(Some(Box::new(SimVolume(self.clone()))))
    }
}

/// The whole simulated disk.
#[derive(Debug)]
struct SimVolume(SimFs);

impl Volume for SimVolume {
    fn sync(&self) -> io::Result<()> {
        self.0.op("sync_fs", Path::new("/"), true, |disk, fault| {
            match fault {
                None => disk.sync_all(),
                Some(_) => disk.fail_sync_all(),
            }
            Ok(())
        })
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    inode: usize,
    path: PathBuf,
    writable: bool,
    handle: u64,
    /// Losses of this file that this handle has been told of.
    losses_known: AtomicU32,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.release();
    }
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn release(&self) {
        self.fs.with(|sim| {
            if let Some(holders) = sim.locks.get_mut(&self.inode) {
                holders.remove(&self.handle);
            }
        });
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let is_unreadable = self.fs.with(|sim| sim.unreadable.contains(&self.inode));
        let n = self.fs.simple("read", &self.path, false, |disk| {
            if is_unreadable {
                return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
            }
            Ok(disk.file(self.inode)?.data.read(usize::try_from(offset).unwrap_or(usize::MAX), buf))
        })?;
        self.fs.with(|sim| sim.read_bytes += n as u64);
        Ok(n)
    }

    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        self.fs.op("append", &self.path, true, |disk, fault| match fault {
            None => disk.append(self.inode, data),
            Some(Fault::NoSpace) => disk.append(self.inode, &data[..data.len() / 2]),
            Some(Fault::Io) => Ok(()),
        })
    }

    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.fs.op("write", &self.path, true, |disk, fault| {
            let mut left = match fault {
                None => usize::MAX,
                Some(Fault::NoSpace) => parts.iter().map(|part| part.len()).sum::<usize>() / 2,
                Some(Fault::Io) => 0,
            };
            // Each part is a write of its own: the system is free to bring them to the disk in any order.
            for part in parts {
                let taken = part.len().min(left);
                disk.write_at(self.inode, offset, &part[..taken])?;
                offset += taken;
                left -= taken;
            }
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.fs.simple("allocate", &self.path, true, |disk| disk.reserve(self.inode, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.fs.simple("set_len", &self.path, true, |disk| disk.cut(self.inode, len))
    }

    fn sync(&self) -> io::Result<()> {
        self.fs.op("sync", &self.path, true, |disk, fault| {
            match fault {
                None => disk.sync_file(self.inode)?,
                Some(_) => disk.fail_sync_file(self.inode)?,
            }
            match disk.tell_losses(self.inode, self.losses_known.load(Ordering::Relaxed))? {
                None => Ok(()),
                Some(now_known) => {
                    self.losses_known.store(now_known, Ordering::Relaxed);
                    Err(io::Error::other("input/output error (simulated): writes were lost"))
                }
            }
        })
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        if kind == LockKind::Exclusive {
            self.check_writable()?;
        }
        self.fs.simple("try_lock", &self.path, false, |_| Ok(()))?;
        Ok(self.fs.with(|sim| {
            let holders = sim.locks.entry(self.inode).or_default();
            let goes = |(&holder, &held): (&u64, &LockKind)| {
                holder == self.handle || held == LockKind::Shared && kind == LockKind::Shared
            };
            let free = holders.iter().all(goes);
            if free {
                holders.insert(self.handle, kind);
            }
            free
        }))
    }

    fn unlock(&self) -> io::Result<()> {
        self.fs.simple("unlock", &self.path, false, |_| Ok(()))?;
        self.release();
        Ok(())
    }

    fn set_mtime(&self, since_epoch: Duration) -> io::Result<()> {
        self.fs.simple("set_mtime", &self.path, true, |disk| {
            disk.file_mut(self.inode)?.mtime = since_epoch;
            Ok(())
        })
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.fs.op("metadata", &self.path, false, |disk, _| Ok(disk.metadata(self.inode)))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same from the same seed everywhere.
#[derive(Debug)]
struct Split64(u64);

impl Split64 {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
