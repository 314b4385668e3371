//! What a program touches, written down by strace, beside what a profile lets it.
//!
//! Only what succeeds is written down. What each system call needs is as AppArmor's hooks have it: to look at a file (`stat`, `access`), to read a link
//! and to watch something need no right; to make, remove, rename and change its mode need `w`, and a rename `r` of what is renamed; a lock needs `k`, code that is mapped `m`.
//! A directory is a path that ends in `/`. Of something that is gone it is not known whether it was one, and a rule for either will do.

use super::Profile;
use crate::programs::has;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The system calls that are written down. Those behind `?` are not on each processor.
const CALLS: &str = "?open,openat,openat2,?creat,execve,execveat,?mkdir,mkdirat,?mknod,mknodat,?unlink,unlinkat,?rmdir,?rename,?renameat,\
    renameat2,?link,linkat,?symlink,symlinkat,truncate,?chmod,fchmod,fchmodat,?chown,fchown,?lchown,fchownat,bind,connect,socket,\
    socketpair,flock,fcntl,mmap,kill,tkill,tgkill";

/// Where a recording is kept.
#[derive(Debug)]
pub struct Recording {
    directory: PathBuf,
    program: PathBuf,
}

/// Whether strace is there and may trace; says so when it is not or may not.
///
/// # Panics
/// As [`has`] does, where it is not there.
#[must_use]
#[allow(clippy::print_stderr, reason = "who runs the test is to see what was skipped")]
pub fn is_possible() -> bool {
    if !has("strace") {
        return false;
    }
    // A container may forbid it, and so does who traces us.
    let may = Command::new("strace").args(["-qq", "-o", "/dev/null", "-e", "trace=none", "true"]).output();
    let may = may.is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("skipped: strace may not trace here");
    }
    may
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    /// To a path, with the rights that it takes.
    Path(String, &'static str),
    /// A socket was made, as `inet6` and `stream`.
    Socket(String, String),
    Sent(String),
    Received(String),
    /// Something that needs no rule.
    Free,
}

impl Recording {
    /// A recording of a program in a directory that is there and empty.
    #[must_use]
    pub fn new(directory: &Path, program: &Path) -> Self {
        let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
        Self { directory: directory.to_owned(), program }
    }

    /// What is to be put before the program's command line. The process that is started is the program itself.
    #[must_use]
    pub fn command(&self) -> Vec<OsString> {
        let trace = format!("trace={CALLS}");
        let options = ["strace", "-D", "-ff", "-y", "-q", "--status=successful", "-e", &trace, "-o"];
        let to = self.directory.join("thread").into_os_string();
        options.into_iter().map(OsString::from).chain([to]).collect()
    }

    /// Waits until all threads have ended and all is written down.
    ///
    /// # Panics
    /// When that takes longer than a minute.
    pub fn wait(&self) {
        for _ in 0..600 {
            if self.without_end().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("no end after a minute: {:#?}", self.without_end());
    }

    /// Each thread that goes on, with its last line so far; all of nothing where nothing is written down yet.
    fn without_end(&self) -> Vec<String> {
        let files: Vec<PathBuf> =
            fs::read_dir(&self.directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        if files.is_empty() {
            return vec!["nothing is written down".to_owned()];
        }
        let goes_on = |file: &PathBuf| {
            // One that is killed as it begins may have no last line.
            let is_there = Path::new("/proc").join(file.extension()?).exists();
            let text = fs::read(file).ok()?;
            let text = String::from_utf8_lossy(&text);
            let last = text.lines().next_back().unwrap_or_default();
            (is_there && !last.starts_with("+++ ")).then(|| format!("{}: {last}", file.display()))
        };
        files.iter().filter_map(goes_on).collect()
    }

    /// What each thread did.
    fn threads(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| fs::read(entry.path()).ok())
            .map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// What was done without a rule, rules (of those about paths, each letter) that nothing needs, and what is not understood: all in words.
    #[must_use]
    pub fn faults(&self, profile: &Profile) -> BTreeSet<String> {
        faults(self.threads(), &self.program, profile)
    }
}

fn faults(threads: impl Iterator<Item = String>, program: &Path, profile: &Profile) -> BTreeSet<String> {
    let mut faults = BTreeSet::new();
    let (mut used_paths, mut used_network) = (BTreeSet::new(), BTreeSet::new());
    for text in threads {
        for line in text.lines() {
            match deed(line, program) {
                Err(why) => drop(faults.insert(format!("{why}: {line}"))),
                Ok(deeds) => {
                    let without = |deed: &Deed| !is_let(profile, deed, &mut used_paths, &mut used_network);
                    let without = deeds.into_iter().filter(without);
                    faults.extend(without.map(|deed| format!("no rule for {deed:?}: {line}")));
                }
            }
        }
    }
    for (place, rule) in profile.paths.iter().enumerate().filter(|(_, rule)| !rule.is_untested) {
        let unused: String = rule.may.iter().filter(|may| !used_paths.contains(&(place, **may))).collect();
        if unused.len() == rule.may.len() {
            faults.insert(format!("nothing needs {}", rule.text));
        } else if !unused.is_empty() {
            faults.insert(format!("nothing needs {unused} of {}", rule.text));
        }
    }
    let network = profile.network.iter().enumerate();
    let unused = network.filter(|(place, rule)| !rule.is_untested && !used_network.contains(place));
    faults.extend(unused.map(|(_, rule)| format!("nothing needs network {} {},", rule.family, rule.kind)));
    faults
}

/// Whether a profile lets something be done; by which rules, and which letters of those about paths, is added to what is used.
fn is_let(
    profile: &Profile,
    deed: &Deed,
    paths: &mut BTreeSet<(usize, char)>,
    network: &mut BTreeSet<usize>,
) -> bool {
    match deed {
        Deed::Free => true,
        Deed::Sent(signal) => profile.sends.has(signal),
        Deed::Received(signal) => profile.receives.has(signal) || profile.sends.has(signal),
        Deed::Socket(family, kind) => {
            let place = profile.network.iter().position(|rule| rule.family == *family && rule.kind == *kind);
            network.extend(place);
            place.is_some()
        }
        Deed::Path(path, needed) => forms(path).iter().any(|path| {
            for (place, rule) in profile.paths.iter().enumerate().filter(|(_, rule)| rule.has(path)) {
                let given = needed.chars().filter(|c| rule.may.contains(c));
                paths.extend(given.map(|c| (place, c)));
            }
            let may = profile.may(path);
            needed.chars().all(|c| may.contains(&c))
        }),
    }
}

/// How rules may write a path: as a file, as a directory, and as either where it is gone.
fn forms(path: &str) -> Vec<String> {
    let directory = format!("{}/", path.trim_end_matches('/'));
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => vec![directory],
        Ok(_) => vec![path.to_owned()],
        Err(_) => vec![path.to_owned(), directory],
    }
}

/// What a line tells.
///
/// # Errors
/// Why it is not understood.
fn deed(line: &str, program: &Path) -> Result<Vec<Deed>, String> {
    // What had not come to its end when all ended was not done.
    if line.starts_with("+++ ") || line.ends_with("<unfinished ...>") {
        return Ok(Vec::new());
    }
    if let Some(rest) = line.strip_prefix("--- ") {
        let name = rest.split(' ').next().unwrap_or_default();
        // What the kernel itself sends needs no right: SIGPIPE, which it says is from a user, and what has a code of its own.
        let is_from_somebody = name != "SIGPIPE"
            && ["si_code=SI_USER", "si_code=SI_TKILL"].iter().any(|code| rest.contains(code));
        return Ok(vec![if is_from_somebody { Deed::Received(name.to_owned()) } else { Deed::Free }]);
    }
    let (call, rest) = line.split_once('(').ok_or("no system call")?;
    let (arguments, result) = rest.rsplit_once(" = ").ok_or("no result")?;
    let path = |place| path(arguments, place);
    let one = |path: String, needed| vec![Deed::Path(path, needed)];
    Ok(match call {
        "open" | "openat" | "openat2" | "creat" => {
            one(in_brackets(result).ok_or("no file")?, opening(call, arguments))
        }
        "execve" | "execveat" => {
            let started = real(&path(0)?);
            // The program itself is put under its profile by whoever starts it.
            let needed = if Path::new(&started) == program { "mr" } else { "mrx" };
            one(started, needed)
        }
        "unlink" | "unlinkat" | "rmdir" | "mkdir" | "mkdirat" | "mknod" | "mknodat" | "truncate"
        | "chmod" | "fchmodat" | "chown" | "lchown" | "fchownat" => one(path(0)?, "w"),
        "rename" | "renameat" | "renameat2" => vec![Deed::Path(path(0)?, "rw"), Deed::Path(path(1)?, "w")],
        "link" | "linkat" => one(path(1)?, "l"),
        "symlink" | "symlinkat" => one(path(1)?, "w"),
        "fchmod" | "fchown" => one(in_brackets(arguments).ok_or("no file")?, "w"),
        "bind" | "connect" => match arguments.split_once("sun_path=\"") {
            Some((_, path)) => {
                let path = path.split('"').next().unwrap_or_default().to_owned();
                one(path, if call == "bind" { "w" } else { "rw" })
            }
            None if arguments.contains("sun_path=") => return Err("a socket that has no path".to_owned()),
            None => vec![Deed::Free],
        },
        "socket" | "socketpair" => {
            let word = |prefix: &str| {
                let rest = arguments.split_once(prefix).map(|(_, rest)| rest);
                rest.and_then(|rest| rest.split([',', '|', ')']).next()).map(str::to_lowercase)
            };
            vec![Deed::Socket(word("AF_").ok_or("no family")?, word("SOCK_").ok_or("no kind")?)]
        }
        "flock" => one(in_brackets(arguments).ok_or("no file")?, "k"),
        "fcntl" if arguments.contains("LK") => one(in_brackets(arguments).ok_or("no file")?, "k"),
        "mmap" if arguments.contains("MAP_ANONYMOUS") => vec![Deed::Free],
        "mmap" => {
            let mut deeds = Vec::new();
            let file = in_brackets(arguments).ok_or("no file")?;
            if arguments.contains("PROT_EXEC") {
                deeds.push(Deed::Path(file.clone(), "mr"));
            }
            if arguments.contains("PROT_WRITE") && arguments.contains("MAP_SHARED") {
                deeds.push(Deed::Path(file, "rw"));
            }
            deeds
        }
        "kill" | "tkill" | "tgkill" => {
            let signal = arguments.rsplit(", ").next().unwrap_or_default().trim_end_matches([')', ' ']);
            // A signal that is none asks whether there is somebody.
            vec![Deed::Sent(if signal == "0" { "SIGEXISTS" } else { signal }.to_owned())]
        }
        "fcntl" => vec![Deed::Free],
        _ => return Err("a system call that nobody asked for".to_owned()),
    })
}

/// What an opening needs.
fn opening(call: &str, arguments: &str) -> &'static str {
    let has = |flag| arguments.contains(flag);
    if has("O_PATH") {
        return "";
    }
    let makes = call == "creat" || ["O_CREAT", "O_TRUNC", "O_WRONLY"].iter().any(|flag| has(flag));
    match (has("O_RDWR"), makes) {
        (true, _) => "rw",
        (false, true) if has("O_RDONLY") => "rw",
        (false, true) => "w",
        (false, false) => "r",
    }
}

/// What a number of an open file stands for: the path behind the first of them.
fn in_brackets(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("</")?;
    Some(format!("/{}", rest.split_once('>')?.0))
}

/// The path with this number among the arguments.
fn path(arguments: &str, number: usize) -> Result<String, String> {
    let mut rest = arguments;
    for _ in 0..number {
        rest = after_quotes(rest).ok_or("too few paths")?;
    }
    let (before, behind) = rest.split_once('"').ok_or("no path")?;
    let path = behind.split('"').next().unwrap_or_default();
    if path.contains('\\') {
        return Err("a path that has to be decoded".to_owned());
    }
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    let directory = in_brackets(before).ok_or("a path that begins nowhere")?;
    Ok(format!("{}/{path}", directory.trim_end_matches('/')))
}

/// What stands behind the first text in quotes.
fn after_quotes(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('"')?;
    rest.split_once('"').map(|(_, rest)| rest)
}

/// Without links.
fn real(path: &str) -> String {
    fs::canonicalize(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may unwrap")]

    use super::*;
    use std::collections::BTreeMap;

    fn one(line: &str) -> Deed {
        let mut deeds = deed(line, Path::new("/no/program")).unwrap();
        assert_eq!(deeds.len(), 1, "{line}");
        deeds.remove(0)
    }

    #[test]
    fn lines_tell_what_was_done() {
        let path = |path: &str, needed| Deed::Path(path.to_owned(), needed);
        for (line, expected) in [
            (r#"openat(AT_FDCWD</>, "/lib/x", O_RDONLY|O_CLOEXEC) = 3</usr/lib/x>"#, path("/usr/lib/x", "r")),
            (r#"openat(AT_FDCWD</w>, "a", O_WRONLY|O_CREAT|O_CLOEXEC, 0600) = 3</w/a>"#, path("/w/a", "w")),
            (r#"openat(AT_FDCWD</w>, "a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3</w/a>"#, path("/w/a", "rw")),
            (r#"openat(5</w/d>, "a", O_RDONLY|O_PATH) = 3</w/d/a>"#, path("/w/d/a", "")),
            (r#"mkdir("/w/d", 0700)                    = 0"#, path("/w/d", "w")),
            (r#"unlinkat(5</w/d>, "a", 0) = 0"#, path("/w/d/a", "w")),
            (r#"linkat(AT_FDCWD</w>, "/w/a", AT_FDCWD</w>, "b", 0) = 0"#, path("/w/b", "l")),
            (r"fchown(5</w/d>, 1, 1) = 0", path("/w/d", "w")),
            (r#"bind(5<socket:[9]>, {sa_family=AF_UNIX, sun_path="/w/s"}, 8) = 0"#, path("/w/s", "w")),
            (r#"connect(5<socket:[9]>, {sa_family=AF_UNIX, sun_path="/w/s"}, 8) = 0"#, path("/w/s", "rw")),
            (r"fcntl(6</w/a>, F_OFD_SETLK, {l_type=F_WRLCK}) = 0", path("/w/a", "k")),
            (r"flock(6</w/a>, LOCK_EX|LOCK_NB) = 0", path("/w/a", "k")),
            (
                r"mmap(0x7f, 40, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED, 3</l/c.so>, 0) = 0x7f",
                path("/l/c.so", "mr"),
            ),
            (r#"execve("/no/other", ["/no/other"], 0x7ffd /* 3 vars */) = 0"#, path("/no/other", "mrx")),
            (r#"execve("/no/program", ["x"], 0x7ffd /* 3 vars */) = 0"#, path("/no/program", "mr")),
            (r"kill(-17, SIGKILL) = 0", Deed::Sent("SIGKILL".into())),
            (r"kill(17, 0)                             = 0", Deed::Sent("SIGEXISTS".into())),
            (
                "--- SIGHUP {si_signo=SIGHUP, si_code=SI_USER, si_pid=7, si_uid=0} ---",
                Deed::Received("SIGHUP".into()),
            ),
            ("--- SIGPIPE {si_signo=SIGPIPE, si_code=SI_USER, si_pid=7, si_uid=0} ---", Deed::Free),
            ("--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=7} ---", Deed::Free),
            (
                r"socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 3<socket:[8]>",
                Deed::Socket("inet6".into(), "dgram".into()),
            ),
        ] {
            assert_eq!(one(line), expected, "{line}");
        }
        let renamed = deed(r#"rename("/w/a", "/w/b") = 0"#, Path::new("/")).unwrap();
        assert_eq!(renamed, [path("/w/a", "rw"), path("/w/b", "w")]);
    }

    #[test]
    fn what_has_no_rule_and_what_needs_none_is_told() {
        let text = "# Of the tests.\nprofile x {\n  # Files.\n  /no/w/** rw,\n  /no/w/l rwk,\n  /no/unused r,\n  network inet stream,\n\n\
            # Untested: never.\n  /no/other r,\n\n  # Ends.\n  signal send set=(kill) peer=x,\n}\n";
        let profile = Profile::parse(text, BTreeMap::new()).unwrap();
        let threads = [
            "openat(AT_FDCWD</>, \"/no/w/a\", O_RDWR) = 3</no/w/a>\nflock(3</no/w/l>, LOCK_EX) = 0\n",
            "flock(3</no/w/a>, LOCK_EX) = 0\nsocket(AF_INET, SOCK_STREAM, 0) = 4<socket:[1]>\n",
            "socket(AF_UNIX, SOCK_STREAM, 0) = 4<socket:[1]>\nkill(5, SIGKILL) = 0\nkill(5, SIGTERM) = 0\n",
            "futex(0x1, FUTEX_WAIT <unfinished ...>\n+++ exited with 0 +++\nexit(0) = ?\n",
        ];
        let found = faults(threads.into_iter().map(str::to_owned), Path::new("/no"), &profile);
        let begins = [
            "a system call that nobody asked for: exit(0)",
            "no rule for Path(\"/no/w/a\", \"k\"): flock",
            "no rule for Sent(\"SIGTERM\"): kill",
            "no rule for Socket(\"unix\", \"stream\"): socket",
            "nothing needs /no/unused r,",
            "nothing needs rw of /no/w/l rwk,",
        ];
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        assert!(found.iter().zip(begins).all(|(found, begins)| found.starts_with(begins)), "{found:#?}");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for line in [
            "exit_group(0) = ?",
            r#"mkdir("a", 0700) = 0"#,
            r#"mkdir("/w/\303\274", 0700) = 0"#,
            r#"connect(5<socket:[9]>, {sa_family=AF_UNIX, sun_path=@"x"}, 8) = 0"#,
            "strace: something",
        ] {
            assert!(deed(line, Path::new("/")).is_err(), "{line}");
        }
    }
}
