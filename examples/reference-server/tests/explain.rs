//! `postroom policy explain` and what `postroom check` says of a policy.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::{configuration, prepare, program};
use std::fs;
use std::path::Path;

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

fn explain(directory: &Path, more: &[&str]) -> (bool, String, String) {
    let mut arguments = vec!["policy", "explain", "--config", "postroom.toml", "--client", "192.0.2.1"];
    arguments.extend(more);
    program(&arguments, directory)
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
    let (good, told, _) = program(&arguments, directory.path());
    assert!(
        good && told.ends_with("verdict: refused at RCPT: 554 5.7.1 <c@d.test>: Relay access denied\n"),
        "{told}"
    );
}

/// What a start would log of tables and templates.
#[test]
fn check_tells_of_slips_that_are_served() {
    let slips = r#"
mynetworks = ["127.0.0.0/8", "ournet"]
luser_relay = "ann bob"
smtpd_reject_footer = "ask $nobody"
smtpd_sender_restrictions = ["check_sender_access texthash:senders"]
header_checks = "regexp:fields"
alias_maps = "hash:aliases"
"#;
    let directory = with_policy(slips);
    for (name, text) in [
        ("senders", "\u{feff}# who\na.test FILTER smtp:x\nb.test filter smtp:x\n"),
        ("fields", "/^X-A:/ FILTER scan:[127.0.0.1]:10025\n"),
        ("aliases", "boss: \"alice, bob\n"),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let (good, told, wrong) = program(&["check", "--config", "postroom.toml"], directory.path());
    assert!(good, "{told}{wrong}");
    for line in [
        "warning: mynetworks: ournet: no network, and no name that a client has",
        "warning: luser_relay: \"ann bob\" is no address",
        "warning: smtpd_reject_footer: a name that no footer has",
        "warning: senders, line 1: a byte order mark",
        "warning: senders, line 2: FILTER (and in 1 other places): there are no content filters",
        "warning: fields, line 1: FILTER: there are no content filters",
        "warning: aliases, line 1: a quote is open to the end of the line",
    ] {
        assert!(told.lines().any(|told| told.starts_with(line)), "{line}:\n{told}");
    }
}

#[test]
fn check_tells_what_is_doubtful_and_refuses_what_is_no_parameter() {
    let doubtful = "mynetworks = [\"11.0.0.0/8\"]\nsmtpd_sender_restrictions = [\"check_sender_access texthash:directors\", \"permit\", \"reject_unlisted_sender\"]\nsmtpd_recipient_restrictions = \"reject_unverified_sender\"";
    let directory = with_policy(doubtful);
    fs::write(directory.path().join("directors"), "lonely\n").unwrap();
    let check = || program(&["check", "--config", "postroom.toml"], directory.path());
    let (good, told, wrong) = check();
    assert!(good, "{wrong}");
    for line in [
        "error L03: mynetworks: 11.0.0.0/8 is wide",
        "warning: directors, line 1: expected a key, blanks and a text: this line is ignored (listener smtp#0 (127.0.0.1:0))",
        "warning L04: smtpd_sender_restrictions: nothing after permit",
        "reject_unverified_sender: addresses that are not this server's are never verified",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let replace = |text: &str| {
        let directory = with_policy(text);
        let (good, _, wrong) = program(&["check", "--config", "postroom.toml"], directory.path());
        assert!(!good);
        wrong
    };
    let said = replace("smtpd_sender_restrictions = [\"permit\", \"reject_unlisted_sendr\"]");
    assert!(
        said.contains(
            "postroom.toml: policy.smtpd_sender_restrictions: unknown smtpd restriction: \"reject_unlisted_sendr\"; did you \
             mean reject_unlisted_sender?"
        ),
        "{said}"
    );
    let said = replace("mynetwork = []");
    assert!(
        said.contains(
            "postroom.toml: policy.mynetwork: : no parameter has this name; did you mean mynetworks?"
        ),
        "{said}"
    );
    let said = replace("smtpd_relay_restrictions = \"permit_mynetworks\"");
    assert!(said.contains("an open relay"), "{said}");
    let said = replace("smtpd_client_restrictions = \"check_client_access hash:none\"");
    assert!(
        said.contains("smtpd_client_restrictions: hash:none: ") && said.contains("No such file"),
        "{said}"
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
        "  addresses: canonical_maps: joe@far.test is joseph@far.test",
        "  addresses: canonical_maps: crew@example.test is team@example.test",
        "  addresses: virtual_alias_maps: team@example.test is alice@example.test, staff@example.test \
         (inline:{{team@example.test=alice@example.test, staff}})",
        "  addresses: alias_maps: staff is bob (inline:{staff=bob})",
        "  addresses: alice@example.test in the mailbox of alice@example.test",
        "  addresses: bob@example.test in the mailbox of bob@example.test",
        "  addresses: a copy: alice@example.test in the mailbox of alice@example.test",
        "content checks, which are not tried here",
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

/// The policy of a listener that answers another server is looked at, too; that it would relay for everybody means nothing.
#[test]
fn check_tells_of_policy_servers() {
    let listener = "\n[[listener]]\nprotocol = \"policy\"\naddress = \"127.0.0.1:0\"\ntls = \"none\"\n[listener.policy]\n\
        smtpd_recipient_restrictions = [\"check_policy_service greylist:\", \"permit\", \"reject\"]\n\
        smtpd_sender_restrictions = [\"check_sender_access texthash:directors\"]\n";
    let directory = tempfile::tempdir().unwrap();
    let text = configuration(false, "").replacen("[accounts]", &format!("{listener}\n[accounts]"), 1);
    prepare(directory.path(), &text);
    fs::write(directory.path().join("directors"), "boss@example.test 550\nlonely\n").unwrap();
    let (good, told, wrong) = program(&["check", "--config", "postroom.toml"], directory.path());
    assert!(good, "{wrong}");
    for line in [
        "warning L04: smtpd_recipient_restrictions: nothing after permit is ever looked at (listener policy#",
        "warning L08: smtpd_sender_restrictions: directors, line 1: boss@example.test: 550 alone permits",
        "warning: directors, line 2: expected a key, blanks and a text",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("L01") && !told.contains("L16"), "{told}");
}

/// L20: whoever has a certificate of anybody's. L21: passwords that everybody on the way can read.
#[test]
fn check_tells_who_relays_by_certificate_and_who_shows_passwords() {
    let directory = tempfile::tempdir().unwrap();
    let text = configuration(false, "")
        .replacen(
            "address = \"127.0.0.1:0\"\ntls = \"starttls\"",
            "address = \"127.0.0.1:0\"\ntls = \"starttls\"\nclient_ca = \"clients.pem\"",
            1,
        )
        .replace(
            "mynetworks = [\"127.0.0.0/8\"]\n",
            "smtpd_relay_restrictions = [\"permit_tls_all_clientcerts\", \"reject_unauth_destination\"]\n",
        );
    assert!(text.contains("client_ca"), "{text}");
    prepare(directory.path(), &text);
    let authority = || rcgen::generate_simple_self_signed(vec!["ca.test".into()]).unwrap().cert.pem();
    let check = |authorities: usize| {
        fs::write(
            directory.path().join("clients.pem"),
            (0..authorities).map(|_| authority()).collect::<String>(),
        )
        .unwrap();
        let (good, told, wrong) = program(&["check", "--config", "postroom.toml"], directory.path());
        assert!(good, "{wrong}");
        told
    };
    assert!(check(12).contains("error L20: listener smtp#0"));
    assert!(!check(1).contains("L20"), "one's own");
    let text = text.replace("127.0.0.1:0", "0.0.0.0:0").replace("auth = false", "auth = true");
    prepare(directory.path(), &text);
    assert!(check(1).contains("L21: allow_plaintext_auth takes passwords without TLS"));
}
