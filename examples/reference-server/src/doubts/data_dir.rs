//! A data directory that a start could not use.

use super::Finding;
use crate::config::Config;
use crate::wiring::check_owner;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Whether whoever runs this could make the data directory, or write to the one that is there. Root can, as a rule, and leaves files
/// there that are root's. With `by_root`, root makes a missing one at the start, for the user who runs this, and nothing above it.
pub fn of_data_dir(config: &Config, by_root: bool) -> Option<Finding> {
    let directory = &config.data_dir;
    let said = |what: &dyn std::fmt::Display| format!("data_dir: {}: {what}", directory.display());
    // Where the configuration says who serves, it is he who looks; else it may be somebody else who serves.
    let finding = |text| if config.user.is_some() { Finding::error(text) } else { Finding::warning(text) };
    match fs::metadata(directory) {
        Ok(metadata) if !metadata.is_dir() => Some(Finding::error(said(&"it is no directory"))),
        Ok(_) => match check_owner(directory) {
            Err(error) if !rustix::process::geteuid().is_root() => {
                Some(finding(format!("data_dir: {error}")))
            }
            _ => {
                let error = may_write(directory).err()?;
                Some(finding(said(&format_args!("who runs this cannot write there: {error}"))))
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound && by_root => {
            let above = directory.parent().map(or_here).filter(|above| !above.is_dir())?;
            Some(finding(said(&format_args!("root makes it at the start, but not {}", above.display()))))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let above = directory.ancestors().skip(1).map(or_here).find(|above| above.exists())?;
            let error = may_write(above).err()?;
            let above = above.display();
            Some(finding(said(&format_args!("who runs this cannot make it in {above}: {error}"))))
        }
        Err(error) => Some(finding(said(&error))),
    }
}

/// What stands above a relative path of one part.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn may_write(directory: &Path) -> rustix::io::Result<()> {
    accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        let of = |name: &str| {
            let mut config = Config::embedded().unwrap();
            config.data_dir = directory.path().join(name);
            of_data_dir(&config, false).map(|finding| finding.to_string())
        };
        assert_eq!(of("new/deep"), None);
        assert_eq!(of("."), None);
        assert!(of("file").unwrap().starts_with("error: data_dir: /"), "{:?}", of("file"));
        assert!(of("file/deep").unwrap().starts_with("warning: data_dir: /"), "{:?}", of("file/deep"));
        // Nobody may write there, root least of all who is not asked.
        let mut config = Config::embedded().unwrap();
        config.data_dir = "/proc/self/postroom/data".into();
        let told = of_data_dir(&config, false).unwrap().to_string();
        assert!(of_data_dir(&config, true).unwrap().to_string().ends_with("but not /proc/self/postroom"));
        assert!(told.contains("data: who runs this cannot make it in /proc/self: "), "{told}");
    }
}
