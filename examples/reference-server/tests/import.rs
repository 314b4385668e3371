//! `postroom import-postfix` and `postroom import-qmail`: what is written, what is told, and that the server takes it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::program;
use postroom::relay_policy::main_cf::words;
use postroom::relay_policy::{ParameterKind, Parameters};
use std::fs;
use std::path::Path;
use std::process::Command;

fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("DIR", directory.to_str().unwrap())).unwrap();
    }
}

fn toml(text: &str) -> toml::Table {
    text.parse().unwrap()
}

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
smtpd_milters = inet:127.0.0.1:8891
home_mailbox = Maildir/
virtual_transport = lmtp:unix:private/dovecot-lmtp
message_size_limit = 20480000
maximal_queue_lifetime = 2d
smtpd_recipient_restriction = reject
mystery_limit = $mydomain
default_rbl_reply = $rbl_code no: $rbl_domain
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
    assert_eq!(written["queue"]["maximal_queue_lifetime_seconds"].as_integer(), Some(172_800));

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
        "21: smtpd_milters: not carried over: milters are not spoken to yet: mail is taken WITHOUT them",
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
    assert_eq!(policy["relay_domains"].as_str(), Some("example.org"));
    assert_eq!(policy.get("smtpd_relay_restrictions").and_then(|list| list.as_str()), Some(""));
    assert_eq!(policy["virtual_alias_domains"].as_str(), Some("inline:{sales@shop.example=ann@example.org}"));
    assert_eq!(policy["mynetworks"].to_string(), "[\"127.0.0.0/8\", \"[::1]/128\"]");
    assert!(told.contains("mynetworks_style = subnet"), "{told}");
    assert!(told.contains("master.cf: there is none: one listener on port 25 is written"), "{told}");
    assert_eq!(written["listener"][0]["address"].as_str(), Some("[::]:25"));
}

#[test]
fn services_become_listeners() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let master_cf = "\
smtp      inet n - y - 1 postscreen
smtpd     pass - - y - - smtpd -o smtpd_client_restrictions=reject_unknown_client_hostname
[::1]:26  inet n - y - - smtpd -o { mynetworks = $own, ::1 }
mx.test:27 inet n - y - - smtpd
strange   inet n - y - - smtpd
10465     inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o content_filter=scan:
";
    let main_cf =
        "compatibility_level = 3.6\nmyhostname = mx.test\ninet_protocols = ipv4\nown = 192.0.2.0/24\n";
    write(directory, &[("main.cf", main_cf), ("master.cf", master_cf)]);
    let (good, printed, told) = program(&["import-postfix", "."], directory);
    assert!(good, "{told}");
    let written = toml(&printed);
    let listeners: Vec<String> =
        written["listener"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let [smtp, own, tls] = listeners.as_slice() else { panic!("{listeners:?}") };
    assert!(smtp.contains("\"0.0.0.0:25\"") && smtp.contains("\"reject_unknown_client_hostname\""), "{smtp}");
    assert!(
        own.contains("\"[::1]:26\"") && own.contains("mynetworks = [\"192.0.2.0/24\", \"::1\"]"),
        "{own}"
    );
    assert!(tls.contains("\"0.0.0.0:10465\"") && tls.contains("tls = \"implicit\""), "{tls}");
    for said in [
        "master.cf, line 4: mx.test:27 inet: mx.test: not carried over: names are not looked up",
        "master.cf, line 5: strange inet: not carried over: write the number of its port",
        "master.cf, line 6: 10465 inet: -o content_filter=scan:: not carried over",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

/// Values with names and conditions in them are what `postconf` makes of them, at each level of compatibility.
#[test]
fn values_are_those_that_postfix_has() {
    if !common::has("postconf") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for level in ["0", "1", "2", "3.6"] {
        let main_cf = format!(
            "compatibility_level = {level}\nmyhostname = mx.some.example\nplace = inner\n\
             mydestination = $myhostname ${{place?{{$place.$mydomain}}:{{none}}}}\n  ${{nothing:other.example}} ${{nothing?never.example}}\n\
             virtual_alias_maps = inline:{{a@b.example=c}} ${{{{$compatibility_level}} >=level {{2}} ? {{static:x}} : {{static:y}}}}\n\
             smtpd_sender_restrictions = reject_non_fqdn_sender,\n\n# between\n   ${{{{$place}} == {{inner}} ? {{permit_mynetworks}}}}\n\
             myorigin = ${{mydomain}}\nrecipient_delimiter = +$$\nproxy_interfaces =\nsmtpd_recipient_restrictions = reject_unauth_destination\n"
        );
        write(directory, &[("main.cf", &main_cf), ("master.cf", "smtp inet n - y - - smtpd\n")]);
        let (good, printed, told) = program(&["import-postfix", "."], directory);
        assert!(good, "{told}");
        let ours = toml(&printed)["policy"].clone();
        for name in [
            "mydomain",
            "myorigin",
            "mydestination",
            "relay_domains",
            "virtual_alias_domains",
            "virtual_alias_maps",
            "append_dot_mydomain",
            "recipient_delimiter",
            "smtpd_relay_restrictions",
            "smtpd_sender_restrictions",
        ] {
            let postconf = Command::new("postconf")
                .args(["-c", ".", "-xh", name])
                .current_dir(directory)
                .output()
                .unwrap();
            assert!(postconf.status.success(), "{postconf:?}");
            let theirs = String::from_utf8(postconf.stdout).unwrap();
            let ours = match ours.get(name) {
                None => String::new(),
                Some(toml::Value::Array(elements)) => {
                    elements.iter().map(|element| element.as_str().unwrap()).collect::<Vec<_>>().join(", ")
                }
                Some(value) => value.as_str().unwrap().to_owned(),
            };
            assert_eq!(words(&ours), words(&theirs), "{name} at level {level}");
        }
    }
}

/// Who does not write a parameter has Postfix's default of it, as Postfix of today and as one of old has it.
#[test]
fn what_is_not_set_is_as_postfix_has_it() {
    // What differs, and why it may.
    const ARGUED: [(&str, &str); 24] = [
        ("virtual_alias_domains", "$virtual_alias_maps stands for its tables"),
        ("virtual_mailbox_domains", "$virtual_mailbox_maps stands for its tables"),
        ("alias_maps", "nobody answers for NIS; said"),
        ("allow_mail_to_commands", "they are run where that is said, by the server's user"),
        ("allow_mail_to_files", "files are written where that is said, by the server's user"),
        ("inet_interfaces", "all is no address; unless it is said, none needs to be known"),
        ("local_recipient_maps", "users of the machine are accounts here"),
        ("local_transport", "its next hop says nothing"),
        ("mynetworks", "the machine's interfaces are not looked at; said"),
        ("myhostname", "hostname has it"),
        ("mime_header_checks", "$header_checks stands for them"),
        ("nested_header_checks", "$header_checks stands for them"),
        ("unknown_address_tempfail_action", "unless it is set, reject_tempfail_action holds"),
        ("unknown_helo_hostname_tempfail_action", "unless it is set, reject_tempfail_action holds"),
        ("unverified_recipient_tempfail_action", "unless it is set, reject_tempfail_action holds"),
        ("unverified_sender_tempfail_action", "unless it is set, reject_tempfail_action holds"),
        (
            "parent_domain_matches_subdomains",
            "there are no such features: fast_flush_domains, qmqpd_authorized_clients",
        ),
        ("postscreen_forbidden_commands", "no such test is made yet"),
        ("postscreen_greet_banner", "it stands for the greeting, which is another"),
        ("smtpd_client_connection_count_limit", "limits.connections_per_ip_max is the same"),
        ("smtpd_client_event_limit_exceptions", "$mynetworks stands for its entries"),
        ("smtpd_client_ipv4_prefix_length", "unknown to this version of Postfix"),
        ("smtpd_client_ipv6_prefix_length", "unknown to this version of Postfix"),
        ("postscreen_greet_wait", "it is shorter under stress, which is not known here"),
    ];
    if !common::has("postconf") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for level in ["0", "3.6"] {
        // Of old, the one list or the other has to be written.
        let main_cf = format!(
            "compatibility_level = {level}\nmyhostname = mx.some.example\nsmtpd_recipient_restrictions = reject_unauth_destination\n"
        );
        write(directory, &[("main.cf", &main_cf), ("master.cf", "smtp inet n - y - - smtpd\n")]);
        let (good, printed, told) = program(&["import-postfix", "."], directory);
        assert!(good, "{told}");
        let aliases = Path::new("/etc/aliases").exists();
        let ours = toml(&printed)["policy"].clone();
        assert_eq!(ours.get("alias_maps").is_some(), aliases, "{printed}");
        assert!(told.contains("alias_maps: it is not set"), "{told}");
        for name in Parameters::NAMES {
            let ours = ours.get(name).map(as_postfix_writes_it);
            let postconf =
                Command::new("postconf").args(["-c", ".", "-xh", name]).current_dir(directory).output();
            let theirs = String::from_utf8(postconf.unwrap().stdout).unwrap();
            let same = differs_not(name, ours.as_deref(), theirs.trim());
            let argued = ARGUED.iter().any(|(known, _)| known == name);
            assert!(same || argued, "{name} at level {level}: {ours:?} here, {theirs}");
        }
    }
}

fn as_postfix_writes_it(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(elements) => {
            elements.iter().map(|element| element.as_str().unwrap()).collect::<Vec<_>>().join(", ")
        }
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a parameter is the same, be it set so (`None`: left as it is) or as Postfix has it.
fn differs_not(name: &str, ours: Option<&str>, theirs: &str) -> bool {
    let with = |value: Option<&str>| {
        let mut parameters = Parameters::default();
        match value.map(|value| parameters.set(name, value)) {
            Some(Err(_)) => None,
            _ => Some(format!("{parameters:?}")),
        }
    };
    let restrictions = |value: &str| words(value).join(", ");
    match Parameters::kind(name) {
        Some(ParameterKind::Restrictions) => {
            let default = if name == "smtpd_relay_restrictions" { "x" } else { "" };
            restrictions(ours.unwrap_or(default)) == restrictions(theirs)
        }
        _ => with(Some(theirs)).is_some_and(|theirs| with(ours) == Some(theirs)),
    }
}

#[test]
fn options_of_services_are_adapted_as_what_holds_for_all() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let main_cf = "compatibility_level = 3.6\nmyhostname = mx.test\ninet_protocols = ipv4\nalias_maps =\n\
        luser_relay = $user@$mydomain\npostscreen_greet_wait = 10\npostscreen_greet_ttl = 2\n\
        postscreen_dnsbl_ttl = 2\npostscreen_greet_banner = $smtpd_banner\nlocal_transport = error:local mail delivery is disabled\n";
    let master_cf = "\
smtp      inet n - y - 1 postscreen -o postscreen_greet_action=enforce -o smtpd_milters=x
  -o soft_bounce=yes -o postscreen_nothing=x
smtpd     pass - - y - - smtpd -o smtpd_client_restrictions=permit -o postscreen_greet_wait=7
26        inet n - y - - smtpd
  -o { smtpd_recipient_restrictions = check_policy_service unix:private/greylist, check_sender_access mysql:/x }
  -o luser_relay=$local@x.test -o local_recipient_maps= -o { virtual_mailbox_maps = hash:/etc/postfix/v }
  -o { virtual_transport = lmtp:unix:x }
greylist  unix - n n - 0 spawn user=nobody argv=/usr/sbin/greylist
";
    write(directory, &[("main.cf", main_cf), ("master.cf", master_cf)]);
    let (good, printed, told) = program(&["import-postfix", "."], directory);
    assert!(good, "{told}");
    let written = toml(&printed);
    for (name, value) in [
        ("luser_relay", "$user@$mydomain"),
        ("postscreen_greet_wait", "10s"),
        ("postscreen_greet_ttl", "2d"),
        ("postscreen_dnsbl_max_ttl", "2h"),
        ("postscreen_greet_banner", "$smtpd_banner"),
        ("local_transport", "error:local mail delivery is disabled"),
    ] {
        assert_eq!(written["policy"][name].as_str(), Some(value), "{printed}");
    }
    let [waiting, other] = written["listener"].as_array().unwrap().as_slice() else { panic!("{printed}") };
    assert_eq!(waiting["postscreen"].as_bool(), Some(true));
    for (name, value) in [
        ("smtpd_client_restrictions", "permit"),
        ("postscreen_greet_wait", "7s"),
        ("postscreen_greet_action", "enforce"),
        ("soft_bounce", "yes"),
    ] {
        assert_eq!(waiting["policy"][name].as_str(), Some(value), "{printed}");
    }
    assert_eq!(
        other["policy"]["smtpd_recipient_restrictions"].to_string(),
        "[\"check_policy_service unix:/var/spool/postfix/private/greylist\", \"check_sender_access mysql:/x\"]"
    );
    assert_eq!(other["policy"].as_table().unwrap().len(), 2, "{printed}");
    assert_eq!(other["policy"]["luser_relay"].as_str(), Some("$local@x.test"));
    for said in [
        "master.cf, line 4: 26 inet: -o smtpd_recipient_restrictions: greylist is started by Postfix",
        "master.cf, line 4: 26 inet: -o smtpd_recipient_restrictions: mysql:/x: nobody answers for tables of this kind",
        "master.cf, line 4: 26 inet: -o local_recipient_maps: it is empty, so every user exists",
        "master.cf, line 4: 26 inet: -o virtual_mailbox_maps: not carried over",
        "master.cf, line 4: 26 inet: -o virtual_transport: lmtp:unix:x: not carried over",
        "master.cf, line 1: smtp inet: -o smtpd_milters=x: not carried over: smtpd does not see it",
        "-o postscreen_nothing=x: not carried over: it has no counterpart for one listener",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn only_who_demands_a_login_becomes_submission() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let master_cf = "\
587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=may
 -o smtpd_client_restrictions=permit_sasl_authenticated,reject
587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt
465 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes
 -o { smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated reject }
465 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes
 -o { smtpd_relay_restrictions = permit_sasl_authenticated reject }
465 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes
 -o { smtpd_client_restrictions = reject_unknown_client_hostname permit_sasl_authenticated reject }
";
    // Each alone, since two have the same port.
    let services: Vec<String> = master_cf.replace("\n -o", " -o").lines().map(String::from).collect();
    let main_cf =
        "compatibility_level = 3.6\nmyhostname = mx.test\ninet_protocols = ipv4\nsmtpd_tls_auth_only = yes\n";
    for (service, protocol) in services.iter().zip(["smtp", "smtp", "smtp", "submission", "submission"]) {
        write(directory, &[("main.cf", main_cf), ("master.cf", &format!("{service}\n"))]);
        let (_, printed, told) = program(&["import-postfix", "."], directory);
        let listener = toml(&printed)["listener"][0].clone();
        assert_eq!(listener["protocol"].as_str(), Some(protocol), "{service}: {printed}{told}");
        assert!(listener.get("auth_mechanisms").is_none(), "{printed}");
        let refuses_plaintext = printed.contains("reject_plaintext_session");
        assert_eq!(refuses_plaintext, service.contains("encrypt"), "{printed}");
    }
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
