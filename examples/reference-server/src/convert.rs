//! `postroom convert`: from one place to another, Maildir or mbox files.

use crate::place::{self, Use};
use postroom::mailstore::convert::convert;
use postroom::mailstore::{ErrorKind, PathUser};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Converts everything at one place to another, and tells how far it is.
///
/// # Errors
/// When a place is none or cannot be used, and what the stores say; what was converted by then stays.
pub fn run(from: &str, to: &str, user: Option<&str>, home: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let home = home.map(Path::to_path_buf).or_else(std::env::home_dir);
    let home = std::path::absolute(home.ok_or("--home is expected: this user has no home directory")?)?;
    let (name, domain) = user.unwrap_or("").split_once('@').unwrap_or((user.unwrap_or(""), ""));
    let user = PathUser { user: name, domain, home: &home };
    let (source, target) = (place::open(from, &user, Use::Source)?, place::open(to, &user, Use::Target)?);

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
