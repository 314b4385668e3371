//! Whom the server runs as: root opens the ports, and all else is done by the user whom the configuration names.
//!
//! Everything but the ports is read and written as that user, certificate and accounts too, so that what a start can do, a reload can. The
//! configuration is read by root first, since it has the user's name, and then again.

use crate::config::Config;
use crate::wiring;
use nix::unistd::{Uid, User, geteuid, initgroups, setgid, setuid};
use postroom::server::Sockets;
use rustix::fs::{Mode, OFlags, open};
use std::error::Error;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

/// Opens the ports and becomes the configured user, for good, and reads the configuration again. The sockets are none where no other
/// user is configured: the start opens the ports then.
///
/// # Errors
/// A user who is not there, is root, whom only root could become, or who cannot read the configuration; a port that cannot be opened.
pub fn give_up(path: Option<&Path>, config: Config) -> Result<(Config, Sockets), Box<dyn Error>> {
    let Some(user) = other_user(&config)? else { return Ok((config, Sockets::default())) };
    let sockets = Sockets::open(&wiring::listeners(&config))?;
    make_data_dir(&config.data_dir, &user)?;
    become_him(&user)?;
    Ok((read_as(&user, path)?, sockets))
}

/// Becomes the configured user, where root runs a command that does what the server would, and reads the configuration again.
///
/// # Errors
/// As [`give_up`].
pub fn become_user(path: Option<&Path>, config: Config) -> Result<Config, Box<dyn Error>> {
    if !geteuid().is_root() {
        return Ok(config);
    }
    let Some(user) = other_user(&config)? else { return Ok(config) };
    become_him(&user)?;
    read_as(&user, path)
}

/// What this user can read, a reload can.
fn read_as(user: &User, path: Option<&Path>) -> Result<Config, Box<dyn Error>> {
    let unread = |error| format!("{error}: the user {} must be able to read it, for reloads", user.name);
    Ok(Config::read(path).map_err(unread)?)
}

/// The home of whom root has become, for the commands of aliases: that of the environment is root's.
pub fn home(config: &Config) -> Option<PathBuf> {
    config.user.as_ref()?;
    User::from_uid(geteuid()).ok().flatten().map(|user| user.dir)
}

/// Becomes whom a directory belongs to, where root runs a command on what is in it.
///
/// # Errors
/// Nobody has that number, so that his groups are not known; the system does not let us.
pub fn become_owner(directory: &Path) -> Result<(), Box<dyn Error>> {
    // That it is not there is told by who looks next.
    let Ok(metadata) = std::fs::metadata(directory) else { return Ok(()) };
    let owner = Uid::from_raw(metadata.uid());
    if !geteuid().is_root() || owner.is_root() {
        return Ok(());
    }
    let user = User::from_uid(owner).map_err(|error| format!("the user {owner}: {error}"))?;
    user.map_or_else(
        || {
            Err(format!("{}: it belongs to the user {owner}, who has no name here", directory.display())
                .into())
        },
        |user| become_him(&user),
    )
}

/// Whether root runs the server: there is no other user in the configuration, and root has the data directory, or where it is not
/// made yet, runs this.
pub fn is_roots(config: &Config) -> bool {
    let made = std::fs::metadata(&config.data_dir);
    config.user.is_none() && made.map_or(geteuid().is_root(), |made| made.uid() == 0)
}

/// Whether a start would make the data directory as root, for the configured user.
pub fn makes_data_dir(config: &Config) -> bool {
    geteuid().is_root() && config.user.is_some()
}

/// The configured user, unless this is he.
fn other_user(config: &Config) -> Result<Option<User>, Box<dyn Error>> {
    let Some(name) = &config.user else { return Ok(None) };
    let user = User::from_name(name).map_err(|error| format!("user = \"{name}\": {error}"))?;
    let user = user.ok_or_else(|| {
        format!("user = \"{name}\": there is no user of this name: make one, or name another")
    })?;
    if user.uid.is_root() || user.gid.as_raw() == 0 {
        let what = if user.uid.is_root() { "that is root" } else { "its group is root's" };
        return Err(format!("user = \"{name}\": {what}: name a user who is not, or leave it out").into());
    }
    match geteuid() {
        own if own == user.uid => Ok(None),
        own if own.is_root() => Ok(Some(user)),
        own => Err(format!(
            "user = \"{name}\": only root can become somebody else, and this is the user {own}: start it as root or as {name}"
        )
        .into()),
    }
}

/// Takes the user's identity and groups, in all threads, and makes sure that there is no way back.
fn become_him(user: &User) -> Result<(), Box<dyn Error>> {
    let failed = |error: nix::Error| format!("cannot become the user {}: {error}", user.name);
    let name = std::ffi::CString::new(user.name.as_bytes())?;
    initgroups(&name, user.gid).map_err(failed)?;
    setgid(user.gid).map_err(failed)?;
    setuid(user.uid).map_err(failed)?;
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err(
            format!("root can be had back after becoming the user {}: nothing is served", user.name).into()
        );
    }
    Ok(())
}

/// Makes the data directory for a user who may not make it himself. One that is there stays as it is, whoever's it is.
fn make_data_dir(path: &Path, user: &User) -> Result<(), Box<dyn Error>> {
    let failed = |error: std::io::Error| format!("data_dir: {}: {error}", path.display());
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_safe = |above: std::fs::Metadata| above.uid() == 0 && above.mode() & 0o022 == 0;
    // Whoever else may write there could put something of root's in its place, and would be given that.
    if !path.exists() && !std::fs::metadata(above).is_ok_and(is_safe) {
        let why = "others than root may write to the directory above it: make it yourself, for that user";
        return Err(format!("data_dir: {}: {why} ({})", path.display(), user.name).into());
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
            fchown(&directory, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(failed)?;
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // The parts above it are somebody's whom only an administrator knows.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("data_dir: {}: {error}: make the directory above it", path.display()).into())
        }
        Err(error) => Err(failed(error).into()),
    }
}
