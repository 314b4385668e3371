//! `postroom import-postfix` and `postroom import-qmail`: the configuration of other servers, as ours.
//!
//! What is the same here is written; what is not is told on standard error, line by line, with the reason, so that nobody
//! finds out later. What is written is read again, as `postroom check` reads it.

mod draft;
pub mod postfix;
pub mod qmail;

use crate::config::{Config, ConfigError};
use crate::wiring;
use draft::Draft;
use postroom::relay_policy::main_cf::Notice;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
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
    let text = imported.draft.to_toml();
    let Some(directory) = output else {
        for (name, _) in &imported.tables {
            say(&format!("the table {name} is written with --output only"));
        }
        io::stdout().lock().write_all(text.as_bytes())?;
        return Ok(());
    };
    let about = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(directory).map_err(|error| about(directory, error))?;
    let create = |name: &str, text: &str| {
        let path = directory.join(name);
        // What is there is somebody's work.
        let mut file = File::create_new(&path).map_err(|error| about(&path, error))?;
        file.write_all(text.as_bytes()).map_err(|error| about(&path, error))
    };
    create(FILE, &text)?;
    for (name, text) in &imported.tables {
        create(name, text)?;
    }
    if !directory.join(PASSWD_FILE).exists() {
        create(PASSWD_FILE, &passwd_file(&imported.mailboxes))?;
    }
    let path = directory.join(FILE);
    check(&path).map_err(|error| format!("what was written cannot be used as it is: {error}"))?;
    say(&format!("written: {}; `postroom check --config` tells what is doubtful in it", path.display()));
    Ok(())
}

/// Whether a parameter is about mail that goes to other hosts.
fn leads_away(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "default_transport",
        "relay_domains",
        "relay_transport",
        "relayhost",
        "sender_dependent_default_transport_maps",
        "sender_dependent_relayhost_maps",
        "transport_maps",
    ];
    NAMES.contains(&name)
}

fn check(path: &Path) -> Result<(), Box<dyn Error>> {
    let config = Config::load(path)?;
    if let Some(tls) = &config.tls {
        wiring::certificate(&config, tls)?;
    }
    let settings = wiring::whole_settings(&config)?;
    settings
        .check()
        .map_err(|source| ConfigError::Settings { path: path.into(), source: Box::new(source) })?;
    Ok(())
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
