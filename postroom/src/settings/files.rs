//! The files behind tables, as they are read; and what is to be said of how they lie there.

use relay_policy::table::{Place, Warning};
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Reads the file behind a table, which the configuration calls `written`. What is to be said of it: that everybody may write to
/// it, and so decide in the administrator's place; that it is compiled (`.cdb`) and older than the text that it was compiled
/// from, so that it does not say what stands there.
///
/// # Errors
/// It cannot be read.
pub fn read_table(path: &Path, written: &str) -> io::Result<(Vec<u8>, Vec<Warning>)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut octets = Vec::new();
    file.read_to_end(&mut octets)?;
    let mut warnings = Vec::new();
    let mut warn = |what: String| {
        let place = Place { file: Cow::Owned(written.into()), line: None };
        warnings.push(Warning { place, what });
    };
    if metadata.is_file() && metadata.mode() & 0o002 != 0 {
        warn("everybody may write to it".into());
    }
    let source = written.strip_suffix(".cdb").zip(path.to_str().and_then(|path| path.strip_suffix(".cdb")));
    if let Some((called, source)) = source
        && let (Ok(newer), Ok(compiled)) =
            (fs::metadata(source).and_then(|of| of.modified()), metadata.modified())
        && newer > compiled
    {
        warn(format!("older than its source {called}: `postroom postmap cdb:{called}` compiles it anew"));
    }
    Ok((octets, warnings))
}
