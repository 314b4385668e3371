//! The few things a store asks of a disk, as a trait, so that a simulated disk can stand in its place.
//!
//! The trait is low: one method is one system call or a fixed short sequence of them, so that a crash between
//! any two is a crash between two calls. What makes things durable is explicit and never implied:
//! [`File::sync`] makes the data and length of a file durable, [`Fs::sync_dir`] the entries of a directory.
//! Neither does the other's work. [`Volume::sync`] does both for a whole file system at once; who shares such a
//! flush with whom is [`Syncs`](crate::sync::Syncs)' affair.
//!
//! * [`RealFs`]: the operating system's.
//! * [`SimFs`]: in memory, with a power cut at any operation, and faults on demand.

mod changes;
#[cfg(target_os = "linux")]
mod inotify;
mod real;
pub mod sim;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::error::{ErrorKind, StoreError};

pub use changes::{Change, ChangeQueue, Interest};
pub use real::RealFs;
pub use sim::SimFs;

/// A disk. All paths are absolute. Errors are those of the operating system, kinds included.
pub trait Fs: Send + Sync + fmt::Debug {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;
    /// Makes the entries of a directory durable: what was created in, renamed into, or removed from it.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames a file or directory atomically, replacing a file at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file atomically; `AlreadyExists` when `to` is taken.
    ///
    /// As provided it is not atomic: after a crash the file may have both names.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        rename_by_link(self, from, to)
    }
    /// Gives a file a second name; `AlreadyExists` when `to` is taken.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Creates one directory, for its owner only (mode 0700).
    fn mkdir(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn rmdir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory without `.` and `..`, in no particular order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// What is known about a file or directory.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Opens the file system on which the directory `path` lies, to make it durable as a whole. `None` where that
    /// is not known to tell every error: then each file and directory is synced by itself.
    fn volume(&self, path: &Path) -> io::Result<Option<Box<dyn Volume>>> {
        let _ = path;
        Ok(None)
    }
    /// Opens a queue in which the system tells of changes, whoever makes them. `None` where it tells of none.
    ///
    /// # Errors
    /// When the system has no more of them to give.
    fn changes(&self) -> io::Result<Option<Box<dyn ChangeQueue>>> {
        Ok(None)
    }
}

/// [`Fs::rename_new`] in two steps, where it cannot be done in one.
fn rename_by_link<F: Fs + ?Sized>(fs: &F, from: &Path, to: &Path) -> io::Result<()> {
    match fs.link(from, to) {
        // The answer to the first request may have been lost on the way from another machine.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let (from, to) = (fs.metadata(from)?, fs.metadata(to)?);
            if (from.device, from.inode) != (to.device, to.inode) {
                return Err(error);
            }
        }
        linked => linked?,
    }
    fs.unlink(from)
}

/// A file system, held open.
pub trait Volume: Send + Sync + fmt::Debug {
    /// Makes all that was written to any of its files, and every entry of its directories, durable.
    ///
    /// # Errors
    /// When anything that was written since the last call, or since it was opened, did not reach the disk. It is told
    /// once, and not which file it was: nothing is known then of what was not durable before, and a second call
    /// proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// An open file.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads into `buf` from `offset`; short only at the end of the file or when interrupted, 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `data` at the end of the file.
    fn append(&mut self, data: &[u8]) -> io::Result<()>;
    /// Writes all of `parts`, one behind the other, at `offset`; in a file opened for writing at offsets. After an
    /// error any part of them may stand there. No two calls may overlap in time.
    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()>;
    /// Reserves room for the file up to `len` octets, so that writing below `len` cannot fail for want of space, and
    /// costs less. The file may grow by that, zeros standing where nothing was written. Does nothing where the file
    /// system cannot do it.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts the file to `len` octets, or fills it up with zeros to that length.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes data, length and times durable. After an error nothing is known of what was written since the
    /// last success, and a second call proves nothing. What was lost in between, by a [`Volume::sync`] that failed,
    /// is an error here too.
    fn sync(&self) -> io::Result<()>;
    /// Makes data and length durable, but not times; the rest is as for [`File::sync`].
    fn sync_data(&self) -> io::Result<()>;
    /// Takes a lock on the whole file, as `fcntl` does, without waiting; false when somebody else holds one that
    /// does not go with it. In place of a lock that this file holds already. An exclusive lock needs a file that was
    /// opened for writing.
    ///
    /// The lock belongs to this open file: it goes with [`File::unlock`] and when the file is closed, and closing
    /// another handle of the same file leaves it. Every program that locks by `fcntl` sees it.
    fn try_lock(&self, kind: LockKind) -> io::Result<bool>;
    /// Gives the lock back; nothing happens when there is none.
    fn unlock(&self) -> io::Result<()>;
    /// Sets the modification time.
    fn set_mtime(&self, since_epoch: Duration) -> io::Result<()>;
    /// What is known about the file.
    fn metadata(&self) -> io::Result<Metadata>;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenMode {
    /// For reading; it must exist. A pipe is not waited for.
    Read,
    /// As `Read`, and a symbolic link is not followed: that is an error.
    ReadItself,
    /// For reading and appending; it must exist.
    Append,
    /// For reading and appending; it must not exist (O_EXCL). Created for its owner only (mode 0600).
    CreateNew,
    /// For reading and writing at offsets; it must exist.
    Write,
    /// As `Write`, and a symbolic link is not followed: that is an error.
    WriteItself,
    /// For reading and writing at offsets; else as `CreateNew`.
    CreateWrite,
}

/// What a lock on a file lets others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockKind {
    /// Others may hold shared locks.
    Shared,
    /// Others may hold none.
    Exclusive,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name alone.
    pub name: OsString,
    /// Whether it names a directory.
    pub is_dir: bool,
    /// Whether it names a regular file: no directory, symbolic link, device, pipe or socket.
    pub is_file: bool,
}

/// What is known about a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Its length in octets.
    pub size: u64,
    /// When its content (of a directory: its entries) last changed, since 1970-01-01 00:00 UTC.
    pub mtime: Duration,
    /// Its number, unique among the files of its file system that exist now.
    pub inode: u64,
    /// The number of its file system.
    pub device: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Whether it is a regular file: no directory, device, pipe or socket.
    pub is_file: bool,
    /// How many names a file has.
    pub links: u64,
    /// Whether it belongs to the user that this process runs as.
    pub is_ours: bool,
}

/// Reads a file whole. For small files of ours only, never for a message.
pub fn read(fs: &dyn Fs, path: &Path) -> io::Result<Vec<u8>> {
    read_open(&*fs.open(path, OpenMode::Read)?)
}

/// Reads an open file whole, from its beginning. For small files of ours only, never for a message.
pub fn read_open(file: &dyn File) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        match file.read_at(&mut chunk, data.len() as u64) {
            Ok(0) => return Ok(data),
            Ok(n) => data.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Creates `path` and every directory above it that is missing, each one durable in its parent.
///
/// A directory that exists already is trusted to be durable, except `path` itself, whose parent is synced in
/// any case: an earlier call may have been cut off between the two steps.
pub fn create_dir_durably(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    let parent = path.parent();
    let created = match fs.mkdir(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs.metadata(path)?.is_dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    let Some(parent) = parent else { return Ok(()) };
    if !created {
        create_dir_durably(fs, parent)?;
        match fs.mkdir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    fs.sync_dir(parent)
}

/// [`create_dir_durably`], with an error that names the part of the path at which it ends: `path` may be long, and what
/// is wrong in its middle.
///
/// # Errors
/// As [`StoreError::io`].
pub(crate) fn make_dir(fs: &dyn Fs, path: &Path) -> Result<(), StoreError> {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    create_dir_durably(fs, path).map_err(|error| {
        let there = path.ancestors().find_map(|above| Some((above, fs.metadata(above).ok()?)));
        let at = match (error.kind(), there) {
            (NotADirectory, Some((above, it))) if !it.is_dir => {
                format!("{} is no directory", above.display())
            }
            // File systems that the kernel makes up answer so, not by a lack of rights.
            (NotFound | InvalidInput | InvalidFilename, Some((above, _))) => {
                format!("no such directory can be made in {}: {error}", above.display())
            }
            _ => return StoreError::io("creating", path, &error),
        };
        StoreError::new(ErrorKind::BadPath, "creating", at).at(path)
    })
}

/// Replaces the file at `path` by one that holds `data`, so that after a crash it is the old or the new one,
/// whole; durable on return. `scratch` is a path on the same file system that nobody else uses.
pub fn replace_durably(fs: &dyn Fs, path: &Path, scratch: &Path, data: &[u8]) -> io::Result<()> {
    let written = (|| {
        let mut file = fs.open(scratch, OpenMode::CreateNew)?;
        file.append(data)?;
        file.sync()?;
        fs.rename(scratch, path)
    })();
    if let Err(error) = written {
        // Best effort: the sweep of old files takes what stays.
        let _ = fs.unlink(scratch);
        return Err(error);
    }
    match path.parent() {
        Some(parent) => fs.sync_dir(parent),
        None => Ok(()),
    }
}

/// Reads until `buf` is full or the file ends.
pub fn read_full(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(&mut buf[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file that is written once, in order: small writes are gathered into large ones.
#[derive(Debug)]
pub(crate) struct BufferedFile {
    file: Box<dyn File>,
    pending: Vec<u8>,
}

impl BufferedFile {
    /// Octets gathered before they are written.
    const PENDING_BYTES_MAX: usize = 64 << 10;

    pub(crate) fn new(file: Box<dyn File>) -> Self {
        Self { file, pending: Vec::new() }
    }

    pub(crate) fn append(&mut self, data: &[u8]) -> io::Result<()> {
        if self.pending.len() + data.len() > Self::PENDING_BYTES_MAX {
            self.flush()?;
            if data.len() > Self::PENDING_BYTES_MAX {
                return self.file.append(data);
            }
        }
        self.pending.extend_from_slice(data);
        Ok(())
    }

    /// Writes what was gathered and makes it durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync()
    }

    /// Writes what was gathered and lends the file.
    pub(crate) fn written(&mut self) -> io::Result<&dyn File> {
        self.flush()?;
        Ok(&*self.file)
    }

    /// Writes what was gathered and gives the file back.
    pub(crate) fn into_file(mut self) -> io::Result<Box<dyn File>> {
        self.flush()?;
        Ok(self.file)
    }

    /// Writes what was gathered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() { Ok(()) } else { self.file.append(&pending) }
    }
}
