//! The simulated disk itself: what every reader sees, what would survive a power cut, and what lies between.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

use crate::fs::{DirEntry, Metadata};

/// The root directory's inode.
pub(super) const ROOT: usize = 0;

/// Leftovers of created and removed files that are remembered as perhaps on disk; older ones are gone.
const BLINKS_MAX: usize = 3;

/// A file shows so much of the room that is reserved for it at a time: who reads it to its end should not read zeros for
/// long, in any of the many states of a test.
const RESERVED_BYTES_MAX: usize = 16 << 10;

/// A disk. Cloning shares unchanged inodes, so that a state can be kept for every operation.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) inodes: Vec<Arc<Inode>>,
    /// How many names each inode has; counted as they come and go, since stores ask often.
    names: Vec<u64>,
    /// Entry changes since the last sync of their directory, in order.
    pub(super) changes: Vec<Change>,
    pub(super) clock: Duration,
}

#[derive(Debug, Clone)]
pub(super) enum Inode {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Debug, Clone, Default)]
pub(super) struct FileNode {
    pub(super) data: Content,
    pub(super) durable: Content,
    /// Writes since the last sync, in order.
    pub(super) writes: Vec<Write>,
    pub(super) mtime: Duration,
    pub(super) durable_mtime: Duration,
    pub(super) losses: Losses,
}

/// What a file holds: octets, and zeros behind them up to its length, so that reserved room costs nothing in any of the
/// states that are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) octets: Vec<u8>,
    /// Not less than there are octets.
    pub(super) len: usize,
}

impl Content {
    pub(super) fn write(&mut self, offset: usize, octets: &[u8]) {
        let end = offset + octets.len();
        self.octets.resize(self.octets.len().max(end), 0);
        self.octets[offset..end].copy_from_slice(octets);
        self.grow(end);
    }

    pub(super) fn grow(&mut self, len: usize) {
        self.len = self.len.max(len);
    }

    pub(super) fn cut(&mut self, len: usize) {
        self.octets.truncate(len);
        self.len = len;
    }

    pub(super) fn read(&self, offset: usize, buf: &mut [u8]) -> usize {
        let n = buf.len().min(self.len.saturating_sub(offset));
        let there = self.octets.get(offset..).unwrap_or_default();
        let (octets, zeros) = buf[..n].split_at_mut(there.len().min(n));
        octets.copy_from_slice(&there[..octets.len()]);
        zeros.fill(0);
        n
    }

    /// Without the zeros at its end, however they came there.
    pub(super) fn trimmed(&self) -> &[u8] {
        let end = self.octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
        &self.octets[..end]
    }
}

/// How often writes of a file were lost by a failed flush, and whether somebody has been told of the last time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Losses {
    pub(super) count: u32,
    pub(super) told: bool,
}

impl Losses {
    /// What a handle that is opened now need not be told. A loss of which nobody was told is told to the next one
    /// who opens the file, as on Linux.
    pub(super) fn known_on_open(self) -> u32 {
        if self.told { self.count } else { self.count.saturating_sub(1) }
    }
}

/// A write that is not durable.
#[derive(Debug, Clone)]
pub(super) enum Write {
    At(usize, Vec<u8>),
    Cut(usize),
    Reserve(usize),
}

#[derive(Debug, Clone, Default)]
pub(super) struct DirNode {
    pub(super) entries: BTreeMap<String, usize>,
    pub(super) durable: BTreeMap<String, usize>,
    pub(super) mtime: Duration,
}

/// A name in a directory.
pub(super) type Place = (usize, String);

/// An entry change that is not durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Add(Place, usize),
    Remove(Place, usize),
    /// Never lost on both sides: on disk it has not happened, has happened, or the name is in both places.
    Rename(Place, Place, usize),
    /// Created and removed since the last sync: on disk it may still be there.
    Blink(Place, usize),
}

impl Disk {
    pub(super) fn new(clock: Duration) -> Self {
        let root = Inode::Dir(DirNode { mtime: clock, ..DirNode::default() });
        Self::of(vec![Arc::new(root)], clock)
    }

    /// A disk on which everything is durable.
    pub(super) fn of(inodes: Vec<Arc<Inode>>, clock: Duration) -> Self {
        let mut names = vec![0; inodes.len()];
        for inode in &inodes {
            if let Inode::Dir(dir) = &**inode {
                dir.entries.values().for_each(|&named| names[named] += 1);
            }
        }
        Self { inodes, names, changes: Vec::new(), clock }
    }

    pub(super) fn file(&self, inode: usize) -> io::Result<&FileNode> {
        match &*self.inodes[inode] {
            Inode::File(file) => Ok(file),
            Inode::Dir(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn file_mut(&mut self, inode: usize) -> io::Result<&mut FileNode> {
        match Arc::make_mut(&mut self.inodes[inode]) {
            Inode::File(file) => Ok(file),
            Inode::Dir(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn dir(&self, inode: usize) -> io::Result<&DirNode> {
        match &*self.inodes[inode] {
            Inode::Dir(dir) => Ok(dir),
            Inode::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn dir_mut(&mut self, inode: usize) -> io::Result<&mut DirNode> {
        let clock = self.clock;
        match Arc::make_mut(&mut self.inodes[inode]) {
            Inode::Dir(dir) => {
                dir.mtime = clock;
                Ok(dir)
            }
            Inode::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// The inode a path names.
    pub(super) fn find(&self, path: &Path) -> io::Result<usize> {
        let mut inode = ROOT;
        for component in path.components() {
            match component {
                Component::RootDir => {}
                Component::Normal(name) => {
                    inode = *self.dir(inode)?.entries.get(text(name)?).ok_or(ErrorKind::NotFound)?;
                }
                _ => return Err(ErrorKind::InvalidInput.into()),
            }
        }
        Ok(inode)
    }

    /// The directory and name of a path that need not exist.
    fn place(&self, path: &Path) -> io::Result<Place> {
        let name = text(path.file_name().ok_or(ErrorKind::InvalidInput)?)?.to_owned();
        let parent = self.find(path.parent().ok_or(ErrorKind::InvalidInput)?)?;
        self.dir(parent)?;
        Ok((parent, name))
    }

    fn entry(&self, place: &Place) -> io::Result<Option<usize>> {
        Ok(self.dir(place.0)?.entries.get(&place.1).copied())
    }

    pub(super) fn create(&mut self, path: &Path, mut node: Inode) -> io::Result<usize> {
        let place = self.place(path)?;
        if self.entry(&place)?.is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        match &mut node {
            Inode::File(file) => (file.mtime, file.durable_mtime) = (self.clock, self.clock),
            Inode::Dir(dir) => dir.mtime = self.clock,
        }
        let inode = self.inodes.len();
        self.inodes.push(Arc::new(node));
        self.names.push(1);
        self.dir_mut(place.0)?.entries.insert(place.1.clone(), inode);
        self.changes.push(Change::Add(place, inode));
        Ok(inode)
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        self.file(inode)?;
        let place = self.place(to)?;
        if self.entry(&place)?.is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.dir_mut(place.0)?.entries.insert(place.1.clone(), inode);
        self.names[inode] += 1;
        self.changes.push(Change::Add(place, inode));
        Ok(())
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        let inode = self.entry(&place)?.ok_or(ErrorKind::NotFound)?;
        self.file(inode)?;
        self.take_entry(place, inode)
    }

    pub(super) fn rmdir(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        let inode = self.entry(&place)?.ok_or(ErrorKind::NotFound)?;
        if !self.dir(inode)?.entries.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.take_entry(place, inode)
    }

    fn take_entry(&mut self, place: Place, inode: usize) -> io::Result<()> {
        self.dir_mut(place.0)?.entries.remove(&place.1);
        self.names[inode] -= 1;
        self.push_removal(place, inode);
        Ok(())
    }

    /// Notes a removal; of a name that is not durable, that it may be on disk for a while.
    fn push_removal(&mut self, place: Place, inode: usize) {
        let added = Change::Add(place.clone(), inode);
        let Some(at) = self.changes.iter().position(|change| *change == added) else {
            self.changes.push(Change::Remove(place, inode));
            return;
        };
        self.changes.remove(at);
        self.changes.retain(|change| !matches!(change, Change::Blink(old, _) if *old == place));
        self.changes.push(Change::Blink(place, inode));
        let blinks = self.changes.iter().filter(|change| matches!(change, Change::Blink(..))).count();
        if blinks > BLINKS_MAX
            && let Some(oldest) = self.changes.iter().position(|change| matches!(change, Change::Blink(..)))
        {
            self.changes.remove(oldest);
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let inode = self.entry(&from)?.ok_or(ErrorKind::NotFound)?;
        if let Some(target) = self.entry(&to)? {
            if target == inode {
                return Ok(());
            }
            match (&*self.inodes[inode], &*self.inodes[target]) {
                (Inode::File(_), Inode::Dir(_)) => return Err(ErrorKind::IsADirectory.into()),
                (Inode::Dir(_), Inode::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                (Inode::Dir(_), Inode::Dir(dir)) if !dir.entries.is_empty() => {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                _ => {}
            }
        }
        self.dir_mut(from.0)?.entries.remove(&from.1);
        if let Some(replaced) = self.dir_mut(to.0)?.entries.insert(to.1.clone(), inode) {
            self.names[replaced] -= 1;
        }
        self.changes.push(Change::Rename(from, to, inode));
        Ok(())
    }

    pub(super) fn append(&mut self, inode: usize, data: &[u8]) -> io::Result<()> {
        let end = self.file(inode)?.data.len;
        self.write_at(inode, end, data)
    }

    pub(super) fn write_at(&mut self, inode: usize, offset: usize, data: &[u8]) -> io::Result<()> {
        let clock = self.clock;
        let file = self.file_mut(inode)?;
        if data.is_empty() {
            return Ok(());
        }
        file.writes.push(Write::At(offset, data.to_vec()));
        file.data.write(offset, data);
        file.mtime = clock;
        Ok(())
    }

    pub(super) fn cut(&mut self, inode: usize, len: usize) -> io::Result<()> {
        let clock = self.clock;
        let file = self.file_mut(inode)?;
        file.writes.push(Write::Cut(len));
        file.data.cut(len);
        file.mtime = clock;
        Ok(())
    }

    pub(super) fn reserve(&mut self, inode: usize, len: usize) -> io::Result<()> {
        let clock = self.clock;
        let old = self.file(inode)?.data.len;
        let len = len.min(old + RESERVED_BYTES_MAX);
        if old >= len {
            return Ok(());
        }
        let file = self.file_mut(inode)?;
        file.writes.push(Write::Reserve(len));
        file.data.grow(len);
        file.mtime = clock;
        Ok(())
    }

    pub(super) fn sync_file(&mut self, inode: usize) -> io::Result<()> {
        let file = self.file_mut(inode)?;
        for write in std::mem::take(&mut file.writes) {
            match write {
                Write::At(offset, octets) => file.durable.write(offset, &octets),
                Write::Cut(len) => file.durable.cut(len),
                Write::Reserve(len) => file.durable.grow(len),
            }
        }
        file.durable_mtime = file.mtime;
        Ok(())
    }

    /// Forgets what was written since the last sync: readers still see it, no later sync makes it durable.
    /// This is what Linux does when a sync fails.
    pub(super) fn fail_sync_file(&mut self, inode: usize) -> io::Result<()> {
        let file = self.file_mut(inode)?;
        file.writes.clear();
        file.losses = Losses { count: file.losses.count + 1, told: false };
        Ok(())
    }

    /// Makes everything durable.
    pub(super) fn sync_all(&mut self) {
        self.changes.clear();
        for number in 0..self.inodes.len() {
            // What is durable as it is stays shared with the states that were kept.
            match &*self.inodes[number] {
                Inode::File(file) if file.writes.is_empty() && file.durable_mtime == file.mtime => {}
                Inode::File(_) => {
                    let _ = self.sync_file(number);
                }
                Inode::Dir(dir) if dir.durable == dir.entries => {}
                Inode::Dir(_) => {
                    if let Inode::Dir(dir) = Arc::make_mut(&mut self.inodes[number]) {
                        dir.durable = dir.entries.clone();
                    }
                }
            }
        }
    }

    /// Loses every write that is not durable. Entry changes stay as they are, there or not after a power cut.
    pub(super) fn fail_sync_all(&mut self) {
        for number in 0..self.inodes.len() {
            if matches!(&*self.inodes[number], Inode::File(file) if !file.writes.is_empty()) {
                let _ = self.fail_sync_file(number);
            }
        }
    }

    /// Whether a handle that knows of `known` losses is told of one now.
    pub(super) fn tell_losses(&mut self, inode: usize, known: u32) -> io::Result<Option<u32>> {
        if self.file(inode)?.losses.count <= known {
            return Ok(None);
        }
        let losses = &mut self.file_mut(inode)?.losses;
        losses.told = true;
        Ok(Some(losses.count))
    }

    pub(super) fn sync_dir(&mut self, inode: usize) -> io::Result<()> {
        let mut kept = Vec::new();
        let mut halves = Vec::new();
        for change in std::mem::take(&mut self.changes) {
            match change {
                Change::Add((dir, _), _) | Change::Remove((dir, _), _) | Change::Blink((dir, _), _)
                    if dir == inode => {}
                Change::Rename(from, to, node)
                    if (from.0 == inode || to.0 == inode) && matches!(&*self.inodes[node], Inode::Dir(_)) =>
                {
                    kept.retain(
                        |change| !matches!(change, Change::Add(_, of) | Change::Rename(_, _, of) if *of == node),
                    );
                    self.move_durably(node, to);
                }
                Change::Rename(from, to, node) if to.0 == inode => {
                    if from.0 != inode {
                        halves.push((from, node));
                    }
                }
                Change::Rename(from, to, node) if from.0 == inode => {
                    // The removal never gets to disk before the new name does.
                    if let Inode::Dir(dir) = Arc::make_mut(&mut self.inodes[to.0]) {
                        dir.durable.insert(to.1, node);
                    }
                }
                other => kept.push(other),
            }
        }
        self.changes = kept;
        for (from, node) in halves {
            self.push_removal(from, node);
        }
        let Inode::Dir(dir) = Arc::make_mut(&mut self.inodes[inode]) else {
            return Err(ErrorKind::NotADirectory.into());
        };
        dir.durable = dir.entries.clone();
        Ok(())
    }

    /// Makes a directory durable under its new name alone: no file system we know renames one by halves.
    fn move_durably(&mut self, node: usize, to: Place) {
        for inode in &mut self.inodes {
            if matches!(&**inode, Inode::Dir(dir) if dir.durable.values().any(|&named| named == node))
                && let Inode::Dir(dir) = Arc::make_mut(inode)
            {
                dir.durable.retain(|_, named| *named != node);
            }
        }
        if let Inode::Dir(dir) = Arc::make_mut(&mut self.inodes[to.0]) {
            dir.durable.insert(to.1, node);
        }
    }

    pub(super) fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let dir = self.dir(self.find(path)?)?;
        let entry = |(name, &inode): (&String, &usize)| {
            let is_dir = matches!(&*self.inodes[inode], Inode::Dir(_));
            DirEntry { name: name.into(), is_dir, is_file: !is_dir }
        };
        Ok(dir.entries.iter().map(entry).collect())
    }

    pub(super) fn metadata(&self, inode: usize) -> Metadata {
        let (size, mtime, is_dir) = match &*self.inodes[inode] {
            Inode::File(file) => (file.data.len, file.mtime, false),
            Inode::Dir(dir) => (dir.entries.len(), dir.mtime, true),
        };
        let links = self.names[inode];
        Metadata {
            size: size as u64,
            mtime,
            inode: inode as u64,
            device: 0,
            is_dir,
            is_file: !is_dir,
            links,
            is_ours: true,
        }
    }
}

fn text(name: &OsStr) -> io::Result<&str> {
    name.to_str().ok_or_else(|| ErrorKind::InvalidInput.into())
}
