//! `postroom postmap` and `postroom postalias`: what Postfix's programs of those names print, and how they exit.

#![allow(clippy::unwrap_used, reason = "a test says what it needs by failing")]

use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The exit status, what is printed, and what is complained of.
fn run(arguments: &[&str], input: &str, directory: &Path) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_postroom"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn tables_are_asked() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("access"), "spam.test REJECT no\nlonely\nfriend.test OK\n").unwrap();
    fs::write(directory.join("patterns"), "/^(.*)@a\\.test$/ REDIRECT $1@b.test\n").unwrap();
    let asked = |key: &str, tables: &[&str], input: &str| {
        let arguments = [&["postmap", "-q", key], tables].concat();
        let (status, printed, complaints) = run(&arguments, input, directory);
        (status.unwrap(), printed, complaints)
    };
    let warning =
        "postroom: warning: access, line 2: expected a key, blanks and a text: this line is ignored\n";
    assert_eq!(asked("SPAM.test", &["texthash:access"], ""), (0, "REJECT no\n".into(), warning.into()));
    assert_eq!(asked("other.test", &["access"], ""), (1, String::new(), warning.into()));
    assert_eq!(
        asked("u@a.test", &["static:x", "regexp:patterns"], "").1,
        "x\n",
        "the first table that has it"
    );
    assert_eq!(asked("u@a.test", &["regexp:patterns"], "").1, "REDIRECT u@b.test\n");
    let (status, printed, _) = asked("-", &["access"], "spam.test\nnone.test\nfriend.test\n");
    assert_eq!((status, &*printed), (0, "spam.test\tREJECT no\nfriend.test\tOK\n"));
    for (table, said) in [
        ("nosuch:x", "postroom: nosuch:x: no kind of table is called nosuch\n"),
        ("hash:none", "postroom: hash:none: none: No such file or directory (os error 2)\n"),
        ("fail:x", "postroom: fail:x: it is there to fail\n"),
        ("mysql:/x", "postroom: mysql:/x: tables of this kind cannot be asked from here\n"),
    ] {
        assert_eq!(asked("k", &[table], ""), (1, String::new(), said.into()));
    }
}

#[test]
fn constant_databases_are_compiled_in_one_step() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let source = directory.join("aliases");
    fs::write(&source, "postmaster: root\nroot: alice,\n  bob\n").unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(run(&["postalias", "cdb:aliases"], "", directory), (Some(0), String::new(), String::new()));
    let mode = fs::metadata(directory.join("aliases.cdb")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640, "as its source");
    let asked = |key: &str| run(&["postalias", "-q", key, "cdb:aliases"], "", directory);
    assert_eq!(asked("Root"), (Some(0), "alice, bob\n".into(), String::new()));
    fs::write(&source, "root: carol\n").unwrap();
    assert_eq!(asked("postmaster").0, Some(0), "the source is not looked at");
    assert_eq!(run(&["postalias", "cdb:aliases"], "", directory).0, Some(0));
    assert_eq!(asked("postmaster"), (Some(1), String::new(), String::new()));
    assert_eq!(asked("root").1, "carol\n");
    // R99.
    let elsewhere = tempfile::tempdir().unwrap();
    let arguments = ["postalias", "-c", directory.to_str().unwrap(), "-q", "root", "cdb:aliases"];
    assert_eq!(run(&arguments, "", elsewhere.path()).1, "carol\n");
    assert_eq!(run(&["postalias", "-c", "none", "-q", "root", "cdb:aliases"], "", directory).0, Some(1));
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["aliases", "aliases.cdb"], "nothing else is left");
    // Root compiles the table of a user, who has put links where a file will be written.
    let (victim, target) = (directory.join("victim"), directory.join("aliases.cdb"));
    fs::write(&victim, "precious").unwrap();
    fs::remove_file(&target).unwrap();
    for link in [&target, &directory.join("aliases.cdb.tmp")] {
        std::os::unix::fs::symlink(&victim, link).unwrap();
    }
    assert_eq!(run(&["postalias", "cdb:aliases"], "", directory).0, Some(0));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert!(fs::symlink_metadata(&target).unwrap().is_file(), "the link is replaced");
    assert_eq!(asked("root").1, "carol\n");
    let (status, _, said) = run(&["postmap", "cdb:none"], "", directory);
    assert_eq!((status, &*said), (Some(1), "postroom: none: No such file or directory (os error 2)\n"));
    fs::write(directory.join("wrong"), "/(/ x\n").unwrap();
    let (status, _, said) = run(&["postmap", "pcre:wrong"], "", directory);
    assert_eq!(status, Some(0), "the other rules work");
    assert!(said.starts_with("postroom: warning: wrong, line 1: the pattern cannot be used"), "{said}");
    let nothing = "\npostroom: pcre:wrong: read, and nothing to be compiled: a server reads it as it is\n";
    assert!(said.ends_with(nothing), "{said}");
    let (status, _, said) = run(&["postmap", "hash:"], "", directory);
    assert_eq!((status, &*said), (Some(1), "postroom: hash:: no file is named behind the colon\n"));
}

/// The source is put away while it is read, and another file has its name: what was read stays as secret as it was.
#[test]
fn a_database_is_as_the_file_that_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (source, other) = (directory.join("secrets"), directory.join("other"));
    mknodat(CWD, &source, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::write(&other, "").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    let (pipe, named) = (source.clone(), other);
    let user = std::thread::spawn(move || {
        // It is open here when it is open there, and read to the end when it is closed here.
        let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        fs::rename(&named, &pipe).unwrap();
        writer.write_all(b"key secret\n").unwrap();
    });
    assert_eq!(run(&["postmap", "cdb:secrets"], "", directory), (Some(0), String::new(), String::new()));
    user.join().unwrap();
    let mode = fs::metadata(directory.join("secrets.cdb")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "not as the file that has its name now");
    assert_eq!(run(&["postmap", "-q", "key", "cdb:secrets"], "", directory).1, "secret\n");
}

#[test]
fn all_that_a_table_has() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("access"), "b.test REJECT\nA.test OK\n  now\n").unwrap();
    let asked = |arguments: &[&str]| run(arguments, "", directory);
    let all = "b.test\tREJECT\na.test\tOK  now\n";
    assert_eq!(asked(&["postmap", "-s", "access"]), (Some(0), all.into(), String::new()));
    assert_eq!(asked(&["postmap", "cdb:access"]).0, Some(0));
    assert_eq!(asked(&["postmap", "-s", "cdb:access", "inline:{c=d}"]).1, format!("{all}c\td\n"));
    for (table, said) in [
        ("static:x", "postroom: static:x: there are no keys in a table of this kind\n"),
        ("cidr:{{::1 x}}", "postroom: cidr:{{::1 x}}: there are no keys in a table of this kind\n"),
        ("ldap:x", "postroom: ldap:x: tables of this kind cannot be asked from here\n"),
    ] {
        assert_eq!(asked(&["postmap", "-s", table]), (Some(1), String::new(), said.into()));
    }
}

/// `-h` is of the header, `-b` of the body; `-m` says what the headers of parts are.
#[test]
fn fields_and_lines_of_a_message_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(
        directory.join("checks"),
        "/^Subject:.*win/ REJECT\n/^Content-Type:/ TYPE\n/free/ HOLD\n/^--b$/ PART\n",
    )
    .unwrap();
    let message = "Subject: you\r\n win\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html;\r\n \
        name=free\r\n\r\nfor free\r\n\r\n--b--\r\n";
    let asked = |flags: &str, input: &str| run(&["postmap", flags, "-", "regexp:checks"], input, directory);
    let (subject, own) =
        ("Subject: you\n win\tREJECT\n", "Content-Type: multipart/mixed; boundary=b\tTYPE\n");
    let of_part = "Content-Type: text/html;\n name=free\tTYPE\n";
    for (flags, printed) in [
        ("-hq", format!("{subject}{own}")),
        ("-hmq", format!("{subject}{own}{of_part}")),
        ("-bq", "--b\tPART\nContent-Type: text/html;\tTYPE\n name=free\tHOLD\nfor free\tHOLD\n".to_owned()),
        ("-bmq", "--b\tPART\nfor free\tHOLD\n".to_owned()),
    ] {
        assert_eq!(asked(flags, message), (Some(0), printed, String::new()), "{flags}");
    }
    assert_eq!(asked("-hmq", "Subject: x\n\nfree\n"), (Some(1), String::new(), String::new()));
    let (status, _, wrong) = run(&["postmap", "-hq", "x", "regexp:checks"], "", directory);
    assert!(status == Some(1) && wrong.contains("a message comes on standard input"), "{wrong}");
    let (status, help, _) = run(&["postmap", "--help"], "", directory);
    assert!(status == Some(0) && help.contains("-i and -d are not there"), "{help}");
}

/// R94.
#[test]
fn kinds_of_tables_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let (status, printed, _) = run(&["policy", "tables"], "", directory.path());
    assert_eq!(status, Some(0));
    for kind in ["hash", "regexp", "pcre", "cidr", "inline", "static", "texthash", "mysql", "sqlite", "cdb"] {
        let line = printed.lines().find(|line| line.split('\t').next() == Some(kind));
        let line = line.unwrap_or_else(|| panic!("{kind}: {printed}"));
        assert_eq!(line.ends_with("(not looked up by this program yet)"), line.contains("SQL"), "{line}");
    }
}
