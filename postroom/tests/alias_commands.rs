//! Commands of aliases (R109): what they get, what becomes of the message, and those that mean no good.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Client, USERS, settings};
use mailstore::Env;
use mailstore::spool::{RecipientState, Status};
use postroom::delivery::{Commands, Deliverers};
use postroom::local::{LocalMail, LocalSpool};
use postroom::{Blocking, Server};
use std::fs;
use std::num::NonZeroU8;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Who nobody is on most systems.
const NOBODY: u32 = 65534;

/// As this user, or as nobody where that is root.
fn commands() -> Commands {
    Commands::as_this_user().or_else(|| Commands::as_user(NOBODY, NOBODY)).unwrap()
}

/// A directory in which commands may write.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    dir
}

fn how(commands: Commands) -> Deliverers {
    let mut how = Deliverers::default();
    how.commands = Some(commands);
    how
}

/// A server with an alias for each `(name, script)`: a shell has the script, `DIR` being the directory. `later` fails for now, `quoted` needs a
/// shell besides to run the script `dies`.
async fn server(dir: &Path, scripts: &[(&str, &str)], how: Deliverers) -> (Server, LocalSpool) {
    let blocking = Blocking::threads("store", 2, 64).unwrap();
    let mail = LocalMail::open(Env::real("mail"), &dir.join("data"), "mail/%d/%n", &blocking).unwrap();
    let spool = mail.spool.clone();
    let mut aliases = String::from(
        "later: \"|exit 75\"\nmissing: |/no/such/program with arguments\nwords: |test a =  b\n\
         begun: |exec true\nassigned: \"|A=75 exit\"\nnowhere: \"|no-such-program x\"\n",
    );
    for (name, script) in scripts {
        let path = dir.join(name);
        fs::write(&path, script.replace("DIR", dir.to_str().unwrap())).unwrap();
        aliases += &format!("{name}: \"|/bin/sh {}\"\n", path.display());
    }
    aliases += &format!("quoted: \"|/bin/sh '{}'\"\n", dir.join("dies").display());
    fs::write(dir.join("aliases"), aliases).unwrap();
    let mut settings = settings();
    settings.policy.set("alias_maps", &format!("texthash:{}", dir.join("aliases").display())).unwrap();
    settings.policy.set("allow_mail_to_commands", "alias").unwrap();
    settings.policy.set("recipient_delimiter", "+").unwrap();
    let server =
        Server::builder().settings(settings).directory(USERS).mail(mail.spool, mail.store).deliverers(how);
    (server.start().await.unwrap(), spool)
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What became of a message to one of the aliases, with this body. Another recipient keeps it in the queue.
async fn sent(server: &Server, spool: &LocalSpool, to: &str, body: &str) -> Status {
    let mut client = Client::greeted(server, "smtp").await;
    let to = format!("{to}@example.test");
    let reply = client.mail("s@x.test", &[&to, "missing@example.test"], body).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    let mut found = None;
    until(|| {
        let entry =
            spool.list().into_iter().find(|entry| entry.envelope.recipients[0].address == to).unwrap();
        let are_done = entry.statuses.iter().all(|status| status.state != RecipientState::Pending);
        found = are_done.then_some((entry.id, entry.statuses.into_iter().next().unwrap()));
        are_done
    })
    .await;
    let (id, status) = found.unwrap();
    spool.remove(&id).await.unwrap();
    status
}

/// In a word, and why.
fn became(status: &Status) -> (&'static str, String) {
    let state = match status.state {
        RecipientState::Delivered => "delivered",
        RecipientState::Bounced => "bounced",
        RecipientState::Deferred(_) => "deferred",
        state => panic!("{state:?}"),
    };
    (state, status.reason.as_deref().unwrap_or_default().to_owned())
}

/// Whether a process, whose number is in a file, has come to its end.
fn has_ended(path: &Path) -> bool {
    // One that was killed before it could say who it is has ended, too.
    let Ok(pid) = fs::read_to_string(path) else { return true };
    // One that nobody has asked after is a zombie.
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).map_or(true, |stat| stat.contains(") Z "))
}

#[tokio::test]
async fn a_command_gets_the_message_and_what_is_known_of_it() {
    let dir = directory();
    let script = "cat > DIR/mail; env > DIR/env; pwd > DIR/pwd; id -u > DIR/uid; id -G >> DIR/uid\n";
    let (server, spool) = server(dir.path(), &[("prog", script)], how(commands())).await;
    let mut client = Client::greeted(&server, "smtp").await;
    let body = "Subject: x\r\n\r\nFrom here\r\n\r\nto there";
    let reply = client.mail("\"a$(id)`id`;&\"@x.test", &["prog+a+b@example.test"], body).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until(|| spool.list().is_empty()).await;
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let mail = read("mail");
    let header = "Return-Path: <\"a$(id)`id`;&\"@x.test>\nX-Original-To: prog+a+b@example.test\nDelivered-To: prog+a+b@example.test\nReceived: ";
    let (from, rest) = mail.split_once('\n').unwrap();
    assert!(from.starts_with("From \"a$(id)`id`;&\"@x.test ") && rest.starts_with(header), "{mail}");
    assert!(mail.ends_with("\nSubject: x\n\nFrom here\n\nto there\n") && !mail.contains('\r'), "{mail}");
    let environment = read("env");
    for expected in [
        "SENDER=_a__id__id____@x.test",
        "RECIPIENT=prog+a+b@example.test",
        "ORIGINAL_RECIPIENT=prog+a+b@example.test",
        "LOCAL=prog+a+b",
        "USER=prog",
        "EXTENSION=a+b",
        "DOMAIN=example.test",
        "CLIENT_ADDRESS=203.0.113.9",
        "CLIENT_HOSTNAME=unknown",
        "CLIENT_PROTOCOL=ESMTP",
        "CLIENT_HELO=client.test",
        "PATH=/usr/bin:/bin",
        "SHELL=/bin/sh",
    ] {
        assert!(environment.lines().any(|line| line == expected), "{expected}: {environment}");
    }
    assert!(!environment.contains("CARGO"), "it has the server's: {environment}");
    assert_eq!(read("pwd"), "/\n");
    assert!(read("uid").split_whitespace().all(|id| id != "0"), "{}", read("uid"));
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn the_end_of_a_command_says_what_becomes_of_the_message() {
    let dir = directory();
    let scripts = [
        ("takes", "cat >/dev/null"),
        ("ignores", "exit 0"),
        ("tempfail", "cat >/dev/null; exit 75"),
        ("noperm", "exit 77"),
        ("nouser", "echo no such thing here; exit 67"),
        ("one", "exit 1"),
        ("dies", "kill -9 $$"),
        ("full", "echo '4.2.2 mailbox full' >&2; exit 67"),
        ("writes", "head -c 20000000 /dev/zero | tr '\\0' 'x'; exit 65"),
        ("unknown", "no-such-program"),
    ];
    let (server, spool) = server(dir.path(), &scripts, how(commands())).await;
    let large = "x"
        .repeat(70)
        .repeat(30_000)
        .as_bytes()
        .chunks(70)
        .fold(String::new(), |text, line| text + std::str::from_utf8(line).unwrap() + "\r\n");
    for (to, body, is, reason) in [
        ("takes", &*large, "delivered", ""),
        ("ignores", &*large, "delivered", ""),
        ("tempfail", &*large, "deferred", "4.3.0 temporary failure"),
        ("noperm", "x", "bounced", "5.7.0 permission denied"),
        ("nouser", "x", "bounced", "5.1.1 user unknown. Command output: no such thing here"),
        ("one", "x", "bounced", "5.3.0 command died with status 1"),
        ("dies", &*large, "deferred", "4.3.0 command died with signal 9"),
        ("quoted", "x", "deferred", "4.3.0 command died with status 137"),
        ("full", "x", "deferred", "4.2.2 mailbox full"),
        ("writes", "x", "bounced", "5.6.0 data format error. Command output: xxxx"),
        ("unknown", "x", "deferred", "4.3.0 command died with status 127"),
        ("missing", "x", "deferred", "4.3.0 the command \"/no/such/program with arguments\" cannot be run"),
        ("words", "x", "bounced", "5.3.0 command died with status 1"),
        ("later", "x", "deferred", "4.3.0 temporary failure"),
        ("begun", "x", "delivered", ""),
        ("assigned", "x", "delivered", ""),
        ("nowhere", "x", "deferred", "4.3.0 command died with status 127. Command output: "),
    ] {
        let (state, why) = became(&sent(&server, &spool, to, body).await);
        assert!(state == is && why.starts_with(reason), "{to}: {state}: {why}");
        assert!(why.len() < 5000, "{to}: {} octets", why.len());
    }
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

/// Q05: a status that the administrator has named is a full mailbox, and waits or bounces as one.
#[tokio::test]
async fn q05_a_command_may_say_that_a_mailbox_is_full() {
    let scripts = [
        ("observed", "cat >/dev/null; echo 'maildrop: Mail quota exceeded.' >&2; exit 75"),
        ("manual", "cat >/dev/null; echo '5.7.1 quota' >&2; exit 77"),
        ("permission", "exit 73"),
    ];
    for (is_waiting, full) in [(true, "deferred"), (false, "bounced")] {
        let dir = directory();
        let mut commands = commands();
        commands.over_quota_statuses = [75, 77].into_iter().filter_map(NonZeroU8::new).collect();
        let mut how = how(commands);
        how.quota_full_tempfail = is_waiting;
        let (server, spool) = server(dir.path(), &scripts, how).await;
        let over = "delivering to a command: the command ended with exit status: ";
        for (to, is, begins, ends) in [
            ("observed", full, format!("{over}75. Command output: maildrop: Mail quota"), "the quota)"),
            ("manual", full, format!("{over}77. Command output: 5.7.1 quota"), "the quota)"),
            ("later", full, format!("{over}75"), "the quota)"),
            ("permission", "bounced", "5.2.0 can't create user output file".to_owned(), "file"),
        ] {
            let (state, why) = became(&sent(&server, &spool, to, "x").await);
            assert!(state == is && why.starts_with(&begins) && why.ends_with(ends), "{to}: {state}: {why}");
        }
        assert!(server.shutdown(Duration::from_secs(60)).await);
    }
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_all_it_has_started() {
    let dir = directory();
    let scripts = [
        ("hangs", "echo $$ > DIR/leader; sleep 3600 & echo $! > DIR/child; wait"),
        ("leaves", "sleep 3600 & echo $! > DIR/left; exit 0"),
    ];
    let mut commands = commands();
    commands.time_limit = Duration::from_secs(1);
    let (server, spool) = server(dir.path(), &scripts, how(commands)).await;
    let status = sent(&server, &spool, "hangs", "x").await;
    assert!(matches!(status.state, RecipientState::Deferred(_)), "{status:?}");
    assert!(status.reason.as_deref().unwrap().starts_with("4.3.0 command time limit exceeded"), "{status:?}");
    until(|| has_ended(&dir.path().join("leader")) && has_ended(&dir.path().join("child"))).await;
    assert!(server.shutdown(Duration::from_secs(60)).await);
    // What is left of one that has ended well.
    let (server, spool) = self::server(dir.path(), &scripts, how(self::commands())).await;
    let status = sent(&server, &spool, "leaves", "x").await;
    assert_eq!(status.state, RecipientState::Delivered, "{status:?}");
    until(|| has_ended(&dir.path().join("left"))).await;
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn a_server_that_stops_leaves_no_command_behind_and_runs_it_again() {
    let dir = directory();
    let path = |name: &str| dir.path().join(name);
    let script =
        "echo $$ > DIR/pid.new; mv DIR/pid.new DIR/pid; [ -e DIR/again ] || sleep 3600; cat > DIR/mail";
    let (first, _) = server(dir.path(), &[("hangs", script)], how(commands())).await;
    let mut client = Client::greeted(&first, "smtp").await;
    let reply = client.mail("s@x.test", &["hangs@example.test"], "Subject: x\r\n\r\nx").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until(|| path("pid").exists()).await;
    assert!(!first.shutdown(Duration::from_millis(10)).await);
    until(|| has_ended(&path("pid"))).await;
    fs::write(path("again"), "").unwrap();
    let (second, spool) = server(dir.path(), &[("hangs", script)], how(commands())).await;
    until(|| spool.list().is_empty()).await;
    assert!(fs::read_to_string(path("mail")).unwrap().ends_with("Subject: x\n\nx\n"));
    assert!(second.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn no_more_commands_run_than_may() {
    let dir = directory();
    let script = "mkdir DIR/one || exit 70; sleep 0.05; rmdir DIR/one; echo x >> DIR/done";
    let mut commands = commands();
    commands.running_max = 1;
    let (server, spool) = server(dir.path(), &[("alone", script)], how(commands)).await;
    let mut client = Client::greeted(&server, "smtp").await;
    for _ in 0..6 {
        let reply = client.mail("s@x.test", &["alone@example.test"], "x").await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    until(|| spool.list().is_empty()).await;
    assert_eq!(fs::read_to_string(dir.path().join("done")).unwrap().lines().count(), 6);
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn commands_that_hang_leave_room_for_mailboxes() {
    let names: Vec<String> = (0..6).map(|n| format!("hangs{n}")).collect();
    mailboxes_get_mail_beside(&names.iter().map(|name| &**name).collect::<Vec<_>>(), 1, 4).await;
}

#[tokio::test]
async fn one_command_that_hangs_leaves_room_for_mailboxes() {
    mailboxes_get_mail_beside(&["hangs"; 20], 100, 12).await;
}

/// Sends a message to each of these aliases, whose commands hang, and then one to a mailbox, which gets it.
async fn mailboxes_get_mail_beside(names: &[&str], running_max: usize, messages_max: usize) {
    let dir = directory();
    let script = "echo > DIR/runs; sleep 3600";
    let scripts: Vec<(&str, &str)> = names.iter().map(|name| (*name, script)).collect();
    let mut commands = commands();
    commands.running_max = running_max;
    let mut how = how(commands);
    how.messages_max = messages_max;
    // Who waits does so for longer than this test.
    how.patience = Duration::from_secs(3600);
    let (server, spool) = server(dir.path(), &scripts, how).await;
    let mut client = Client::greeted(&server, "smtp").await;
    for name in names {
        let reply = client.mail("s@x.test", &[&format!("{name}@example.test")], "x").await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    let reply = client.mail("s@x.test", &["alice@example.test"], "x").await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    until(|| dir.path().join("runs").exists() && spool.list().len() == names.len()).await;
    let deferred = |entry: &mailstore::spool::QueueEntry| {
        let is = matches!(entry.statuses[0].state, RecipientState::Deferred(_));
        is.then(|| entry.statuses[0].reason.clone())
    };
    let reasons: Vec<_> = spool.list().iter().filter_map(deferred).collect();
    assert!(
        !reasons.is_empty()
            && reasons.iter().all(|why| why.as_deref().unwrap().contains("do not come to an end")),
        "{reasons:?}"
    );
    server.shutdown(Duration::from_millis(10)).await;
}

#[test]
fn nothing_runs_as_root() {
    assert_eq!(Commands::as_user(0, NOBODY), None);
    assert_eq!(Commands::as_user(NOBODY, 0), None);
    assert_eq!(Commands::as_this_user().is_none(), rustix::process::geteuid().is_root());
}
