//! [`ChangeQueue`]: changes of files and directories, as the system tells them.

use std::fmt;
use std::io;
use std::path::Path;

/// What of a file or directory is of interest. That it is removed, or gets another name, always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interest {
    /// The names in a directory.
    Entries,
    /// The octets of a file.
    Content,
    /// Nothing but whether it is where it was.
    Itself,
}

/// Something that happened to what is listened to, by the number that [`ChangeQueue::add`] gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It has changed.
    Changed(u64),
    /// It may be where it was no longer: it was renamed or replaced.
    Moved(u64),
    /// It is there no more, and is listened to no more: it was removed or unmounted. What stands there now is another,
    /// though it may have got the same number from the file system.
    Gone(u64),
    /// The queue was full. Anything may have happened to anything.
    Lost,
}

/// A queue of changes. All methods may be called from several threads; one waits and takes.
pub trait ChangeQueue: Send + Sync + fmt::Debug {
    /// Whether every change of what lies at `path` is told, whoever makes it. False where other machines, or programs
    /// behind the file system, may make some. It may wait for a machine far away.
    fn covers(&self, path: &Path) -> io::Result<bool>;

    /// Listens to what lies at `path` now. The same file or directory again is the same number, and then its interest
    /// is both.
    ///
    /// # Errors
    /// `StorageFull` when as many are listened to as the system allows.
    fn add(&self, path: &Path, interest: Interest) -> io::Result<u64>;

    /// Listens no longer.
    fn remove(&self, number: u64);

    /// Waits until something can be taken, or until [`wake`](ChangeQueue::wake) has ever been called.
    fn wait(&self) -> io::Result<()>;

    /// Takes what there is, or a part of it when that is very much, without waiting.
    fn take(&self) -> io::Result<Vec<Change>>;

    /// Ends all waiting, for good.
    fn wake(&self);
}
