//! `postroom policy explain`.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::{configuration, prepare, program};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The policy of the tests, in a directory with the tables that it names.
fn with_policy(policy: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = configuration(false, "").replace("mynetworks = [\"127.0.0.0/8\"]\n", policy);
    prepare(directory.path(), &text);
    fs::write(directory.path().join("recipients"), "allemp@example.test directors\n").unwrap();
    fs::write(directory.path().join("directors"), "# who may\nboss@example.test OK\n").unwrap();
    directory
}

/// The second seed: only directors may write to everybody.
const DIRECTORS: &str = r#"
mynetworks = ["127.0.0.0/8"]
smtpd_restriction_classes = ["directors"]
directors = ["check_sender_access texthash:directors", "reject"]
smtpd_recipient_restrictions = ["check_recipient_access texthash:recipients"]
smtpd_sender_restrictions = ["reject_unknown_sender_domain"]
virtual_alias_maps = "inline:{allemp@example.test=alice@example.test}"
"#;

/// Whether there is a verdict, what is printed, and what is complained of.
fn explain(directory: &Path, more: &[&str]) -> (bool, String, String) {
    let (status, told, wrong) = status(directory, more);
    (status != 1, told, wrong)
}

fn status(directory: &Path, more: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["policy", "explain", "--config", "postroom.toml", "--client", "192.0.2.1"];
    arguments.extend(more);
    let output =
        Command::new(env!("CARGO_BIN_EXE_postroom")).args(arguments).current_dir(directory).output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_rule_is_told_with_its_file_and_line() {
    let directory = with_policy(DIRECTORS);
    let directory = directory.path();
    let (good, told, wrong) = explain(
        directory,
        &["--helo", "mx.test", "--from", "joe@example.test", "--to", "allemp@example.test"],
    );
    assert!(good, "{wrong}");
    for line in [
        "listener smtp#0 (127.0.0.1:0)",
        "RCPT",
        "  sender: reject_unknown_sender_domain: no: ",
        "  relay: permit_mynetworks: no: 192.0.2.1 is not in mynetworks",
        "  recipient: check_recipient_access texthash:recipients: no: recipients, line 1: allemp@example.test: directors",
        "  recipient: check_recipient_access texthash:recipients: directors: check_sender_access texthash:directors: no: texthash:directors has none of",
        "verdict: refused at RCPT: 554 5.7.1 <allemp@example.test>: Recipient address rejected: Access denied",
    ] {
        assert!(told.lines().any(|told| told.starts_with(line)), "{line}:\n{told}");
    }
    let (_, told, _) = explain(directory, &["--from", "boss@example.test", "--to", "<allemp@example.test>"]);
    assert!(told.contains("directors, line 2: boss@example.test: OK"), "{told}");

    // Nobody is asked who need not be.
    let (_, told, _) = explain(directory, &["--from", "x@stranger.test", "--to", "alice@example.test"]);
    assert!(
        told.contains("not looked up, as if the DNS did not answer (--dns asks it): MX of stranger.test"),
        "{told}"
    );
    assert!(told.contains("verdict: refused at RCPT: 450 4.1.8 <x@stranger.test>"), "{told}");
    let (_, told, _) = explain(directory, &["--from", "", "--to", "alice@example.test"]);
    assert!(told.ends_with("verdict: accepted, for the mailbox alice@example.test\n"), "{told}");
    assert!(!told.contains("not looked up"), "{told}");
    let (_, told, _) = explain(directory, &["--from", "", "--to", "nobody@example.test"]);
    assert!(told.contains(
        "550 5.1.1 <nobody@example.test>: Recipient address rejected: User unknown in local recipient table"
    ));
    let (_, told, _) = explain(directory, &["--from", "", "--to", "a@elsewhere.test"]);
    assert!(
        told.ends_with("verdict: refused at RCPT: 554 5.7.1 <a@elsewhere.test>: Relay access denied\n"),
        "{told}"
    );
}

#[test]
fn listeners_and_logins() {
    let directory = with_policy("mynetworks = []");
    let directory = directory.path();
    let message = ["--from", "alice@example.test", "--to", "bob@example.test"];
    let on = |listener: &str, more: &[&str]| {
        let arguments = [&["--listener", listener], more, &message[..]].concat();
        let (good, told, wrong) = explain(directory, &arguments);
        (good, format!("{told}{wrong}"))
    };
    assert!(on("submission", &[]).1.contains("verdict: refused at RCPT: 554 5.7.1 <bob@example.test>"));
    assert!(
        on("submission#1", &["--login", "alice@example.test"])
            .1
            .contains("verdict: accepted, for the mailbox bob@")
    );
    assert!(on("lmtp", &[]).1.contains("verdict: accepted"));
    let (good, said) = on("imap", &[]);
    assert!(!good && said.contains("--listener imap: no listener that takes mail"), "{said}");
    let (good, _, said) = explain(directory, &["--from", "a b@c", "--to", "d@e"]);
    assert!(!good && said.contains("--from a b@c: "), "{said}");
}

#[test]
fn the_embedded_default_is_explained_without_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["policy", "explain", "--client", "192.0.2.1", "--from", "a@b.test", "--to", "c@d.test"];
    let (_, told, _) = program(&arguments, directory.path());
    assert!(
        told.ends_with("verdict: refused at RCPT: 554 5.7.1 <c@d.test>: Relay access denied\n"),
        "{told}"
    );
}

#[test]
fn what_aliases_make_of_addresses_and_what_looks_at_the_message() {
    let policy = "mynetworks = []\nvirtual_alias_maps = \"inline:{{team@example.test=alice@example.test, staff}}\"\n\
        alias_maps = \"inline:{staff=bob}\"\ncanonical_maps = \"inline:{crew@example.test=team@example.test, joe@far.test=joseph@far.test}\"\n\
        always_bcc = \"alice@example.test\"\nheader_checks = \"regexp:{{/^Subject: x/ REJECT}}\"\nbody_checks = [\"pcre:{{/y/ WARN}}\"]\n";
    let directory = with_policy(policy);
    let (good, told, wrong) =
        explain(directory.path(), &["--from", "joe@far.test", "--to", "crew@example.test"]);
    assert!(good, "{wrong}");
    for line in [
        "  addresses: canonical_maps: joe@far.test is joseph@far.test \
         (inline:{crew@example.test=team@example.test, joe@far.test=joseph@far.test})",
        "  addresses: canonical_maps: crew@example.test is team@example.test \
         (inline:{crew@example.test=team@example.test, joe@far.test=joseph@far.test})",
        "  addresses: virtual_alias_maps: team@example.test is alice@example.test, staff@example.test \
         (inline:{{team@example.test=alice@example.test, staff}})",
        "  addresses: alias_maps: staff is bob (inline:{staff=bob})",
        "  addresses: alice@example.test in the mailbox of alice@example.test",
        "  addresses: bob@example.test in the mailbox of bob@example.test",
        "  addresses: a copy: alice@example.test in the mailbox of alice@example.test",
        "content checks, which --message tries",
        "  header_checks regexp:{{/^Subject: x/ REJECT}}",
        "  body_checks pcre:{{/y/ WARN}}",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}:\n{told}");
    }
    assert!(
        told.ends_with("verdict: accepted, for the mailboxes alice@example.test, bob@example.test\n"),
        "{told}"
    );
    // A copy that leads nowhere refuses the message, as the server does.
    for (to, told) in [("arch@other.test", "always_bcc"), ("nobody@example.test", "always_bcc")] {
        let directory = with_policy(&format!("mynetworks = []\nalways_bcc = \"{to}\""));
        let (good, said, wrong) = explain(directory.path(), &["--from", "", "--to", "alice@example.test"]);
        assert!(good, "{wrong}");
        assert!(said.ends_with("verdict: refused at DATA: 451 4.3.5 Server configuration error\n"), "{said}");
        let (good, said, _) = program(&["check", "--config", "postroom.toml"], directory.path());
        assert!(good && said.contains(&format!("warning: {told}: the copy leads to nobody")), "{said}");
    }
    let directory = with_policy(
        "mynetworks = []\nsmtpd_sender_restrictions = \"check_sender_access inline:{{a@b.test=BCC c@other.test}}\"",
    );
    let (_, told, _) = explain(directory.path(), &["--from", "a@b.test", "--to", "alice@example.test"]);
    assert!(told.ends_with("verdict: refused at DATA: 451 4.3.5 Server configuration error\n"), "{told}");
    // Each alias on the way has its line, and so has each of a circle.
    let directory =
        with_policy("mynetworks = []\nvirtual_alias_maps = \"hash:virtual\"\nalias_maps = \"hash:aliases\"");
    let virtuals = "round@example.test about@example.test\nabout@example.test round@example.test\n\
        help@example.test desk@example.test\ndesk@example.test staff@example.test\n";
    fs::write(directory.path().join("virtual"), virtuals).unwrap();
    fs::write(directory.path().join("aliases"), "crew: bob\nstaff: crew, :include:/none\n").unwrap();
    for (to, lines) in [
        (
            "help@example.test",
            &[
                "virtual_alias_maps: help@example.test is desk@example.test (virtual, line 3)",
                "virtual_alias_maps: desk@example.test is staff@example.test (virtual, line 4)",
                "alias_maps: staff is crew, :include:/none (aliases, line 2)",
                "alias_maps: crew is bob (aliases, line 1)",
            ][..],
        ),
        (
            "round@example.test",
            &[
                "virtual_alias_maps: round@example.test is about@example.test (virtual, line 1)",
                "virtual_alias_maps: about@example.test is round@example.test (virtual, line 2)",
            ],
        ),
    ] {
        let (_, told, _) = explain(directory.path(), &["--from", "", "--to", to]);
        let steps = told.lines().filter_map(|line| line.strip_prefix("  addresses: ")).collect::<Vec<_>>();
        assert!(steps.starts_with(lines), "{told}");
    }
    // Where there is nothing to tell, nothing is told.
    let directory = with_policy("mynetworks = []");
    let (_, told, _) = explain(directory.path(), &["--from", "", "--to", "alice@example.test"]);
    assert!(!told.contains("content checks") && !told.contains("_maps:"), "{told}");
}

/// The verdict names what really becomes of the message, and the status is of use in scripts.
#[test]
fn what_the_verdict_names_and_the_exit_status() {
    let policy = "mynetworks = []\nallow_mail_to_files = [\"alias\"]\nallow_mail_to_commands = [\"alias\"]\n\
        alias_maps = \"hash:aliases\"\nsmtpd_sender_restrictions = \"check_sender_access texthash:senders\"\n";
    let directory = with_policy(policy);
    let directory = directory.path();
    let aliases =
        "log: /var/log/mail\nrun: \"|/bin/work -x\"\nall: alice, bob, /var/log/mail\nnone: /dev/null\n";
    fs::write(directory.join("aliases"), aliases).unwrap();
    let senders = "held@a.test HOLD\nbob@a.test REDIRECT bob@example.test\nlost@a.test DISCARD\n\
        both@a.test BCC bob@example.test\nlater@a.test 450 4.7.1 Not now\nno@a.test REJECT\n";
    fs::write(directory.join("senders"), senders).unwrap();
    // Who has the data directory runs the server; root's takes no such mail.
    let data = directory.join("data");
    fs::create_dir(&data).unwrap();
    if rustix::process::geteuid().is_root() {
        for (to, why) in [("log", "files"), ("run", "commands")] {
            let (is, told, wrong) = status(directory, &["--from", "", "--to", &format!("{to}@example.test")]);
            let verdict = format!(
                "verdict: refused at RCPT: 550 5.3.3 <{to}@example.test>: Recipient address rejected: Nothing is delivered to {why} here"
            );
            assert_eq!((is, told.lines().last()), (5, Some(&*verdict)), "{told}{wrong}");
            assert!(told.contains("files and commands of aliases: the data directory is root's"), "{told}");
        }
        std::os::unix::fs::chown(&data, Some(65_534), None).unwrap();
    }
    for (from, to, verdict, code) in [
        ("", "log", "accepted, for the file /var/log/mail", 0),
        ("", "run", "accepted, for the command /bin/work -x", 0),
        (
            "",
            "all",
            "accepted, for the mailboxes alice@example.test, bob@example.test and the file /var/log/mail",
            0,
        ),
        ("", "none", "accepted, and thrown away", 0),
        (
            "held@a.test",
            "alice",
            "accepted, for the mailbox alice@example.test, held until `postroom queue release`",
            0,
        ),
        ("bob@a.test", "alice", "accepted, for the mailbox bob@example.test", 0),
        ("lost@a.test", "alice", "accepted, and thrown away", 0),
        (
            "both@a.test",
            "alice",
            "accepted, for the mailbox alice@example.test, with copies for the mailbox bob@example.test",
            0,
        ),
        (
            "later@a.test",
            "alice",
            "refused at RCPT: 450 4.7.1 <later@a.test>: Sender address rejected: Not now",
            4,
        ),
        (
            "no@a.test",
            "alice",
            "refused at RCPT: 554 5.7.1 <no@a.test>: Sender address rejected: Access denied",
            5,
        ),
    ] {
        let (is, told, wrong) = status(directory, &["--from", from, "--to", &format!("{to}@example.test")]);
        assert_eq!(told.lines().last(), Some(&*format!("verdict: {verdict}")), "{from} {to}: {told}{wrong}");
        assert_eq!(is, code, "{from} {to}");
        assert_eq!(
            told.contains("a server that root runs refuses such mail"),
            ["log", "run", "all"].contains(&to),
            "{told}"
        );
    }
    assert_eq!(status(directory, &["--from", "", "--to", "a b"]).0, 1);
}

#[test]
fn what_the_content_of_a_message_changes() {
    let policy = "mynetworks = []\nheader_checks = \"regexp:fields\"\nbody_checks = \"pcre:lines\"\n\
        smtpd_sender_restrictions = \"check_sender_access inline:{lost@a.test=DISCARD}\"\n";
    let directory = with_policy(policy);
    let directory = directory.path();
    let fields =
        "/^Subject: win/ REJECT No lotteries\n/^Subject: bob/ REDIRECT bob@example.test\n/^X-A:/ IGNORE\n";
    fs::write(directory.join("fields"), fields).unwrap();
    fs::write(directory.join("lines"), "/free/ HOLD\n/junk/ DISCARD\n").unwrap();
    for (message, lines, verdict) in [
        (
            "Subject: win\n\nfree\n",
            &["  content: header Subject: win: reject: 5.7.1 No lotteries (fields, line 1)"][..],
            "refused at end of message: 550 5.7.1 No lotteries",
        ),
        (
            "X-A: b\nSubject: bob\n\nfree\n",
            &[
                "end of message",
                "  content: header X-A: b: taken out (fields, line 3)",
                "  content: header Subject: bob: redirect: bob@example.test (fields, line 2)",
                "  content: body free: hold (lines, line 1)",
            ],
            "accepted, for the mailbox bob@example.test, held until `postroom queue release`",
        ),
        (
            "Subject: x\r\n\r\njunk",
            &["  content: body junk: discard (lines, line 2)"],
            "accepted, and thrown away",
        ),
        ("Subject: x\n\nhello\n", &[], "accepted, for the mailbox alice@example.test"),
    ] {
        fs::write(directory.join("message"), message).unwrap();
        let asked = ["--from", "", "--to", "alice@example.test", "--message", "message"];
        let (_, told, wrong) = status(directory, &asked);
        assert_eq!(told.lines().last(), Some(&*format!("verdict: {verdict}")), "{message}: {told}{wrong}");
        let found: Vec<&str> = told.lines().filter(|line| lines.contains(line)).collect();
        assert_eq!(found, lines, "{told}");
        assert!(!told.contains("which --message tries"), "{told}");
    }
    // Nobody looks at what nobody gets.
    fs::write(directory.join("message"), "Subject: win\n\nx\n").unwrap();
    let discarded = ["--from", "lost@a.test", "--to", "alice@example.test", "--message", "message"];
    let (is, told, _) = status(directory, &discarded);
    assert!(is == 0 && told.ends_with("verdict: accepted, and thrown away\n"), "{told}");
    let (is, _, wrong) = status(directory, &["--from", "", "--to", "a@example.test", "--message", "none"]);
    assert!(is == 1 && wrong.contains("--message: none: No such file"), "{wrong}");
}

/// Each table on the way of an address has its line, and what is done to the header is told with the reason.
#[test]
fn canonical_addresses_and_headers() {
    let policy = "mynetworks = [\"192.0.2.0/24\"]\nlocal_header_rewrite_clients = \"permit_mynetworks\"\n\
        sender_canonical_maps = \"texthash:of-senders\"\ncanonical_maps = \"texthash:of-all\"\n\
        masquerade_domains = \"far.test\"\nmessage_drop_headers = \"bcc\"\n";
    let directory = with_policy(policy);
    let directory = directory.path();
    fs::write(directory.join("of-senders"), "# who\njoe@pc.far.test joseph@pc.far.test\n").unwrap();
    fs::write(
        directory.join("of-all"),
        "joseph@pc.far.test j.doe@pc.far.test\nal@example.test alice@example.test\n",
    )
    .unwrap();
    let (_, told, wrong) = explain(directory, &["--from", "joe@pc.far.test", "--to", "al@example.test"]);
    let steps: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("  addresses: ")).collect();
    assert_eq!(
        steps,
        [
            "sender_canonical_maps: joe@pc.far.test is joseph@pc.far.test (of-senders, line 2)",
            "canonical_maps: joseph@pc.far.test is j.doe@pc.far.test (of-all, line 1)",
            "masquerade_domains: j.doe@pc.far.test is j.doe@far.test",
            "canonical_maps: al@example.test is alice@example.test (of-all, line 2)",
            "alice@example.test in the mailbox of alice@example.test",
        ],
        "{told}{wrong}"
    );
    let header = |told: &str| told.lines().find_map(|line| line.strip_prefix("header: ")).map(String::from);
    let local = "its addresses are completed and mapped, as the client is in local_header_rewrite_clients; what it lacks is \
        added; taken out: bcc";
    assert_eq!(header(&told).as_deref(), Some(local));
    let stranger = ["--client", "203.0.113.9", "--from", "", "--to", "alice@example.test"];
    let mut arguments = vec!["policy", "explain", "--config", "postroom.toml"];
    arguments.extend(stranger);
    let (_, told, _) = program(&arguments, directory);
    let stays = "its addresses stay, as the client is not in local_header_rewrite_clients; taken out: bcc";
    assert_eq!(header(&told).as_deref(), Some(stays));
}

#[test]
fn what_tls_and_certificates_change() {
    let policy = "mynetworks = []\nsmtpd_client_restrictions = [\"reject_plaintext_session\"]\n\
        smtpd_relay_restrictions = [\"permit_tls_all_clientcerts\", \"reject_unauth_destination\"]\n";
    let directory = with_policy(policy);
    let directory = directory.path();
    let certificate = rcgen::generate_simple_self_signed(vec!["client.test".into()]).unwrap();
    fs::write(directory.join("client.pem"), certificate.cert.pem()).unwrap();
    let verdict = |more: &[&str]| {
        let arguments = [&["--from", "", "--to", "a@elsewhere.test"], more].concat();
        let (good, told, wrong) = explain(directory, &arguments);
        assert!(good, "{wrong}");
        told.lines().last().unwrap().to_owned()
    };
    assert!(verdict(&[]).ends_with("450 4.7.1 Session encryption is required"));
    assert!(verdict(&["--tls"]).ends_with("554 5.7.1 <a@elsewhere.test>: Relay access denied"));
    assert!(verdict(&["--cert", "client.pem"]).contains("550 5.4.4"), "it may relay");
    let (good, _, said) = explain(directory, &["--from", "", "--to", "a@b.test", "--cert", "none.pem"]);
    assert!(!good && said.contains("--cert: ") && said.contains("none.pem"), "{said}");
}
