//! `postroom convert`: from Maildir to mbox files or back.

use postroom::mailstore::convert::convert;
use postroom::mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use postroom::mailstore::{Env, ErrorKind, MaildirStore, PathUser, Store};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Converts everything at one place to another, and tells how far it is.
///
/// # Errors
/// When a place is none or cannot be used, and what the stores say; what was converted by then stays.
pub fn run(from: &str, to: &str, user: Option<&str>, home: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let home = match home.map(Path::to_path_buf).or_else(|| std::env::var_os("HOME").map(PathBuf::from)) {
        Some(home) => std::path::absolute(home)?,
        None => std::env::current_dir()?,
    };
    let (name, domain) = user.unwrap_or("").split_once('@').unwrap_or((user.unwrap_or(""), ""));
    let user = PathUser { user: name, domain, home: &home };
    let (source, target) = (open(from, &user, true)?, open(to, &user, false)?);

    let mut out = io::stderr().lock();
    let is_terminal = out.is_terminal();
    let mut shown = Ok(());
    let converted = convert(&*source, &*target, &mut |progress| {
        let is_done = progress.done == progress.messages;
        // A terminal shows one line a mailbox, written over and over; a file gets what is done alone.
        if is_terminal || is_done {
            let (start, end) = (if is_terminal { "\r" } else { "" }, if is_done { "\n" } else { "" });
            let line =
                format!("{start}{}: {} of {}{end}", progress.mailbox, progress.done, progress.messages);
            shown = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        }
    })
    .map_err(|error| match error.kind() {
        ErrorKind::MailboxExists => {
            format!("{error}; convert to another place, or take that mailbox away and begin again")
        }
        _ => format!("{error}; what was converted by then stays, and the same command goes on from there"),
    })?;
    shown?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} mailboxes, {} messages converted", converted.mailboxes, converted.messages)?;
    if converted.there_already > 0 {
        writeln!(out, "{} were there already", converted.there_already)?;
    }
    Ok(())
}

/// A place, as `maildir:PATH` or `mbox:PATH:INBOX=PATH`. The source must be there.
fn open(place: &str, user: &PathUser<'_>, is_source: bool) -> Result<Box<dyn Store>, Box<dyn Error>> {
    let env = Env::real("localhost");
    let must_be = |path: &Path| -> Result<(), Box<dyn Error>> {
        if is_source && !path.exists() {
            return Err(format!("{}: there is nothing to convert", path.display()).into());
        }
        Ok(())
    };
    if let Some(path) = place.strip_prefix("maildir:") {
        let path = path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| user.home.join(rest));
        let path = std::path::absolute(path)?;
        must_be(&path)?;
        return Ok(Box::new(MaildirStore::open(env, &path, None)?));
    }
    if !place.starts_with("mbox:") {
        return Err(
            format!("\"{place}\" is no place: maildir:PATH or mbox:PATH:INBOX=PATH is expected").into()
        );
    }
    let location = MboxLocation::parse(place, user)?;
    must_be(location.root())?;
    Ok(Box::new(MboxStore::open(env, location, MboxOptions::default(), None)?))
}
