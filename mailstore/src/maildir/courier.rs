//! Taking over what Courier's programs have kept in a Maildir: UIDs, keywords and subscriptions.
//!
//! It happens once, in place, when a mailbox has no `dovecot-uidlist` yet:
//!
//! | Courier's | becomes |
//! | --- | --- |
//! | `courierimapuiddb`: `1 UIDVALIDITY NEXT`, then `UID NAME` | `dovecot-uidlist` with the same UIDs |
//! | `courierimapkeywords/:list`: keywords, an empty line, then `NAME:NUMBER NUMBER…` | letters in the file names, `dovecot-keywords` |
//! | `courierimapkeywords/NAME`: a keyword on each line | the same, in place of what `:list` says |
//! | `courierimapsubscribed`: `INBOX.A.B` on each line | `subscriptions`, when one is first changed |
//!
//! # Order of operations
//! Under the UID lock: the keywords get letters, durably; the files are renamed, and their directory synced; the list of
//! UIDs is written. A crash before the last leaves a mailbox that is taken over anew. Courier's own files stay as they
//! are, and are not looked at again.
//!
//! # Departures
//! A mailbox keeps 26 keywords at most: further ones are let go. Updates of keywords that Courier had under way
//! (`.NUMBER.NAME`) are not read.

use std::collections::BTreeMap;
use std::io;

use mail_message::{Flag, FlagSet, Keyword};

use super::filename;
use super::keywords::Keywords;
use super::paths::{MailboxPaths, Sub};
use super::uidlist::{Parsed, UidList};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs;
use crate::lines::Line;

/// Takes over UIDs and keywords; `None` when Courier has left no UIDs that read.
pub(super) fn adopt(paths: &MailboxPaths) -> Result<Option<UidList>> {
    let path = paths.dir.join("courierimapuiddb");
    let data = match fs::read(paths.env.fs(), &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        data => data.map_err(|error| StoreError::io("reading", &path, &error))?,
    };
    let Some(Parsed { list, .. }) = UidList::parse(&data) else { return Ok(None) };
    adopt_keywords(paths)?;
    Ok(Some(list))
}

/// The lines of a file of Courier's subscriptions, as they stand in ours.
pub(super) fn subscriptions(lines: &[Line]) -> Vec<Line> {
    lines.iter().map(|line| line.strip_prefix(b"INBOX.").unwrap_or(line).to_vec()).collect()
}

fn adopt_keywords(paths: &MailboxPaths) -> Result<()> {
    let named = read_keywords(paths)?;
    let mut keywords = Keywords::load(paths)?;
    for keyword in named.values().flatten() {
        let one: FlagSet = [Flag::Keyword(keyword.clone())].into_iter().collect();
        match keywords.ensure(paths, &one) {
            Err(error) if error.kind() == ErrorKind::KeywordLimit => {}
            ensured => ensured?,
        }
    }
    let disk = paths.env.fs();
    for sub in [Sub::New, Sub::Cur] {
        let dir = paths.sub(sub);
        let failed = |error: io::Error| StoreError::io("taking over the keywords in", &dir, &error);
        for entry in disk.read_dir(&dir).map_err(failed)? {
            let Some(name) = entry.name.to_str() else { continue };
            let Some(parts) = filename::parse(name) else { continue };
            let Some(own) = named.get(parts.base) else { continue };
            let mut flags = keywords.flags(parts.letters);
            flags.insert_all(&own.iter().cloned().map(Flag::Keyword).collect());
            let new = filename::with_letters(parts.base, &keywords.letters(&flags, parts.letters));
            match disk.rename(&dir.join(name), &paths.sub(Sub::Cur).join(new)) {
                // Courier or somebody else has renamed it: the keywords of this one message are lost.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed.map_err(failed)?,
            }
        }
    }
    if named.is_empty() {
        return Ok(());
    }
    paths.sync(&paths.sub(Sub::Cur))?;
    paths.sync(&paths.sub(Sub::New))
}

/// The keywords of messages by the base of their file names.
fn read_keywords(paths: &MailboxPaths) -> Result<BTreeMap<String, Vec<Keyword>>> {
    let disk = paths.env.fs();
    let dir = paths.dir.join("courierimapkeywords");
    let mut named = BTreeMap::new();
    let entries = match disk.read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(named),
        entries => entries.map_err(|error| StoreError::io("reading", &dir, &error))?,
    };
    let read = |name: &str| {
        let path = dir.join(name);
        let data = fs::read(disk, &path).map_err(|error| StoreError::io("reading", &path, &error))?;
        Ok::<_, StoreError>(String::from_utf8_lossy(&data).into_owned())
    };
    let files: Vec<&str> =
        entries.iter().filter(|entry| !entry.is_dir).filter_map(|entry| entry.name.to_str()).collect();
    if files.contains(&":list") {
        named = parse_list(&read(":list")?);
    }
    for &file in files.iter().filter(|file| !file.starts_with([':', '.'])) {
        let own = read(file)?.lines().filter_map(|line| Keyword::new(line).ok()).collect();
        named.insert(file.to_owned(), own);
    }
    Ok(named)
}

fn parse_list(text: &str) -> BTreeMap<String, Vec<Keyword>> {
    let mut lines = text.lines();
    let keywords: Vec<Option<Keyword>> =
        lines.by_ref().take_while(|line| !line.is_empty()).map(|line| Keyword::new(line).ok()).collect();
    let keyword = |number: &str| keywords.get(number.parse::<usize>().ok()?)?.clone();
    lines
        .filter_map(|line| {
            let (base, numbers) = line.rsplit_once(':')?;
            Some((base.to_owned(), numbers.split_ascii_whitespace().filter_map(keyword).collect()))
        })
        .collect()
}
