//! The file `subscriptions`: a name on each line.
//!
//! Both of Dovecot's forms are read, and each is written back as it was found: plain lines with `.` between
//! components (as in the directory names; `/` with `LAYOUT=fs`), and version 2, which opens with `V<TAB>2` and an empty line and
//! has tabs between components. Names are encoded as those of directories. Lines that are no names of ours are kept.

use crate::error::{Result, StoreError};
use crate::fs;
use crate::lines::{self, Line};
use crate::lock::DotLock;
use crate::maildir::courier;
use crate::maildir::store::Inner;
use crate::maildir::tree::Tree;
use crate::name::MailboxName;

const VERSION_2: &str = "V\t2";

/// The subscriptions as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscriptions {
    tree: Tree,
    version_2: bool,
    lines: Vec<Line>,
}

impl Subscriptions {
    fn parse(mut lines: Vec<Line>, tree: Tree) -> Self {
        let version_2 = lines.first().and_then(lines::text) == Some(VERSION_2);
        lines.drain(..usize::from(version_2));
        lines.retain(|line| lines::text(line) != Some(""));
        Self { tree, version_2, lines }
    }

    fn octets(&self) -> Vec<u8> {
        let header = if self.version_2 { format!("{VERSION_2}\n\n") } else { String::new() };
        [header.into_bytes(), lines::join(&self.lines)].concat()
    }

    fn separator(&self) -> char {
        if self.version_2 { '\t' } else { self.tree.separator() }
    }

    fn name(&self, line: &Line) -> Option<MailboxName> {
        self.tree.name(lines::text(line)?.split(self.separator()))
    }

    /// The names, sorted.
    pub(super) fn names(&self) -> Vec<MailboxName> {
        let mut names: Vec<_> = self.lines.iter().filter_map(|line| self.name(line)).collect();
        names.sort();
        names.dedup();
        names
    }

    fn set(&mut self, name: &MailboxName, subscribed: bool) -> Result<()> {
        let separator = self.separator();
        let kept = |this: &Self, line: &Line| this.name(line).as_ref() != Some(name);
        let lines = std::mem::take(&mut self.lines);
        self.lines = lines.into_iter().filter(|line| kept(self, line)).collect();
        if subscribed {
            self.lines.push(self.tree.parts(name, separator)?.into_bytes());
        }
        Ok(())
    }
}

pub(super) fn load(store: &Inner) -> Result<Subscriptions> {
    let (disk, tree) = (store.env.fs(), store.quota.tree);
    let lines = match lines::read(disk, &store.root.join("subscriptions"))? {
        Some(lines) => lines,
        // Those of Courier's programs, where there are none of Dovecot's.
        None => match lines::read(disk, &store.root.join("courierimapsubscribed"))? {
            Some(lines) => courier::subscriptions(&lines),
            None => Vec::new(),
        },
    };
    Ok(Subscriptions::parse(lines, tree))
}

pub(super) fn change(store: &Inner, name: &MailboxName, subscribed: bool) -> Result<()> {
    let path = store.root.join("subscriptions");
    let tmp = store.root.join("tmp");
    let _lock = DotLock::take(&store.env, &path, &tmp)?;
    let mut subscriptions = load(store)?;
    if subscriptions.names().contains(name) == subscribed {
        return Ok(());
    }
    subscriptions.set(name, subscribed)?;
    let scratch = tmp.join(store.env.unique_name());
    fs::replace_durably(store.env.fs(), &path, &scratch, &subscriptions.octets())
        .map_err(|error| StoreError::io("writing", &path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: Tree = Tree { is_fs: false, is_utf8: false };

    fn name(text: &str) -> MailboxName {
        text.parse().unwrap()
    }

    #[test]
    fn both_forms_read_and_stay_what_they_are() {
        for (text, after) in
            [("A.B\nINBOX\n", "A.B\nINBOX\nC.D\n"), ("V\t2\n\nA\tB\nINBOX\n", "V\t2\n\nA\tB\nINBOX\nC\tD\n")]
        {
            let mut subscriptions = Subscriptions::parse(lines::split(text.as_bytes()), TREE);
            assert_eq!(subscriptions.names(), [name("A/B"), name("INBOX")]);
            subscriptions.set(&name("C/D"), true).unwrap();
            assert_eq!(subscriptions.octets(), after.as_bytes());
            subscriptions.set(&name("C/D"), false).unwrap();
            assert_eq!(subscriptions.octets(), text.as_bytes());
        }
    }

    #[test]
    fn lines_that_are_no_names_are_kept() {
        let mut subscriptions = Subscriptions::parse(lines::split(b"..odd\nA\nEntw\xfcrfe\r\n"), TREE);
        assert_eq!(subscriptions.names(), [name("A")]);
        subscriptions.set(&name("A"), false).unwrap();
        assert_eq!(subscriptions.octets(), b"..odd\nEntw\xfcrfe\r\n");
    }
}
