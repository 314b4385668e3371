//! `postroom postmap` and `postroom postalias`: tables asked, checked and compiled as Postfix's programs of those names do
//! it.

use postroom::relay_policy::table::{LookupError, Opened, Opener, compile_cdb};
use postroom::settings::read_table;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

/// Prints what stands beside a key, or beside each key that comes in (`-`); false where there is nothing.
///
/// # Errors
/// A table that cannot be opened or asked.
pub fn query(key: &str, tables: &[String], aliases: bool) -> Result<bool, Box<dyn Error>> {
    let tables = tables.iter().map(|table| open(table, aliases)).collect::<Result<Vec<_>, _>>()?;
    let find = |key: &str| -> Result<Option<String>, Box<dyn Error>> {
        for opened in &tables {
            match opened.table.look_up(key) {
                Ok(None) => {}
                Ok(Some(found)) => return Ok(Some(found.text.into_owned())),
                Err(LookupError::Elsewhere { table, .. }) => {
                    return Err(format!("{table}: tables of this kind cannot be asked from here").into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    };
    let mut output = io::stdout().lock();
    if key != "-" {
        let found = find(key)?;
        if let Some(text) = &found {
            writeln!(output, "{text}")?;
        }
        return Ok(found.is_some());
    }
    let mut any = false;
    for key in io::stdin().lock().lines() {
        let key = key?;
        if let Some(text) = find(&key)? {
            writeln!(output, "{key}\t{text}")?;
            any = true;
        }
    }
    Ok(any)
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
            }
        }
    }
    Ok(())
}

fn open(table: &str, aliases: bool) -> Result<Opened, Box<dyn Error>> {
    // Where no kind is said, it is a text file.
    let reference = if table.contains(':') { table.to_owned() } else { format!("hash:{table}") };
    let read = |path: &str| {
        let (octets, warnings) =
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
/// and may be read by whom the source may be read by.
fn compile(source: &Path, aliases: bool) -> Result<(), Box<dyn Error>> {
    let about = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let (text, warnings) =
        read_table(source, &source.to_string_lossy()).map_err(|error| about(source, error))?;
    warnings.iter().for_each(|warning| warn(warning));
    let metadata = fs::metadata(source).map_err(|error| about(source, error))?;
    let (cdb, warnings) = compile_cdb(&source.to_string_lossy(), &text, aliases)?;
    warnings.iter().for_each(|warning| warn(warning));
    let named = |ending: &str| {
        let mut name = source.as_os_str().to_owned();
        name.push(ending);
        name
    };
    let (target, scratch) = (named(".cdb"), named(".cdb.tmp"));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&scratch)?;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
            fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
        }
        file.set_permissions(metadata.permissions())?;
        file.write_all(&cdb)?;
        file.sync_all()?;
        fs::rename(&scratch, &target)?;
        let directory = source.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| about(Path::new(&target), error).into())
}

#[expect(clippy::print_stderr, reason = "a warning of a command line program belongs there")]
fn warn(what: &dyn std::fmt::Display) {
    eprintln!("postroom: warning: {what}");
}
