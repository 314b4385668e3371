//! `postroom import-postfix`: `main.cf` and `master.cf`, or what `postconf -n` prints.

mod common;
mod elsewhere;
mod milters;
mod policy;
mod services;
mod source;

pub use elsewhere::{why as why_not, why_exactly as why_exactly_not};

use super::draft::Draft;
use super::{Imported, write};
use source::Source;
use std::error::Error;
use std::path::Path;

/// Reads a directory with `main.cf` and `master.cf`, or a file that is like `main.cf`, and writes what it comes to.
///
/// # Errors
/// A file that cannot be read, a line that is no parameter and no service, a value that cannot be expanded, and whatever
/// `postroom check` would not take.
pub fn run(path: &Path, output: Option<&Path>) -> Result<(), Box<dyn Error>> {
    write(&read(path)?, output)
}

fn read(path: &Path) -> Result<Imported, Box<dyn Error>> {
    let mut source = Source::read(path)?;
    let mut draft = Draft { origin: full(path), ..Draft::default() };
    let policy = policy::common(&mut source)?;
    common::sections(&mut source, &mut draft)?;
    services::listeners(&mut source, &policy, &mut draft)?;
    draft.policy = policy;
    elsewhere::rest(&mut source);
    let Source { mailboxes, notes, .. } = source;
    Ok(Imported { draft, tables: Vec::new(), mailboxes, notes })
}

/// The whole path, for who reads what was written somewhere else.
fn full(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
}
