//! `postroom postmap` and `postroom postalias`: tables asked, checked and compiled as Postfix's programs of those names do
//! it.

mod message;

use crate::cli::OfMessage;
use postroom::relay_policy::table::{DIRECTORY, KINDS, LookupError, Opened, Opener, compile_cdb};
use postroom::settings::read_table;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, Read as _, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

/// Prints the kinds of tables.
///
/// # Errors
/// Nobody reads what is printed.
pub fn kinds() -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    for kind in KINDS {
        let elsewhere = if kind.is_here { "" } else { " (not looked up by this program yet)" };
        let elsewhere = if kind.name == DIRECTORY.trim_end_matches(':') { "" } else { elsewhere };
        writeln!(output, "{}\t{}{elsewhere}", kind.name, kind.what)?;
    }
    Ok(())
}

/// Prints what stands beside a key, or beside each key that comes in (`-`); false where there is nothing.
///
/// # Errors
/// A table that cannot be opened or asked.
pub fn query(key: &str, tables: &[String], aliases: bool) -> Result<bool, Box<dyn Error>> {
    let tables = tables.iter().map(|table| open(table, aliases)).collect::<Result<Vec<_>, _>>()?;
    let mut output = io::stdout().lock();
    if key != "-" {
        let found = find(&tables, key)?;
        if let Some(text) = &found {
            writeln!(output, "{text}")?;
        }
        return Ok(found.is_some());
    }
    let mut any = false;
    for key in io::stdin().lock().lines() {
        any |= print_found(&mut output, &tables, &key?)?;
    }
    Ok(any)
}

/// Prints what stands beside the fields and lines of a message that comes in; false where there is nothing.
///
/// # Errors
/// The key is not `-`, neither header nor body is wanted; a table that cannot be opened or asked.
pub fn query_message(key: &str, tables: &[String], of: OfMessage) -> Result<bool, Box<dyn Error>> {
    if key != "-" || !(of.header || of.body) {
        return Err(
            "a message comes on standard input: -hq - or -bq -, or with -m behind the first letter".into()
        );
    }
    let tables = tables.iter().map(|table| open(table, false)).collect::<Result<Vec<_>, _>>()?;
    let mut message = Vec::new();
    io::stdin().lock().read_to_end(&mut message)?;
    let (mut output, mut any) = (io::stdout().lock(), false);
    for key in message::keys(&message, of) {
        any |= print_found(&mut output, &tables, &key)?;
    }
    Ok(any)
}

/// Prints all that a table has.
///
/// # Errors
/// A table that cannot be opened, or shows no keys.
pub fn list(tables: &[String], aliases: bool) -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    for name in tables {
        let (mut lines, mut has_keys) = (Vec::new(), true);
        let opened = open(name, aliases)?;
        if let Err(LookupError::Elsewhere { table, .. }) = opened.table.look_up("x") {
            return Err(cannot_be_asked(&table));
        }
        opened.table.visit(&mut |entry| match entry.key {
            Some(key) => lines.push(format!("{key}\t{}", entry.text)),
            None => has_keys = false,
        });
        if !has_keys {
            return Err(format!("{name}: there are no keys in a table of this kind").into());
        }
        lines.iter().try_for_each(|line| writeln!(output, "{line}"))?;
    }
    Ok(())
}

/// Prints a key with what the first table that has it has beside it.
fn print_found(output: &mut impl Write, tables: &[Opened], key: &str) -> Result<bool, Box<dyn Error>> {
    let found = find(tables, key)?;
    if let Some(text) = &found {
        writeln!(output, "{key}\t{text}")?;
    }
    Ok(found.is_some())
}

fn find(tables: &[Opened], key: &str) -> Result<Option<String>, Box<dyn Error>> {
    // No table has an empty key.
    for opened in tables.iter().filter(|_| !key.is_empty()) {
        match opened.table.look_up(key) {
            Ok(None) => {}
            Ok(Some(found)) => return Ok(Some(found.text.into_owned())),
            Err(LookupError::Elsewhere { table, .. }) => return Err(cannot_be_asked(&table)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn cannot_be_asked(table: &str) -> Box<dyn Error> {
    format!("{table}: tables of this kind cannot be asked from here").into()
}

/// Compiles `cdb:` tables from their source; reads those of other kinds and tells what is wrong with them.
///
/// # Errors
/// A source that cannot be read, a table that makes no sense, or a cdb that cannot be written.
pub fn make(tables: &[String], aliases: bool) -> Result<(), Box<dyn Error>> {
    for table in tables {
        match table.strip_prefix("cdb:") {
            Some(source) => compile(Path::new(source), aliases)?,
            None => {
                open(table, aliases)?;
                say(&format_args!("{table}: read, and nothing to be compiled: a server reads it as it is"));
            }
        }
    }
    Ok(())
}

fn open(table: &str, aliases: bool) -> Result<Opened, Box<dyn Error>> {
    // Where no kind is said, it is a text file.
    let reference = if table.contains(':') { table.to_owned() } else { format!("hash:{table}") };
    let read = |path: &str| {
        if path.is_empty() {
            return Err("no file is named behind the colon".to_owned());
        }
        let (octets, _, warnings) =
            read_table(Path::new(path), path).map_err(|error| format!("{path}: {error}"))?;
        warnings.iter().for_each(|warning| warn(warning));
        Ok(octets)
    };
    let opener = Opener::new(&read);
    let opened = if aliases { opener.aliases() } else { opener }.open(&reference)?;
    opened.warnings.iter().for_each(|warning| warn(warning));
    Ok(opened)
}

/// Writes `source.cdb` in one step: who reads has the old one or the new one. It belongs to whom the source belongs to,
/// and may be read by whom the source may be read by. That is the file that was read, whatever has its name by now: where root compiles
/// a user's table, nobody is given what he could not have read.
fn compile(source: &Path, aliases: bool) -> Result<(), Box<dyn Error>> {
    let about = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let (text, metadata, warnings) =
        read_table(source, &source.to_string_lossy()).map_err(|error| about(source, error))?;
    warnings.iter().for_each(|warning| warn(warning));
    let (cdb, warnings) = compile_cdb(&source.to_string_lossy(), &text, aliases)?;
    warnings.iter().for_each(|warning| warn(warning));
    let mut target = source.as_os_str().to_owned();
    target.push(".cdb");
    let directory = source.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        // A new file of a name that nobody knows: where root compiles a user's table, the user might have put a link there.
        let mut scratch = tempfile::Builder::new().prefix(".cdb-").tempfile_in(directory)?;
        scratch.write_all(&cdb)?;
        let file = scratch.as_file();
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
            fchown(file, Some(metadata.uid()), Some(metadata.gid()))?;
        }
        file.set_permissions(metadata.permissions())?;
        file.sync_all()?;
        scratch.persist(&target)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error| about(Path::new(&target), error).into())
}

fn warn(what: &dyn std::fmt::Display) {
    say(&format_args!("warning: {what}"));
}

#[expect(clippy::print_stderr, reason = "what a command line program has to tell besides belongs there")]
fn say(what: &dyn std::fmt::Display) {
    eprintln!("postroom: {what}");
}
