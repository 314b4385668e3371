//! [`Inotify`]: Linux's queue of changes.
//!
//! # Limits
//! A process has one queue; the system gives each user so many queues (`fs.inotify.max_user_instances`), files and
//! directories listened to (`max_user_watches`), and changes that wait (`max_queued_events`). A change that is like
//! the one before it is not queued.

use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch};
use rustix::io::Errno;

use super::{Change, ChangeQueue, Interest};

/// File systems that only this machine's kernel changes, by the numbers that `statfs` gives: ext2 to ext4, XFS, btrfs,
/// F2FS, bcachefs, ZFS, JFS, ReiserFS, NILFS, tmpfs, ramfs, overlayfs. One that is not here may be another machine's.
const LOCAL: [i128; 12] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0xF2F5_2010,
    0xCA45_1A4E,
    0x2FC1_2FC1,
    0x3153_464A,
    0x5265_4973,
    0x3434,
    0x0102_1994,
    0x8584_58F6,
    0x794C_7630,
];

/// Room for 15 changes at least, names and all.
const BUFFER_BYTES: usize = 4096;

/// So many buffers are taken at a time: the queue of a system that nobody has tuned.
const TAKEN_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Inotify {
    queue: OwnedFd,
    woken: OwnedFd,
}

impl Inotify {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self {
            queue: init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            woken: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }
}

impl ChangeQueue for Inotify {
    fn covers(&self, path: &Path) -> io::Result<bool> {
        Ok(LOCAL.contains(&i128::from(rustix::fs::statfs(path)?.f_type)))
    }

    fn add(&self, path: &Path, interest: Interest) -> io::Result<u64> {
        let itself = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::MASK_ADD;
        let flags = match interest {
            Interest::Entries => {
                WatchFlags::CREATE
                    | WatchFlags::MOVED_TO
                    | WatchFlags::MOVED_FROM
                    | WatchFlags::DELETE
                    | WatchFlags::ONLYDIR
            }
            // A file that is replaced while somebody holds it open is not deleted: its number of names changes.
            Interest::Content => WatchFlags::MODIFY | WatchFlags::ATTRIB,
            Interest::Itself => WatchFlags::empty(),
        };
        let number = add_watch(&self.queue, path, itself | flags)?;
        Ok(u64::try_from(number).expect("invariant: the system numbers from 1"))
    }

    fn remove(&self, number: u64) {
        if let Ok(number) = i32::try_from(number) {
            // One that the system has let go already is what it shall be.
            let _ = remove_watch(&self.queue, number);
        }
    }

    fn wait(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.queue, PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(error) if error != Errno::INTR => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn take(&self) -> io::Result<Vec<Change>> {
        let mut buffer = [const { MaybeUninit::uninit() }; BUFFER_BYTES];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        let (mut taken, mut buffers) = (Vec::new(), 0);
        loop {
            if reader.is_buffer_empty() {
                buffers += 1;
                if buffers > TAKEN_MAX {
                    return Ok(taken);
                }
            }
            match reader.next() {
                Ok(event) => {
                    let change = change(event.wd(), event.events());
                    if taken.last() != Some(&change) {
                        taken.push(change);
                    }
                }
                Err(Errno::AGAIN) => return Ok(taken),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn wake(&self) {
        // It fails only when it has been called 2⁶⁴−2 times.
        let _ = rustix::io::write(&self.woken, &1_u64.to_ne_bytes());
    }
}

fn change(number: i32, what: ReadFlags) -> Change {
    let Ok(number) = u64::try_from(number) else { return Change::Lost };
    let gone = ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT | ReadFlags::IGNORED;
    let moved = ReadFlags::MOVE_SELF | ReadFlags::ATTRIB;
    if what.contains(ReadFlags::QUEUE_OVERFLOW) {
        Change::Lost
    } else if what.intersects(gone) {
        Change::Gone(number)
    } else if what.intersects(moved) {
        Change::Moved(number)
    } else {
        Change::Changed(number)
    }
}
