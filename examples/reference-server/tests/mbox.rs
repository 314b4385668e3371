//! The server over mbox files: mail in by SMTP, LMTP and APPEND, out by IMAP and POP3; and Debian's Dovecot at the same
//! files, which finds the UIDs, flags and keywords that we wrote, and we those that it writes.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::peers::{Doveadm, can_start};
use common::wire::{Imap, Pop3, Smtp, Value};
use common::{ALICE, BOB, PASSWORD, Server, configuration, eventually, prepare, trace_of};
use std::fs;
use std::path::{Path, PathBuf};

const STORAGE: &str =
    "[storage]\nformat = \"mbox\"\npath = \"home/%n\"\nlocation = \"mbox:~/mail:INBOX=~/mbox\"\n";

/// What an mbox has to quote, and what nobody outside may say.
fn message(subject: &str) -> Vec<u8> {
    format!(
        "From: Bob <{BOB}>\r\nTo: Alice <{ALICE}>\r\nSubject: {subject}\r\n\r\n\
         From the start\r\n\r\nFrom x Sun Nov 22 14:13:11 2026\r\n>From y\r\n.\r\ntrailing \r\n\r\nend\r\n\r\n"
    )
    .into_bytes()
}

fn uid_flags(imap: &mut Imap) -> Vec<(usize, String)> {
    let fetched = imap.ok("FETCH 1:* (UID FLAGS)");
    let items = fetched.iter().filter(|values| values.get(1) == Some(&Value::Atom("FETCH".into())));
    items
        .map(|values| {
            let flags = values[2].item("FLAGS").list().iter().filter_map(|flag| match flag {
                Value::Atom(flag) if flag != "\\Recent" => Some(flag.as_str()),
                _ => None,
            });
            let mut flags: Vec<&str> = flags.collect();
            flags.sort_unstable();
            (values[2].item("UID").number(), flags.join(" "))
        })
        .collect()
}

fn body(imap: &mut Imap, uid: usize) -> Vec<u8> {
    let fetched = imap.ok(&format!("UID FETCH {uid} (RFC822.SIZE BODY.PEEK[])"));
    let found = fetched.iter().find(|values| values.get(1) == Some(&Value::Atom("FETCH".into()))).unwrap();
    let text = found[2].item("BODY[]").text().to_vec();
    assert_eq!(found[2].item("RFC822.SIZE").number(), text.len());
    text
}

fn start(directory: &Path) -> Server {
    prepare(directory, &configuration(true, STORAGE));
    Server::start_in(directory)
}

fn imap(server: &Server) -> Imap {
    Imap::login(server.address("imap", "starttls"), ALICE, PASSWORD)
}

/// The lock files at or below a directory.
fn locks(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(locks(&path));
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            found.push(path);
        }
    }
    found
}

#[test]
fn mail_goes_in_and_out_of_mbox_files() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mbox = directory.path().join("data/home/alice/mbox");

    let forged = [b"X-UID: 77\r\nStatus: RO\r\nX-IMAPbase: 1 99\r\n".to_vec(), message("smtp")].concat();
    let mut smtp = Smtp::connect(server.address("smtp", "starttls"));
    assert!(smtp.send(BOB, ALICE, &forged).starts_with("250"));
    let mut lmtp = common::wire::Wire::connect(server.address("lmtp", "starttls"));
    assert!(lmtp.line().starts_with("220"));
    for (command, code) in [
        ("LHLO client.example.test".to_owned(), "250 "),
        (format!("MAIL FROM:<{BOB}>"), "250 "),
        (format!("RCPT TO:<{ALICE}>"), "250 "),
        ("DATA".to_owned(), "354 "),
    ] {
        lmtp.send(format!("{command}\r\n"));
        while !lmtp.line().starts_with(code) {}
    }
    lmtp.send(common::wire::dot_stuffed(&message("lmtp")));
    assert!(lmtp.line().starts_with("250"));
    eventually(|| fs::read_to_string(&mbox).is_ok_and(|text| text.matches("\nSubject: ").count() == 2));

    let mut imap = imap(&server);
    imap.ok("SELECT INBOX");
    assert!(imap.append("INBOX", &message("append")).starts_with("OK [APPENDUID "));
    imap.ok("STORE 2 +FLAGS (\\Flagged $Work)");
    assert_eq!(uid_flags(&mut imap), [(1, "".into()), (2, "$Work \\Flagged".into()), (3, "".into())]);
    let mut subjects = Vec::new();
    for uid in 1..=3 {
        let text = body(&mut imap, uid);
        let subject =
            ["smtp", "lmtp", "append"].into_iter().find(|subject| text.ends_with(&message(subject)));
        subjects.push(subject.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&text))));
        let trace = trace_of(&text, &message(subjects[uid - 1]));
        assert!(!trace.contains("X-UID") && !trace.contains("Status"), "{trace}");
    }
    subjects.sort_unstable();
    assert_eq!(subjects, ["append", "lmtp", "smtp"]);
    imap.ok("CREATE Work");
    imap.ok("COPY 2 Work");
    imap.ok("STORE 1 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    assert_eq!(uid_flags(&mut imap), [(2, "$Work \\Flagged".into()), (3, "".into())]);
    assert!(
        fs::read_to_string(directory.path().join("data/home/alice/mail/Work")).unwrap().contains("$Work")
    );

    let mut pop3 = Pop3::login(server.address("pop3", "starttls"), ALICE, PASSWORD);
    assert_eq!(pop3.count(), 2);
    assert!(pop3.lines("RETR 2").ends_with(&message("append")));
    pop3.command("DELE 2");
    pop3.command("QUIT");
    imap.ok("NOOP");
    assert_eq!(uid_flags(&mut imap), [(2, "$Work \\Flagged".into())]);

    // Who stops closes what was open, and a restart finds the same.
    drop(imap);
    assert!(server.stop());
    let left = locks(directory.path());
    assert!(left.is_empty(), "{left:?}");
    let server = Server::start_in(directory.path());
    let mut again = self::imap(&server);
    again.ok("SELECT INBOX");
    assert_eq!(uid_flags(&mut again), [(2, "$Work \\Flagged".into())]);
    assert!(server.stop());
}

#[test]
fn dovecot_and_we_share_mbox_files() {
    if !can_start(&["doveadm", "setpriv"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut imap = imap(&server);
    imap.ok("SELECT INBOX");
    for (subject, flags) in [("one", "\\Seen $Work"), ("two", ""), ("three", "\\Answered \\Draft")] {
        assert!(imap.append("INBOX", &message(subject)).starts_with("OK"));
        let (_, told) = imap.command("NOOP");
        assert!(told.starts_with("OK"));
        if !flags.is_empty() {
            imap.ok(&format!("STORE * +FLAGS ({flags})"));
        }
    }
    imap.ok("STORE 2 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    let ours = uid_flags(&mut imap);
    assert_eq!(ours, [(1, "$Work \\Seen".into()), (3, "\\Answered \\Draft".into())]);

    let dovecot = Doveadm::new(&directory.path().join("data/home/alice"));
    assert_eq!(dovecot.uid_flags("INBOX"), ours, "Dovecot reads what we wrote");

    dovecot.run(&["flags", "add", "\\Flagged $Theirs", "mailbox", "INBOX", "uid", "3"], b"");
    dovecot.run(&["flags", "remove", "\\Seen", "mailbox", "INBOX", "uid", "1"], b"");
    let saved = String::from_utf8(message("saved by Dovecot")).unwrap().replace("\r\n", "\n");
    dovecot.run(&["save", "-m", "INBOX"], saved.as_bytes());
    imap.ok("NOOP");
    let now = uid_flags(&mut imap);
    assert_eq!(
        now,
        [(1, "$Work".into()), (3, "$Theirs \\Answered \\Draft \\Flagged".into()), (4, "".into())],
        "we read what Dovecot wrote"
    );
    assert_eq!(body(&mut imap, 4), message("saved by Dovecot"));
    assert_eq!(dovecot.uid_flags("INBOX"), now);

    dovecot.run(&["expunge", "mailbox", "INBOX", "uid", "1"], b"");
    imap.ok("NOOP");
    assert!(imap.append("INBOX", &message("last")).starts_with("OK"));
    let now = uid_flags(&mut imap);
    assert_eq!(now.iter().map(|(uid, _)| *uid).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(dovecot.uid_flags("INBOX"), now);
    assert!(server.stop());
}

#[test]
fn mail_is_converted_both_ways_by_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir_all(at.join("Maildir/cur")).unwrap();
    fs::write(at.join("Maildir/cur/1795325990.M1P1.vm:2,FS"), message("one")).unwrap();
    let convert = |from: &str, to: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postroom"));
        command.args(["convert", from, to, "--user", ALICE, "--home"]).arg(at).output().unwrap()
    };
    let done = convert("maildir:~/Maildir", "mbox:~/mail:INBOX=~/spool/%n");
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "1 mailboxes, 1 messages converted\n");
    assert_eq!(String::from_utf8(done.stderr).unwrap(), "INBOX: 1 of 1\n");
    let mbox = fs::read_to_string(at.join("spool/alice")).unwrap();
    assert!(mbox.contains("\nSubject: one\n") && mbox.contains("\nStatus: R"), "{mbox}");
    assert!(convert("mbox:~/mail:INBOX=~/spool/%n", "maildir:~/Again").status.success());
    let cur = fs::read_dir(at.join("Again/cur")).unwrap().next().unwrap().unwrap();
    assert!(cur.file_name().to_str().unwrap().ends_with(":2,FS"));
    assert_eq!(fs::read(cur.path()).unwrap(), message("one"));
    // Who has no folders has no directory for them.
    assert!(convert("mbox:~/none:INBOX=~/spool/%n", "maildir:~/Inbox").status.success());
    assert_eq!(fs::read_dir(at.join("Inbox/cur")).unwrap().count(), 1);
    assert!(!convert("mbox:~/none2:INBOX=~/spool/nobody", "maildir:~/Nothing").status.success());
    // A folder cannot be made; what is converted stays, and the error says how to go on.
    for sub in ["tmp", "new", "cur"] {
        fs::create_dir_all(at.join("Maildir/.Lists").join(sub)).unwrap();
    }
    fs::create_dir_all(at.join("mail/Lists")).unwrap();
    let failed = convert("maildir:~/Maildir", "mbox:~/mail:INBOX=~/spool/%n");
    assert!(!failed.status.success());
    let told = String::from_utf8(failed.stderr).unwrap();
    assert!(told.contains("the same command goes on from there"), "{told}");
    fs::remove_dir(at.join("mail/Lists")).unwrap();
    let done = convert("maildir:~/Maildir", "mbox:~/mail:INBOX=~/spool/%n");
    let told = String::from_utf8(done.stdout).unwrap();
    assert_eq!(told, "2 mailboxes, 0 messages converted\n1 were there already\n");
    fs::create_dir_all(at.join("Other/cur")).unwrap();
    fs::write(at.join("Other/cur/1795325990.M2P1.vm:2,"), message("other")).unwrap();
    let refused = convert("maildir:~/Other", "mbox:~/mail:INBOX=~/spool/%n");
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("holds other mail") && told.contains("nothing was appended"), "{told}");
    for (from, to) in
        [("maildir:~/nothing", "mbox:~/x"), ("~/Maildir", "mbox:~/x"), ("maildir:~/Maildir", "mbox:")]
    {
        let refused = convert(from, to);
        assert!(!refused.status.success() && refused.stderr.starts_with(b"postroom: "), "{from} {to}");
    }
}
