//! What is written for a Postfix, what is told, and what is refused.

use crate::common::program;
use crate::{toml, write};
use std::fs;

const MAIN_CF: &str = "\
compatibility_level = 3.6
myhostname = mail.example.org
mydomain = example.org
myorigin = DIR/mailname
mydestination = $mydomain, localhost.$mydomain,
    $myhostname, localhost
virtual_mailbox_domains = shop.example
virtual_mailbox_maps = hash:DIR/mailboxes
mynetworks = 127.0.0.0/8 [::1]/128 192.0.2.0/24
relay_domains = hash:DIR/relays
alias_maps = hash:DIR/aliases
inet_interfaces = 127.0.0.1, loopback-only
recipient_delimiter = +
directors = check_sender_access inline:{boss@example.org=OK}, reject
smtpd_restriction_classes = directors
smtpd_recipient_restrictions = check_recipient_access hash:DIR/recipients,
    check_policy_service unix:private/greylist permit
mua_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_tls_security_level = may
smtpd_sasl_security_options = noanonymous, noplaintext, noactive
non_smtpd_milters = inet:127.0.0.1:8891
home_mailbox = Maildir/
virtual_transport = lmtp:unix:private/dovecot-lmtp
message_size_limit = 20480000
maximal_queue_lifetime = 2d
smtpd_recipient_restriction = reject
mystery_limit = $mydomain
default_rbl_reply = $rbl_code no: $rbl_domain
bounce_queue_lifetime = 1
minimal_backoff_time = 2m
maximal_backoff_time = 600
delay_warning_time = 4
";

const MASTER_CF: &str = "\
smtp       inet n - y - - smtpd
 -o smtpd_authorized_xclient_hosts=127.0.0.1,friend.example
submission inet n - y - - smtpd
 -o syslog_name=postfix/submission
 -o smtpd_tls_security_level=encrypt
 -o smtpd_sasl_auth_enable=yes
 -o smtpd_reject_unlisted_recipient=no
 -o smtpd_client_restrictions=
 -o smtpd_recipient_restrictions=$mua_recipient_restrictions
 -o message_size_limit=30720000
 -o smtpd_etrn_restrictions=reject
127.0.0.1:10025 inet n - n - - smtpd
 -o smtpd_tls_security_level=encrypt
628        inet n - y - - qmqpd
greylist   unix - n n - 0 spawn user=nobody argv=/usr/sbin/greylist
cleanup    unix n - y - 0 cleanup
";

/// What Postfix's defaults are made of is not told: nobody has written it. What somebody has is.
#[test]
fn names_that_nobody_has_set() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let told = |main_cf: &str| {
        write(directory, &[("main.cf", main_cf)]);
        let (good, _, told) = program(&["import-postfix", "main.cf"], directory);
        assert!(good, "{told}");
        told
    };
    let plain = "compatibility_level = 3.6\nmyhostname = mail.example.org\nmydomain = example.org\nmynetworks = ::1\n";
    let nothing = told(plain);
    assert!(!nothing.contains("set nowhere"), "{nothing}");
    let slip = told(&format!("{plain}relay_domains = ${{mydomain}}, $mydomains\n"));
    assert_eq!(slip.matches("set nowhere").count(), 1, "{slip}");
    assert!(slip.contains("relay_domains: $mydomains in it is set nowhere: it is taken as empty"), "{slip}");
    for (level, told_of) in [("", "md5"), ("smtpd_tls_fingerprint_digest = sha1\n", "sha1")] {
        let plain = plain.replace("3.6", "3.5");
        let certificates = told(&format!("{plain}{level}relay_clientcerts = inline:{{AA:BB=x}}\n"));
        let line =
            format!("relay_clientcerts: its fingerprints are of {told_of} (smtpd_tls_fingerprint_digest)");
        assert!(certificates.contains(&line), "{certificates}");
    }
    let modern = told(&format!("{plain}relay_clientcerts = inline:{{AA:BB=x}}\n"));
    assert!(!modern.contains("fingerprints"), "{modern}");
}

#[test]
fn a_postfix_becomes_ours() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(
        directory,
        &[
            ("postfix/main.cf", MAIN_CF),
            ("postfix/master.cf", MASTER_CF),
            ("mailname", "example.org\n"),
            ("mailboxes", "Ann@shop.example shop/ann/\nbob@shop.example shop/bob/\n"),
            ("relays", "partner.example x\n"),
            ("aliases", "postmaster: root\n"),
            ("recipients", "allemp@example.org directors\n"),
        ],
    );
    let (good, printed, told) = program(&["import-postfix", "postfix", "--output", "ours"], directory);
    assert!(good, "{told}");
    assert_eq!(printed, "");
    let text = fs::read_to_string(directory.join("ours/postroom.toml")).unwrap();
    let written = toml(&text);
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();

    assert_eq!(written["hostname"].as_str(), Some("mail.example.org"));
    assert_eq!(
        written["domains"].to_string(),
        "{ local = [\"example.org\", \"localhost.example.org\", \"mail.example.org\", \"localhost\", \"shop.example\"] }"
    );
    let policy = &written["policy"];
    for (name, value) in [
        ("myorigin", "\"example.org\"".to_owned()),
        (
            "mydestination",
            "[\"example.org\", \"localhost.example.org\", \"mail.example.org\", \"localhost\"]".to_owned(),
        ),
        ("mynetworks", "[\"127.0.0.0/8\", \"[::1]/128\", \"192.0.2.0/24\"]".to_owned()),
        ("relay_domains", format!("\"hash:{}\"", path("relays"))),
        ("virtual_mailbox_domains", "\"shop.example\"".to_owned()),
        ("append_dot_mydomain", "\"no\"".to_owned()),
        ("inet_interfaces", "\"127.0.0.1\"".to_owned()),
        (
            "smtpd_relay_restrictions",
            "[\"permit_mynetworks\", \"permit_sasl_authenticated\", \"defer_unauth_destination\"]".to_owned(),
        ),
        (
            "smtpd_recipient_restrictions",
            format!(
                "[\"check_recipient_access hash:{}\", \"check_policy_service unix:/var/spool/postfix/private/greylist\", \"permit\"]",
                path("recipients")
            ),
        ),
        ("directors", "[\"check_sender_access inline:{boss@example.org=OK}\", \"reject\"]".to_owned()),
        ("default_rbl_reply", "\"$rbl_code no: $rbl_domain\"".to_owned()),
    ] {
        assert_eq!(policy[name].to_string(), value, "{name}");
    }
    assert!(
        policy.get("virtual_mailbox_maps").is_none() && policy.get("mua_recipient_restrictions").is_none()
    );
    assert_eq!(
        written["accounts"]["sasl_security_options"].to_string(),
        "[\"noanonymous\", \"noplaintext\"]"
    );
    assert_eq!(written["limits"]["message_bytes_max"].as_integer(), Some(20_480_000));
    let queue = |key: &str| written["queue"][key].as_integer();
    assert_eq!(queue("maximal_queue_lifetime_seconds"), Some(172_800));
    assert_eq!(queue("bounce_queue_lifetime_seconds"), Some(86_400));
    assert_eq!(queue("minimal_backoff_time_seconds"), Some(120));
    assert_eq!(queue("maximal_backoff_time_seconds"), Some(600));
    assert_eq!(queue("delay_warning_time_seconds"), Some(14_400));

    let listeners: Vec<String> =
        written["listener"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let [smtp, smtp6, submission, submission6, inner] = listeners.as_slice() else { panic!("{listeners:?}") };
    assert!(
        smtp.contains("127.0.0.1:25\"") && smtp.contains("\"smtp\"") && smtp.contains("auth_mechanisms = []"),
        "{smtp}"
    );
    assert!(smtp.contains("xclient_clients = [\"127.0.0.1\"]") && smtp6.contains("[::1]:25\""), "{smtp}");
    assert!(
        submission.contains("127.0.0.1:587\"") && submission.contains("protocol = \"submission\""),
        "{submission}"
    );
    assert!(
        submission.contains("tls = \"starttls\"") && submission.contains("message_bytes_max = 30720000"),
        "{submission}"
    );
    assert!(
        submission.contains("smtpd_recipient_restrictions = [\"permit_sasl_authenticated\", \"reject\"]"),
        "{submission}"
    );
    assert!(submission.contains("smtpd_reject_unlisted_recipient = \"no\""), "{submission}");
    assert!(!submission.contains("smtpd_client_restrictions"), "submission has none anyway: {submission}");
    assert!(submission6.contains("[::1]:587\""));
    assert!(
        inner.contains("10025") && inner.contains("smtpd_client_restrictions = \"reject_plaintext_session\""),
        "{inner}"
    );

    let main_cf = "postfix/main.cf, line ";
    for said in [
        "9: mynetworks",
        "8: virtual_mailbox_maps: not carried over: the accounts say which mailboxes there are; those of 2 addresses",
        "20: smtpd_sasl_security_options: noactive: not carried over",
        "21: non_smtpd_milters: not carried over: all mail comes by SMTP or LMTP here, but for this server's own",
        "22: home_mailbox: not carried over",
        "23: virtual_transport: lmtp:unix:private/dovecot-lmtp: not carried over: the mailboxes are here",
        "26: smtpd_recipient_restriction: not carried over: nothing here has this name",
        "27: mystery_limit: not carried over: nothing here has this name",
    ] {
        let there = told.contains(&format!("{main_cf}{said}"));
        assert_eq!(there, said != "9: mynetworks", "{said}: {told}");
    }
    for said in [
        "friend.example: not carried over",
        "line 14: 628 inet: qmqpd is not carried over",
        "relay_domains is written, but mail is not sent on to other hosts yet",
        "greylist is started by Postfix (spawn in master.cf)",
        "127.0.0.1:10025 inet: smtpd_tls_security_level = encrypt: reject_plaintext_session stands for it",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(!told.contains("mua_recipient_restrictions"), "it is carried over in others: {told}");
    // Each service has two addresses.
    let mut lines: Vec<&str> = told.lines().collect();
    let count = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), count, "what is told is told once: {told}");

    let accounts = fs::read_to_string(directory.join("ours/users.passwd")).unwrap();
    assert!(accounts.contains("# ann@shop.example:\n# bob@shop.example:\n"), "{accounts}");
    let (good, checked, wrong) = program(&["check", "--config", "ours/postroom.toml"], directory);
    assert!(good && checked.ends_with("ok\n"), "{checked}{wrong}");

    let (good, _, told) = program(&["import-postfix", "postfix", "--output", "ours"], directory);
    assert!(!good && told.contains("postroom.toml: it is there already"), "nothing is written over: {told}");
}

#[test]
fn what_names_nothing_is_told_and_what_is_beside_main_cf_is_found_from_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let main_cf = "compatibility_level = 3.6\nmyhostname = mx.example.org\nmydestination = $nosuch, b.example\n\
        alias_maps = hash:$config_directory/aliases\nvirtual_mailbox_maps = hash:$config_directory/none\n\
        smtpd_clinet_restrictions = reject\n";
    write(directory, &[("pf/main.cf", main_cf), ("pf/aliases", "postmaster: root\n")]);
    let (good, _, told) = program(&["import-postfix", "pf", "--output", "imp/b"], directory);
    assert!(good, "{told}");
    let written = toml(&fs::read_to_string(directory.join("imp/b/postroom.toml")).unwrap());
    assert_eq!(written["policy"]["mydestination"].as_str(), Some("b.example"));
    for line in [
        "mydestination: $nosuch in it is set nowhere: it is taken as empty",
        "none: its addresses are not known: No such file",
        "smtpd_clinet_restrictions: not carried over: nothing here has this name; did you mean smtpd_client_restrictions?",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    // Where compatibility_level is not set, Postfix relays as its recipient list says, which says nothing here.
    let old = main_cf.replace("compatibility_level = 3.6\n", "");
    write(directory, &[("old/main.cf", &old), ("old/aliases", "postmaster: root\n")]);
    let (good, _, told) = program(&["import-postfix", "old", "--output", "imp/c"], directory);
    assert!(!good && told.contains("an open relay"), "{told}");
    assert!(
        told.contains("smtpd_relay_restrictions: it is not set, and without compatibility_level = 1"),
        "{told}"
    );
}

#[test]
fn what_postconf_prints_is_read_and_old_defaults_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(
        directory,
        &[(
            "printed",
            "mydomain = example.org\nmyhostname = mx.example.org\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\nvirtual_alias_maps = inline:{sales@shop.example=ann@example.org}\nmydestination = $mydomain\n",
        )],
    );
    let (good, printed, told) = program(&["import-postfix", "printed"], directory);
    assert!(good, "{told}");
    let written = toml(&printed);
    let policy = &written["policy"];
    // compatibility_level is 0 where nothing is said.
    assert_eq!(policy["append_dot_mydomain"].as_str(), Some("yes"));
    assert!(policy.get("relay_domains").is_none());
    assert!(told.contains("relay_domains: it is not set, and without compatibility_level = 2"), "{told}");
    assert_eq!(policy.get("smtpd_relay_restrictions").and_then(|list| list.as_str()), Some(""));
    assert_eq!(policy["virtual_alias_domains"].as_str(), Some("inline:{sales@shop.example=ann@example.org}"));
    assert_eq!(policy["mynetworks"].to_string(), "[\"127.0.0.0/8\", \"[::1]/128\"]");
    assert!(told.contains("mynetworks_style = subnet"), "{told}");
    assert!(told.contains("master.cf: there is none: one listener on port 25 is written"), "{told}");
    assert_eq!(written["listener"][0]["address"].as_str(), Some("[::]:25"));
}

#[test]
fn what_could_not_be_used_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let main_cf =
        "myhostname = mx.test\nsmtpd_client_restrictions = check_client_access hash:/no/such/table\n";
    write(directory, &[("main.cf", main_cf), ("master.cf", "smtp inet n - y - - smtpd\n")]);
    let (good, printed, told) = program(&["import-postfix", ".", "--output", "ours"], directory);
    assert!(!good && printed.is_empty() && !directory.join("ours").exists(), "{told}");
    assert!(told.contains("nothing is written") && told.contains("hash:/no/such/table"), "{told}");
    let (good, printed, told) = program(&["import-postfix", "."], directory);
    assert!(!good && printed.contains("[listener]"), "{printed}");
    assert!(told.contains("what is printed cannot be used as it is: postroom.toml: "), "{told}");
}

/// L-f: who moves to another machine imports where the certificate is not, or on the old one before it is copied.
#[test]
fn a_certificate_that_is_elsewhere_keeps_nothing_from_being_written() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let main_cf = "compatibility_level = 3.6\nmyhostname = mx.test\nalias_maps =\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = /none/such/cert.pem\n\
        smtpd_tls_key_file = /none/such/key.pem\n";
    write(directory, &[("main.cf", main_cf), ("master.cf", "smtp inet n - y - - smtpd\n")]);
    let (good, _, told) = program(&["import-postfix", ".", "--output", "ours"], directory);
    assert!(good, "{told}");
    assert!(told.contains("[tls]: /none/such/cert.pem: it is not there"), "{told}");
    let written = fs::read_to_string(directory.join("ours/postroom.toml")).unwrap();
    assert!(written.contains("certificate = \"/none/such/cert.pem\""), "{written}");
}

#[test]
fn what_cannot_be_read_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(
        directory,
        &[("a/main.cf", "myhostname = $mydomain\nmydomain = $myhostname\n"), ("b/main.cf", "no\n")],
    );
    for (arguments, said) in [
        (["import-postfix", "a"], "mydomain -> myhostname -> mydomain: it is set to itself"),
        (["import-postfix", "b"], "b/main.cf, line 1: \"no\" has no \"=\""),
        (["import-postfix", "c"], "c: No such file or directory"),
        (["import-qmail", "c"], "c: No such file or directory"),
    ] {
        let (good, _, told) = program(&arguments, directory);
        assert!(!good && told.contains(said), "{said}: {told}");
    }
}
