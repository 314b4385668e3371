//! Listing `new/` and `cur/`, and mending a message that stands there under two names.

use std::collections::HashMap;

use mail_message::Uid;

use super::filename;
use super::paths::{MailboxPaths, Sub};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::Metadata;
use crate::index::{Name, Row, State};

/// How often directories that change while they are listed are listed again.
const RESCANS_MAX: u32 = 5;

/// What is said of a file that is left out.
const DOING: &str = "taking for a message";

/// The message files of a mailbox, beside what its index knows of them.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) files: Vec<Place>,
    /// For each row of the index the number of its file; [`Scan::MISSING`] where there is none.
    pub(super) found: Vec<u32>,
    /// The numbers of the files that the index does not know.
    pub(super) new: Vec<u32>,
    /// Their UIDs, when they have one.
    pub(super) uids: Vec<Option<Uid>>,
    /// Pairs of files that have one base; the first is in `found` or `new`, the second is not.
    pub(super) doubles: Vec<(u32, u32)>,
    /// What is no message here, though it lies among them.
    pub(super) left_out: LeftOut,
}

/// Files that are not shown.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) files: usize,
    /// What is wrong with the first.
    pub(super) first: Option<StoreError>,
}

impl LeftOut {
    /// One more.
    pub(super) fn add(&mut self, error: StoreError) {
        self.files += 1;
        self.first.get_or_insert(error);
    }
}

/// Where a message file is, and its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) sub: Sub,
    pub(super) name: String,
}

impl Place {
    /// Where the index says that a message is.
    pub(super) fn of(name: Name<'_>) -> Self {
        Self {
            sub: if name.place == Sub::New as u8 { Sub::New } else { Sub::Cur },
            name: name.text.to_owned(),
        }
    }

    /// The flag letters in its name.
    pub(super) fn letters(&self) -> &str {
        filename::parse(&self.name).map_or("", |name| name.letters)
    }

    /// The part of its name that never changes.
    pub(super) fn base(&self) -> &str {
        filename::parse(&self.name).map_or("", |name| name.base)
    }

    /// As the index takes it.
    pub(super) fn as_name(&self) -> Name<'_> {
        Name { place: self.sub as u8, base_len: self.base().len() as u8, text: &self.name }
    }
}

impl Scan {
    /// In place of a number.
    pub(super) const MISSING: u32 = u32::MAX;

    /// The file of a row, which is number `at` in the index.
    pub(super) fn file_of(&self, at: usize) -> Option<&Place> {
        self.found.get(at).and_then(|&file| self.files.get(file as usize))
    }

    /// The numbers of all files but the second ones of pairs.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.found.iter().copied().filter(|&file| file != Self::MISSING).chain(self.new.iter().copied())
    }

    /// Takes row number `at` for that of another message: its file, if any, counts as new.
    pub(super) fn disown(&mut self, at: usize) {
        let file = std::mem::replace(&mut self.found[at], Self::MISSING);
        if file != Self::MISSING {
            self.new.push(file);
        }
    }

    /// Finds for each row of the index its file.
    pub(super) fn pair(&mut self, index: &State) {
        (self.new, self.doubles) = (Vec::new(), Vec::new());
        let rows = index.rows();
        self.found = vec![Self::MISSING; rows.len()];
        let mut bases: HashMap<&str, Owner> = HashMap::with_capacity(rows.len().max(self.files.len()));
        bases.extend(rows.iter().enumerate().map(|(at, row): (_, &Row)| (index.base(row), Owner::Row(at))));
        for number in 0..self.files.len() as u32 {
            let place = &self.files[number as usize];
            let first = match bases.get(place.base()) {
                Some(Owner::Row(at)) if self.found[*at] == Self::MISSING => {
                    self.found[*at] = number;
                    continue;
                }
                Some(Owner::Row(at)) => &mut self.found[*at],
                Some(Owner::New(at)) => &mut self.new[*at],
                None => {
                    bases.insert(place.base(), Owner::New(self.new.len()));
                    self.new.push(number);
                    continue;
                }
            };
            let (mut second, known) = (number, &self.files[*first as usize]);
            // `cur/` before `new/`; in one directory any rule will do.
            if (place.sub, &place.name) > (known.sub, &known.name) {
                std::mem::swap(first, &mut second);
            }
            self.doubles.push((*first, second));
        }
    }
}

/// Whose a base is.
enum Owner {
    Row(usize),
    New(usize),
}

/// Lists both directories, `new/` first: a message that is moved to `cur/` meanwhile is seen at least once.
///
/// A file that is renamed in `cur/` meanwhile may be missed. When one that the index knows is missed, and the
/// directories changed, they are listed again.
pub(super) fn scan(paths: &MailboxPaths, index: &State) -> Result<Scan> {
    let mut rescans = 0;
    loop {
        let before = stamps(paths)?;
        let mut scan = Scan::default();
        for sub in [Sub::New, Sub::Cur] {
            list(paths, sub, &mut scan)?;
        }
        scan.pair(index);
        let sees_all = !scan.found.contains(&Scan::MISSING);
        if sees_all || rescans == RESCANS_MAX || stamps(paths)? == before && rescans > 0 {
            return Ok(scan);
        }
        rescans += 1;
    }
}

/// `new/` and `cur/` as directories.
pub(super) fn stamps(paths: &MailboxPaths) -> Result<[Metadata; 2]> {
    let stamp = |sub| {
        let dir = paths.sub(sub);
        paths.env.fs().metadata(&dir).map_err(|error| StoreError::io("reading", &dir, &error))
    };
    Ok([stamp(Sub::New)?, stamp(Sub::Cur)?])
}

fn list(paths: &MailboxPaths, sub: Sub, scan: &mut Scan) -> Result<()> {
    let dir = paths.sub(sub);
    let entries = paths.env.fs().read_dir(&dir).map_err(|error| StoreError::io("reading", &dir, &error))?;
    for entry in entries.into_iter().filter(|entry| !entry.is_dir) {
        let why_not = match (entry.name.to_str(), entry.is_file) {
            (None, _) => "its name is not UTF-8",
            (Some(name), is_file) => match (filename::parse(name), is_file) {
                (None, _) => continue,
                (Some(_), false) => "it is no regular file",
                (Some(parts), true) if parts.base.len() > filename::BASE_BYTES_MAX => "its name is too long",
                (Some(_), true) => {
                    scan.files.push(Place { sub, name: name.to_owned() });
                    continue;
                }
            },
        };
        scan.left_out.add(StoreError::new(ErrorKind::BadPath, DOING, why_not).at(&dir.join(&entry.name)));
    }
    Ok(())
}

/// Takes away the second name of a message that a crash left with two (see INTERNALS in `mod.rs`), or gives a
/// message of its own a name of its own.
///
/// A message that another program renamed while it was listed also looks like two, and one of the names is
/// stale: then nothing is done. It may be renamed at this very moment, too, so a name is removed only from a file that
/// has another one, and no message is ever without a name that readers see.
pub(super) fn mend_double(paths: &MailboxPaths, first: &Place, second: &Place) -> Result<()> {
    let disk = paths.env.fs();
    let letters = second.letters();
    let first = paths.sub(first.sub).join(&first.name);
    let second = paths.sub(second.sub).join(&second.name);
    let failed = |error: std::io::Error| StoreError::io("mending a double name at", &second, &error);
    let (Ok(of_second), Ok(of_first)) = (disk.metadata(&second), disk.metadata(&first)) else {
        return Ok(());
    };
    let mended = if of_first.inode != of_second.inode {
        // Two messages under one base: the second gets a name, and with it a UID, of its own.
        let unique = paths.env.unique_name();
        let cur = paths.sub(Sub::Cur);
        let renamed = disk.rename_new(&second, &cur.join(filename::with_letters(&unique, letters)));
        if renamed.is_ok() {
            // The first will take the name that is free now; before that the second has another one for good.
            paths.sync(&cur)?;
        }
        renamed
    } else if of_first.links > 1 {
        disk.unlink(&second)
    } else {
        Ok(())
    };
    match mended {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        mended => mended.map_err(failed),
    }
}
