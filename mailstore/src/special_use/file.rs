//! [`SpecialUseFile`]: what a user's mailboxes are for, in one small file of ours.
//!
//! Each line is the attributes, a tab, and the name with `/` between its parts: `\Sent<TAB>Lists/sent`. Lines that do not
//! read are kept. The file is replaced whole, under `NAME.lock`.
//!
//! # Order of operations
//! * **Rename** of a mailbox: the uses of it and of those below it are written for the new names, in place of what earlier
//!   mailboxes of these names have left; the mailboxes are renamed; the lines of the old names are taken out.
//! * **Delete**: the mailbox is deleted; its line is taken out.
//! * **Create**: what an earlier mailbox of that name has left is taken out; the mailbox is made.
//!
//! # What a crash can leave
//! A line whose mailbox is not there. It is not listed, and goes before a mailbox of that name is made by us. One that
//! another program makes of that name has the use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::SpecialUses;
use crate::env::Env;
use crate::error::{Result, StoreError};
use crate::fs;
use crate::lines::{self, Line};
use crate::lock::DotLock;
use crate::name::MailboxName;

/// The file of one user.
#[derive(Debug)]
pub(crate) struct SpecialUseFile {
    env: Env,
    path: PathBuf,
    /// A directory on the same file system, for what is on its way.
    scratch: PathBuf,
}

impl SpecialUseFile {
    pub(crate) fn new(env: Env, path: PathBuf, scratch: PathBuf) -> Self {
        Self { env, path, scratch }
    }

    /// What is known of all names.
    pub(crate) fn load(&self) -> Result<BTreeMap<MailboxName, SpecialUses>> {
        Ok(self.lines()?.iter().filter_map(parse).collect())
    }

    /// Says what a mailbox is for, in place of what was said before.
    pub(crate) fn set(&self, name: &MailboxName, uses: SpecialUses) -> Result<()> {
        self.change(|lines| {
            lines.retain(|line| parse(line).is_none_or(|(named, _)| named != *name));
            if !uses.is_empty() {
                lines.push(format!("{uses}\t{name}").into_bytes());
            }
        })
    }

    /// Takes names out.
    pub(crate) fn forget<'a>(&self, names: impl IntoIterator<Item = &'a MailboxName> + Clone) -> Result<()> {
        self.change(|lines| lines.retain(|line| !is_of(line, names.clone())))
    }

    /// Says of each new name what is known of the old one, in place of what was said of it before.
    pub(crate) fn carry(&self, renames: &[(MailboxName, MailboxName)]) -> Result<()> {
        self.change(|lines| {
            let renamed = |line: &Line| {
                let (name, uses) = parse(line)?;
                let (_, to) = renames.iter().find(|(from, _)| *from == name)?;
                Some(format!("{uses}\t{to}").into_bytes())
            };
            let renamed: Vec<Line> = lines.iter().filter_map(renamed).collect();
            lines.retain(|line| !is_of(line, renames.iter().map(|(_, to)| to)));
            lines.extend(renamed);
        })
    }

    fn lines(&self) -> Result<Vec<Line>> {
        Ok(lines::read(self.env.fs(), &self.path)?.unwrap_or_default())
    }

    /// Changes the lines under the lock; what comes out the same is not written.
    fn change(&self, change: impl Fn(&mut Vec<Line>)) -> Result<()> {
        let apply = || {
            let before = self.lines()?;
            let mut after = before.clone();
            change(&mut after);
            Ok::<_, StoreError>((before != after).then_some(after))
        };
        // Most users have no such file, and most names no line in it: then there is nothing to lock.
        if apply()?.is_none() {
            return Ok(());
        }
        let _lock = DotLock::take(&self.env, &self.path, &self.scratch)?;
        let Some(lines) = apply()? else { return Ok(()) };
        let scratch = self.scratch.join(format!("tmp.{}", self.env.unique_name()));
        fs::replace_durably(self.env.fs(), &self.path, &scratch, &lines::join(&lines))
            .map_err(|error| StoreError::io("writing", &self.path, &error))
    }
}

fn parse(line: &Line) -> Option<(MailboxName, SpecialUses)> {
    let (uses, name) = lines::text(line)?.split_once('\t')?;
    Some((MailboxName::new(name).ok()?, uses.parse().ok()?))
}

fn is_of<'a>(line: &Line, names: impl IntoIterator<Item = &'a MailboxName>) -> bool {
    parse(line).is_some_and(|(name, _)| names.into_iter().any(|of| *of == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sim::{SimFs, SimHost};
    use crate::fs::{Fs as _, OpenMode};
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn lines_that_do_not_read_are_kept_and_nothing_is_written_for_nothing() {
        let disk = SimFs::new();
        disk.mkdir(Path::new("/m")).unwrap();
        let path = Path::new("/m/uses");
        let env = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 1)));
        let file = SpecialUseFile::new(env, path.to_path_buf(), PathBuf::from("/m"));
        let name = |text: &str| text.parse::<MailboxName>().unwrap();
        let renames = [(name("a"), name("c")), (name("a/b"), name("c/b"))];
        file.forget([&name("a")]).unwrap();
        file.carry(&renames).unwrap();
        assert!(disk.metadata(path).is_err());
        let text = b"\\Sent\ta\n\\Later\ta\nodd \xe4\r\n\\Junk\ta/b\n\\Trash\tab\n";
        disk.open(path, OpenMode::CreateNew).unwrap().append(text).unwrap();
        file.carry(&renames).unwrap();
        file.forget(renames.iter().map(|(from, _)| from)).unwrap();
        let kept = fs::read(&disk, path).unwrap();
        assert_eq!(kept, b"\\Later\ta\nodd \xe4\r\n\\Trash\tab\n\\Sent\tc\n\\Junk\tc/b\n");
    }
}
