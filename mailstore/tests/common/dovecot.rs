//! Debian's Dovecot, by `doveadm`, at a directory that we share with it.
//!
//! Only root can change to the user as whom Dovecot works.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mailstore::maildir::MaildirOptions;
use mailstore::{Env, MaildirStore, QuotaRules};

use super::has;

/// What its quota is for [`Dovecot::new`] and [`Dovecot::ours`].
pub const LIMIT_BYTES: u64 = 4096;

/// One user's mail, and a configuration that shows it to `doveadm`.
pub struct Dovecot {
    directory: tempfile::TempDir,
}

impl Dovecot {
    pub fn new() -> Option<Self> {
        Self::at("")
    }

    /// One whose `mail_location` ends in this.
    pub fn at(options: &str) -> Option<Self> {
        Self::with(|at| {
            format!(
                "mail_location = maildir:{at}/Maildir{options}\nmail_plugins = quota\n\
                 plugin {{\n  quota = maildir:User quota\n  quota_rule = *:bytes={LIMIT_BYTES}\n}}\n"
            )
        })
    }

    /// One that keeps mbox files, all of them in the directory that is the Maildir otherwise.
    pub fn of_mboxes() -> Option<Self> {
        let made = Self::with(|at| {
            format!(
                "mail_location = mbox:{at}/Maildir/mail:INBOX={at}/Maildir/inbox:INDEX={at}/run/index\n\
                 mbox_write_locks = dotlock fcntl\nmbox_dirty_syncs = no\nmbox_very_dirty_syncs = no\n"
            )
        });
        made.inspect(|made| std::fs::create_dir(made.root()).unwrap())
    }

    /// One with this in its configuration, which is told where its files are.
    pub fn with(settings: impl Fn(&str) -> String) -> Option<Self> {
        if !has("doveadm") {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can become the user of doveadm");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let at = directory.path().display().to_string();
        let conf = format!(
            "base_dir = {at}/run\nstate_dir = {at}/run\nlog_path = {at}/run/log\nssl = no\nmail_uid = nobody\n\
             mail_gid = nogroup\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n{}\
             namespace inbox {{\n  inbox = yes\n}}\n",
            settings(&at)
        );
        std::fs::write(directory.path().join("dovecot.conf"), conf).unwrap();
        std::fs::create_dir(directory.path().join("run")).unwrap();
        Some(Self { directory })
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("Maildir")
    }

    /// Opens it as a process that has just begun.
    pub fn ours(&self) -> MaildirStore {
        let mut quota = QuotaRules::new(format!("{LIMIT_BYTES}S").parse().unwrap());
        quota.count_trash = true;
        let options = MaildirOptions { quota, ..MaildirOptions::default() };
        MaildirStore::open_with(Env::real("test.example"), &self.root(), options).unwrap()
    }

    /// This program as the user of the mail, with pipes at all ends.
    pub fn command(&self, program: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).args(program);
        command.env("USER", "alice@Example.test").env("HOME", self.root());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Its configuration.
    pub fn conf(&self) -> PathBuf {
        self.directory.path().join("dovecot.conf")
    }

    /// Gives it what we have made.
    pub fn chown(&self) {
        let mut command = Command::new("chown");
        command.args(["-R", "nobody:nogroup"]).arg(self.root()).arg(self.directory.path().join("run"));
        assert!(command.status().unwrap().success());
    }

    /// What it says; the error when it fails.
    pub fn try_run(&self, args: &[&str], input: &[u8]) -> Result<String, String> {
        self.chown();
        let mut command = self.command(&["doveadm", "-c"]);
        let mut child = command.arg(self.conf()).args(args).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(String::from_utf8(output.stdout).unwrap()) } else { Err(said) }
    }

    pub fn run(&self, args: &[&str], input: &[u8]) -> String {
        self.try_run(args, input).unwrap_or_else(|said| panic!("doveadm {args:?}: {said}"))
    }

    /// UIDs and flags, sorted, without `\Recent`.
    pub fn uid_flags(&self, mailbox: &str) -> Vec<(u32, String)> {
        let text = self.run(&["-f", "tab", "fetch", "uid flags", "mailbox", mailbox, "all"], b"");
        let line = |line: &str| {
            let (uid, flags) = line.split_once('\t').unwrap();
            let flags = flags.split(' ').filter(|flag| !matches!(*flag, "" | "\\Recent"));
            (uid.parse().unwrap(), sorted(flags.map(str::to_owned).collect()))
        };
        text.lines().skip(1).map(line).collect()
    }

    /// Octets and messages.
    pub fn quota_messages(&self) -> u64 {
        let text = self.run(&["-f", "tab", "quota", "get"], b"");
        let line = text.lines().find(|line| line.contains("\tMESSAGE\t")).unwrap();
        line.split('\t').nth(2).unwrap().parse().unwrap()
    }
}

/// In the order of the alphabet, as one text.
pub fn sorted(mut flags: Vec<String>) -> String {
    flags.sort_unstable();
    flags.join(" ")
}
