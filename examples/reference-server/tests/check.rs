//! What `postroom check` says of a policy.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::{Server, configuration, eventually, prepare, program};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A directory with this policy.
fn with_policy(policy: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = configuration(false, "").replace("mynetworks = [\"127.0.0.0/8\"]\n", policy);
    prepare(directory.path(), &text);
    directory
}

/// What is said of a configuration that can be served.
fn check(directory: &Path) -> String {
    let (good, told, wrong) = program(&["check", "--config", "postroom.toml"], directory);
    assert!(good, "{wrong}");
    told
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
    // What stands behind the byte order mark is no comment any more, but a key with a list of restrictions.
    let (good, told, _) = program(&["check", "--config", "postroom.toml"], directory.path());
    assert!(!good && told.contains("error L09: "), "{told}");
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
    let (good, told, _) = check();
    assert!(!good, "`check && reload` stops at an error");
    let sum = "\n1 error, 4 warnings: not fit to be served\n";
    assert!(told.ends_with(sum), "{told}");
    for line in [
        "error L03: mynetworks: 11.0.0.0/8 is wide",
        "warning: directors, line 1: expected a key, blanks and a text: this line is ignored (listener smtp#0 (127.0.0.1:0))",
        "warning L04: smtpd_sender_restrictions: nothing after permit",
        "warning: reject_unverified_sender: addresses that are not this server's are never verified",
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
            "postroom.toml: policy.mynetwork: no parameter has this name; did you mean mynetworks?"
        ),
        "{said}"
    );
    for (set, meant) in [
        (
            "message_size_limit = 1000000",
            "message_size_limit: it is not carried over from Postfix: set message_bytes_max in [limits]",
        ),
        (
            "virtual_mailbox_base = \"/var/vmail\"",
            "virtual_mailbox_base: it is not carried over from Postfix: mail is delivered where [storage] says",
        ),
        (
            "queue_directory = \"/var/spool/x\"",
            "queue_directory: it is not carried over from Postfix: what this server keeps lies below data_dir",
        ),
        (
            "smtpd_forbid_bare_newline = true",
            "smtpd_forbid_bare_newline: it is not carried over from Postfix: a line that ends in LF",
        ),
    ] {
        let said = replace(set);
        assert!(said.contains(&format!("postroom.toml: policy.{meant}")), "{said}");
    }
    let said = replace("smtpd_relay_restrictions = \"permit_mynetworks\"");
    assert!(said.contains("an open relay"), "{said}");
    let said = replace("smtpd_client_restrictions = \"check_client_access hash:none\"");
    assert!(
        said.contains("smtpd_client_restrictions: hash:none: ") && said.contains("No such file"),
        "{said}"
    );
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
    let check = |authorities: usize, is_good: bool| {
        fs::write(
            directory.path().join("clients.pem"),
            (0..authorities).map(|_| authority()).collect::<String>(),
        )
        .unwrap();
        let (good, told, wrong) = program(&["check", "--config", "postroom.toml"], directory.path());
        assert_eq!((good, told.ends_with("\nok\n")), (is_good, is_good), "{told}{wrong}");
        told
    };
    assert!(check(12, false).contains("error L20: listener smtp#0"));
    assert!(!check(1, true).contains("L20"), "one's own");
    let text = text.replace("127.0.0.1:0", "0.0.0.0:0").replace("auth = false", "auth = true");
    prepare(directory.path(), &text);
    assert!(check(1, true).contains("L21: allow_plaintext_auth takes passwords without TLS"));
}

/// R104, R96: who may write to a table, and whether it says what its source says; `postmap` tells it, too.
#[test]
fn check_tells_how_the_files_of_tables_lie_there() {
    let directory = with_policy(
        "mynetworks = []\nsmtpd_sender_restrictions = [\"check_sender_access texthash:senders\", \"check_sender_access cdb:more\"]\n\
         alias_maps = \"hash:aliases\"\n",
    );
    let directory = directory.path();
    for name in ["senders", "more", "aliases"] {
        fs::write(directory.join(name), "").unwrap();
        fs::set_permissions(directory.join(name), Permissions::from_mode(0o664)).unwrap();
    }
    let (good, _, wrong) = program(&["postmap", "cdb:more"], directory);
    assert!(good, "{wrong}");
    let told = check(directory);
    assert!(!told.contains("everybody may write") && !told.contains("older"), "{told}");

    for name in ["senders", "aliases"] {
        fs::set_permissions(directory.join(name), Permissions::from_mode(0o666)).unwrap();
    }
    let source = File::options().write(true).open(directory.join("more")).unwrap();
    source.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    let told = check(directory);
    let older = "more.cdb: older than its source more: `postroom postmap cdb:more` compiles it anew";
    for line in ["senders: everybody may write to it", "aliases: everybody may write to it", older] {
        assert_eq!(told.matches(&format!("warning: {line}\n")).count(), 1, "{line}: {told}");
    }
    let (_, _, wrong) = program(&["postmap", "-q", "k", "cdb:more", "senders"], directory);
    assert_eq!(
        wrong,
        format!("postroom: warning: {older}\npostroom: warning: senders: everybody may write to it\n")
    );
}

#[test]
fn check_tells_what_is_read_and_passed_over() {
    let policy = "mynetworks = []\nsmtpd_etrn_restrictions = \"reject\"\nsmtpd_sender_restrictions = \"REJECT_sender_login_mismatch\"\n\
        smtpd_relay_restrictions = [\"permit_tls_clientcerts\", \"reject_unauth_destination\"]\n\
        smtpd_client_event_limit_exceptions = \".partner.test\"\n";
    let directory = with_policy(policy);
    let told = check(directory.path());
    for line in [
        "warning: smtpd_etrn_restrictions: ETRN is always refused here",
        "warning: smtpd_client_event_limit_exceptions: .partner.test: clients are counted before they have a name",
        "warning: permit_tls_clientcerts: without client_ca no client is asked for a certificate",
        "warning: reject_sender_login_mismatch: nobody is offered a login, so it is passed over (listener",
    ] {
        let lines = told.lines().filter(|told| told.starts_with(line)).count();
        assert_eq!(lines, usize::from(!line.contains("reject_sender")), "{line}: {told}");
    }
    let text = fs::read_to_string(directory.path().join("postroom.toml")).unwrap();
    let without_login = text.replacen("tls = \"starttls\"", "tls = \"starttls\"\nauth_mechanisms = []", 1);
    prepare(directory.path(), &without_login);
    let told = check(directory.path());
    let line = "warning: reject_sender_login_mismatch: nobody is offered a login, so it is passed over (listener smtp#0 (127.0.0.1:0))";
    assert!(told.lines().any(|told| told == line), "{told}");
}

/// Dates and names of the certificate, which clients look at and a server that shows it does not; the start says the same.
#[test]
fn check_tells_of_certificates_that_clients_refuse() {
    let directory = tempfile::tempdir().unwrap();
    let tls = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    prepare(directory.path(), &configuration(false, tls));
    let has = |name: &str, last_year: i32| {
        let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(directory.path().join("cert.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(directory.path().join("key.pem"), key.serialize_pem()).unwrap();
    };
    has("*.example.test", 2121);
    assert!(!check(directory.path()).contains("cert.pem: it"));
    has("www.test", 2121);
    let named =
        "warning: cert.pem: it is not for mail.example.test, but for www.test: clients may refuse it\n";
    let told = check(directory.path());
    assert!(told.contains(named) && told.ends_with("ok\n"), "{told}");
    has("mail.example.test", 2021);
    let (good, told, _) = program(&["check", "--config", "postroom.toml"], directory.path());
    let expired = "cert.pem: it expired on 2021-01-01: clients refuse it\n";
    assert!(!good && told.starts_with(&format!("error: {expired}")), "{told}");
    let server = Server::start_in(directory.path());
    let says = |line: &str| server.log().lines().any(|logged| logged.ends_with(line.trim_end()));
    eventually(|| says("it expired on 2021-01-01: clients refuse it"));
    has("imap.other.test", 2121);
    server.signal("HUP");
    eventually(|| says("it is not for mail.example.test, but for imap.other.test: clients may refuse it"));
    assert!(server.stop());
}

/// Aliases are followed to whoever gets the mail; each key that leads nowhere is told once, with its line.
#[test]
fn check_tells_what_aliases_lead_to() {
    let directory = with_policy(
        "alias_maps = \"hash:aliases\"\nvirtual_alias_maps = \"hash:virtual\"\nallow_mail_to_commands = [\"alias\"]\n",
    );
    let directory = directory.path();
    let included = directory.join("list");
    fs::write(&included, "alice, nobody\n").unwrap();
    let program = directory.join("program");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    let (included, program) = (included.display(), program.display());
    let aliases = format!(
        "good: alice, bob\nboss: alice, nobody\nan: other\nother: an\nout: ann@elsewhere.test\nlist: :include:{included}\n\
         none: :include:/none/such\ngone: \"|/no/such/program -x\"\nscript: |{program}\nshell: \"|echo x > /dev/null\"\n"
    );
    fs::write(directory.join("aliases"), aliases).unwrap();
    let virtuals = "info@example.test alice\nsales@example.test boss\n@catch.test nobody@example.test\n@same.test @example.test\n\
        virtual.test anything\nlocal nobody\n";
    fs::write(directory.join("virtual"), virtuals).unwrap();
    let told = check(directory);
    let lost = |line: &&str| ["aliases, line ", "virtual, line "].iter().any(|file| line.contains(file));
    let lines: Vec<&str> = told.lines().filter(lost).collect();
    let unknown = "nobody@example.test: 5.1.1 User unknown in local recipient table";
    let missing = "No such file or directory (os error 2)";
    assert_eq!(
        lines,
        [
            &*format!("warning: virtual, line 2: sales@example.test: {unknown}"),
            &*format!("warning: virtual, line 3: @catch.test: {unknown}"),
            &*format!("warning: virtual, line 6: local: {unknown}"),
            &*format!("warning: aliases, line 2: boss: {unknown}"),
            "warning: aliases, line 3: an: an@example.test: 5.4.6 mail forwarding loop for an@example.test",
            "warning: aliases, line 4: other: other@example.test: 5.4.6 mail forwarding loop for other@example.test",
            "warning: aliases, line 5: out: ann@elsewhere.test: 5.4.4 No route to remote domains is configured",
            &*format!("warning: aliases, line 6: list: {unknown}"),
            &*format!(
                "warning: aliases, line 7: none: :include:/none/such: 5.3.5 mail system configuration error: {missing}"
            ),
            &*format!(
                "warning: aliases, line 8: gone: the command \"/no/such/program -x\" cannot be run: {missing}"
            ),
            &*format!(
                "warning: aliases, line 9: script: the command \"{program}\" cannot be run: Permission denied (os error 13)"
            ),
        ],
        "{told}"
    );
}

/// Who changes the format and brings no mail over is told before users see an empty INBOX.
#[test]
fn check_tells_of_maildirs_beside_mbox_files() {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path(), &configuration(false, "[storage]\nformat = \"mbox\"\n"));
    assert!(!check(directory.path()).contains("Maildir"));
    let maildir = directory.path().join("data/mail/example.test/alice/Maildir");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part)).unwrap();
    }
    let told = check(directory.path());
    let line = format!("warning: account alice@example.test: there is a Maildir at {}, ", maildir.display());
    assert_eq!(told.matches(&line).count(), 1, "{told}");
    assert!(
        told.contains("`postroom convert maildir:") && !told.contains("bob@example.test: there is"),
        "{told}"
    );
}
