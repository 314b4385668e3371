//! [`Tree`]: how the names of a user's mailboxes become directories.
//!
//! Two things can differ from tree to tree, and must not within one: the layout, and how letters beyond ASCII are
//! written. Where the options do not say, what is there is looked at; only what cannot be mistaken counts:
//!
//! | in the root | layout |
//! | --- | --- |
//! | `A/cur`, or one deeper, and no `.A/cur` | [`Layout::Fs`] |
//! | anything else | [`Layout::MaildirPlusPlus`] |
//!
//! | among the directories of mailboxes | names |
//! | --- | --- |
//! | one in UTF-8 beyond ASCII, and none that is encoded | [`NameEncoding::Utf8`] |
//! | anything else | [`NameEncoding::ModifiedUtf7`] |
//!
//! # Limits
//! A directory's name has 255 octets. 1,000 directories are looked at to know a layout.

use std::path::{Path, PathBuf};

use mail_message::mutf7;

use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::Fs;
use crate::name::MailboxName;

/// Where the mailboxes of a Maildir lie (`LAYOUT=` of Dovecot's `mail_location`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// As what is there already, else `MaildirPlusPlus`.
    #[default]
    Detect,
    /// `A/B` is the directory `.A.B` in the root.
    MaildirPlusPlus,
    /// `A/B` is the directory `A/B` in the root (`LAYOUT=fs`). `new`, `cur`, `tmp` and the names of other programs' files
    /// are no mailboxes then. A mailbox cannot be renamed to a name that others lie below.
    Fs,
}

impl Layout {
    /// How the mailboxes in the Maildir at `root` lie; none where there are none but INBOX, or no Maildir.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn found(disk: &dyn Fs, root: &Path) -> Result<Option<Self>> {
        let below = subdirs(disk, root)?;
        let has_cur = |name: &String| disk.metadata(&root.join(name).join("cur")).is_ok();
        if below.iter().any(|name| is_plus_plus(name) && has_cur(name)) {
            return Ok(Some(Self::MaildirPlusPlus));
        }
        Ok(holds_maildirs(disk, root, &below, &mut 0)?.then_some(Self::Fs))
    }
}

/// How letters beyond ASCII stand in the names of directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NameEncoding {
    /// As in what is there already, else `ModifiedUtf7`.
    #[default]
    Detect,
    /// `Entw&APw-rfe`: Dovecot's unless it is told otherwise, and Courier's until version 1.
    ModifiedUtf7,
    /// `Entwürfe` (`:UTF-8` in Dovecot's `mail_location`).
    Utf8,
}

/// The two, known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) is_fs: bool,
    pub(super) is_utf8: bool,
}

/// What lies beside the mailboxes with [`Layout::Fs`].
const RESERVED: [&str; 12] = [
    "new",
    "cur",
    "tmp",
    "subscriptions",
    "maildirsize",
    "maildirfolder",
    "quotawarn",
    "dovecot-uidlist",
    "dovecot-uidvalidity",
    "dovecot-keywords",
    "courierimapkeywords",
    "courierimapsubscribed",
];

/// The longest name of a directory, in octets.
const PART_BYTES_MAX: usize = 255;

const LOOKED_AT_MAX: usize = 1000;

impl Tree {
    /// Finds out what the options leave open. A root that is not there yet is empty.
    pub(super) fn find(disk: &dyn Fs, root: &Path, layout: Layout, names: NameEncoding) -> Result<Self> {
        let is_fs = match layout {
            Layout::MaildirPlusPlus => false,
            Layout::Fs => true,
            Layout::Detect => Layout::found(disk, root)? == Some(Layout::Fs),
        };
        let is_utf8 = match names {
            NameEncoding::ModifiedUtf7 => false,
            NameEncoding::Utf8 => true,
            NameEncoding::Detect => {
                let tree = Self { is_fs, is_utf8: true };
                let dirs = tree.dirs(disk, root)?;
                let paths = dirs.iter().filter_map(|(_, dir)| dir.strip_prefix(root).ok()?.to_str());
                let (mut utf8, mut encoded) = (false, false);
                for path in paths {
                    utf8 |= !path.is_ascii();
                    encoded |= path.split(['.', '/']).any(is_encoded);
                }
                utf8 && !encoded
            }
        };
        Ok(Self { is_fs, is_utf8 })
    }

    /// The directory of a mailbox below the root; empty for INBOX, which is the root.
    ///
    /// # Errors
    /// `BadName`.
    pub(super) fn dir(self, name: &MailboxName) -> Result<PathBuf> {
        let bad = |why: &'static str| Err(StoreError::new(ErrorKind::BadName, "naming a mailbox", why));
        let mut dir = String::new();
        if name.is_inbox() {
            return Ok(PathBuf::new());
        }
        for (at, component) in name.components().enumerate() {
            let part = match self.is_utf8 {
                false => component.to_owned(),
                true => match mutf7::decode(component.as_bytes()) {
                    Ok(part) if !part.contains(char::is_control) => part,
                    _ => return bad("a part of the name cannot be written in UTF-8"),
                },
            };
            if self.is_fs && is_reserved(&part) {
                return bad("a part of the name is that of something else in a Maildir");
            }
            match (self.is_fs, at) {
                (false, _) => dir.push('.'),
                (true, 0) => {}
                (true, _) => dir.push('/'),
            }
            dir.push_str(&part);
        }
        if dir.split('/').any(|part| part.len() > PART_BYTES_MAX) {
            return bad("the name is too long");
        }
        Ok(dir.into())
    }

    /// The name of a mailbox from its parts, as they stand on disk.
    pub(super) fn name<'a>(self, parts: impl Iterator<Item = &'a str>) -> Option<MailboxName> {
        let parts: Vec<String> =
            parts.map(|part| if self.is_utf8 { mutf7::encode(part) } else { part.to_owned() }).collect();
        MailboxName::new(&parts.join("/")).ok()
    }

    /// The parts of a name, as they stand on disk.
    ///
    /// # Errors
    /// `BadName`.
    pub(super) fn parts(self, name: &MailboxName, separator: char) -> Result<String> {
        if name.is_inbox() {
            return Ok(name.to_string());
        }
        let dir = self.dir(name)?;
        let dir = dir.to_string_lossy();
        let (parts, own) = if self.is_fs { (&*dir, '/') } else { (dir.trim_start_matches('.'), '.') };
        Ok(parts.replace(own, &separator.to_string()))
    }

    /// What parts the levels of names where nothing else says it.
    pub(super) fn separator(self) -> char {
        if self.is_fs { '/' } else { '.' }
    }

    /// All mailboxes and their directories, INBOX first.
    pub(super) fn dirs(self, disk: &dyn Fs, root: &Path) -> Result<Vec<(MailboxName, PathBuf)>> {
        let mut found = vec![(MailboxName::inbox(), root.to_path_buf())];
        if self.is_fs {
            self.walk(disk, root, subdirs(disk, root)?, &mut Vec::new(), &mut found)?;
            return Ok(found);
        }
        for dir in subdirs(disk, root)? {
            let Some(parts) = dir.strip_prefix('.') else { continue };
            // `.inbox`, which would be INBOX again, is none.
            if let Some(name) = self.name(parts.split('.')).filter(|name| !name.is_inbox()) {
                found.push((name, root.join(&dir)));
            }
        }
        Ok(found)
    }

    /// Goes through the directories `below` in `dir`.
    fn walk(
        self,
        disk: &dyn Fs,
        dir: &Path,
        below: Vec<String>,
        parts: &mut Vec<String>,
        found: &mut Vec<(MailboxName, PathBuf)>,
    ) -> Result<()> {
        for part in below {
            if part.starts_with('.') || is_reserved(&part) {
                continue;
            }
            let path = dir.join(&part);
            parts.push(part);
            // A name that is too long ends the walk, whatever leads in circles.
            if let Some(name) = self.name(parts.iter().map(String::as_str)) {
                let below = subdirs(disk, &path)?;
                if !name.is_inbox() && below.iter().any(|name| name == "cur") {
                    found.push((name, path.clone()));
                }
                self.walk(disk, &path, below, parts, found)?;
            }
            parts.pop();
        }
        Ok(())
    }
}

/// Whether a directory of this name in a mailbox is a part of it.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Names of directories in UTF-8; none where there is no directory.
fn subdirs(disk: &dyn Fs, dir: &Path) -> Result<Vec<String>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match disk.read_dir(dir) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(StoreError::io("reading", dir, &error)),
        Ok(entries) => {
            let dirs = entries.into_iter().filter(|entry| entry.is_dir);
            Ok(dirs.filter_map(|entry| entry.name.into_string().ok()).collect())
        }
    }
}

fn is_plus_plus(name: &str) -> bool {
    name.starts_with('.') && !name.starts_with("..")
}

/// Whether a name is one that only modified UTF-7 has.
fn is_encoded(part: &str) -> bool {
    mutf7::decode(part.as_bytes()).is_ok_and(|decoded| !decoded.is_ascii())
}

/// Whether there is a Maildir at or below one of the directories `below` in `dir`.
fn holds_maildirs(disk: &dyn Fs, dir: &Path, below: &[String], looked_at: &mut usize) -> Result<bool> {
    for name in below {
        if name.starts_with('.') || is_reserved(name) || *looked_at == LOOKED_AT_MAX {
            continue;
        }
        *looked_at += 1;
        let dir = dir.join(name);
        let below = subdirs(disk, &dir)?;
        if below.iter().any(|name| name == "cur") || holds_maildirs(disk, &dir, &below, looked_at)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::SimFs;

    const ROOT: &str = "/m";

    fn tree(dirs: &[&str]) -> Tree {
        let disk = SimFs::new();
        for dir in dirs {
            crate::fs::create_dir_durably(&disk, &Path::new(ROOT).join(dir)).unwrap();
        }
        Tree::find(&disk, Path::new(ROOT), Layout::Detect, NameEncoding::Detect).unwrap()
    }

    #[test]
    fn what_can_be_mistaken_is_taken_for_the_common_form() {
        for (dirs, is_fs, is_utf8) in [
            (&[][..], false, false),
            (&["cur", "new", "tmp"], false, false),
            (&["cur", "A/cur"], true, false),
            (&["cur", "Lists/x/rust/cur"], true, false),
            (&["cur", ".A/cur", "B/cur"], false, false),
            (&["cur", "sieve/tmp", ".A"], false, false),
            (&["..unfinished.1.x/cur"], false, false),
            (&[".Entwürfe/cur"], false, true),
            (&["Entwürfe/cur"], true, true),
            (&[".Entwürfe/cur", ".&AMk-t&AOk-/cur"], false, false),
            (&[".R&-D/cur", ".Entwürfe.R&D/cur"], false, true),
            // These read as themselves in either.
            (&[".R&D/cur"], false, false),
            (&[".R&-D/cur"], false, false),
        ] {
            assert_eq!(tree(dirs), Tree { is_fs, is_utf8 }, "{dirs:?}");
        }
    }

    #[test]
    fn names_are_one_directory_each_and_come_back() {
        for is_fs in [false, true] {
            let (utf8, encoded) = (Tree { is_fs, is_utf8: true }, Tree { is_fs, is_utf8: false });
            for (text, decoded, plain) in
                [("a/b", "a/b", "a/b"), ("Entw&APw-rfe/R&-D", "Entwürfe/R&D", "Entw&APw-rfe/R&-D")]
            {
                let name: MailboxName = text.parse().unwrap();
                for (tree, expected) in [(utf8, decoded), (encoded, plain)] {
                    let plus_plus = format!(".{}", expected.replace('/', "."));
                    let expected = if is_fs { expected.to_owned() } else { plus_plus };
                    let dir = tree.dir(&name).unwrap();
                    assert_eq!(dir.to_str(), Some(&*expected));
                    let parts = tree.parts(&name, '\t').unwrap();
                    assert_eq!(tree.name(parts.split('\t')), Some(name.clone()));
                }
            }
            // Not canonical, or what no directory should be called.
            for bad in ["&AGE-", "a&b", "&AAo-", "&AAA-"] {
                assert!(
                    utf8.dir(&bad.parse().unwrap()).is_err() && encoded.dir(&bad.parse().unwrap()).is_ok()
                );
            }
            assert_eq!(utf8.dir(&"cur".parse().unwrap()).is_err(), is_fs);
        }
        let wide = mutf7::encode(&"語".repeat(74));
        let tree = Tree { is_fs: false, is_utf8: true };
        assert!(tree.dir(&wide.parse().unwrap()).is_ok());
        let wider = format!("{wide}/{}", mutf7::encode("語語語語語語語語語語語語"));
        assert_eq!(tree.dir(&wider.parse().unwrap()).unwrap_err().kind(), ErrorKind::BadName);
    }
}
