//! What is written for a qmail, and what is told.

use crate::common::program;
use crate::{toml, write};
use std::fs;

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
