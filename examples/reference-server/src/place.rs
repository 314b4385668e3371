//! The stores that a command line names.
//!
//! A location is read as Dovecot reads its `mail_location`: what is relative in it counts from the home directory, which is
//! what `~` stands for, whatever the format. So the same words mean the same places in the configuration file
//! (`storage.location`), in `postroom convert`, and in Dovecot's configuration, from wherever a command is run.

use postroom::mailstore::maildir::MaildirLocation;
use postroom::mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use postroom::mailstore::{Env, Layout, MaildirOptions, MaildirStore, PathUser, Store};
use std::error::Error;
use std::path::Path;

/// Whether a place is read or written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Mail is there, and nothing is made where none is.
    Source,
    /// What is missing is made.
    Target,
}

/// Opens a location: `maildir:PATH…` or `mbox:PATH…`.
///
/// # Errors
/// With the location in front: when it is none, when a source is not there, and what the store says.
pub fn open(location: &str, user: &PathUser<'_>, used: Use) -> Result<Box<dyn Store>, Box<dyn Error>> {
    opened(location, user, used).map_err(|error| format!("{location}: {error}").into())
}

fn opened(location: &str, user: &PathUser<'_>, used: Use) -> Result<Box<dyn Store>, Box<dyn Error>> {
    let env = || Env::real("localhost");
    if location.starts_with("maildir:") {
        let location = MaildirLocation::parse(location, user)?;
        let root = location.root();
        if used == Use::Source && !root.join("cur").exists() && Layout::found(env().fs(), root)?.is_none() {
            return Err(nothing(root, "a Maildir", user).into());
        }
        let (layout, names) = (location.layout(), location.names());
        let options = MaildirOptions { layout, names, ..MaildirOptions::default() };
        return Ok(Box::new(maildir(root, options)?));
    }
    if !location.starts_with("mbox:") {
        return Err("this is no place: maildir:PATH:LAYOUT=fs or mbox:PATH:INBOX=PATH is expected".into());
    }
    let location = MboxLocation::parse(location, user)?;
    // Who has no folders may have no directory for them.
    if used == Use::Source && !location.root().exists() && !location.inbox().exists() {
        return Err(nothing(location.root(), "a directory of mbox files", user).into());
    }
    Ok(Box::new(MboxStore::open(env(), location, MboxOptions::default(), None)?))
}

fn nothing(root: &Path, what: &str, user: &PathUser<'_>) -> String {
    format!(
        "there is nothing to convert: {} is not {what}; ~ and relative paths count from {}, which --home changes",
        root.display(),
        user.home.display()
    )
}

/// Opens the Maildir at `root`, an absolute path; makes it where it is missing.
///
/// # Errors
/// When all of its mailboxes lie in another layout than the one that is asked for: nobody would find both.
pub fn maildir(root: &Path, options: MaildirOptions) -> Result<MaildirStore, Box<dyn Error>> {
    let (env, layout) = (Env::real("localhost"), options.layout);
    let found = Layout::found(env.fs(), root)?;
    let store = MaildirStore::open_with(env, root, options)?;
    if let Some(found) = found.filter(|found| layout != Layout::Detect && layout != *found)
        && store.list()?.iter().filter(|info| info.exists).count() == 1
    {
        let name = |layout| if layout == Layout::Fs { "fs (A/B)" } else { "maildir++ (.A.B)" };
        let (found, asked) = (name(found), name(layout));
        return Err(format!(
            "{}: its mailboxes lie as {found}, and would not be found as {asked}; leave the layout out, or take another \
             directory",
            root.display()
        )
        .into());
    }
    Ok(store)
}
