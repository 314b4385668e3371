//! Debian's Postfix in a directory of its own: one of its SMTP servers for each configuration, behind sockets in that directory.
//!
//! Where our server has no parameter, it is told to do as ours does: HELO is required, and nobody waits (`in_flow_delay`).
//!
//! Its processes have users of their own, so only root can start it. No mail leaves it: whatever it takes is thrown away.

use crate::configuration::Configuration;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream as Blocking};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::UnixStream;

/// What decides how an address is resolved: a process of its own does that, for each configuration that has one of these.
const RESOLVING: [&str; 21] = [
    "allow_min_user",
    "allow_percent_hack",
    "append_at_myorigin",
    "append_dot_mydomain",
    "mydestination",
    "myorigin",
    "local_transport",
    "parent_domain_matches_subdomains",
    "recipient_delimiter",
    "relay_domains",
    "relayhost",
    "relocated_maps",
    "resolve_dequoted_address",
    "resolve_null_domain",
    "resolve_numeric_domain",
    "sender_dependent_relayhost_maps",
    "show_user_unknown_table_name",
    "swap_bangpath",
    "transport_maps",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
];

pub(crate) struct Postfix {
    child: Child,
    directory: tempfile::TempDir,
}

/// The version that was recorded; others have other words here and there.
const VERSION: &str = "3.7.";

/// Whether it can be started, and is the one that was recorded; says why when not.
pub(crate) fn can_start() -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can start Postfix");
        return false;
    }
    let told = Command::new("postconf").args(["-d", "-h", "mail_version"]).output();
    assert!(
        told.is_ok() || std::env::var_os("POSTROOM_REQUIRE_CLIENTS").is_none(),
        "Postfix is not installed, and POSTROOM_REQUIRE_CLIENTS is set"
    );
    let version =
        told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned()).unwrap_or_default();
    let is_recorded = version.starts_with(VERSION);
    if !is_recorded {
        eprintln!("skipped: Postfix {VERSION}x must be installed, and what is here is {version:?}");
    }
    is_recorded
}

impl Postfix {
    pub(crate) fn start(common: &Configuration, configurations: &[Configuration], tables: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        for name in ["conf", "spool", "data", "log", "tables"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        assert!(Command::new("chown").arg("postfix").arg(root.join("data")).status().unwrap().success());
        answer_logins(&root.join("auth"));
        // Its users may not look into the source.
        let own_tables = root.join("tables");
        for table in fs::read_dir(tables).unwrap() {
            let table = table.unwrap();
            fs::copy(table.path(), own_tables.join(table.file_name())).unwrap();
        }
        let own = |value: &str| value.replace(&*tables.to_string_lossy(), &own_tables.to_string_lossy());
        fs::write(root.join("conf/main.cf"), main_cf(root, common)).unwrap();
        fs::write(root.join("conf/master.cf"), master_cf(configurations, own)).unwrap();
        let mut start = Command::new("postfix");
        start.arg("-c").arg(root.join("conf")).arg("start-fg").stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: start.spawn().unwrap(), directory }
    }

    /// A connection to one of its servers.
    pub(crate) async fn connect(&self, configuration: &str) -> UnixStream {
        let stream = self.connect_to(&format!("public/{configuration}"));
        stream.set_nonblocking(true).unwrap();
        UnixStream::from_std(stream).unwrap()
    }

    /// A connection to a service, by its socket below the spool. It may still be on its way up.
    pub(crate) fn connect_to(&self, service: &str) -> Blocking {
        let socket = self.directory.path().join("spool").join(service);
        for _ in 0..600 {
            if let Ok(stream) = Blocking::connect(&socket) {
                return stream;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("nobody listens at {}", socket.display());
    }

    /// Where its configuration is.
    pub(crate) fn conf(&self) -> PathBuf {
        self.directory.path().join("conf")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log/mail")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- Postfix's log ---\n{}", lines[lines.len().saturating_sub(100)..].join("\n"));
        }
        let mut stop = Command::new("postfix");
        stop.arg("-c").arg(self.conf()).arg("stop");
        let pid_file = self.directory.path().join("spool/pid/master.pid");
        testkit::programs::stop(&mut self.child, &mut stop, &pid_file);
    }
}

fn main_cf(root: &Path, common: &Configuration) -> String {
    let at = root.display();
    let mut text = format!(
        "compatibility_level = 3.6\nqueue_directory = {at}/spool\ndata_directory = {at}/data\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
         maillog_file = {at}/log/mail\nmaillog_file_prefixes = {at}\n\
         inet_protocols = all\nalias_maps =\nlocal_header_rewrite_clients =\nsmtpd_peername_lookup = no\n\
         smtp_dns_support_level = disabled\nsmtpd_authorized_xclient_hosts = 127.0.0.1, unknown\n\
         smtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1000\nsmtpd_hard_error_limit = 1000\n\
         smtpd_helo_required = yes\nsmtpd_junk_command_limit = 1000\nin_flow_delay = 0\nsmtpd_client_event_limit_exceptions = static:all\n\
         smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {at}/auth\n\
         local_transport = discard:\nvirtual_transport = discard:\nrelay_transport = discard:\n\
         default_transport = discard:\n"
    );
    for (name, value) in &common.parameters {
        text.push_str(&format!("{name} = {value}\n"));
    }
    text
}

/// The process that resolves addresses for a configuration.
pub(crate) fn resolver(Configuration { name, parameters }: &Configuration) -> String {
    match parameters.iter().any(|(name, _)| RESOLVING.contains(&&**name)) {
        true => format!("rewrite-{name}"),
        false => REWRITE.into(),
    }
}

/// What resolves addresses where nothing else is said.
const REWRITE: &str = "rewrite";

fn master_cf(configurations: &[Configuration], own: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for (name, limit, program) in [
        ("cleanup", "0", "cleanup"),
        (REWRITE, "-", "trivial-rewrite"),
        ("bounce", "0", "bounce"),
        ("defer", "0", "bounce"),
        ("trace", "0", "bounce"),
        ("proxymap", "-", "proxymap"),
        ("error", "-", "error"),
        ("retry", "-", "error"),
        ("discard", "-", "discard"),
        ("anvil", "1", "anvil"),
    ] {
        let private = if program == "cleanup" { "n" } else { "-" };
        text.push_str(&format!("{name} unix {private} - n - {limit} {program}\n"));
    }
    text.push_str("qmgr unix n - n 300 1 qmgr\npostlog unix-dgram n - n - 1 postlogd\n");
    for configuration in configurations {
        let Configuration { name, parameters } = configuration;
        let options: String =
            parameters.iter().map(|(name, value)| format!(" -o {{ {name} = {} }}", own(value))).collect();
        let mut smtpd = options.clone();
        let resolver = resolver(configuration);
        if resolver != REWRITE {
            text.push_str(&format!("{resolver} unix - - n - - trivial-rewrite{options}\n"));
            smtpd.push_str(&format!(" -o rewrite_service_name={resolver}"));
        }
        text.push_str(&format!("{name} unix n - n - - smtpd{smtpd}\n"));
    }
    text
}

/// Answers Postfix's questions about logins as Dovecot does: the password is the user's name, turned round.
fn answer_logins(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    fs::set_permissions(socket, Permissions::from_mode(0o666)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve_logins(stream));
        }
    });
}

fn serve_logins(mut stream: Blocking) -> Option<()> {
    let pid = std::process::id();
    let greeting =
        format!("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t{pid}\nCUID\t{pid}\nCOOKIE\t0\nDONE\n");
    stream.write_all(greeting.as_bytes()).ok()?;
    for line in BufReader::new(stream.try_clone().ok()?).lines() {
        let line = line.ok()?;
        let fields: Vec<&str> = line.split('\t').collect();
        let ["AUTH", id, "PLAIN", ..] = fields[..] else { continue };
        let response = fields.iter().find_map(|field| field.strip_prefix("resp=")).unwrap_or_default();
        let response = proto_core::sasl::line::decode(response.as_bytes()).ok();
        let response = response.map(|secret| String::from_utf8_lossy(secret.expose()).into_owned());
        let parts: Vec<&str> = response.iter().flat_map(|text| text.split('\0')).collect();
        let reply = match parts[..] {
            [_, user, password] if user.split('@').next()?.chars().rev().eq(password.chars()) => {
                format!("OK\t{id}\tuser={user}\n")
            }
            _ => format!("FAIL\t{id}\treason=wrong\n"),
        };
        stream.write_all(reply.as_bytes()).ok()?;
    }
    Some(())
}
