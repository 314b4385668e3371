//! `postroom import-postfix` and `postroom import-qmail`: the configuration of other servers, as ours.
//!
//! What is the same here is written; what is not is told on standard error, line by line, with the reason, so that nobody
//! finds out later. What is written is read again, as `postroom check` reads it.

mod draft;
pub mod postfix;
pub mod qmail;

use crate::config::Config;
use crate::doubts::OF_SENDING;
use crate::wiring;
use draft::Draft;
use postroom::relay_policy::main_cf::Notice;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use toml::Value;

/// The name of the configuration file in the directory that is written.
const FILE: &str = "postroom.toml";

/// The name of the passwd-file beside it.
const PASSWD_FILE: &str = "users.passwd";

/// What there is to write, and what is to be told.
struct Imported {
    draft: Draft,
    /// Tables that stand beside the configuration file: the name of each, and its text.
    tables: Vec<(String, String)>,
    /// Who has a mailbox in what was read.
    mailboxes: Vec<String>,
    notes: Vec<Notice>,
}

/// Writes the directory, or prints the configuration file where none is named.
fn write(imported: &Imported, output: Option<&Path>) -> Result<(), Box<dyn Error>> {
    imported.notes.iter().for_each(tell);
    for (name, _) in
        imported.draft.policy.iter().filter(|(name, value)| leads_away(name) && !value.is_empty())
    {
        say(&format!(
            "{name} is written, but mail is not sent on to other hosts yet: what leads there is refused"
        ));
    }
    let files = files(imported);
    let Some(directory) = output else {
        for (name, _) in &imported.tables {
            say(&format!("the table {name} is written with --output only"));
        }
        io::stdout().lock().write_all(imported.draft.to_toml().as_bytes())?;
        return check(&files)
            .map_err(|error| format!("what is printed cannot be used as it is: {error}").into());
    };
    let about = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    // What is there is somebody's work; but accounts may have been made beforehand.
    let files: Vec<_> = files
        .into_iter()
        .filter(|(name, _)| *name != PASSWD_FILE || !directory.join(name).exists())
        .collect();
    if let Some((name, _)) = files.iter().find(|(name, _)| directory.join(name).exists()) {
        return Err(format!("{}: it is there already", directory.join(name).display()).into());
    }
    check(&files).map_err(|error| {
        format!("nothing is written, since it could not be used as it is (without --output it is printed): {error}")
    })?;
    fs::create_dir_all(directory).map_err(|error| about(directory, error))?;
    write_all(directory, &files)?;
    let path = directory.join(FILE);
    say(&format!("written: {}; `postroom check --config` tells what is doubtful in it", path.display()));
    Ok(())
}

/// The files that there are to write, each by its name.
fn files(imported: &Imported) -> Vec<(&str, String)> {
    let tables = imported.tables.iter().map(|(name, text)| (name.as_str(), text.clone()));
    let accounts = (PASSWD_FILE, passwd_file(&imported.mailboxes));
    [(FILE, imported.draft.to_toml()), accounts].into_iter().chain(tables).collect()
}

/// Writes files; where one cannot be, those before it go again.
fn write_all(directory: &Path, files: &[(&str, String)]) -> Result<(), String> {
    for (at, (name, text)) in files.iter().enumerate() {
        let path = directory.join(name);
        let written = File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            for (name, _) in &files[..at] {
                // It was written just now; what of it cannot be removed is told by the next attempt.
                let _ = fs::remove_file(directory.join(name));
            }
            return Err(format!("{}: {error}", path.display()));
        }
    }
    Ok(())
}

/// Whether a parameter is about mail that goes to other hosts.
fn leads_away(name: &str) -> bool {
    const NAMES: [&str; 5] = [
        "default_transport",
        "relay_domains",
        "relay_transport",
        "sender_dependent_default_transport_maps",
        "transport_maps",
    ];
    NAMES.contains(&name) || OF_SENDING.contains(&name)
}

/// Whether a server would start with these files, tried out in a directory that goes again.
fn check(files: &[(&str, String)]) -> Result<(), Box<dyn Error>> {
    let directory = Scratch::new()?;
    write_all(&directory.0, files)?;
    let path = directory.0.join(FILE);
    // Nobody knows that directory.
    loaded(&path)
        .map_err(|error| error.to_string().replace(&format!("{}/", directory.0.display()), "").into())
}

fn loaded(path: &Path) -> Result<(), Box<dyn Error>> {
    let config = Config::read(Some(path))?;
    if let Some(tls) = &config.tls {
        // One often imports on another machine than the one that will serve.
        match [&tls.certificate, &tls.key].into_iter().find(|file| !file.exists()) {
            Some(file) => {
                say(&format!("[tls]: {}: it is not there, and no server starts without it", file.display()))
            }
            None => drop(wiring::certificate(&config, tls)?),
        }
    }
    let settings = wiring::whole_settings(&config)?;
    Ok(settings.check().map_err(|error| config.settings_error(error))?)
}

/// A directory for a moment, which others cannot read.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Box<dyn Error>> {
        let path = std::env::temp_dir().join(format!("postroom-import-{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say(&format!("{}: not removed: {error}", self.0.display()));
        }
    }
}

/// A limit of the size of messages, if it is one that can be set here.
fn message_bytes_max(octets: u64) -> Result<Value, &'static str> {
    match i64::try_from(octets) {
        Ok(octets) if octets >= 65_536 => Ok(Value::Integer(octets)),
        _ => {
            Err("a limit below 65536 octets, or none, cannot be set (RFC 5321 4.5.3.1.7): the default stays")
        }
    }
}

/// Accounts to be made: the passwords are nobody's to know.
fn passwd_file(mailboxes: &[String]) -> String {
    let mut text = format!(
        "# One account a line, with a password that `postroom hash-password` has made:\n# {}\n",
        postroom::accounts::WHAT_A_LINE_IS
    );
    for mailbox in mailboxes {
        text += &format!("# {mailbox}:\n");
    }
    text
}

#[expect(
    clippy::print_stderr,
    reason = "what is told about the input of a command line program belongs there"
)]
fn tell(note: &Notice) {
    match note.line {
        0 => eprintln!("{}: {}", note.file, note.text),
        _ => eprintln!("{note}"),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "what is told about the input of a command line program belongs there"
)]
fn say(text: &str) {
    eprintln!("postroom: {text}");
}
