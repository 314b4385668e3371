//! Debian's Postfix, and Dovecot's LMTP server, each in a directory of its own on a free port of 127.0.0.1.
//!
//! Both have users of their own for their processes, so only root can start them.

use super::has;
use rustls::pki_types::CertificateDer;
use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Whose the mailboxes are: `nobody`, there on every Debian.
const MAIL_UID: u32 = 65_534;

/// A running server of somebody else's, with the mailboxes alice and bob of example.test.
pub struct Peer {
    pub address: SocketAddr,
    pub certificate: CertificateDer<'static>,
    child: Child,
    stop: Command,
    pid_file: PathBuf,
    log: PathBuf,
    mailboxes: PathBuf,
    _directory: tempfile::TempDir,
}

/// Whether such servers can be started; says why when not.
pub fn can_start(programs: &[&str]) -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can start {}", programs.join(" and "));
        return false;
    }
    programs.iter().all(|program| has(program))
}

impl Peer {
    /// Postfix, which delivers by its virtual(8) agent.
    pub fn postfix() -> Self {
        Self::postfix_with("")
    }

    /// The same, with more lines of `main.cf`.
    pub fn postfix_with(more: &str) -> Self {
        let directory = directory();
        let (root, port) = (directory.path(), free_port());
        let mailboxes = mailboxes(root);
        let (certificate, pem) = certificate(root);
        for name in ["conf", "spool", "data", "log"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        assert!(Command::new("chown").arg("postfix").arg(root.join("data")).status().unwrap().success());
        let (conf, at) = (root.join("conf"), root.display());
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {at}/spool\ndata_directory = {at}/data\n\
             command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
             maillog_file = {at}/log/mail\nmaillog_file_prefixes = {at}\n\
             myhostname = mx.example.test\nmydestination =\nlocal_recipient_maps =\nalias_maps =\nmynetworks =\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nlocal_header_rewrite_clients =\n\
             smtpd_peername_lookup = no\nsmtp_dns_support_level = disabled\n\
             smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {}\n\
             virtual_mailbox_domains = example.test\nvirtual_mailbox_base = {}\n\
             virtual_mailbox_maps = inline:{{ alice@example.test=alice/, bob@example.test=bob/ }}\n\
             virtual_uid_maps = static:{MAIL_UID}\nvirtual_gid_maps = static:{MAIL_UID}\n{more}\n",
            pem.display(),
            mailboxes.display()
        );
        fs::write(conf.join("main.cf"), main).unwrap();
        let mut master = format!(
            "127.0.0.1:{port} inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n"
        );
        for (name, limit, program) in [
            ("tlsmgr", "1", "tlsmgr"),
            ("rewrite", "-", "trivial-rewrite"),
            ("bounce", "0", "bounce"),
            ("defer", "0", "bounce"),
            ("trace", "0", "bounce"),
            ("proxymap", "-", "proxymap"),
            ("error", "-", "error"),
            ("retry", "-", "error"),
            ("anvil", "1", "anvil"),
        ] {
            master.push_str(&format!("{name} unix - - n - {limit} {program}\n"));
        }
        master.push_str("virtual unix - n n - - virtual\npostlog unix-dgram n - n - 1 postlogd\n");
        fs::write(conf.join("master.cf"), master).unwrap();
        let mut start = Command::new("postfix");
        start.arg("-c").arg(&conf).arg("start-fg");
        let mut stop = Command::new("postfix");
        stop.arg("-c").arg(&conf).arg("stop");
        Self::started(directory, start, stop, "spool/pid/master.pid", port, certificate)
    }

    /// Dovecot, speaking LMTP.
    pub fn dovecot_lmtp() -> Self {
        let directory = directory();
        let (root, port) = (directory.path(), free_port());
        let mailboxes = mailboxes(root);
        let (certificate, pem) = certificate(root);
        for name in ["run", "state", "log"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        fs::write(root.join("users"), "alice@example.test:{PLAIN}x::::::\nbob@example.test:{PLAIN}x::::::\n")
            .unwrap();
        let (at, pem, mail) = (root.display(), pem.display(), mailboxes.display());
        let conf = format!(
            "base_dir = {at}/run\nstate_dir = {at}/state\nlog_path = {at}/log/mail\nprotocols = lmtp\n\
             listen = 127.0.0.1\nmail_location = maildir:{mail}/%n\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n\
             hostname = mx.example.test\nssl = yes\nssl_cert = <{pem}\nssl_key = <{pem}\n\
             passdb {{\n  driver = passwd-file\n  args = {at}/users\n}}\n\
             userdb {{\n  driver = passwd-file\n  args = {at}/users\n  \
             override_fields = uid={MAIL_UID} gid={MAIL_UID} home={mail}/%n\n}}\n\
             service lmtp {{\n  inet_listener lmtp {{\n    port = {port}\n  }}\n}}\n\
             service stats {{\n  unix_listener stats-writer {{\n    mode = 0666\n  }}\n}}\n"
        );
        fs::write(root.join("dovecot.conf"), conf).unwrap();
        let mut start = Command::new("dovecot");
        start.arg("-F").arg("-c").arg(root.join("dovecot.conf"));
        let mut stop = Command::new("doveadm");
        stop.arg("-c").arg(root.join("dovecot.conf")).arg("stop");
        Self::started(directory, start, stop, "run/master.pid", port, certificate)
    }

    fn started(
        directory: tempfile::TempDir,
        mut start: Command,
        stop: Command,
        pid_file: &str,
        port: u16,
        certificate: CertificateDer<'static>,
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let child = start.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid_file = directory.path().join(pid_file);
        let log = directory.path().join("log/mail");
        let mailboxes = directory.path().join("mail");
        let peer =
            Self { address, certificate, child, stop, pid_file, log, mailboxes, _directory: directory };
        super::eventually(|| TcpStream::connect(address).is_ok());
        peer
    }

    /// The message of an account that has this in it, once it has been delivered.
    pub fn delivered(&self, account: &str, needle: &str) -> Vec<u8> {
        let mut found = Vec::new();
        super::eventually(|| {
            found = ["new", "cur"]
                .iter()
                .filter_map(|folder| fs::read_dir(self.mailboxes.join(account).join(folder)).ok())
                .flatten()
                .map(|entry| fs::read(entry.unwrap().path()).unwrap())
                .filter(|message| String::from_utf8_lossy(message).contains(needle))
                .collect();
            !found.is_empty()
        });
        assert_eq!(found.len(), 1, "{account} has {needle} more than once");
        found.remove(0)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the peer's log ---\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
        testkit::programs::stop(&mut self.child, &mut self.stop, &self.pid_file);
    }
}

/// A directory that the peers' own users can look into.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Where mailboxes will be.
fn mailboxes(root: &Path) -> PathBuf {
    let path = root.join("mail");
    fs::create_dir(&path).unwrap();
    chown(&path, Some(MAIL_UID), Some(MAIL_UID)).unwrap();
    path
}

/// A certificate for `localhost`, and a file with its key and itself.
fn certificate(root: &Path) -> (CertificateDer<'static>, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = root.join("certificate.pem");
    fs::write(&path, format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem())).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    (made.cert.der().clone(), path)
}

/// A port that was free a moment ago, of those that the system gives to nobody who asks for any.
fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 5_000) as u16;
    let mut ports = std::iter::repeat_with(|| first + TAKEN.fetch_add(1, Ordering::Relaxed));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Dovecot's `doveadm` at the mbox files of one home directory: no server runs, and it works as the files' owner.
pub struct Doveadm {
    directory: tempfile::TempDir,
    home: PathBuf,
}

impl Doveadm {
    /// The home directory and what is in it become `nobody`'s; root, as whom the server runs, may write to it still.
    pub fn new(home: &Path) -> Self {
        let directory = directory();
        let (at, mail) = (directory.path().display(), home.display());
        let conf = format!(
            "base_dir = {at}\nstate_dir = {at}\nlog_path = {at}/log\nssl = no\nmail_uid = {MAIL_UID}\n\
             mail_gid = {MAIL_UID}\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n\
             mail_location = mbox:{mail}/mail:INBOX={mail}/mbox:INDEX={at}/index\n\
             mbox_write_locks = dotlock fcntl\n"
        );
        fs::write(directory.path().join("dovecot.conf"), conf).unwrap();
        chown(directory.path(), Some(MAIL_UID), Some(MAIL_UID)).unwrap();
        let mut above = Some(home);
        while let Some(path) = above.filter(|path| path.starts_with(std::env::temp_dir())) {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap_or_default();
            above = path.parent().filter(|parent| *parent != std::env::temp_dir());
        }
        assert!(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(home).status().unwrap().success());
        Self { directory, home: home.to_owned() }
    }

    /// Runs a command of it.
    pub fn run(&self, args: &[&str], input: &[u8]) -> String {
        use std::io::Write as _;
        let mut child = Command::new("setpriv")
            .args([
                &format!("--reuid={MAIL_UID}"),
                &format!("--regid={MAIL_UID}"),
                "--clear-groups",
                "doveadm",
            ])
            .arg("-c")
            .arg(self.directory.path().join("dovecot.conf"))
            .args(args)
            .env("USER", "alice")
            .env("HOME", &self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "doveadm {args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// UIDs and flags of a mailbox, without `\Recent`.
    pub fn uid_flags(&self, mailbox: &str) -> Vec<(usize, String)> {
        let text = self.run(&["-f", "tab", "fetch", "uid flags", "mailbox", mailbox, "all"], b"");
        let line = |line: &str| {
            let (uid, flags) = line.split_once('\t').unwrap();
            let mut flags: Vec<&str> =
                flags.split(' ').filter(|flag| !matches!(*flag, "" | "\\Recent")).collect();
            flags.sort_unstable();
            (uid.parse().unwrap(), flags.join(" "))
        };
        text.lines().skip(1).map(line).collect()
    }
}
