//! The files behind tables, as they are read; and what is to be said of how they lie there.

use relay_policy::table::{Place, Warning};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The files behind tables, each as it was when it was looked at.
///
/// Of two looks that are equal, nobody has changed a file between them, or only within what the file system's clock tells apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableFiles(BTreeMap<PathBuf, Stamp>);

/// What changes with a file: its place on the disk, its length, the seconds and nanoseconds of its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl TableFiles {
    /// The same files as they are now. One that cannot be looked at is as it was: what was read of it holds.
    pub fn now(&self) -> Self {
        let now = |(path, stamp): (&PathBuf, &Stamp)| {
            (path.clone(), fs::metadata(path).map_or(*stamp, |metadata| Stamp::of(&metadata)))
        };
        Self(self.0.iter().map(now).collect())
    }

    /// Whether a file is one of them.
    pub fn has(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// Those that this user could not read now, each with what the system says: a reload or a start would fail.
    pub fn unreadable(&self) -> BTreeMap<PathBuf, String> {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        let why = |path: &PathBuf| accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS).err();
        self.0.keys().filter_map(|path| Some((path.clone(), why(path)?.to_string()))).collect()
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let changed = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), length: metadata.len(), changed }
    }
}

/// Reads files for tables, and remembers what there is to say of them.
#[derive(Debug, Default)]
pub(super) struct Reader {
    warnings: RefCell<Vec<Warning>>,
    files: RefCell<BTreeMap<PathBuf, Stamp>>,
}

impl Reader {
    /// Reads the file at `path`, which the configuration calls `written`.
    pub(super) fn read(&self, path: PathBuf, written: &str) -> Result<Vec<u8>, String> {
        let read = read_table(&path, written).map_err(|error| format!("{}: {error}", path.display()));
        let (octets, metadata, warnings) = read?;
        let mut told = self.warnings.borrow_mut();
        for warning in warnings {
            if !told.contains(&warning) {
                told.push(warning);
            }
        }
        // Of what is read twice, the older look: what has changed between them is to be read anew.
        self.files.borrow_mut().entry(path).or_insert(Stamp::of(&metadata));
        Ok(octets)
    }

    pub(super) fn into_parts(self) -> (Vec<Warning>, TableFiles) {
        (self.warnings.into_inner(), TableFiles(self.files.into_inner()))
    }
}

/// Reads the file behind a table, which the configuration calls `written`. What is to be said of it: that everybody may write to
/// it, and so decide in the administrator's place; that it is compiled (`.cdb`) and older than the text that it was compiled
/// from, so that it does not say what stands there.
///
/// The metadata are of the file that was read: another may have its name by now.
///
/// # Errors
/// It cannot be read.
pub fn read_table(path: &Path, written: &str) -> io::Result<(Vec<u8>, Metadata, Vec<Warning>)> {
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
    Ok((octets, metadata, warnings))
}
