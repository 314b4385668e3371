//! What a configuration file may say, and how it is refused.

use super::*;
use postroom::proto_core::Mechanism;
use postroom::settings::SaslSecurityOptions;

/// The embedded default with one text in place of another.
fn with(from: &str, to: &str) -> Result<Config, ConfigError> {
    assert!(EMBEDDED.contains(from), "the default has no {from:?}");
    Config::parse(Path::new("/etc/postroom/postroom.toml"), &EMBEDDED.replacen(from, to, 1))
}

fn refused(from: &str, to: &str, words: &[&str]) {
    let text = with(from, to).expect_err("must be refused").to_string();
    for word in ["/etc/postroom/postroom.toml"].iter().chain(words) {
        assert!(text.contains(word), "{text:?} lacks {word:?}");
    }
}

#[test]
fn the_embedded_default_is_loopback_only() {
    let config = Config::embedded().unwrap();
    assert_eq!(config.listeners.len(), 8);
    assert!(config.listeners.iter().all(|l| l.address.ip().is_loopback()));
    assert!(!config.accounts.allow_plaintext_auth);
}

#[test]
fn relative_paths_count_from_the_file() {
    let config = with("hostname", "hostname").unwrap();
    assert_eq!(config.data_dir, Path::new("/etc/postroom/./postroom-data"));
    assert_eq!(config.accounts.passwd_file, Path::new("/etc/postroom/./postroom-data/users.passwd"));
}

#[test]
fn an_unknown_key_is_refused_with_those_allowed() {
    refused("hostname =", "hostnam =", &["hostnam", "line 6", "expected one of", "`hostname`"]);
    refused("tls = \"starttls\"", "tsl = \"starttls\"", &["tsl", "`tls`"]);
    refused("message_bytes_max", "message_size_limit", &["message_size_limit", "`message_bytes_max`"]);
}

#[test]
fn a_bad_value_is_refused_with_what_is_allowed() {
    refused("\"starttls\"", "\"always\"", &["always", "`none`", "`starttls`", "`implicit`"]);
    refused("protocol = \"smtp\"", "protocol = \"uucp\"", &["uucp", "`submission`", "`lmtp`"]);
    refused(
        "# xclient_clients = [\"10.1.2.3\"]",
        "xclient_clients = [\"0.0.0.0/0\"] #",
        &["xclient_clients", "whole world"],
    );
    refused("127.0.0.1:2424", "127.0.0.1:25", &["lmtp#3", "port 25", "RFC 2033"]);
    refused("\"maildir\"", "\"mdbox\"", &["mdbox", "`maildir`", "`mbox`"]);
    refused("127.0.0.1:2525", "127.0.0.1", &["address"]);
    refused(
        "\"127.0.0.0/8\"",
        "\"127.0.0.0/33\"",
        &["toml: policy.mynetworks: 127.0.0.0/33: \"127.0.0.0/33\" is no address and no network"],
    );
    let own = "tls = \"starttls\"\n[listener.policy]\nmynetworks = [\"10.1.2.3/8\"]";
    let words = "listener smtp#0 (127.0.0.1:2525): mynetworks: 10.1.2.3/8: \"10.1.2.3/8\" has bits set behind the \
        network's length: write 10.0.0.0/8";
    refused("tls = \"starttls\"", own, &[words]);
    refused(
        "# proxies = [\"10.0.0.0/8\"]",
        "proxies = [\"10.0.0.1/8\"] #",
        &["listener smtp#0 (127.0.0.1:2525): proxies: \"10.0.0.1/8\" has bits set"],
    );
    refused(
        "127.0.0.1:2587",
        "127.0.0.1:2525",
        &["listener submission#1 (127.0.0.1:2525): address: 127.0.0.1:2525 is already", "another listener"],
    );
    let key = "# auth_mechanisms = [\"SCRAM-SHA-256-PLUS\",";
    refused(key, "auth_mechanisms = [\"NTLM\",", &["\"NTLM\" is not known", "SCRAM-SHA-256-PLUS, "]);
    refused(
        "# sasl_security_options = [\"noanonymous\"]",
        "sasl_security_options = [\"noactive\"]",
        &["noactive", "`noplaintext`", "`noanonymous`"],
    );
    refused("# auth_anonymous_username = \"guest@", "auth_anonymous_username = \"@", &["\"@example.test\""]);
    let key = "# require_client_certificate = true";
    refused(key, &key[2..], &["listener smtp#0 (127.0.0.1:2525): require_client_certificate: ", "client_ca"]);
    let ca = "tls = \"none\"\nclient_ca = \"ca.pem\"";
    refused("tls = \"starttls\"", ca, &["listener smtp#0 (127.0.0.1:2525): client_ca: ", "tls is none"]);
    refused("52428800", "1000", &["limits.message_bytes_max", "65536"]);
    refused("%d/%n", "%d/%x", &["storage.path", "variables are %u"]);
    refused("%d/%n", "%d/%2.256Nu", &["storage.path", "would be one"]);
    let inbox = |path: &str| format!("format = \"mbox\"\nlocation = \"mbox:~/mail:INBOX={path}\"");
    refused("format = \"maildir\"", &inbox("/var/mail/%1n"), &["storage.location", "/var/mail/%1n", "~"]);
    assert!(with("format = \"maildir\"", &inbox("/var/mail/%n")).is_ok(), "there is one domain");
    let two =
        EMBEDDED.replacen("local = [\"example.test\"]", "local = [\"example.test\", \"example.org\"]", 1);
    for (path, tells_apart) in [("/var/mail/%n", false), ("/var/mail/%n%d", false), ("/var/mail/%u", true)] {
        let text = two.replacen("format = \"maildir\"", &inbox(path), 1);
        assert_eq!(Config::parse(Path::new("/x.toml"), &text).is_ok(), tells_apart, "{path}");
    }
    let quota = |text: &str| format!("[quota]\n{text}\n");
    refused("[quota]", &quota("warning_percent = 0"), &["quota.warning_percent", "1 to 100"]);
    let text = "warning_message = \"Subject: x\"";
    refused("[quota]", &quota(text), &["quota.warning_message", "warning_percent"]);
    refused("[quota]", &quota(&format!("{text}\nwarning_percent = 90")), &["warning_message", "empty line"]);
    let mbox = EMBEDDED.replacen("\"maildir\"", "\"mbox\"", 1);
    let mbox = mbox.replacen("[quota]", &quota("rules = [\"1S\"]"), 1);
    let said = Config::parse(Path::new("/x.toml"), &mbox).expect_err("must be refused").to_string();
    assert!(said.contains("quota: mbox files have no quotas"), "{said}");
    let key = "# layout = \"maildir++\"";
    refused(key, "layout = \"dbox\"", &["dbox", "`maildir++`", "`fs`"]);
    refused("format = \"maildir\"", "format = \"mbox\"\nlayout = \"fs\"", &["storage.format", "layout"]);
    refused("mail/%d", "../%d", &["storage.path", ".."]);
    refused("\"Drafts\"", "\"a//b\"", &["a//b", "empty"]);
    refused("\"Drafts\"", "\"Sent\"", &["mailbox: \"Sent\" is there twice"]);
    refused("\"\\\\Drafts\"", "\"drafs\"", &["drafs", "\\Drafts"]);
    refused("mail.example.test", "mail example", &["hostname", "mail example"]);
}

#[test]
fn a_listener_overrides_the_common_limits_key_by_key() {
    let config = with(
        "address = \"127.0.0.1:2525\"\ntls = \"starttls\"",
        "address = \"127.0.0.1:2525\"\ntls = \"starttls\"\n[listener.limits]\nrecipients_max = 200\n\
         [listener.policy]\nmynetworks = []",
    )
    .unwrap();
    let listener = &wiring::settings(&config).listeners[0];
    assert_eq!((listener.limits.recipients_max, listener.limits.message_bytes_max), (Some(200), None));
    assert_eq!(config.listeners[0].policy.value("mynetworks"), Some(""));
}

#[test]
fn reports_have_the_names_of_postfix() {
    let with = |keys: &str| with("[queue]\n", &format!("[queue]\n{keys}"));
    let how = |keys: &str| wiring::deliverers(&with(keys).unwrap().queue, false, None);
    let given = how(
        "bounce_size_limit_bytes = 7\ndelay_warning_time_seconds = 14400\nnotify_classes = [\"2bounce\"]\n",
    );
    assert_eq!((given.bounce_size_limit, given.delay_warning_time.as_secs()), (7, 14_400));
    assert_eq!(given.double_bounce_recipient.as_deref(), Some("postmaster"));
    let to = "2bounce_notice_recipient = \"ann@example.test\"\n";
    assert_eq!(how(to).double_bounce_recipient, None);
    let both = how(&format!("notify_classes = [\"2bounce\"]\n{to}"));
    assert_eq!(both.double_bounce_recipient.as_deref(), Some("ann@example.test"));
    let unknown = with("notify_classes = [\"resource\"]\n").expect_err("nobody is told of these").to_string();
    assert!(unknown.contains("2bounce"), "{unknown}");
}

#[test]
fn policy_has_the_names_of_postfix() {
    let policy = "[policy]\nmydestination = [\"example.test\"]\nsmtpd_helo_restrictions = [\"reject_invalid_helo_hostname\"]\n\
        recipient_delimiter = \"+\"\nsoft_bounce = true\n";
    let own = "tls = \"starttls\"\n[listener.policy]\nrecipient_delimiter = \"-\"";
    let text = EMBEDDED.replacen("[policy]\n", policy, 1).replacen("tls = \"starttls\"", own, 1);
    let settings = wiring::settings(&Config::parse(Path::new("/etc/postroom/postroom.toml"), &text).unwrap());
    assert_eq!(settings.policy.smtpd_helo_restrictions, "reject_invalid_helo_hostname");
    assert!(settings.policy.soft_bounce && settings.policy.mynetworks.len() == 2);
    assert_eq!(settings.listeners[0].policy, [("recipient_delimiter", "-")].into_iter().collect());
    assert_eq!(settings.config_directory, Path::new("/etc/postroom"));
    refused(
        "[policy]\n",
        "[policy]\nsmtpd_recipient_restriction = \"reject\"\n",
        &["policy.smtpd_recipient_restriction", "did you mean smtpd_recipient_restrictions?"],
    );
    refused(
        "[policy]\n",
        "[policy]\nnon_smtpd_milters = \"inet:localhost:8891\"\n",
        &[
            "policy.non_smtpd_milters: it is not carried over from Postfix: all mail comes by SMTP or LMTP here",
        ],
    );
    refused(
        "[policy]\n",
        "[policy]\nreject_code = 99\n",
        &["policy.reject_code: 99: expected a reply code, 200 to 599"],
    );
    refused(
        "[queue]\n",
        "[queue]\ncommand_time_limit_seconds = 0\n",
        &["queue.command_time_limit_seconds: at least 1 is expected"],
    );
    refused(
        "[queue]\n",
        "[queue]\ncommand_over_quota_statuses = [75, 0]\n",
        &["command_over_quota_statuses = [75, 0]", "expected a nonzero u8"],
    );
    refused(
        "[queue]\n",
        "[queue]\nmailbox_size_limit_bytes = 52428799\n",
        &["queue.mailbox_size_limit_bytes: a message may have 52428800 octets"],
    );
    let own = "tls = \"starttls\"\n[listener.policy]\nmynetwork = \"::1\"";
    refused(
        "tls = \"starttls\"",
        own,
        &["listener smtp#0 (127.0.0.1:2525): mynetwork = ::1: ", "mynetworks?"],
    );
    let table = "[policy]\nsmtpd_client_restrictions = \"check_client_access hash:clients\"\n";
    refused(
        "[policy]\n",
        table,
        &["smtpd_client_restrictions: hash:clients: /etc/postroom/clients: No such file"],
    );
}

#[test]
fn what_the_file_says_of_mechanisms_reaches_the_engine() {
    let default = wiring::settings(&Config::embedded().unwrap());
    assert_eq!(default.auth_mechanisms, None);
    assert_eq!(default.sasl_security_options, SaslSecurityOptions::default());
    let said = "auth_mechanisms = [\"plain\", \"Scram-SHA-256\"]\nsasl_security_options = [\"noplaintext\"]\n\
        broken_sasl_auth_clients = true\n";
    let config = with("# allow_plaintext_auth", &format!("{said}# allow_plaintext_auth")).unwrap();
    let settings = wiring::settings(&config);
    assert_eq!(settings.auth_mechanisms, Some(vec![Mechanism::Plain, Mechanism::ScramSha256]));
    let options = settings.sasl_security_options;
    assert_eq!((options.noplaintext, options.noanonymous), (true, false), "the list is the whole");
    assert!(settings.broken_sasl_auth_clients);
    let own = with("# auth_mechanisms = []", "auth_mechanisms = []").unwrap();
    assert_eq!(wiring::settings(&own).listeners[0].auth_mechanisms, Some(vec![]));
}

#[test]
fn authorities_are_read_from_beside_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("postroom.toml");
    let text = EMBEDDED.replacen("# client_ca", "client_ca", 1).replacen("# require_", "require_", 1);
    let config = Config::parse(&path, &text).unwrap();
    let error = wiring::whole_settings(&config).unwrap_err().to_string();
    let file = directory.path().join("clients.pem");
    let key = "listener smtp#0 (127.0.0.1:2525): client_ca";
    let named = format!("{}: {key}: {}: ", path.display(), file.display());
    assert!(error.starts_with(&named), "{error}");
    let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    std::fs::write(directory.path().join("clients.pem"), made.cert.pem()).unwrap();
    let settings = wiring::whole_settings(&config).unwrap();
    let wanted = settings.listeners[0].client_certificates.as_ref().unwrap();
    assert_eq!((wanted.authorities.len(), wanted.required), (1, true));
    assert!(settings.listeners[1..].iter().all(|listener| listener.client_certificates.is_none()));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let text = Config::read(Some(Path::new("/nowhere/postroom.toml"))).unwrap_err().to_string();
    assert!(text.starts_with("/nowhere/postroom.toml: cannot read"), "{text}");
}
