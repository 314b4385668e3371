//! [`RealFs`]: the operating system's file system.

use std::fs;
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

#[cfg(target_os = "linux")]
use super::ChangeQueue;
#[cfg(target_os = "linux")]
use super::inotify::Inotify;
use super::{DirEntry, File, Fs, LockKind, Metadata, OpenMode, Volume};

/// The operating system's file system. Files are created for their owner only, whatever the umask allows.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).mode(0o600);
        match mode {
            // Else the opening of a pipe would last until somebody writes to it.
            OpenMode::Read => {
                options.custom_flags(libc::O_NONBLOCK);
            }
            OpenMode::ReadItself => {
                options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
            }
            OpenMode::Append => {
                options.append(true);
            }
            OpenMode::CreateNew => {
                options.append(true).create_new(true);
            }
            // Without O_APPEND, which would send every write to the end.
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::WriteItself => {
                options.write(true).custom_flags(libc::O_NOFOLLOW);
            }
            OpenMode::CreateWrite => {
                options.write(true).create_new(true);
            }
        }
        Ok(Box::new(RealFile(options.open(path)?)))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    #[cfg(target_os = "linux")]
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that cannot do it, as NFS, or a filter that does not know the call.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                super::rename_by_link(self, from, to)
            }
            renamed => Ok(renamed?),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn mkdir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn rmdir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                let kind = match entry.file_type() {
                    // The file system does not tell it with the name, and it is gone by now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    kind => kind?,
                };
                Ok(Some(DirEntry { is_dir: kind.is_dir(), is_file: kind.is_file(), name: entry.file_name() }))
            })
            .filter_map(Result::transpose)
            .collect()
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        fs::metadata(path).map(|metadata| convert(&metadata))
    }

    #[cfg(target_os = "linux")]
    fn volume(&self, path: &Path) -> io::Result<Option<Box<dyn Volume>>> {
        let dir = fs::File::open(path)?;
        let trusted = tells_errors(rustix::system::uname().release().to_string_lossy().as_ref())
            && TRUSTED.contains(&i128::from(rustix::fs::fstatfs(&dir)?.f_type));
        Ok(trusted.then(|| Box::new(RealVolume(dir)) as _))
    }

    #[cfg(target_os = "linux")]
    fn changes(&self) -> io::Result<Option<Box<dyn ChangeQueue>>> {
        Ok(Some(Box::new(Inotify::open()?)))
    }
}

/// The file systems whose `syncfs` is known to write everything and to tell every error: by the numbers that `statfs`
/// gives for ext2 to ext4, XFS, btrfs and F2FS. Not those in other programs (FUSE), nor on other machines.
#[cfg(target_os = "linux")]
const TRUSTED: [i128; 4] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010];

/// Whether `syncfs` of this kernel returns the errors of writing: since Linux 5.8.
#[cfg(target_os = "linux")]
fn tells_errors(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 8)
}

/// A directory held open: `syncfs` through it tells the errors met since it was opened.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct RealVolume(fs::File);

#[cfg(target_os = "linux")]
impl Volume for RealVolume {
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }
}

/// How many parts one system call writes: IOV_MAX of every system we know is no lower.
const PARTS_MAX: usize = 1024;

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.write_all(data)
    }

    fn write_at(&self, parts: &[&[u8]], mut offset: u64) -> io::Result<()> {
        for parts in parts.chunks(PARTS_MAX) {
            let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let mut left = &mut slices[..];
            while left.iter().any(|slice| !slice.is_empty()) {
                match rustix::io::pwritev(&self.0, left, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => {
                        IoSlice::advance_slices(&mut left, n);
                        offset += n as u64;
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        use rustix::io::Errno;
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            result => Ok(result?),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        match set_lock(&self.0, Some(kind)) {
            // POSIX lets a system say either.
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock
                    || error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        set_lock(&self.0, None)
    }

    fn set_mtime(&self, since_epoch: Duration) -> io::Result<()> {
        self.0.set_modified(SystemTime::UNIX_EPOCH + since_epoch)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata().map(|metadata| convert(&metadata))
    }
}

/// A record lock over the whole file that belongs to the open file, not to the process: the process may close other
/// handles of the file meanwhile, and its threads keep each other out. Programs that use the older kind see it.
fn set_lock(file: &fs::File, kind: Option<LockKind>) -> io::Result<()> {
    let kind = match kind {
        Some(LockKind::Shared) => libc::F_RDLCK,
        Some(LockKind::Exclusive) => libc::F_WRLCK,
        None => libc::F_UNLCK,
    };
    let whole = libc::flock {
        l_type: narrow(kind),
        l_whence: narrow(libc::SEEK_SET),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&whole))?;
    Ok(())
}

/// The constants are `int`, the fields `short`.
fn narrow(constant: libc::c_int) -> libc::c_short {
    libc::c_short::try_from(constant).expect("invariant: POSIX keeps these constants small")
}

fn convert(metadata: &fs::Metadata) -> Metadata {
    // A time before 1970 cannot be told from 1970 by anything we do with it.
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    let nanos = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    Metadata {
        size: metadata.size(),
        mtime: Duration::new(seconds, nanos),
        inode: metadata.ino(),
        device: metadata.dev(),
        is_dir: metadata.is_dir(),
        is_file: metadata.is_file(),
        links: metadata.nlink(),
        is_ours: metadata.uid() == rustix::process::geteuid().as_raw(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_renamed_in_one_step_or_two_and_never_over_another() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| dir.path().join(name);
        for rename in [<RealFs as Fs>::rename_new, crate::fs::rename_by_link::<RealFs>] {
            fs::write(at("tmp"), "new")?;
            fs::write(at("taken"), "old")?;
            let refused = rename(&RealFs, &at("tmp"), &at("taken")).map_err(|error| error.kind());
            assert_eq!(refused, Err(io::ErrorKind::AlreadyExists));
            assert_eq!(fs::read(at("taken"))?, b"old");
            rename(&RealFs, &at("tmp"), &at("free"))?;
            assert_eq!(fs::read(at("free"))?, b"new");
            assert!(!at("tmp").exists());
            fs::remove_file(at("free"))?;
        }
        Ok(())
    }

    #[test]
    fn a_link_whose_answer_was_lost_is_taken_for_made() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (from, to) = (dir.path().join("tmp"), dir.path().join("new"));
        fs::write(&from, "it")?;
        fs::hard_link(&from, &to)?;
        crate::fs::rename_by_link(&RealFs, &from, &to)?;
        assert!(!from.exists() && fs::read(&to)? == b"it");
        Ok(())
    }

    #[test]
    fn syncfs_is_trusted_from_linux_5_8_on() {
        for (release, told) in [
            ("6.18.44-fc", true),
            ("5.8.0", true),
            ("5.10-rc1", true),
            ("5.7.19", false),
            ("4.19.0-amd64", false),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(tells_errors(release), told, "{release}");
        }
    }
}
