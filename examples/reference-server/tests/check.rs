//! What `postroom check` says of a policy.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::{configuration, prepare, program};
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
        "smtpd_etrn_restrictions: ETRN is always refused here",
        "warning: smtpd_client_event_limit_exceptions: .partner.test: clients are counted before they have a name",
        "permit_tls_clientcerts: without client_ca no client is asked for a certificate",
        "reject_sender_login_mismatch: nobody is offered a login, so it is passed over (listener",
    ] {
        let lines = told.lines().filter(|told| told.starts_with(line)).count();
        assert_eq!(lines, usize::from(!line.starts_with("reject_sender")), "{line}: {told}");
    }
    let text = fs::read_to_string(directory.path().join("postroom.toml")).unwrap();
    let without_login = text.replacen("tls = \"starttls\"", "tls = \"starttls\"\nauth_mechanisms = []", 1);
    prepare(directory.path(), &without_login);
    let told = check(directory.path());
    let line = "reject_sender_login_mismatch: nobody is offered a login, so it is passed over (listener smtp#0 (127.0.0.1:0))";
    assert!(told.lines().any(|told| told == line), "{told}");
}
