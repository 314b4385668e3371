//! [`CrashPoint`]: a moment at which the power may be cut, and every disk that may be found afterwards.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::disk::{Change, Content, DirNode, Disk, FileNode, Inode, Losses, ROOT, Write};
use super::{SimFs, Split64};

/// The state of a disk just before one operation.
#[derive(Debug, Clone)]
pub struct CrashPoint {
    /// The operation that did not happen any more, counted from 0.
    pub op: u64,
    pub(super) disk: Disk,
}

/// What becomes of something that was not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Dropped,
    Kept,
    /// A write: its first part, then nothing, zeros or what stood there; or its last part, where octets stood. A rename: the name stands in both places.
    Torn,
}

/// Something that is not durable, and how many fates it can have.
#[derive(Debug)]
enum Pending {
    Change(usize, u32),
    Write(usize, usize, u32),
}

impl Pending {
    fn fates(&self) -> u32 {
        match self {
            Pending::Change(_, fates) | Pending::Write(_, _, fates) => *fates,
        }
    }
}

impl CrashPoint {
    /// With up to this many pending writes and entry changes, every combination is tried.
    pub const EXHAUSTIVE_MAX: usize = 8;

    /// How many writes and entry changes are not durable at this moment.
    pub fn pending(&self) -> usize {
        self.pending_items().len()
    }

    /// The disks that may be found after the power cut: every combination of fates when at most
    /// [`CrashPoint::EXHAUSTIVE_MAX`] things are pending; else all kept, all dropped, and `samples`
    /// combinations drawn from `seed`. Each is a disk of its own, at the next boot.
    pub fn outcomes(&self, seed: u64, samples: u32) -> impl Iterator<Item = SimFs> + '_ {
        let pending = self.pending_items();
        let product = pending.iter().fold(1_u64, |product, item| product.saturating_mul(item.fates().into()));
        let exhaustive = pending.len() <= Self::EXHAUSTIVE_MAX;
        let count = if exhaustive { product } else { u64::from(samples) + 2 };
        (0..count).map(move |index| {
            let mut random = Split64::new(seed ^ self.op.rotate_left(32) ^ index);
            let mut digits = index;
            let fates = pending.iter().map(|item| {
                let fates = u64::from(item.fates());
                let choice = match (exhaustive, index) {
                    (true, _) => {
                        let digit = digits % fates;
                        digits /= fates;
                        digit
                    }
                    (false, 0) => 0,
                    (false, 1) => 1,
                    (false, _) => random.next() % fates,
                };
                [Fate::Dropped, Fate::Kept, Fate::Torn][choice as usize]
            });
            let fates: Vec<Fate> = fates.collect();
            self.after(&pending, &fates, &mut random)
        })
    }

    fn pending_items(&self) -> Vec<Pending> {
        let disk = &self.disk;
        let mut items = Vec::new();
        let mut named = vec![false; disk.inodes.len()];
        for inode in &disk.inodes {
            if let Inode::Dir(dir) = &**inode {
                dir.durable.values().for_each(|&inode| named[inode] = true);
            }
        }
        for (index, change) in disk.changes.iter().enumerate() {
            let (inode, fates) = match change {
                Change::Rename(_, _, inode) if matches!(&*disk.inodes[*inode], Inode::File(_)) => (*inode, 3),
                Change::Rename(_, _, inode)
                | Change::Add(_, inode)
                | Change::Remove(_, inode)
                | Change::Blink(_, inode) => (*inode, 2),
            };
            named[inode] = true;
            items.push(Pending::Change(index, fates));
        }
        for (number, inode) in disk.inodes.iter().enumerate() {
            if let Inode::File(file) = &**inode
                && named[number]
            {
                items.extend(file.writes.iter().enumerate().map(|(at, write)| {
                    let fates = if matches!(write, Write::At(..)) { 3 } else { 2 };
                    Pending::Write(number, at, fates)
                }));
            }
        }
        items
    }

    fn after(&self, pending: &[Pending], fates: &[Fate], random: &mut Split64) -> SimFs {
        let old = &self.disk;
        let mut dirs: BTreeMap<usize, BTreeMap<String, usize>> = BTreeMap::new();
        for (number, inode) in old.inodes.iter().enumerate() {
            if let Inode::Dir(dir) = &**inode {
                dirs.insert(number, dir.durable.clone());
            }
        }
        let mut files: BTreeMap<usize, Content> = BTreeMap::new();
        for (item, &fate) in pending.iter().zip(fates) {
            match *item {
                Pending::Change(index, _) => apply_change(&mut dirs, &old.changes[index], fate),
                Pending::Write(number, write, _) => {
                    if let Inode::File(file) = &*old.inodes[number] {
                        let data = files.entry(number).or_insert_with(|| file.durable.clone());
                        apply_write(data, &file.writes[write], fate, random);
                    }
                }
            }
        }
        let node = |(number, inode): (usize, &Arc<Inode>)| match &**inode {
            Inode::Dir(dir) => {
                let entries = dirs.remove(&number).unwrap_or_default();
                Arc::new(Inode::Dir(DirNode { durable: entries.clone(), entries, mtime: dir.mtime }))
            }
            Inode::File(file) => {
                let data = files.remove(&number).unwrap_or_else(|| file.durable.clone());
                let mtime = file.durable_mtime;
                Arc::new(Inode::File(FileNode {
                    durable: data.clone(),
                    data,
                    writes: Vec::new(),
                    mtime,
                    durable_mtime: mtime,
                    losses: Losses::default(),
                }))
            }
        };
        let inodes = old.inodes.iter().enumerate().map(node).collect();
        SimFs::booted(Disk::of(inodes, old.clock), self.op + 1)
    }
}

fn apply_change(dirs: &mut BTreeMap<usize, BTreeMap<String, usize>>, change: &Change, fate: Fate) {
    let mut remove = |place: &(usize, String), inode: usize| {
        if let Some(dir) = dirs.get_mut(&place.0)
            && dir.get(&place.1) == Some(&inode)
        {
            dir.remove(&place.1);
        }
    };
    match (change, fate) {
        (_, Fate::Dropped) => {}
        (Change::Remove(place, inode), _) => remove(place, *inode),
        (Change::Add(place, inode) | Change::Blink(place, inode), _) => {
            dirs.entry(place.0).or_default().insert(place.1.clone(), *inode);
        }
        (Change::Rename(from, to, inode), fate) => {
            if fate == Fate::Kept {
                remove(from, *inode);
            }
            dirs.entry(to.0).or_default().insert(to.1.clone(), *inode);
        }
    }
}

fn apply_write(data: &mut Content, write: &Write, fate: Fate, random: &mut Split64) {
    match (write, fate) {
        (_, Fate::Dropped) => {}
        (Write::Cut(len), _) => data.cut(*len),
        (Write::Reserve(len), _) => data.grow(*len),
        (Write::At(offset, octets), fate) => {
            let whole = octets.len();
            let (mut from, mut to) = (0, whole);
            if fate == Fate::Torn {
                let cut = (random.next() % whole.max(1) as u64) as usize;
                // Blocks that are written over reach the disk in any order: later ones may be there and earlier ones not.
                let over = offset + whole <= data.len;
                if over && random.next().is_multiple_of(4) { from = cut } else { to = cut }
            }
            // The length may reach the disk before the octets do: then zeros stand in their place.
            let length = if to == whole || random.next().is_multiple_of(2) { whole } else { to };
            data.grow(offset + length);
            data.write(offset + from, &octets[from..to]);
        }
    }
}

/// A number that tells trees of different names or contents apart; times and inode numbers do not count,
/// except that two names of one file do.
pub(super) fn fingerprint(disk: &Disk) -> u64 {
    fn walk(disk: &Disk, inode: usize, seen: &mut Vec<usize>, hasher: &mut DefaultHasher) {
        match &*disk.inodes[inode] {
            Inode::File(file) => {
                let known = seen.iter().position(|&other| other == inode);
                known.hash(hasher);
                if known.is_none() {
                    seen.push(inode);
                    (file.data.trimmed(), file.data.len).hash(hasher);
                }
            }
            Inode::Dir(dir) => {
                dir.entries.len().hash(hasher);
                for (name, &child) in &dir.entries {
                    name.hash(hasher);
                    walk(disk, child, seen, hasher);
                }
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    walk(disk, ROOT, &mut Vec::new(), &mut hasher);
    hasher.finish()
}
