//! The program as its administrator meets it: the embedded default, `check`, `hash-password`, signals, and what is
//! said to who comes without TLS.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::{Imap, Pop3, Smtp, Wire};
use common::{ALICE, BOB, LISTENERS, PASSWORD, Server, configuration, eventually, prepare};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn postroom(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postroom")).args(arguments).current_dir(directory).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn check_says_ok_or_what_is_wrong_and_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    prepare(directory, &configuration(false, ""));
    let good = postroom(&["check", "--config", "postroom.toml"], directory);
    assert!(good.status.success(), "{}", text(&good.stderr));
    assert!(text(&good.stdout).contains("8 listeners") && text(&good.stdout).ends_with("ok\n"));
    assert!(text(&postroom(&["--version"], directory).stdout).starts_with("postroom "));
    assert!(text(&good.stdout).contains("warning: postmaster@example.test: no such account"));

    let named = configuration(false, "").replace(
        "allow_plaintext_auth",
        "auth_mechanisms = [\"SCRAM-SHA-256\", \"OAUTHBEARER\"]\nallow_plaintext_auth",
    );
    fs::write(directory.join("postroom.toml"), named).unwrap();
    let doubted = text(&postroom(&["check", "--config", "postroom.toml"], directory).stdout);
    assert!(
        doubted.contains("warning: accounts.auth_mechanisms: OAUTHBEARER: this program judges no tokens")
    );
    assert!(!doubted.contains("SCRAM-SHA-256: "), "{doubted}");

    fs::write(directory.join("postroom.toml"), configuration(false, "allow_mail_to_files = [\"alias\"]\n"))
        .unwrap();
    let doubted = text(&postroom(&["check", "--config", "postroom.toml"], directory).stdout);
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(doubted.contains("warning: allow_mail_to_files: says nothing"), is_root, "{doubted}");
    assert!(!doubted.contains("allow_mail_to_commands"), "{doubted}");

    let refused = |configuration: &str, words: &[&str]| {
        fs::write(directory.join("postroom.toml"), configuration).unwrap();
        let bad = postroom(&["check", "--config", "postroom.toml"], directory);
        assert!(!bad.status.success());
        let said = text(&bad.stderr);
        for word in words {
            assert!(said.contains(word), "{said:?} lacks {word:?}");
        }
    };
    refused(
        &configuration(false, "[limits]\nmessage_size = 1\n"),
        &["postroom.toml", "message_size", "message_bytes_max"],
    );
    // Who could not get his mail is nobody to take mail for.
    let accounts = fs::read_to_string(directory.join("users.passwd")).unwrap();
    for name in ["a/b@example.test", "../../etc@example.test", ".@example.test"] {
        fs::write(directory.join("users.passwd"), format!("{accounts}{name}:{{PLAIN}}x\n")).unwrap();
        let line = format!("users.passwd:{}: account {name}: ", accounts.lines().count() + 1);
        let words = ["[accounts] passwd_file", &line, "the account's name cannot be part of a path"];
        refused(&configuration(false, ""), &words);
    }
    fs::write(directory.join("users.passwd"), accounts).unwrap();
    // A file that is named: which key of which file names it, where it is looked for, and what to do.
    let made = rcgen::generate_simple_self_signed(["mail.example.test".to_owned()]).unwrap();
    fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    let tls = |certificate: &str| format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"no.key\"\n");
    for (configuration, key, file, advice) in [
        (configuration(false, &tls("no.pem")), "[tls] certificate", "no.pem", "check that the file exists"),
        (configuration(false, &tls("cert.pem")), "[tls] key", "no.key", "check that the file exists"),
        (
            configuration(false, "").replace("users.passwd", "nobody.passwd"),
            "[accounts] passwd_file",
            "nobody.passwd",
            "hash-password",
        ),
        (
            configuration(false, "").replacen("\"starttls\"", "\"starttls\"\nclient_ca = \"ca.pem\"", 1),
            "listener smtp#0 (127.0.0.1:0): client_ca",
            "ca.pem",
            "check that the file exists",
        ),
    ] {
        let named = format!("postroom: postroom.toml: {key}: {file}: No such file");
        refused(&configuration, &[&named, advice]);
    }
    fs::write(
        directory.join("users.passwd"),
        "alice@example.test:{PLAIN}x::::::\nbob@example.test:{ROT13}x\n",
    )
    .unwrap();
    fs::write(directory.join("postroom.toml"), configuration(false, "")).unwrap();
    let told = text(&postroom(&["check", "--config", "postroom.toml"], directory).stdout);
    let shut = "warning: users.passwd:2: account bob@example.test: nobody can log in: password scheme {ROT13} is not known";
    assert!(told.contains(shut) && told.ends_with("ok\n"), "{told}");
    fs::write(directory.join("users.passwd"), "# nobody else\nbob@example.test:{ROT13}x\n").unwrap();
    refused(&configuration(false, ""), &["users.passwd", "2", "ROT13"]);
    assert!(!directory.join("data").exists(), "check made something");
}

#[test]
fn a_hashed_password_opens_a_mailbox() {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path(), &configuration(true, ""));
    let mut accounts = String::new();
    let schemes = ["argon2id", "SHA512-CRYPT", "blf-crypt", "SCRAM-SHA-256", "scram-sha-1"];
    for scheme in schemes {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postroom"))
            .args(["hash-password", "--scheme", scheme])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{PASSWORD} {scheme}").unwrap();
        let hash = text(&child.wait_with_output().unwrap().stdout);
        assert!(!hash.contains(PASSWORD), "{hash}");
        assert!(hash.starts_with(&format!("{{{}}}", scheme.to_uppercase())), "{hash}");
        accounts.push_str(&format!("{scheme}@example.test:{}::::::\n", hash.trim_end()));
    }
    fs::write(directory.path().join("users.passwd"), accounts).unwrap();
    let server = Server::start_in(directory.path());
    for scheme in schemes {
        let user = format!("{scheme}@example.test");
        Pop3::login(server.address("pop3", "starttls"), &user, &format!("{PASSWORD} {scheme}"))
            .command("STAT");
        let mut wire = Wire::connect(server.address("pop3", "starttls"));
        wire.line();
        wire.send(format!("USER {user}\r\nPASS {PASSWORD}\r\n"));
        wire.line();
        assert!(wire.line().starts_with("-ERR [AUTH]"));
    }
}

#[test]
fn sighup_reads_anew_and_keeps_the_old_when_the_new_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    prepare(directory, &configuration(true, ""));
    let server = Server::start_in(directory);
    let mut old_session = Smtp::connect(server.address("smtp", "starttls"));

    let accounts = fs::read_to_string(directory.join("users.passwd")).unwrap();
    fs::write(
        directory.join("users.passwd"),
        format!("{accounts}carol@example.test:{{PLAIN}}{PASSWORD}::::::\n"),
    )
    .unwrap();
    let other_port = configuration(true, "[limits]\nmessage_bytes_max = 70000\n")
        .replacen("127.0.0.1:0", "127.0.0.1:1", 1)
        .replace("local = [\"example.test\"]", "local = [\"example.test\", \"other.test\"]");
    fs::write(directory.join("postroom.toml"), other_port).unwrap();
    server.signal("HUP");
    eventually(|| server.log().contains("read anew"));
    let doubts =
        server.log().matches("WARN postroom::serve: postmaster@example.test: no such account").count();
    assert_eq!(doubts, 2, "at the start and at the reload: {}", server.log());
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(server.log().contains("root runs this server"), is_root, "{}", server.log());
    eventually(|| server.log().contains("needs a restart: listener smtp#0 (127.0.0.1:1): a new address"));
    Imap::login(server.address("imap", "starttls"), "carol@example.test", PASSWORD).ok("NOOP");
    let mut smtp = Smtp::connect(server.address("smtp", "starttls"));
    assert!(smtp.command("EHLO again").contains("SIZE 70000"), "new sessions have the new limits");
    assert!(
        old_session.command("EHLO again").contains("SIZE 52428800"),
        "a session keeps what it began with"
    );

    fs::write(directory.join("postroom.toml"), "hostname = 1").unwrap();
    server.signal("HUP");
    eventually(|| server.log().contains("not reloaded, everything stays as it was"));

    // Whatever came to a restriction that there is not would be refused until somebody looks.
    let misspelt = configuration(true, "")
        .replace("mynetworks = [", "smtpd_client_restrictions = [\"reject_foo\"]\nmynetworks = [");
    fs::write(directory.join("postroom.toml"), misspelt).unwrap();
    server.signal("HUP");
    eventually(|| server.log().contains("unknown smtpd restriction: \"reject_foo\""));
    fs::write(
        directory.join("users.passwd"),
        format!("{accounts}carol@example.test:{{PLAIN}}{PASSWORD}::::::\na/b@example.test:{{PLAIN}}x\n"),
    )
    .unwrap();
    fs::write(directory.join("postroom.toml"), configuration(true, "")).unwrap();
    server.signal("HUP");
    eventually(|| server.log().contains("account a/b@example.test: "));
    assert_eq!(server.log().matches("not reloaded, everything stays as it was").count(), 3);

    // What is found only when all else has been read keeps the rest from being put in place, too.
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(directory.join("ca.pem"), no_certificate).unwrap();
    let with_authority = configuration(true, "").replacen("tls = ", "client_ca = \"ca.pem\"\ntls = ", 1);
    fs::write(directory.join("postroom.toml"), with_authority).unwrap();
    fs::write(directory.join("users.passwd"), accounts).unwrap();
    server.signal("HUP");
    eventually(|| server.log().matches("not reloaded, everything stays as it was").count() == 4);
    assert!(
        server.log().contains("the authorities of client certificates cannot be used"),
        "{}",
        server.log()
    );
    Imap::login(server.address("imap", "starttls"), "carol@example.test", PASSWORD).ok("NOOP");
    assert!(smtp.command("MAIL FROM:<x@y.test>").starts_with("250 "));
    assert!(server.stop());
}

#[test]
fn sigterm_ends_sessions_by_their_own_goodbye() {
    let server = Server::start(true);
    let mut smtp = Smtp::connect(server.address("smtp", "starttls"));
    let mut imap = Imap::login(server.address("imap", "starttls"), ALICE, PASSWORD);
    let mut pop3 = Pop3::login(server.address("pop3", "starttls"), BOB, PASSWORD);
    server.signal("TERM");
    assert!(smtp.reply().starts_with("421 "));
    assert!(imap.wire.line().starts_with("* BYE"));
    assert!(text(&pop3.0.until_closed()).lines().all(|line| line.starts_with("-ERR")));
    assert!(server.stop(), "a clean exit");
}

#[test]
fn no_password_is_taken_in_the_clear_unless_configured() {
    let server = Server::start(false);
    let mut smtp = Smtp::connect(server.address("smtp", "starttls"));
    let hello = smtp.command("EHLO x.test");
    let shows = ["PLAIN", "LOGIN"].iter().any(|mechanism| hello.contains(mechanism));
    assert!(hello.contains("STARTTLS") && !shows, "{hello}");
    assert!(smtp.command("AUTH PLAIN AGEAYg==").starts_with("5"));

    let mut submission = Smtp::connect(server.address("submission", "starttls"));
    assert!(
        submission
            .command("MAIL FROM:<a@example.test>")
            .starts_with("530 5.7.0 Must issue a STARTTLS command first")
    );

    let mut imap = Wire::connect(server.address("imap", "starttls"));
    imap.line();
    imap.send(format!("a CAPABILITY\r\nb LOGIN {ALICE} \"{PASSWORD}\"\r\n"));
    let capability = imap.line();
    assert!(capability.contains("LOGINDISABLED") && capability.contains("STARTTLS"), "{capability}");
    assert!(imap.line().starts_with("a OK"));
    assert!(imap.line().starts_with("b NO [PRIVACYREQUIRED]"));

    let mut pop3 = Wire::connect(server.address("pop3", "starttls"));
    pop3.line();
    pop3.send(format!("USER {ALICE}\r\nCAPA\r\nQUIT\r\n"));
    let said = text(&pop3.until_closed());
    assert!(
        said.starts_with("-ERR") && said.contains("\r\nSTLS\r\n") && !said.contains("\r\nUSER"),
        "{said}"
    );
}

#[test]
fn relaying_and_unknown_users_are_refused_in_the_standard_words() {
    let directory = tempfile::tempdir().unwrap();
    let outside = configuration(true, "").replace("127.0.0.0/8", "192.0.2.0/24");
    prepare(directory.path(), &outside);
    let server = Server::start_in(directory.path());
    let mut smtp = Smtp::connect(server.address("smtp", "starttls"));
    smtp.command("MAIL FROM:<a@elsewhere.test>");
    assert_eq!(
        smtp.command("RCPT TO:<nobody@example.test>"),
        "550 5.1.1 <nobody@example.test>: Recipient address rejected: User unknown in local recipient table"
    );
    assert_eq!(
        smtp.command("RCPT TO:<bobby@unlisted.org>"),
        "554 5.7.1 <bobby@unlisted.org>: Relay access denied"
    );
    assert!(smtp.command("RCPT TO:<Alice@EXAMPLE.test>").starts_with("250 2.1.5"));

    // Who has logged in may relay, but there is nowhere to relay to yet.
    let mut smtp = Smtp::connect(server.address("smtp", "starttls"));
    assert!(smtp.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABjb3JyZWN0IGhvcnNl").starts_with("235 "));
    smtp.command(&format!("MAIL FROM:<{ALICE}>"));
    let reply = smtp.command("RCPT TO:<bobby@unlisted.org>");
    assert!(reply.starts_with("550 5.4.4") && reply.contains("route"), "{reply}");
}

#[test]
fn a_second_server_names_the_port_that_is_taken() {
    let first = Server::start(true);
    let taken = first.address("smtp", "starttls");
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path(), &configuration(true, "").replacen("127.0.0.1:0", &taken.to_string(), 1));
    let second = postroom(&["serve", "--config", "postroom.toml"], directory.path());
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains(&taken.to_string()), "{}", text(&second.stderr));
}

#[test]
fn r146_q01_q07_maildirs_are_made_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let make = |arguments: &[&str]| postroom(&[&["maildir", "make"], arguments].concat(), directory);
    for arguments in [
        &["-q", "3000S,4C", "deep/M"][..],
        &["-f", "Sub", "deep/M"],
        &["--folder", "Entwürfe/zwei Wörter", "-s", "drafts", "deep/M"],
    ] {
        let made = make(arguments);
        assert!(made.status.success(), "{arguments:?}: {}", text(&made.stderr));
    }
    let maildir = directory.join("deep/M");
    for dir in ["cur", "new", "tmp", ".Sub/cur", ".Sub/new", ".Sub/tmp", ".Entw&APw-rfe.zwei W&APY-rter/new"]
    {
        assert!(maildir.join(dir).is_dir(), "{dir}");
    }
    assert_eq!(fs::read(maildir.join(".Sub/maildirfolder")).unwrap(), b"");
    let size = fs::read_to_string(maildir.join("maildirsize")).unwrap();
    assert_eq!(size, "3000S,4C\n           0            0\n");
    let uses = fs::read_to_string(maildir.join("postroom.special-use")).unwrap();
    assert_eq!(uses, "\\Drafts\tEntw&APw-rfe/zwei W&APY-rter\n");

    fs::write(directory.join("file"), "").unwrap();
    for (arguments, words) in [
        (&["-f", "Sub", "deep/M"][..], &["deep/M/.Sub", "there is one of that name"][..]),
        (&["-f", "a..b", "deep/M"], &["a..b", "'.'"]),
        (&["-q", "much", "deep/M"], &["much", "1000000S,1000C"]),
        (&["-s", "inbox", "deep/M"], &["inbox", "\\Sent"]),
        (&["file/M"], &["file/M", "/file is no directory", "correct the path"]),
        (&["file"], &["/file is no directory", "correct the path"]),
        (&["-l", "fs", "-f", "Other", "deep/M"], &["deep/M", "lie as maildir++", "as fs (A/B)"]),
        (&["-l", "flat", "other"], &["flat", "maildir++, fs"]),
    ] {
        let refused = make(arguments);
        let said = text(&refused.stderr);
        assert!(!refused.status.success(), "{arguments:?}");
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    }
    // Who is root is told another thing there than others are; nobody is sent to look after a disk.
    let said = text(&make(&["/proc/mail"]).stderr);
    assert!(said.contains("/proc/mail") && !said.contains("check the disk"), "{said}");
    assert!(!maildir.join("Other").exists());
}

#[test]
fn maildirs_of_layout_fs_are_made_and_converted() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for arguments in [&["-l", "fs", "-f", "Lists/rust", "home/M"][..], &["-f", "Neu", "home/M"]] {
        let made = postroom(&[&["maildir", "make"], arguments].concat(), directory);
        assert!(made.status.success(), "{}", text(&made.stderr));
    }
    let message = b"Subject: one\r\n\r\n";
    for mailbox in ["", "Lists/rust", "Neu"] {
        let cur = directory.join("home/M").join(mailbox).join("cur");
        fs::write(cur.join("1795325990.M1P1.vm:2,FS"), message).unwrap();
    }
    // From elsewhere than the home directory, from which every place counts.
    let convert = |from: &str, to: &str| {
        let home = directory.join("home");
        postroom(&["convert", from, to, "--user", ALICE, "--home", home.to_str().unwrap()], directory)
    };
    for (from, to) in [
        ("maildir:M:LAYOUT=fs", "maildir:~/plus:LAYOUT=maildir++"),
        ("maildir:~/M", "mbox:mail:INBOX=spool/%n"),
        ("mbox:~/mail:INBOX=~/spool/alice", "maildir:%n:LAYOUT=fs"),
    ] {
        let done = convert(from, to);
        let told = text(&done.stdout);
        assert!(done.status.success(), "{from} {to}: {}", text(&done.stderr));
        assert!(told.contains(" 3 messages converted"), "{from} {to}: {told}");
    }
    for cur in ["plus/cur", "plus/.Lists.rust/cur", "plus/.Neu/cur", "alice/cur", "alice/Lists/rust/cur"] {
        let file = fs::read_dir(directory.join("home").join(cur)).unwrap().next().unwrap().unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), message, "{cur}");
        assert!(file.file_name().to_str().unwrap().ends_with(":2,FS"), "{cur}");
    }
    for (from, to, words) in [
        ("maildir:M:LAYOUT=maildir++", "mbox:x", "home/M: its mailboxes lie as fs (A/B)"),
        ("maildir:M:LAYOUT=dbox", "mbox:x", "LAYOUT=dbox: LAYOUT=maildir++ or LAYOUT=fs is expected"),
        ("maildir:home/M", "mbox:x", "relative paths count from"),
        ("maildir:spool", "mbox:x", "is not a Maildir"),
        ("dbox:M", "mbox:x", "dbox:M: this is no place"),
    ] {
        let refused = convert(from, to);
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains(words), "{from}: {said}");
    }
    assert!(!directory.join("home/spool/cur").exists(), "a source is not made");
}

#[test]
fn a_second_server_leaves_the_first_ones_data_alone() {
    let first = Server::start(true);
    let second = postroom(&["serve", "--config", "postroom.toml"], &first.directory);
    assert!(!second.status.success());
    let said = text(&second.stderr);
    assert!(said.contains("data: another postroom serves") && said.contains("data_dir"), "{said}");
    let mut smtp = Smtp::connect(first.address("smtp", "starttls"));
    assert!(smtp.send(BOB, ALICE, b"Subject: still mine\r\n\r\n").starts_with("250 "));
}

/// The fixed ports of the embedded default must be free for this.
#[test]
fn the_embedded_default_tells_what_to_try_and_keeps_its_passwords() {
    let directory = tempfile::tempdir().unwrap();
    let mut accounts = Vec::new();
    for _ in 0..2 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postroom"))
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            let ready = line == "ready";
            lines.push(line);
            if ready {
                break;
            }
        }
        if lines.last().is_none_or(|line| line != "ready") {
            panic!("not started: {}", text(&common::rest(child.stderr.take().unwrap())));
        }
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("listening ")).count(),
            LISTENERS.matches("[[listener]]").count()
        );
        let curl: Vec<_> = lines.iter().filter(|line| line.contains("curl ")).cloned().collect();
        assert_eq!(curl.len(), 3, "{lines:?}");
        let account = lines.iter().find(|line| line.contains(ALICE)).unwrap().clone();
        accounts.push(account.split_whitespace().last().unwrap().to_owned());

        if common::has("curl") {
            let password = &accounts[0];
            common::run(Command::new("sh").args(["-c", curl[0].trim()]));
            eventually(|| {
                let read = Command::new("sh").args(["-c", curl[1].trim()]).output().unwrap();
                text(&read.stdout).contains("It works.")
            });
            assert!(
                text(&common::run(Command::new("sh").args(["-c", curl[2].trim()]))).contains("It works.")
            );
            assert!(curl[1].contains(password.as_str()));
        }
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(accounts[0], accounts[1], "the passwords of the first start are kept");
}
