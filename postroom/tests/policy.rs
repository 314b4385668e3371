//! Who may send where, as Postfix's parameters say it: layers of a listener, and what becomes of recipients.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::log::Log;
use common::{Client, inbox, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use postroom::dns::{FixedResolver, HostsFile};
use postroom::server::Builder;
use postroom::settings::{Protocol, Settings, SettingsError};
use relay_policy::{Record, RecordKind};

/// A server with these parameters.
async fn server(fs: &SimFs, parameters: &[(&str, &str)]) -> Server {
    start_with(fs, 1, |builder| builder.settings(with(parameters))).await.unwrap()
}

fn with(parameters: &[(&str, &str)]) -> Settings {
    let mut settings = settings();
    for (name, value) in parameters {
        settings.policy.set(name, value).unwrap();
    }
    settings
}

/// What a recipient is answered.
async fn rcpt(client: &mut Client, recipient: &str) -> String {
    client.command("MAIL FROM:<s@x.test>").await;
    let reply = client.command(&format!("RCPT TO:{recipient}")).await;
    client.command("RSET").await;
    reply
}

#[tokio::test(start_paused = true)]
async fn where_recipients_lead() {
    let server = server(
        &SimFs::new(),
        &[
            ("recipient_delimiter", "+"),
            ("virtual_mailbox_domains", "virtual.test"),
            ("relay_domains", "relay.test"),
            ("mynetworks", "203.0.113.9"),
            (
                "transport_maps",
                "inline:{{gone@example.test=error:5.1.6 Gone}, later@example.test=retry:, far.test=smtp:[mx.test]}",
            ),
            ("smtpd_reject_unlisted_recipient", "no"),
        ],
    )
    .await;
    let mut client = Client::greeted(&server, "smtp").await;
    for (recipient, expected) in [
        ("<bob@example.test>", "250 2.1.5"),
        ("<BOB+lists@EXAMPLE.test>", "250 2.1.5"),
        (
            "<nobody@example.test>",
            "550 5.1.1 <nobody@example.test>: Recipient address rejected: User unknown in local recipient table",
        ),
        (
            "<bob@virtual.test>",
            "550 5.1.1 <bob@virtual.test>: Recipient address rejected: User unknown in virtual mailbox table",
        ),
        ("<gone@example.test>", "550 5.1.6 <gone@example.test>: Recipient address rejected: Gone"),
        (
            "<later@example.test>",
            "450 4.0.0 <later@example.test>: Recipient address rejected: Address is undeliverable",
        ),
        (
            "<x@far.test>",
            "550 5.4.4 <x@far.test>: Recipient address rejected: No route to remote domains is configured",
        ),
        (
            "<x@relay.test>",
            "550 5.4.4 <x@relay.test>: Recipient address rejected: No route to remote domains is configured",
        ),
        ("<u@192.0.2.1>", "501 5.1.3 Bad recipient address syntax"),
    ] {
        let reply = rcpt(&mut client, recipient).await;
        assert!(reply.starts_with(expected), "{recipient}: {reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_postmaster_is_reached_wherever_he_is() {
    for (postmaster, expected) in [("alice@example.test", "250 2.1.5"), ("eve@example.test", "550 5.1.1")] {
        let mut settings = settings();
        settings.domains.push("other.test".into());
        settings.postmaster = Some(postmaster.parse().unwrap());
        // He is excused from what the lists say, but not from being there.
        settings.policy.set("smtpd_client_restrictions", "reject").unwrap();
        let fs = SimFs::new();
        let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
        let mut client = Client::greeted(&server, "smtp").await;
        let reply = rcpt(&mut client, "<Postmaster>").await;
        assert!(reply.starts_with(expected), "{reply}");
        assert!(rcpt(&mut client, "<postmaster@other.test>").await.starts_with("554 5.7.1"));
        if expected.starts_with("250") {
            client.command("MAIL FROM:<s@x.test>").await;
            client.command("RCPT TO:<postmaster>").await;
            client.command("DATA").await;
            assert!(client.command("x\r\n.").await.starts_with("250"));
            until("delivered", || !inbox(&fs, "alice").is_empty()).await;
            assert!(
                inbox(&fs, "alice")[0]
                    .contains("X-Original-To: postmaster\r\nDelivered-To: alice@example.test")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_submission_listener_the_postmaster_is_one_of_all() {
    let mut settings = with(&[("mynetworks", "203.0.113.9")]);
    settings.postmaster = Some("alice@example.test".parse().unwrap());
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings.clone())).await.unwrap();
    let mut client = Client::greeted(&server, "submission").await;
    // \0alice@example.test\0ecila
    client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==").await;
    assert!(rcpt(&mut client, "<Postmaster>").await.starts_with("250 2.1.5"));
    let submission = settings.listeners.iter_mut().find(|l| l.protocol == Protocol::Submission).unwrap();
    submission.policy.set("smtpd_relay_restrictions", "reject");
    server.reload(settings).unwrap();
    let mut client = Client::greeted(&server, "submission").await;
    client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==").await;
    let reply = rcpt(&mut client, "<Postmaster>").await;
    assert_eq!(reply, "554 5.7.1 <postmaster@example.test>: Recipient address rejected: Access denied");
}

#[tokio::test(start_paused = true)]
async fn a_listener_has_the_common_policy_its_kind_s_and_its_own() {
    let mut settings = with(&[
        ("smtpd_restriction_classes", "careful"),
        ("careful", "check_sender_access inline:{bad.test=REJECT}"),
        ("smtpd_sender_restrictions", "careful"),
    ]);
    let mut own = settings.listeners[0].clone().named("own");
    own.policy.set("careful", "check_sender_access inline:{{x.test=REJECT Not here}}");
    // It comes first, wherever it stands.
    own.policy.set("strict", "reject");
    own.policy.set("smtpd_restriction_classes", "careful, strict");
    settings.listeners.push(own);
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap();
    for (listener, sender, expected) in [
        ("smtp", "s@x.test", "250 2.1.5"),
        ("smtp", "s@bad.test", "554 5.7.1 <s@bad.test>: Sender address rejected: Access denied"),
        ("own", "s@x.test", "554 5.7.1 <s@x.test>: Sender address rejected: Not here"),
        ("own", "s@bad.test", "250 2.1.5"),
    ] {
        let mut client = Client::greeted(&server, listener).await;
        client.command(&format!("MAIL FROM:<{sender}>")).await;
        let reply = client.command("RCPT TO:<bob@example.test>").await;
        assert!(reply.starts_with(expected), "{listener}, {sender}: {reply}");
    }
    let mut client = Client::greeted(&server, "submission").await;
    client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==").await;
    client.command("MAIL FROM:<s@bad.test>").await;
    assert!(client.command("RCPT TO:<bob@example.test>").await.starts_with("250"), "its lists are empty");
}

#[test]
fn what_is_wrong_is_named_with_whose_it_is() {
    let refused = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    };
    let common =
        refused(&|s| s.policy.set("smtpd_client_restrictions", "check_client_access hash:/no/such").unwrap());
    assert!(common.starts_with("smtpd_client_restrictions: hash:/no/such: /no/such: "), "{common}");
    let own = refused(&|s| s.listeners[0].policy.set("transport_maps", "nosuch:x"));
    assert_eq!(own, "listener smtp: transport_maps: nosuch:x: no kind of table is called nosuch");
    let own = refused(&|s| s.listeners[0].policy.set("mynetwork", "x"));
    assert_eq!(own, "listener smtp: mynetwork = x: no parameter has this name; did you mean mynetworks?");
    let open = refused(&|s| s.listeners[0].policy.set("smtpd_relay_restrictions", "permit_mynetworks"));
    assert!(open.starts_with("listener smtp: an open relay: "), "{open}");
    let world = refused(&|s| s.policy.mynetworks = vec!["::1".into(), "0.0.0.0/0".into()]);
    assert!(world.starts_with("listener smtp: mynetworks: 0.0.0.0/0: this is the whole world"), "{world}");
    assert_eq!(refused(&|s| s.domains = vec!["a..b".into()]), "domains: a..b: not a domain name");
    assert_eq!(refused(&|s| s.domains.clear()), SettingsError::NoDomain.to_string());
    let elsewhere = refused(&|s| s.postmaster = Some("a@elsewhere.test".parse().unwrap()));
    assert_eq!(elsewhere, "postmaster: a@elsewhere.test: not in a domain of this server");
}

#[tokio::test(start_paused = true)]
async fn tables_are_read_anew_with_the_settings_and_the_old_stay_on_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(dir.path().join("access"), text).unwrap();
    write("bob@example.test REJECT One\n");
    let mut settings = with(&[("smtpd_recipient_restrictions", "check_recipient_access texthash:access")]);
    settings.config_directory = dir.path().to_owned();
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings.clone())).await.unwrap();
    let answer = async || rcpt(&mut Client::greeted(&server, "smtp").await, "<bob@example.test>").await;
    assert!(answer().await.ends_with("Recipient address rejected: One"));
    write("bob@example.test REJECT Two\n");
    assert!(answer().await.ends_with("One"), "nothing is read anew by itself");
    server.reload(settings.clone()).unwrap();
    assert!(answer().await.ends_with("Two"));
    std::fs::remove_file(dir.path().join("access")).unwrap();
    let error = server.reload(settings).unwrap_err().to_string();
    assert!(error.starts_with("smtpd_recipient_restrictions: texthash:access: /"), "{error}");
    assert!(answer().await.ends_with("Two"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_421_ends_the_session() {
    let server = server(
        &SimFs::new(),
        &[("smtpd_helo_restrictions", "check_helo_access inline:{{client.test=421 Go away}}")],
    )
    .await;
    let mut client = Client::greeted(&server, "smtp").await;
    client.command("MAIL FROM:<s@x.test>").await;
    let reply = client.command("RCPT TO:<bob@example.test>").await;
    assert_eq!(reply, "421 4.7.1 <client.test>: Helo command rejected: Go away");
    assert_eq!(client.line().await, "");
}

#[tokio::test(start_paused = true)]
async fn lists_that_are_not_delayed_are_asked_in_their_turn() {
    let parameters = [
        ("smtpd_delay_reject", "no"),
        ("smtpd_helo_restrictions", "check_helo_access inline:{bad.test=REJECT, late.test=DEFER_IF_PERMIT}"),
        ("smtpd_sender_restrictions", "check_sender_access inline:{hold@x.test=HOLD, no@x.test=REJECT}"),
    ];
    let fs = SimFs::new();
    let server = server(&fs, &parameters).await;
    let mut client = Client::greeted(&server, "smtp").await;
    let reply = client.command("EHLO bad.test").await;
    assert!(reply.starts_with("554 ") && reply.contains("<bad.test>: Helo command rejected"), "{reply}");
    assert!(client.command("MAIL FROM:<no@x.test>").await.starts_with("554 5.7.1"));
    assert!(client.mail("hold@x.test", &["bob@example.test"], "held").await.starts_with("250 2.0.0"));
    assert!(client.mail("s@x.test", &["bob@example.test"], "not held").await.starts_with("250 2.0.0"));
    until("delivered", || inbox(&fs, "bob").len() == 1).await;
    assert!(inbox(&fs, "bob")[0].ends_with("not held\r\n"));
    // What HELO has put off holds until the next, message after message.
    client.command("EHLO late.test").await;
    for _ in 0..2 {
        let reply = client.mail("s@x.test", &["bob@example.test"], "x").await;
        assert!(reply.starts_with("450 4.7.1 <late.test>: Helo command rejected"), "{reply}");
        client.command("RSET").await;
    }
    client.command("EHLO client.test").await;
    assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250 2.0.0"));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_answers_is_put_off_and_logged() {
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let server =
        server(&SimFs::new(), &[("smtpd_recipient_restrictions", "check_recipient_access mysql:users")])
            .await;
    let mut client = Client::greeted(&server, "smtp").await;
    let reply = rcpt(&mut client, "<bob@example.test>").await;
    assert!(reply.starts_with("451 4.3.5 <bob@example.test>: Recipient address rejected"), "{reply}");
    assert_eq!(log.lines_with(&["ERROR", "mysql:users"]).len(), 1, "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn senders_of_ours_are_verified_by_the_directory() {
    let server = server(
        &SimFs::new(),
        &[
            ("smtpd_sender_restrictions", "reject_unverified_sender"),
            ("unverified_sender_reject_code", "550"),
            ("unverified_sender_defer_code", "250"),
        ],
    )
    .await;
    for (sender, expected) in [
        ("alice@example.test", "250"),
        ("x@far.test", "250"),
        (
            "eve@example.test",
            "550 5.1.7 <eve@example.test>: Sender address rejected: undeliverable address: User unknown in local recipient table",
        ),
    ] {
        let mut client = Client::greeted(&server, "smtp").await;
        client.command(&format!("MAIL FROM:<{sender}>")).await;
        let reply = client.command("RCPT TO:<bob@example.test>").await;
        assert!(reply.starts_with(expected), "{sender}: {reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_mail_is_verified() {
    let aliases =
        "inline:{ {sales=alice@example.test}, {all=alice, bob}, {half=alice, eve}, {away=x@far.test} }";
    let lists = [
        ("smtpd_recipient_restrictions", "reject_unverified_recipient"),
        ("smtpd_sender_restrictions", "reject_unverified_sender"),
    ];
    for (at, (list, refused)) in lists.into_iter().zip(["recipient", "sender"]).enumerate() {
        let server = server(
            &SimFs::new(),
            &[
                ("recipient_delimiter", "+"),
                ("alias_maps", aliases),
                ("virtual_alias_domains", "virtual.test"),
                (
                    "virtual_alias_maps",
                    "inline:{info@virtual.test=bob@example.test, none@virtual.test=eve@example.test}",
                ),
                ("transport_maps", "inline:{ {hole@example.test=discard:}, {old@example.test=error:5.1.6 Gone}, {later@example.test=retry:4.3.0 Not now} }"),
                ("smtpd_reject_unlisted_recipient", "no"),
                (&format!("unverified_{refused}_reject_code"), "550"),
                list,
            ],
        )
        .await;
        for (asked, expected) in [
            ("alice@example.test", "250"),
            ("alice+lists@example.test", "250"),
            ("sales@example.test", "250"),
            ("sales+x@example.test", "250"),
            ("all@example.test", "250"),
            ("info@virtual.test", "250"),
            ("postmaster@example.test", "550"),
            ("hole@example.test", "250"),
            ("old@example.test", "550"),
            ("half@example.test", "550"),
            ("none@virtual.test", "550"),
            ("later@example.test", "450"),
            ("away@example.test", "450"),
        ] {
            let mut client = Client::greeted(&server, "smtp").await;
            let (from, to) = if at == 0 { ("s@x.test", asked) } else { (asked, "bob@example.test") };
            client.command(&format!("MAIL FROM:<{from}>")).await;
            let reply = client.command(&format!("RCPT TO:<{to}>")).await;
            assert!(reply.starts_with(expected), "{refused} {asked}: {reply}");
            let is_of_the_list = reply.contains("undeliverable address")
                || reply.contains("unverified address")
                || reply.contains("address verification problem");
            assert!(
                expected == "250" || is_of_the_list || asked == "postmaster@example.test",
                "{asked}: {reply}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_postmaster_is_verified() {
    let mut settings = with(&[
        ("smtpd_recipient_restrictions", "reject_unverified_recipient"),
        ("unverified_recipient_reject_code", "550"),
    ]);
    settings.postmaster = Some("alice@example.test".parse().unwrap());
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    for recipient in ["<postmaster@example.test>", "<postmaster>"] {
        let reply = rcpt(&mut client, recipient).await;
        assert!(reply.starts_with("250 2.1.5"), "{recipient}: {reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_s_name_stands_in_the_trace_field() {
    let resolver = FixedResolver::new()
        .with("9.113.0.203.in-addr.arpa", RecordKind::Ptr, [Record::Name("mail.x.test".into())])
        .with("mail.x.test", RecordKind::A, [Record::Address("203.0.113.9".parse().unwrap())])
        .with("8.113.0.203.in-addr.arpa", RecordKind::Ptr, [Record::Name("mail.x.test".into())]);
    let settings = with(&[("smtpd_client_restrictions", "check_client_access inline:{bad.test=REJECT}")]);
    let fs = SimFs::new();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hosts"), "203.0.113.7 mail.hosts.test\n").unwrap();
    let hosts = HostsFile::new(dir.path().join("hosts"));
    let builder = |builder: Builder| builder.settings(settings).resolver(resolver).hosts(hosts);
    let server = start_with(&fs, 1, builder).await.unwrap();
    for (client, told) in [
        ("203.0.113.9", "Received: from client.test (mail.x.test [203.0.113.9])"),
        ("203.0.113.8", "Received: from client.test ([203.0.113.8])"),
        ("203.0.113.7", "Received: from client.test (mail.hosts.test [203.0.113.7])"),
    ] {
        let mut connected = Client::connect_from(format!("{client}:40000").parse().unwrap(), &server, "smtp");
        connected.reply().await;
        connected.command("EHLO client.test").await;
        assert!(connected.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250 2.0.0"));
        until("delivered", || inbox(&fs, "bob").iter().any(|mail| mail.contains(told))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_may_let_the_reply_wait() {
    // A client waits no longer than five minutes.
    for (rule, seconds) in [("sleep 7", 7), ("sleep 1000", 300)] {
        let server = server(&SimFs::new(), &[("smtpd_recipient_restrictions", rule)]).await;
        let mut client = Client::greeted(&server, "smtp").await;
        client.command("MAIL FROM:<s@x.test>").await;
        // Virtual time passes only where somebody waits.
        let begun = tokio::time::Instant::now();
        assert!(client.command("RCPT TO:<bob@example.test>").await.starts_with("250"));
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}

/// The usual `main.cf` has the restriction for all, and logins on the submission port alone.
#[tokio::test(start_paused = true)]
async fn whose_login_a_sender_is_counts_where_the_listener_offers_logins() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let mut settings = with(&[
        ("smtpd_sender_login_maps", "inline:{alice@example.test=alice@example.test}"),
        ("smtpd_sender_restrictions", "reject_sender_login_mismatch"),
    ]);
    for (offers, expected) in [(true, "553 5.7.1"), (false, "250 2.1.5")] {
        settings.listeners[0].auth_mechanisms = (!offers).then(Vec::new);
        let with = settings.clone();
        let server = start_with(&SimFs::new(), 1, |builder| builder.settings(with)).await.unwrap();
        let mut client = Client::greeted(&server, "smtp").await;
        client.command("MAIL FROM:<alice@example.test>").await;
        let reply = client.command("RCPT TO:<bob@example.test>").await;
        assert!(reply.starts_with(expected), "{offers}: {reply}");
        let told = log.lines_with(&["reject_sender_login_mismatch", "ignored: no SASL support"]);
        assert_eq!(told.is_empty(), offers, "{}", log.text());
    }
}

/// Tables that were written for Postfix name logins without a domain.
#[tokio::test(start_paused = true)]
async fn a_login_in_a_table_has_the_first_domain_unless_it_names_one() {
    for (owner, expected) in
        [("alice", "250 2.1.5"), ("alice@example.test", "250 2.1.5"), ("bob", "553 5.7.1")]
    {
        let server = server(
            &SimFs::new(),
            &[
                ("smtpd_sender_login_maps", &format!("inline:{{alice@example.test={owner}}}")),
                ("smtpd_sender_restrictions", "reject_sender_login_mismatch"),
            ],
        )
        .await;
        let mut client = Client::greeted(&server, "smtp").await;
        // alice@example.test with her password.
        let reply = client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==").await;
        assert!(reply.starts_with("235"), "{reply}");
        client.command("MAIL FROM:<alice@example.test>").await;
        let reply = client.command("RCPT TO:<bob@example.test>").await;
        assert!(reply.starts_with(expected), "{owner}: {reply}");
    }
}
