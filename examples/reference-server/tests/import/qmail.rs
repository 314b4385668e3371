//! What is written for a qmail, and what is told.

use crate::common::program;
use crate::{toml, write};
use postroom::relay_policy::table::compile_cdb;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn a_qmail_becomes_ours() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(
        directory,
        &[
            ("qmail/control/me", "mail.example.org\n"),
            ("qmail/control/locals", "example.org\n"),
            ("qmail/control/rcpthosts", "example.org\nshop.example\n"),
            ("qmail/control/virtualdomains", "shop.example:ann-shop\n"),
            ("qmail/control/badmailfrom", "@spam.example\n"),
            ("qmail/control/databytes", "1000\n"),
            ("tcp.smtp", "192.0.2.:allow,RELAYCLIENT=\"\"\n:deny\n"),
        ],
    );
    let arguments = ["import-qmail", "qmail", "--tcp-rules", "tcp.smtp", "--output", "ours"];
    let (good, _, told) = program(&arguments, directory);
    assert!(good, "{told}");
    assert!(told.contains("databytes, line 1: a limit below 65536 octets"), "{told}");
    let told_at_first = told;
    let mut names: Vec<_> =
        fs::read_dir(directory.join("ours")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["badmailfrom", "postroom.toml", "tcprules-networks", "users.passwd", "virtualdomains"]
    );
    let written = toml(&fs::read_to_string(directory.join("ours/postroom.toml")).unwrap());
    assert_eq!(written["policy"]["mynetworks"].as_str(), Some("192.0.2.0/24"));
    assert_eq!(written["listener"][0]["auth_mechanisms"].to_string(), "[]", "qmail-smtpd has no AUTH");
    assert!(told_at_first.contains("an address is parted at the first -"), "{told_at_first}");
    let (good, checked, wrong) = program(&["check", "--config", "ours/postroom.toml"], directory);
    assert!(good && checked.ends_with("ok\n"), "{checked}{wrong}");
    fs::write(directory.join("tcp.smtp"), "192.0.2.\n").unwrap();
    let (good, _, told) = program(&arguments, directory);
    assert!(!good && told.contains("tcp.smtp, line 1: \"192.0.2.\" has no colon"), "{told}");
}

/// What qmail reads compiled, and who its users are.
#[test]
fn constant_databases_and_users() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let assign = "=ann:ann:1000:1000:/home/ann:::\n+ann-:ann:1000:1000:/home/ann:-::\n=info:ann:1000:1000:/home/ann:::\n\
        =sales:bob:1001:1001:/home/bob:-:sales:\n+:alias:7790:2108:/var/qmail/alias:-::\n.\n=late:ann:1:1:/:::\n";
    write(
        directory,
        &[
            ("qmail/control/me", "mail.example.org\n"),
            ("qmail/control/locals", "example.org\n"),
            ("qmail/control/rcpthosts", "example.org\n"),
            ("qmail/control/morercpthosts", "text.example\n"),
            ("qmail/users/assign", assign),
        ],
    );
    let arguments = ["import-qmail", "qmail", "--output", "ours"];
    let (good, _, told) = program(&arguments, directory);
    assert!(good, "{told}");
    assert!(
        told.contains("morercpthosts: not carried over: qmail reads morercpthosts.cdb, and there is none"),
        "{told}"
    );
    fs::remove_dir_all(directory.join("ours")).unwrap();

    let (hosts, _) = compile_cdb("morercpthosts", b"more.example x\n.below.example x\n", false).unwrap();
    fs::write(directory.join("qmail/control/morercpthosts.cdb"), hosts).unwrap();
    let (good, _, told) = program(&arguments, directory);
    assert!(good, "{told}");
    let written = toml(&fs::read_to_string(directory.join("ours/postroom.toml")).unwrap());
    let policy = &written["policy"];
    let relayed: Vec<&str> =
        policy["relay_domains"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(relayed, ["more.example", ".below.example"]);
    assert_eq!(policy["alias_maps"].as_str(), Some("hash:aliases"));
    assert_eq!(fs::read_to_string(directory.join("ours/aliases")).unwrap(), "info: ann\n");
    let users = fs::read_to_string(directory.join("ours/users.passwd")).unwrap();
    assert!(users.ends_with("# ann@example.org:\n# bob@example.org:\n"), "{users}");
    for line in [
        "users/assign, line 4: sales: not carried over: what becomes of it stands in .qmail-sales of bob",
        "users/assign, line 5: all that begin with \"\" are not carried over",
    ] {
        assert!(told.lines().any(|told| told.starts_with(line)), "{line}: {told}");
    }
    assert!(!told.contains("ann-") && !told.contains("morercpthosts"), "{told}");

    fs::write(directory.join("qmail/control/morercpthosts.cdb"), "no database").unwrap();
    let (good, _, told) = program(&["import-qmail", "qmail"], directory);
    assert!(!good && told.contains("morercpthosts.cdb: shorter than the header of a cdb"), "{told}");
}

/// R116, QM10: what `.qmail` files forward, to whom; a virtual domain's user among them.
#[test]
fn dot_qmail_files_are_aliases() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(
        directory,
        &[
            ("qmail/control/me", "mail.example.org\n"),
            ("qmail/control/locals", "example.org\n"),
            ("qmail/control/rcpthosts", "example.org\nvirtual.example\n"),
            ("qmail/control/virtualdomains", "virtual.example:joe\n"),
            ("qmail/users/assign", "=joe:joe:1000:1000:DIR/joe:::\n+joe-:joe:1000:1000:DIR/joe:-::\n.\n"),
            ("joe/.qmail", "# keep one\n./Maildir/\n&joe@far.test\n"),
            ("joe/.qmail-test1", "test1@example.org\n|vacation\n"),
            ("joe/.qmail-a:b", ""),
            ("joe/.qmail-list", "ann@example.org\n"),
            ("joe/.qmail-list-owner", "&joe\n"),
            ("joe/.qmail-default", "./Maildir/\n"),
            ("qmail/alias/.qmail-postmaster", "&joe\n"),
            ("qmail/alias/.qmail-default", "&ann@example.org\n"),
        ],
    );
    let (good, _, told) = program(&["import-qmail", "qmail", "--output", "ours"], directory);
    assert!(good, "{told}");
    let aliases = fs::read_to_string(directory.join("ours/aliases")).unwrap();
    assert_eq!(
        aliases,
        "postmaster: joe\njoe: joe, joe@far.test\njoe-a.b: joe\njoe-list: ann@example.org\nowner-joe-list: joe-list-owner\n\
         joe-list-owner: joe\njoe-test1: test1@example.org\n"
    );
    for line in [
        "~joe/.qmail-test1, line 2: |vacation: not carried over: no program is run",
        "~joe/.qmail-default: not carried over: what of joe's has no file of its own goes to the mailbox",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    let configuration = fs::read_to_string(directory.join("ours/postroom.toml")).unwrap();
    assert_eq!(toml(&configuration)["policy"]["luser_relay"].as_str(), Some("ann@example.org"));
    // Who writes to the virtual domain is joe's, and the file of the extension says whose.
    let accounts = ["ann", "joe", "test1"].map(|user| format!("{user}@example.org:{{PLAIN}}x\n")).concat();
    fs::write(directory.join("ours/users.passwd"), accounts).unwrap();
    for (to, verdict) in [
        ("test1@virtual.example", "verdict: accepted, for the mailbox test1@example.org"),
        ("other@virtual.example", "verdict: refused at RCPT: 550 5.4.4 <other@virtual.example>: "),
        ("list@virtual.example", "verdict: accepted, for the mailbox ann@example.org"),
        ("nobody@example.org", "verdict: accepted, for the mailbox ann@example.org"),
    ] {
        let arguments = [
            "policy",
            "explain",
            "--config",
            "ours/postroom.toml",
            "--client",
            "203.0.113.9",
            "--from",
            "",
            "--to",
            to,
        ];
        let (_, printed, wrong) = program(&arguments, directory);
        assert!(printed.lines().last().unwrap().starts_with(verdict), "{to}: {printed}{wrong}");
        assert_eq!(
            printed.contains(", from owner-joe-list@example.org"),
            to.starts_with("list@"),
            "{to}: {printed}"
        );
    }
}

/// Users' homes are read by root: no link there is followed, no pipe waited for, and one odd file keeps nothing else from being read.
#[test]
fn homes_are_read_with_care() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(
        directory,
        &[
            ("qmail/control/me", "mail.example.org\n"),
            ("qmail/control/locals", "example.org\n"),
            ("qmail/control/rcpthosts", "example.org\n"),
            (
                "qmail/users/assign",
                "=ann:ann:1:1:DIR/ann:::\n=bob:bob:2:2:DIR/bob:::\n=joe:joe:3:3:DIR/joe:::\n.\n",
            ),
            ("secret", "root-only@example.org\n"),
            ("ann", "no directory"),
            ("joe/.qmail-good", "bob@example.org\n"),
            ("joe/.qmail-old/x", ""),
            ("joe/.qmail-long", &"#\n".repeat(32 * 1024 + 1)),
            ("qmail/alias/.qmail-info", "&joe\n"),
        ],
    );
    fs::write(directory.join("joe/.qmail-latin"), b"# \xe9\nann@example.org\n").unwrap();
    symlink(directory.join("secret"), directory.join("joe/.qmail-link")).unwrap();
    mknodat(CWD, directory.join("joe/.qmail-pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let (good, _, told) = program(&["import-qmail", "qmail", "--output", "ours"], directory);
    assert!(good, "{told}");
    assert_eq!(
        fs::read_to_string(directory.join("ours/aliases")).unwrap(),
        "info: joe\njoe-good: bob@example.org\njoe-latin: ann@example.org\n"
    );
    for line in [
        "~ann: not carried over: Not a directory (os error 20)",
        "~joe/.qmail-link: not carried over: it is no regular file",
        "~joe/.qmail-long: not carried over: it is longer than 65536 octets",
        "~joe/.qmail-old: not carried over: it is no regular file",
        "~joe/.qmail-pipe: not carried over: it is no regular file",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
}
