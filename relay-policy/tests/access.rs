//! Access control as an application uses it: what is asked, what is kept between commands, what is refused at once.

#![allow(clippy::unwrap_used, reason = "a test")]

mod access_support;

use access_support::{compile, nothing, policy, recipient, reply, run, stranger};
use proto_core::Backend;
use proto_core::address::ForwardPath;
use relay_policy::access::{AccessError, AccessPolicy, LogLine};
use relay_policy::{Answer, ClientCertificate, Question, Record, RecordKind, Stage, Verification};

#[test]
fn an_open_relay_does_not_compile() {
    for (relay, recipient) in [
        ("", ""),
        ("permit_mynetworks", "reject_unlisted_recipient"),
        ("permit, reject_unauth_destination", "warn_if_reject, reject"),
        ("warn_if_reject reject_unauth_destination", "permit_mynetworks, permit, reject"),
    ] {
        let lists = [("smtpd_relay_restrictions", relay), ("smtpd_recipient_restrictions", recipient)];
        assert_eq!(compile(&lists).unwrap_err(), AccessError::OpenRelay, "{relay} / {recipient}");
    }
    for relay in ["reject_unauth_destination", "permit_mynetworks defer", "warn_if_reject reject, reject"] {
        assert!(compile(&[("smtpd_relay_restrictions", relay)]).is_ok(), "{relay}");
    }
    assert!(compile(&[]).is_ok(), "the default list defers strangers");
}

#[test]
fn what_cannot_be_opened_or_read_does_not_compile() {
    for (name, value, told) in [
        (
            "smtpd_sender_restrictions",
            "check_sender_access texthash:/no/file",
            "smtpd_sender_restrictions: texthash:/no/file: no files",
        ),
        (
            "local_recipient_maps",
            "nosuch:x",
            "local_recipient_maps: nosuch:x: no kind of table is called nosuch",
        ),
    ] {
        assert_eq!(compile(&[(name, value)]).unwrap_err().to_string(), told);
    }
    let error = compile(&[("mynetworks", "192.0.2.1/24")]).unwrap_err();
    assert!(matches!(error, AccessError::Entry { parameter: "mynetworks", .. }), "{error}");
}

#[test]
fn dns_lists_that_stand_together_are_asked_together() {
    let policy = policy(&[(
        "smtpd_recipient_restrictions",
        "reject_rbl_client a.test, reject_rbl_client b.test=127.0.0.[2..4], reject_rhsbl_sender c.test, \
         reject_unknown_sender_domain, reject_rbl_client d.test",
    )]);
    let listed = |question: &Question| match question {
        Question::Dns { name, kind: RecordKind::A } if name.ends_with("b.test") => {
            Answer::Records(vec![Record::Address("127.0.0.3".parse().unwrap())])
        }
        _ => Answer::Records(Vec::new()),
    };
    let local = recipient("<a@example.com>");
    let (outcome, rounds) = run(&policy, &stranger(), Stage::Rcpt(&local), listed);
    let asked = |round: &Vec<Question>| {
        let names = round.iter().map(|question| match question {
            Question::Dns { name, .. } => name.clone(),
            other => panic!("{other:?}"),
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(
        rounds.iter().map(asked).collect::<Vec<_>>(),
        [vec!["9.113.0.203.a.test", "9.113.0.203.b.test", "other.test.c.test"], vec!["9.113.0.203.b.test"],]
    );
    assert_eq!(
        outcome.refusal.unwrap().to_string(),
        "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using b.test"
    );
}

#[test]
fn tables_that_are_elsewhere_are_asked() {
    let policy = policy(&[
        ("smtpd_recipient_restrictions", "check_recipient_access mysql:access"),
        ("local_recipient_maps", "mysql:users"),
    ]);
    let answer = |question: &Question| match question {
        Question::Lookup { table, key } => match (table.as_str(), key.as_str()) {
            ("mysql:access", "example.com") => Answer::Found(Some("REJECT 5.7.9 Not today".into())),
            ("mysql:access", "bob@example.com") => Answer::Found(Some("DUNNO".into())),
            ("mysql:access", "carol@example.com") => Answer::Failed(Backend::TEMPORARY),
            ("mysql:users", "bob@example.com") => Answer::Failed(Backend::PERMANENT),
            _ => Answer::Found(None),
        },
        other => panic!("{other:?}"),
    };
    for (written, expected) in [
        ("<a@example.com>", "554 5.7.9 <a@example.com>: Recipient address rejected: Not today"),
        ("<bob@example.com>", "451 4.3.0 <bob@example.com>: Temporary lookup failure"),
        (
            "<carol@example.com>",
            "451 4.3.5 <carol@example.com>: Recipient address rejected: Server configuration error",
        ),
    ] {
        let (outcome, rounds) = run(&policy, &stranger(), Stage::Rcpt(&recipient(written)), answer);
        assert_eq!(outcome.refusal.unwrap().to_string(), expected);
        assert!(!rounds.is_empty());
    }
}

#[test]
fn an_answer_to_nothing_is_refused() {
    let policy = policy(&[]);
    let request = stranger();
    let mut evaluation = policy.evaluate(&request, Stage::Connect);
    let question = Question::Dns { name: "a.test".into(), kind: RecordKind::A };
    assert!(evaluation.answer(&question, Answer::Records(Vec::new())).is_err());
}

#[test]
fn lists_are_asked_at_their_own_commands_without_delay() {
    let policy = policy(&[
        ("smtpd_delay_reject", "no"),
        ("smtpd_client_restrictions", "defer_if_permit"),
        ("smtpd_helo_restrictions", "reject_invalid_helo_hostname"),
        ("smtpd_sender_restrictions", "check_recipient_access inline:{a@example.com=REJECT}"),
    ]);
    let mut request = stranger();
    request.sender = None;
    let (outcome, _) = run(&policy, &request, Stage::Connect, nothing);
    assert_eq!(outcome.refusal, None, "a deferral waits for a recipient");
    request.latches = outcome.latches;
    request.helo = Some("a..b".into());
    let (outcome, _) = run(&policy, &request, Stage::Helo, nothing);
    assert_eq!(outcome.refusal.unwrap().to_string(), "501 5.5.2 <a..b>: Helo command rejected: Invalid name");
    request.helo = Some("a.b".into());
    request.latches = run(&policy, &request, Stage::Helo, nothing).0.latches;
    request.sender = stranger().sender;
    let (outcome, _) = run(&policy, &request, Stage::Mail, nothing);
    assert_eq!(outcome.refusal, None, "there is no recipient yet");
    request.latches = outcome.latches;
    assert_eq!(
        reply(&policy, &request, "<a@example.com>"),
        "450 4.7.0 <unknown[203.0.113.9]>: Client host rejected: defer_if_permit requested"
    );
    assert_eq!(reply(&policy, &request, "<a@other.test>"), "454 4.7.1 <a@other.test>: Relay access denied");
    // The message is over, the client stays.
    request.latches = request.latches.without_message();
    request.latches = run(&policy, &request, Stage::Mail, nothing).0.latches;
    assert!(reply(&policy, &request, "<a@example.com>").starts_with("450 4.7.0"));
}

#[test]
fn a_deferral_of_one_recipient_is_not_of_the_next() {
    let policy = policy(&[(
        "smtpd_sender_restrictions",
        "check_recipient_access inline:{{a@example.com = DEFER_IF_PERMIT Later}}",
    )]);
    let mut request = stranger();
    let (outcome, _) = run(&policy, &request, Stage::Rcpt(&recipient("<a@example.com>")), nothing);
    assert_eq!(outcome.refusal.unwrap().code, 450);
    request.latches = outcome.latches;
    assert_eq!(reply(&policy, &request, "<b@example.com>"), "accepted");
}

#[test]
fn effects_are_told_and_what_is_discarded_is_not_looked_at_again() {
    let policy = policy(&[
        ("smtpd_restriction_classes", "held"),
        ("held", "check_client_access inline:{203.0.113=HOLD}, sleep 3"),
        (
            "smtpd_recipient_restrictions",
            "held, check_sender_access inline:{{other.test = PREPEND X-From: other}}, \
             check_recipient_access inline:{{b@example.com = DISCARD}}, \
             check_recipient_access inline:{{example.com = BCC c@example.com}}, \
             check_recipient_access inline:{{example.com = FILTER scan:[::1]:10}}, \
             check_recipient_access inline:{{example.com = REDIRECT d@example.com}}",
        ),
    ]);
    let local = recipient("<a@example.com>");
    let (outcome, _) = run(&policy, &stranger(), Stage::Rcpt(&local), nothing);
    let effects = outcome.effects;
    assert!(outcome.refusal.is_none() && effects.hold && !effects.discard);
    assert_eq!(effects.sleep_seconds, 3);
    assert_eq!((effects.prepend, effects.bcc), (vec!["X-From: other".into()], vec!["c@example.com".into()]));
    assert_eq!(effects.filter.as_deref(), Some("scan:[::1]:10"));
    assert_eq!(effects.redirect.as_deref(), Some("d@example.com"));
    let discarded = recipient("<b@example.com>");
    let mut request = stranger();
    let (outcome, _) = run(&policy, &request, Stage::Rcpt(&discarded), nothing);
    assert!(outcome.refusal.is_none() && outcome.effects.discard && outcome.effects.bcc.is_empty());
    request.discarded = true;
    assert_eq!(reply(&policy, &request, "<a@other.test>"), "accepted");
}

#[test]
fn temporary_failures_defer_as_configured() {
    let temporary = |_: &Question| Answer::Failed(Backend::TEMPORARY);
    let lists = [
        ("smtpd_sender_restrictions", "reject_unknown_sender_domain"),
        ("smtpd_relay_restrictions", "reject_unauth_destination"),
    ];
    let local = recipient("<a@example.com>");
    let remote = recipient("<a@other.test>");
    let deferring = policy(&lists);
    let (outcome, _) = run(&deferring, &stranger(), Stage::Rcpt(&local), temporary);
    let refusal = outcome.refusal.unwrap().to_string();
    assert_eq!(refusal, "450 4.1.8 <s@other.test>: Sender address rejected: Domain not found");
    let (outcome, _) = run(&deferring, &stranger(), Stage::Rcpt(&remote), temporary);
    assert_eq!(outcome.refusal.unwrap().code, 554, "a refusal for good is told all the same");
    let at_once = policy(&[lists[0], lists[1], ("unknown_address_tempfail_action", "defer")]);
    let (outcome, _) = run(&at_once, &stranger(), Stage::Rcpt(&remote), temporary);
    assert_eq!(outcome.refusal.unwrap().to_string(), refusal);
}

#[test]
fn replies_are_made_fit_to_be_sent() {
    let table = format!("check_recipient_access inline:{{{{a@example.com = 521 a\tb{}}}}}", "x".repeat(600));
    let policy = policy(&[("smtpd_recipient_restrictions", &table)]);
    let local = recipient("<a@example.com>");
    let (outcome, _) = run(&policy, &stranger(), Stage::Rcpt(&local), nothing);
    assert!(outcome.disconnect);
    let line = outcome.refusal.unwrap().to_string();
    assert!(line.starts_with("521 5.7.1 <a@example.com>: Recipient address rejected: a b"), "{line}");
    assert_eq!(line.len(), 510);

    let soft = compile(&[("soft_bounce", "yes"), ("smtpd_relay_restrictions", "reject")]).unwrap();
    let expected = "454 4.7.1 <a@example.com>: Recipient address rejected: Access denied";
    assert_eq!(reply(&soft, &stranger(), "<a@example.com>"), expected);
    let wrong = compile(&[("reject_code", "250"), ("smtpd_relay_restrictions", "reject")]).unwrap();
    assert_eq!(reply(&wrong, &stranger(), "<a@example.com>"), "450 4.7.1 Service unavailable");
}

#[test]
fn classes_that_double_come_to_an_end() {
    let names: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    let mut lines = vec![("smtpd_restriction_classes".to_string(), names.join(" "))];
    for pair in names.windows(2) {
        lines.push((pair[0].clone(), format!("{next}, {next}", next = pair[1])));
    }
    lines.push(("smtpd_recipient_restrictions".into(), "c0".into()));
    let lines: Vec<(&str, &str)> =
        lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let policy = policy(&lines);
    let local = recipient("<a@example.com>");
    let (outcome, _) = run(&policy, &stranger(), Stage::Rcpt(&local), nothing);
    assert_eq!(outcome.refusal.unwrap().to_string(), "451 4.3.5 Server configuration error");
    assert!(matches!(outcome.log.lines(), [LogLine::Warning(_), LogLine::Event(_)]));
}

#[test]
fn the_trail_names_every_rule_with_its_place() {
    let policy = policy(&[
        ("smtpd_restriction_classes", "insiders"),
        ("insiders", "permit_mynetworks, reject"),
        ("smtpd_recipient_restrictions", "check_recipient_access inline:{all@example.com=insiders}, permit"),
    ]);
    let all = recipient("<all@example.com>");
    let (outcome, _) = run(&policy, &stranger(), Stage::Rcpt(&all), nothing);
    let trail = outcome.trail.to_string();
    for line in [
        "address: no: <all@example.com> is all@example.com, class local",
        "relay: permit_mynetworks: no: 203.0.113.9 is not in mynetworks",
        "recipient: check_recipient_access inline:{all@example.com=insiders}: no: \
         inline:{all@example.com=insiders}: all@example.com: insiders",
        "reject: reject: 554 5.7.1 <all@example.com>: Recipient address rejected: Access denied",
    ] {
        assert!(trail.contains(line), "{line}\n{trail}");
    }
    let mut insider = stranger();
    insider.client = "192.0.2.7".parse().unwrap();
    assert_eq!(reply(&policy, &insider, "<all@example.com>"), "accepted");
}

#[test]
fn the_postmaster_is_always_reached_and_relocated_users_are_told() {
    let policy = policy(&[
        ("smtpd_client_restrictions", "reject"),
        ("relocated_maps", "inline:{{old@example.com = new@other.test}}"),
    ]);
    let postmaster = ForwardPath::Postmaster;
    assert_eq!(run(&policy, &stranger(), Stage::Rcpt(&postmaster), nothing).0.refusal, None);
    assert!(reply(&policy, &stranger(), "<a@example.com>").starts_with("554 5.7.1 <unknown[203.0.113.9]>"));
    let open = compile(&[("relocated_maps", "inline:{{old@example.com = new@other.test}}")]).unwrap();
    assert_eq!(
        reply(&open, &stranger(), "<old@example.com>"),
        "550 5.1.6 <old@example.com>: Recipient address rejected: User has moved to new@other.test"
    );
}

#[test]
fn a_policy_service_says_what_may_stand_in_a_table() {
    let policy = policy(&[
        (
            "smtpd_recipient_restrictions",
            "check_policy_service inet:127.0.0.1:10023, \
             check_policy_service { unix:private/quota, timeout=5s, default_action=DUNNO, policy_context=quota }, \
             reject_unlisted_recipient, permit",
        ),
        ("smtpd_end_of_data_restrictions", "check_policy_service inet:127.0.0.1:10023"),
        ("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"),
    ]);
    let mut request = stranger();
    request.helo = Some("a.test".into());
    request.instance = "1f.5".into();
    request.size_bytes = 1234;
    request.recipient_count = 2;
    let local = recipient("<a@example.com>");
    // Each case: the first service's action, if it gives one, and the reply.
    for (action, expected) in [
        (Some("DUNNO"), "accepted"),
        (Some("REJECT not today"), "554 5.7.1 <a@example.com>: Recipient address rejected: not today"),
        (Some("450 4.2.0 greylisted"), "450 4.2.0 <a@example.com>: Recipient address rejected: greylisted"),
        (Some("DEFER_IF_PERMIT Later"), "450 4.7.1 <a@example.com>: Recipient address rejected: Later"),
        (Some("permit_mynetworks"), "accepted"),
        (Some("PREPEND X-P: 1"), "accepted"),
        (Some("nonsense"), "451 4.3.5 Server configuration error"),
        (None, "451 4.3.5 <a@example.com>: Recipient address rejected: Server configuration problem"),
    ] {
        let answer = |question: &Question| match question {
            Question::Policy { service, attributes } if service.server == "inet:127.0.0.1:10023" => {
                for (name, value) in [
                    ("request", "smtpd_access_policy"),
                    ("protocol_state", "RCPT"),
                    ("protocol_name", "SMTP"),
                    ("client_address", "203.0.113.9"),
                    ("client_name", "unknown"),
                    ("helo_name", "a.test"),
                    ("sender", "s@other.test"),
                    ("recipient", "a@example.com"),
                    ("recipient_count", "0"),
                    ("instance", "1f.5"),
                    ("size", "1234"),
                    ("encryption_keysize", "0"),
                    ("policy_context", ""),
                ] {
                    assert_eq!(attributes.value(name), value, "{name}");
                }
                action.map_or(Answer::Failed(Backend::TEMPORARY), |action| Answer::Action(action.into()))
            }
            Question::Policy { service, attributes } => {
                assert_eq!(service.options, [("timeout".to_string(), "5s".to_string())]);
                assert_eq!(attributes.value("policy_context"), "quota");
                Answer::Failed(Backend::TEMPORARY)
            }
            other => panic!("{other:?}"),
        };
        let (outcome, _) = run(&policy, &request, Stage::Rcpt(&local), answer);
        let reply = outcome.refusal.map_or("accepted".into(), |reply| reply.to_string());
        assert_eq!(reply, expected, "{action:?}");
        let prepended = action.and_then(|action| action.strip_prefix("PREPEND "));
        assert_eq!(outcome.effects.prepend, prepended.into_iter().collect::<Vec<_>>());
    }
    // At the end of the message: the number of recipients, and none of them when there are several.
    let answer = |question: &Question| {
        let Question::Policy { attributes, .. } = question else { panic!("{question:?}") };
        let facts = ["protocol_state", "recipient", "recipient_count"].map(|name| attributes.value(name));
        assert_eq!(facts, ["END-OF-MESSAGE", "", "2"]);
        Answer::Action("PREPEND X-Late: yes".into())
    };
    let (outcome, _) = run(&policy, &request, Stage::EndOfMessage, answer);
    assert!(outcome.refusal.is_none() && outcome.effects.prepend.is_empty());
}

#[test]
fn certificates_are_known_by_their_digests() {
    let policy = policy(&[
        ("relay_clientcerts", "inline:{AA:01=ours, AA:02=ours}"),
        ("smtpd_client_restrictions", "check_ccert_access inline:{{AA:02 = REJECT 5.1.1 Lost}}"),
        (
            "smtpd_relay_restrictions",
            "permit_tls_clientcerts, permit_tls_all_clientcerts, reject_unauth_destination",
        ),
    ]);
    // Each case: the digests of the certificate and of its key, whether an authority stands for it, the reply.
    for (fingerprint, key, is_verified, expected) in [
        ("AA:01", "BB:01", false, "accepted"),
        ("BB:01", "AA:01", false, "accepted"),
        ("BB:01", "BB:02", true, "accepted"),
        ("BB:01", "BB:02", false, "554 5.7.1 <a@other.test>: Relay access denied"),
        ("AA:02", "BB:02", true, "554 5.0.0 <a client>: Client certificate rejected: Lost"),
    ] {
        let mut request = stranger();
        request.client_certificate = Some(ClientCertificate {
            is_verified,
            subject: "a client".into(),
            issuer: "an authority".into(),
            fingerprint: fingerprint.into(),
            public_key_fingerprint: key.into(),
        });
        assert_eq!(reply(&policy, &request, "<a@other.test>"), expected, "{fingerprint} {key}");
    }
    assert_eq!(
        reply(&policy, &stranger(), "<a@other.test>"),
        "554 5.7.1 <a@other.test>: Relay access denied"
    );
}

#[test]
fn addresses_are_verified_where_their_mail_goes() {
    let lists = [
        ("smtpd_sender_restrictions", "reject_unverified_sender"),
        ("smtpd_relay_restrictions", "permit_inet_interfaces, reject_unauth_destination"),
        ("inet_interfaces", "127.0.0.1, [::1]"),
    ];
    let asking = policy(&lists);
    let taking = policy(&[lists[0], lists[1], lists[2], ("unverified_sender_reject_code", "250")]);
    let local = recipient("<a@example.com>");
    let prefix = "<s@other.test>: Sender address rejected:";
    for (answer, expected, code_250) in [
        (Answer::Verified(Verification::Deliverable), "accepted".to_string(), "accepted"),
        (
            Answer::Verified(Verification::Undeliverable("no such user".into())),
            format!("450 4.1.7 {prefix} undeliverable address: no such user"),
            "accepted",
        ),
        (
            Answer::Verified(Verification::Unknown("in progress".into())),
            format!("450 4.1.7 {prefix} unverified address: in progress"),
            "",
        ),
        (Answer::Failed(Backend::TEMPORARY), format!("450 4.1.7 {prefix} address verification problem"), ""),
    ] {
        let told = |policy: &AccessPolicy| {
            let (outcome, rounds) = run(policy, &stranger(), Stage::Rcpt(&local), |_| answer.clone());
            assert_eq!(rounds, [[Question::Verify { address: "s@other.test".into() }]]);
            outcome.refusal.map_or("accepted".into(), |reply| reply.to_string())
        };
        assert_eq!(told(&asking), expected);
        assert_eq!(told(&taking), if code_250.is_empty() { &expected } else { code_250 });
    }
    let mut own = stranger();
    own.client = "::1".parse().unwrap();
    let (outcome, _) = run(&asking, &own, Stage::Rcpt(&recipient("<a@other.test>")), |_| {
        Answer::Verified(Verification::Deliverable)
    });
    assert_eq!(outcome.refusal, None);
}

#[test]
fn a_backup_server_takes_mail_for_those_whose_best_servers_are_trusted() {
    let lists = [
        ("inet_interfaces", "192.0.2.1"),
        ("smtpd_relay_restrictions", "permit_mx_backup, reject_unauth_destination"),
        ("permit_mx_backup_networks", "198.51.100.0/24"),
    ];
    let records = |records: Vec<Record>| Answer::Records(records);
    let mx = |preference, exchange: &str| Record::Mx { preference, exchange: exchange.into() };
    let dns = |question: &Question| match question {
        Question::Dns { name, kind: RecordKind::Mx } => match name.as_str() {
            "backed.test" => records(vec![mx(20, "us.test"), mx(10, "best.test")]),
            "best.test" => records(vec![mx(10, "us.test"), mx(20, "best.test")]),
            "other.test" => records(vec![mx(10, "best.test")]),
            "liar.test" => records(vec![mx(10, "liar.test"), mx(20, "us.test")]),
            "both.test" => records(vec![mx(10, "best.test"), mx(10, "liar.test"), mx(20, "us.test")]),
            "null.test" => records(vec![mx(0, "")]),
            "slow.test" => Answer::Failed(Backend::TEMPORARY),
            "half.test" => records(vec![mx(10, "slow.test"), mx(20, "us.test")]),
            _ => records(Vec::new()),
        },
        Question::Dns { name, kind: RecordKind::A } => match name.as_str() {
            "us.test" => records(vec![Record::Address("192.0.2.1".parse().unwrap())]),
            "best.test" => records(vec![Record::Address("198.51.100.1".parse().unwrap())]),
            "liar.test" => records(vec![Record::Address("203.0.113.1".parse().unwrap())]),
            _ => Answer::Failed(Backend::TEMPORARY),
        },
        _ => records(Vec::new()),
    };
    let backup = policy(&lists);
    for (written, code) in [
        ("<a@backed.test>", 0),
        ("<a@example.com>", 0),
        ("<a@best.test>", 554),
        ("<a@other.test>", 554),
        ("<a@liar.test>", 554),
        ("<a@both.test>", 554),
        ("<a@null.test>", 554),
        ("<a@none.test>", 554),
        ("<a@[198.51.100.1]>", 554),
        ("<a%other.test@backed.test>", 554),
        ("<a@slow.test>", 450),
        ("<a@half.test>", 450),
    ] {
        let (outcome, _) = run(&backup, &stranger(), Stage::Rcpt(&recipient(written)), dns);
        assert_eq!(outcome.refusal.map_or(0, |reply| reply.code), code, "{written}");
    }
    let nobody = policy(&lists[..2]);
    let (outcome, _) = run(&nobody, &stranger(), Stage::Rcpt(&recipient("<a@backed.test>")), dns);
    assert_eq!(outcome.refusal.unwrap().code, 554);
}
