//! Debian's Dovecot at the same Maildir, by `doveadm`: each side in turn adds, marks and removes, and both see the same
//! UIDs, flags, keywords, mailboxes, subscriptions and quota.
//!
//! Only root can change to the user as whom Dovecot works.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a failure here is a failed test")]

mod common;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{append, flags, inbox, message, name, read_all, uids};
use mailstore::maildir::MaildirOptions;
use mailstore::{Access, Env, ErrorKind, Expunge, FlagChange, MailboxName, MaildirStore, QuotaRules, Store};

const LIMIT_BYTES: u64 = 4096;

struct Dovecot {
    directory: tempfile::TempDir,
}

impl Dovecot {
    fn new() -> Option<Self> {
        let has = Command::new("doveadm").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
        if !has || !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root and doveadm");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let at = directory.path().display();
        let conf = format!(
            "base_dir = {at}/run\nstate_dir = {at}/run\nlog_path = {at}/run/log\nssl = no\nmail_uid = nobody\n\
             mail_gid = nogroup\nfirst_valid_uid = 1\nfirst_valid_gid = 1\nmail_location = maildir:{at}/Maildir\n\
             mail_plugins = quota\nnamespace inbox {{\n  inbox = yes\n}}\n\
             plugin {{\n  quota = maildir:User quota\n  quota_rule = *:bytes={LIMIT_BYTES}\n}}\n"
        );
        std::fs::write(directory.path().join("dovecot.conf"), conf).unwrap();
        std::fs::create_dir(directory.path().join("run")).unwrap();
        Some(Self { directory })
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("Maildir")
    }

    /// Opens it as a process that has just begun.
    fn ours(&self) -> MaildirStore {
        let mut quota = QuotaRules::new(format!("{LIMIT_BYTES}S").parse().unwrap());
        quota.count_trash = true;
        let options = MaildirOptions { quota, ..MaildirOptions::default() };
        MaildirStore::open_with(Env::real("test.example"), &self.root(), options).unwrap()
    }

    fn chown(&self, path: &Path) {
        assert!(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(path).status().unwrap().success());
    }

    /// What it says; the error when it fails.
    fn try_run(&self, args: &[&str], input: &[u8]) -> Result<String, String> {
        self.chown(&self.root());
        self.chown(&self.directory.path().join("run"));
        let mut child = Command::new("setpriv")
            .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "doveadm", "-c"])
            .arg(self.directory.path().join("dovecot.conf"))
            .args(args)
            .env("USER", "alice")
            .env("HOME", self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(String::from_utf8(output.stdout).unwrap()) } else { Err(said) }
    }

    fn run(&self, args: &[&str], input: &[u8]) -> String {
        self.try_run(args, input).unwrap_or_else(|said| panic!("doveadm {args:?}: {said}"))
    }

    /// UIDs and flags, sorted, without `\Recent`.
    fn uid_flags(&self, mailbox: &str) -> Vec<(u32, String)> {
        let text = self.run(&["-f", "tab", "fetch", "uid flags", "mailbox", mailbox, "all"], b"");
        let line = |line: &str| {
            let (uid, flags) = line.split_once('\t').unwrap();
            let flags = flags.split(' ').filter(|flag| !matches!(*flag, "" | "\\Recent"));
            (uid.parse().unwrap(), sorted(flags.map(str::to_owned).collect()))
        };
        text.lines().skip(1).map(line).collect()
    }

    /// Octets and messages.
    fn quota_messages(&self) -> u64 {
        let text = self.run(&["-f", "tab", "quota", "get"], b"");
        let line = text.lines().find(|line| line.contains("\tMESSAGE\t")).unwrap();
        line.split('\t').nth(2).unwrap().parse().unwrap()
    }
}

fn sorted(mut flags: Vec<String>) -> String {
    flags.sort_unstable();
    flags.join(" ")
}

fn our_uid_flags(store: &dyn Store, mailbox: &MailboxName) -> Vec<(u32, String)> {
    let mailbox = store.open(mailbox, Access::ReadWrite).unwrap();
    let words = |flags: &mail_message::FlagSet| {
        let system = mail_message::Flag::SYSTEM.into_iter().filter(|flag| flags.contains(flag));
        let all = system.map(|flag| flag.to_string());
        sorted(all.chain(flags.keywords().iter().map(ToString::to_string)).collect())
    };
    mailbox.entries().iter().map(|entry| (entry.uid.get(), words(&entry.flags))).collect()
}

/// Both say the same of a mailbox.
fn agree(dovecot: &Dovecot, mailbox: &str) -> Vec<(u32, String)> {
    let ours = our_uid_flags(&dovecot.ours(), &name(mailbox));
    assert_eq!(dovecot.uid_flags(&mailbox.replace('/', ".")), ours, "{mailbox}");
    // And we again, after it has written what it has to write.
    assert_eq!(our_uid_flags(&dovecot.ours(), &name(mailbox)), ours, "{mailbox}");
    ours
}

#[test]
fn both_work_at_one_maildir_in_turn() {
    let Some(dovecot) = Dovecot::new() else { return };
    let store = dovecot.ours();
    append(&store, &inbox(), &message(1), &flags("\\Seen work")).unwrap();
    append(&store, &inbox(), &message(2), &flags("")).unwrap();
    store.create(&name("Lists/rust")).unwrap();
    store.subscribe(&name("Lists/rust")).unwrap();
    append(&store, &name("Lists/rust"), &message(3), &flags("\\Flagged")).unwrap();
    let validity = store.open(&inbox(), Access::ReadOnly).unwrap().uid_validity();
    agree(&dovecot, "INBOX");
    agree(&dovecot, "Lists/rust");
    assert_eq!(dovecot.run(&["mailbox", "list", "-s"], b"").trim(), "Lists.rust");
    drop(store);

    let mut expected_next = 3;
    for round in 0..3_u32 {
        // Dovecot adds, marks and removes.
        dovecot.run(&["save", "-m", "INBOX"], &message(10 + round));
        let new = expected_next.to_string();
        let keyword = format!("round{round}");
        dovecot
            .run(&["flags", "add", &format!("\\Answered {keyword}"), "mailbox", "INBOX", "uid", &new], b"");
        let seen = agree(&dovecot, "INBOX");
        assert_eq!(seen.last(), Some(&(expected_next, format!("\\Answered {keyword}"))));
        let store = dovecot.ours();
        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        assert_eq!(mailbox.uid_validity(), validity);
        let last = mailbox.entries().last().unwrap().uid;
        // Dovecot saves with the line ends of Unix; both read it with those of the wire.
        assert_eq!(read_all(&mut *mailbox.message(last).unwrap()).unwrap(), message(10 + round));
        // We mark, add and remove.
        mailbox
            .set_flags(&uids(&[expected_next]), FlagChange::Replace, &flags("\\Draft work"), None)
            .unwrap();
        let ours = append(&store, &inbox(), &message(20 + round), &flags("\\Seen")).unwrap();
        assert_eq!(ours.get(), expected_next + 1);
        mailbox.refresh().unwrap();
        mailbox.expunge(&uids(&[expected_next]), Expunge::Any).unwrap();
        agree(&dovecot, "INBOX");
        dovecot.run(&["expunge", "mailbox", "INBOX", "uid", &ours.to_string()], b"");
        assert_eq!(agree(&dovecot, "INBOX").len(), 2);
        expected_next += 2;
        // What each has counted for the other.
        let counted = dovecot.ours().quota().unwrap().unwrap();
        assert_eq!((counted.usage.messages, counted.limits.bytes), (3, Some(LIMIT_BYTES)));
        assert_eq!(dovecot.quota_messages(), 3);
    }

    dovecot.run(&["mailbox", "create", "-s", "Sent.2026"], b"");
    let store = dovecot.ours();
    assert!(store.list().unwrap().iter().any(|info| info.exists && info.name == name("Sent/2026")));
    assert_eq!(store.subscriptions().unwrap(), [name("Lists/rust"), name("Sent/2026")]);
    store.rename(&name("Sent/2026"), &name("Old")).unwrap();
    store.unsubscribe(&name("Sent/2026")).unwrap();
    dovecot.run(&["save", "-m", "Old"], &message(30));
    assert_eq!(agree(&dovecot, "Old"), [(1, String::new())]);
    let listed = dovecot.run(&["mailbox", "list"], b"");
    assert!(listed.contains("Old") && !listed.contains("Sent"), "{listed}");
    assert_eq!(dovecot.run(&["mailbox", "list", "-s"], b"").trim(), "Lists.rust");

    // Each refuses what the other has filled.
    let large = [b"Subject: large\r\n\r\n".to_vec(), vec![b'x'; 3800]].concat();
    append(&dovecot.ours(), &inbox(), &large, &flags("")).unwrap();
    let refused = dovecot.try_run(&["save", "-m", "INBOX"], &large).unwrap_err();
    assert!(refused.to_lowercase().contains("quota"), "{refused}");
    let error = append(&dovecot.ours(), &inbox(), &large, &flags("")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OverQuota);
}
