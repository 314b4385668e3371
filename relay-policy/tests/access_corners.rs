//! Access control where things are empty, broken or unusual: nobody gets by because of it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod access_support;

use access_support::{compile, nothing, policy, recipient, reply, run, stranger};
use proto_core::Backend;
use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::AccessPolicy;
use relay_policy::rates::RateLimits;
use relay_policy::table::Opener;
use relay_policy::{Answer, ClientCertificate, Parameters, Question, Record, RecordKind, Request, Stage};

#[test]
fn an_action_that_says_nothing_lets_nobody_by() {
    let list = |service: &str| {
        format!("permit_mynetworks, check_policy_service {service}, reject_unauth_destination")
    };
    let remote = recipient("<y@other.test>");
    let refusal = |list: &str, answer: Answer| {
        let policy = policy(&[("smtpd_relay_restrictions", list)]);
        let (outcome, _) = run(&policy, &stranger(), Stage::Rcpt(&remote), |question| {
            assert!(matches!(question, Question::Policy { .. }));
            answer.clone()
        });
        outcome.refusal.map_or("accepted".into(), |reply| reply.to_string())
    };
    // An empty answer is none, so that the default action counts.
    for answer in ["", " ", "\t"] {
        let told = refusal(&list("inet:h:1"), Answer::Action(answer.into()));
        assert_eq!(
            told,
            "451 4.3.5 <y@other.test>: Recipient address rejected: Server configuration problem"
        );
        let told = refusal(&list("{ inet:h:1, default_action=DUNNO }"), Answer::Action(answer.into()));
        assert_eq!(told, "554 5.7.1 <y@other.test>: Relay access denied");
    }
    // An empty default action is refused: for all services when the policy is compiled, for one when it is reached.
    for service in ["{ inet:h:1, default_action= }", "{ inet:h:1, { default_action =  } }"] {
        let told = refusal(&list(service), Answer::Failed(Backend::TEMPORARY));
        assert_eq!(told, "451 4.3.5 Server configuration error", "{service}");
    }
    for empty in ["", " "] {
        let told = compile(&[("smtpd_policy_service_default_action", empty)]).unwrap_err().to_string();
        assert!(told.starts_with("smtpd_policy_service_default_action: it is empty"), "{told}");
    }
    // Nor does a table that has nothing beside a key.
    let empty = policy(&[(
        "smtpd_relay_restrictions",
        "check_recipient_access inline:{{y@other.test = }}, reject_unauth_destination",
    )]);
    assert_eq!(reply(&empty, &stranger(), "<y@other.test>"), "554 5.7.1 <y@other.test>: Relay access denied");
    let (outcome, _) = run(&empty, &stranger(), Stage::Connect, nothing);
    assert_eq!(outcome.refusal, None);
}

/// As Debian's Postfix 3.7.11 does it.
#[test]
fn a_check_that_only_warns_leaves_the_check_at_the_end() {
    let lists = |recipient: &'static str| {
        policy(&[("smtpd_recipient_restrictions", recipient), ("local_recipient_maps", "inline:{alice=x}")])
    };
    let unknown =
        "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown in local recipient table";
    for list in ["warn_if_reject reject_unlisted_recipient", "reject_unlisted_recipient", ""] {
        assert_eq!(reply(&lists(list), &stranger(), "<bob@example.com>"), unknown, "{list}");
        assert_eq!(reply(&lists(list), &stranger(), "<alice@example.com>"), "accepted", "{list}");
    }
}

/// As Debian's Postfix 3.7.11 does it: the table's name stands in replies, and the list's fact is looked up.
#[test]
fn a_table_in_a_class_is_about_what_the_list_is_about() {
    let common = [
        ("smtpd_restriction_classes", "outer, inner"),
        ("outer", "inner"),
        ("inner", "inline:{bad@example.com=REJECT, 203.0.113.9=REJECT}"),
    ];
    let from_table = "check_client_access inline:{203.0.113=outer}";
    let of_recipients = policy(&[&common[..], &[("smtpd_recipient_restrictions", from_table)]].concat());
    let refused = "554 5.7.1 <bad@example.com>: Recipient address rejected: Access denied";
    assert_eq!(reply(&of_recipients, &stranger(), "<bad@example.com>"), refused);
    assert_eq!(reply(&of_recipients, &stranger(), "<ok@example.com>"), "accepted");
    // The data list is about nothing that a table could have.
    let of_data = policy(&[&common[..], &[("smtpd_data_restrictions", from_table)]].concat());
    let (outcome, _) = run(&of_data, &stranger(), Stage::Data, nothing);
    assert_eq!(outcome.refusal.unwrap().to_string(), "451 4.3.5 Server configuration error");
    let log = outcome.log.lines()[0].to_string();
    assert!(log.contains("before Client host restriction \"inline:{bad@"), "{log}");
}

/// As Debian's Postfix 3.7.11 does it.
#[test]
fn the_postmaster_is_verified_without_being_looked_at() {
    let strict = policy(&[("smtpd_client_restrictions", "reject")]);
    let vrfy = |path: &ForwardPath| run(&strict, &stranger(), Stage::Vrfy(path), nothing).0.refusal;
    assert_eq!(vrfy(&ForwardPath::Postmaster), None);
    assert_eq!(vrfy(&recipient("<alice@example.com>")).unwrap().code, 554);
}

/// As Debian's Postfix 3.7.11 does it.
#[test]
fn a_deferral_of_the_client_waits_for_the_recipient_without_helo() {
    let policy = policy(&[("smtpd_delay_reject", "no"), ("smtpd_client_restrictions", "defer_if_permit")]);
    let mut request = stranger();
    request.latches = run(&policy, &request, Stage::Connect, nothing).0.latches;
    let deferred = "450 4.7.0 <unknown[203.0.113.9]>: Client host rejected: defer_if_permit requested";
    let (etrn, _) = run(&policy, &request, Stage::Etrn("a.test"), nothing);
    assert_eq!(etrn.refusal.unwrap().to_string(), deferred);
    request.latches = run(&policy, &request, Stage::Mail, nothing).0.latches;
    assert_eq!(reply(&policy, &request, "<a@example.com>"), deferred);
}

#[test]
fn what_looks_wrong_in_a_table_of_networks_is_told_and_the_rest_counts() {
    let read = |path: &str| match path {
        "/nets" => Ok(b"192.0.2.1 x\n192.0.2.1 y\n203.0.113.9 z\n".to_vec()),
        _ => Ok(b"300.0.2.1 x\n203.0.113.9 z\n".to_vec()),
    };
    let opener = Opener::new(&read);
    for table in ["hash:/nets", "cidr:/nets.cidr"] {
        let mut parameters = Parameters::default();
        parameters.set("mynetworks", table).unwrap();
        parameters.set("permit_mx_backup_networks", table).unwrap();
        let mut warnings = Vec::new();
        let limits = RateLimits::compile(&parameters, &opener, &mut warnings).unwrap();
        assert_eq!(warnings.len(), 1, "{table}: {warnings:?}");
        assert!(!limits.exceptions.is_empty());
        let early = relay_policy::early::Early::compile(&parameters, &opener).unwrap();
        assert_eq!(early.warnings().len(), 1, "{table}");
        let policy = AccessPolicy::compile(parameters, &opener).unwrap();
        assert_eq!(policy.warnings().len(), 2, "{table}: {:?}", policy.warnings());
        assert_eq!(reply(&policy, &stranger(), "<a@other.test>"), "accepted", "{table}");
    }
}

#[test]
fn the_hosts_of_a_domain_are_asked_for_at_once() {
    let dns = |question: &Question| match question {
        Question::Dns { kind: RecordKind::Mx, .. } => Answer::Records(
            (0..100)
                .map(|number| Record::Mx { preference: 10, exchange: format!("mx{number}.test") })
                .collect(),
        ),
        Question::Dns { kind: RecordKind::A, .. } => {
            Answer::Records(vec![Record::Address("198.51.100.1".parse().unwrap())])
        }
        _ => Answer::Records(Vec::new()),
    };
    for lists in [
        &[("smtpd_sender_restrictions", "check_sender_mx_access inline:{never.test=REJECT}")][..],
        &[
            ("smtpd_relay_restrictions", "permit_mx_backup, reject_unauth_destination"),
            ("permit_mx_backup_networks", "198.51.100.0/24"),
        ],
    ] {
        let policy = policy(lists);
        let (_, rounds) = run(&policy, &stranger(), Stage::Rcpt(&recipient("<a@other.test>")), dns);
        assert_eq!(rounds.iter().map(Vec::len).collect::<Vec<_>>(), [1, 200]);
    }
}

#[test]
fn the_name_of_a_client_is_looked_for_where_something_may_depend_on_it() {
    let list = ("smtpd_recipient_restrictions", "reject_rbl_client dnsbl.test, reject_unauth_destination");
    let needs = |others: &[(&str, &str)]| policy(&[&[list], others].concat()).needs_client_name();
    assert!(!needs(&[]));
    assert!(needs(&[("smtpd_client_restrictions", "reject_unknown_client_hostname")]));
    assert!(needs(&[("mynetworks", "127.0.0.1, .example.test")]));
    assert!(needs(&[("default_rbl_reply", "$rbl_code go away, $client_name")]));
    assert!(needs(&[("rbl_reply_maps", "inline:{{dnsbl.test=554 go away, $client_name}}")]));
}

#[test]
fn an_empty_digest_is_in_no_table() {
    for table in ["regexp:{{!/zz/ OK}}", "mysql:certificates", "static:OK"] {
        let policy = policy(&[
            ("relay_clientcerts", table),
            ("smtpd_client_restrictions", "check_ccert_access regexp:{{!/zz/ REJECT}}"),
            ("smtpd_relay_restrictions", "permit_tls_clientcerts, reject_unauth_destination"),
        ]);
        let mut request = stranger();
        request.client_certificate =
            Some(ClientCertificate { is_verified: true, ..ClientCertificate::default() });
        let (outcome, rounds) = run(&policy, &request, Stage::Rcpt(&recipient("<a@other.test>")), |_| {
            Answer::Found(Some("OK".into()))
        });
        assert_eq!(outcome.refusal.unwrap().to_string(), "554 5.7.1 <a@other.test>: Relay access denied");
        assert!(rounds.is_empty(), "{rounds:?}");
    }
}

#[test]
fn replies_are_in_ascii() {
    let policy = policy(&[(
        "smtpd_recipient_restrictions",
        "check_recipient_access inline:{{a@example.com = REJECT 5.7.9 Gesperrt f\u{fc}r Sie}}",
    )]);
    let expected = "554 5.7.9 <a@example.com>: Recipient address rejected: Gesperrt f r Sie";
    assert_eq!(reply(&policy, &stranger(), "<a@example.com>"), expected);
}

/// As Debian's Postfix 3.7.11 does it.
#[test]
fn who_gets_reports_about_reports_is_known_by_the_name_that_is_configured() {
    let policy =
        policy(&[("double_bounce_sender", "nobody-home"), ("local_recipient_maps", "inline:{alice=x}")]);
    assert_eq!(reply(&policy, &stranger(), "<Nobody-Home@example.com>"), "accepted");
    assert!(reply(&policy, &stranger(), "<double-bounce@example.com>").starts_with("550 5.1.1"));
}

#[test]
fn rules_and_words_without_effect_are_told() {
    let told = |name: &str, value: &str| {
        let policy = policy(&[(name, value)]);
        policy.warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let parents = "parent_domain_matches_subdomains";
    assert_eq!(
        told(parents, "relay_domain, mynetworks, debug_peer_list"),
        ["parent_domain_matches_subdomains: relay_domain changes nothing; did you mean relay_domains?"]
    );
    assert_eq!(
        told("propagate_unmatched_extensions", "canonical, virtual, include"),
        ["propagate_unmatched_extensions: include changes nothing here"]
    );
    let mailboxes = told("virtual_mailbox_maps", "regexp:{{/^(.*)@vm.test$/ $1/}}");
    assert!(mailboxes.len() == 1 && mailboxes[0].contains("this rule is skipped"), "{mailboxes:?}");
    assert!(told("smtpd_sender_login_maps", "regexp:{{/^(.*)@example.com$/ $1}}").is_empty());
}

#[test]
fn a_domain_is_the_same_in_both_spellings() {
    let (u, a) = ("b\u{fc}cher.example", "xn--bcher-kva.example");
    let syntax = AddressSyntax { utf8: true, lenient: false };
    let path =
        |domain: &str| ForwardPath::parse_prefix(format!("<boss@{domain}>").as_bytes(), syntax).unwrap().0;
    let from = |domain: &str| {
        let mut request = stranger();
        let written = format!("<boss@{domain}>");
        request.sender = Some(ReversePath::parse_prefix(written.as_bytes(), syntax).unwrap().0);
        request
    };
    let local = recipient("<a@example.com>");
    let both = [(u, u), (u, a), (a, u), (a, a)];
    for (written, sent) in both {
        for (name, value) in [
            ("smtpd_sender_restrictions", format!("check_sender_access inline:{{{written}=REJECT}}")),
            ("smtpd_sender_restrictions", format!("check_sender_access inline:{{boss@{written}=REJECT}}")),
            ("smtpd_sender_restrictions", format!("check_sender_access regexp:{{{{/@{written}$/ REJECT}}}}")),
        ] {
            let policy = policy(&[(name, &value)]);
            let (outcome, _) = run(&policy, &from(sent), Stage::Rcpt(&local), nothing);
            assert_eq!(outcome.refusal.map(|reply| reply.code), Some(554), "{value} {sent}");
        }
        // What is whose.
        let owners = policy(&[
            ("smtpd_sender_login_maps", &format!("inline:{{boss@{written}=boss}}")),
            ("smtpd_sender_restrictions", "reject_known_sender_login_mismatch"),
        ]);
        let mut mallory = from(sent);
        mallory.login = Some("mallory".into());
        let (outcome, _) = run(&owners, &mallory, Stage::Rcpt(&local), nothing);
        assert_eq!(outcome.refusal.map(|reply| reply.code), Some(553), "{written} {sent}");
        // Who is there.
        for domains in ["virtual_alias_domains", "virtual_mailbox_domains", "mydestination"] {
            let (table, alias) =
                (format!("inline:{{{written}=x}}"), format!("inline:{{boss@{written}=a@example.com}}"));
            let listed = policy(&[
                (domains, &table),
                ("virtual_alias_maps", &alias),
                ("virtual_mailbox_maps", "inline:{x=x}"),
                ("local_recipient_maps", "inline:{x=x}"),
            ]);
            let (outcome, _) = run(&listed, &stranger(), Stage::Rcpt(&path(sent)), nothing);
            assert_eq!(outcome.refusal, None, "{domains} {written} {sent}");
            let resolution = outcome.resolution.unwrap();
            assert_eq!(resolution.recipient.as_str(), format!("boss@{a}"), "it is resolved to A-labels");
        }
    }
    // The DNS is asked for A-labels alone.
    let asking = policy(&[(
        "smtpd_sender_restrictions",
        "reject_non_fqdn_sender, reject_rhsbl_sender list.test, reject_unknown_sender_domain, \
         check_sender_mx_access inline:{x.test=REJECT}, check_sender_ns_access inline:{x.test=REJECT}",
    )]);
    let (outcome, rounds) = run(&asking, &from(u), Stage::Rcpt(&local), |question| match question {
        Question::Dns { kind: RecordKind::Mx, .. } => {
            Answer::Records(vec![Record::Mx { preference: 1, exchange: "mx.test".into() }])
        }
        _ => Answer::Records(Vec::new()),
    });
    assert_eq!(outcome.refusal, None);
    let names: Vec<&str> = rounds
        .iter()
        .flatten()
        .map(|question| match question {
            Question::Dns { name, .. } => name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(names.contains(&"xn--bcher-kva.example.list.test") && names.contains(&a), "{names:?}");
    assert!(names.iter().all(|name| name.is_ascii()), "{names:?}");
}

/// Where nobody can log in, whose login a sender is cannot be asked; Postfix says so and goes on.
#[test]
fn whose_login_a_sender_is_counts_where_clients_can_log_in() {
    let local = recipient("<bob@example.com>");
    for name in [
        "reject_sender_login_mismatch",
        "reject_unauthenticated_sender_login_mismatch",
        "reject_authenticated_sender_login_mismatch",
        "reject_known_sender_login_mismatch",
    ] {
        let policy = policy(&[
            ("smtpd_sender_login_maps", "inline:{s@other.test=boss}"),
            ("smtpd_sender_restrictions", name),
        ]);
        let mut request = stranger();
        let refuses = |request: &Request| {
            let (outcome, _) = run(&policy, request, Stage::Rcpt(&local), nothing);
            let lines: Vec<String> = outcome.log.lines().iter().map(ToString::to_string).collect();
            let warning = format!("warning: restriction \"{name}\" ignored: no SASL support");
            (outcome.refusal.is_some(), lines.contains(&warning))
        };
        let of_strangers = name == "reject_sender_login_mismatch" || name.contains("unauthenticated");
        let of_strangers = of_strangers || name.contains("known");
        assert_eq!(refuses(&request), (of_strangers, false), "{name}");
        request.login_is_offered = false;
        assert_eq!(refuses(&request), (false, true), "{name}");
        // Who is spoken for has logged in elsewhere.
        request.login = Some("mallory".into());
        assert_eq!(refuses(&request), (!name.contains("_unauthenticated"), false), "{name}");
    }
}

/// Specification 4.4: a domain with a malformed MX is none that can be answered.
#[test]
fn an_mx_that_names_no_host_is_no_mail_server() {
    let policy = policy(&[
        ("smtpd_sender_restrictions", "reject_unknown_sender_domain"),
        ("unknown_address_reject_code", "550"),
    ]);
    let long = format!("{}.test", "x".repeat(300));
    let refused = |exchanges: &[&str]| {
        let answer = |question: &Question| match question {
            Question::Dns { kind: RecordKind::Mx, .. } => {
                let record = |exchange: &&str| Record::Mx { preference: 1, exchange: (*exchange).into() };
                Answer::Records(exchanges.iter().map(record).collect())
            }
            _ => Answer::Records(Vec::new()),
        };
        let (outcome, _) = run(&policy, &stranger(), Stage::Rcpt(&recipient("<bob@example.com>")), answer);
        outcome.refusal.map(|reply| reply.to_string())
    };
    for exchange in ["mx.test", "mx.test.", "mx_1.test", "192.0.2.1"] {
        assert_eq!(refused(&[exchange]), None, "{exchange}");
    }
    let told = Some("550 5.1.8 <s@other.test>: Sender address rejected: Domain not found".to_string());
    for exchange in ["bad..name", "-x-", "mx test", &long] {
        assert_eq!(refused(&[exchange]), told, "{exchange}");
        assert_eq!(refused(&[exchange, "mx.test"]), None, "{exchange} and a good one");
    }
}

/// Postfix's logins seldom have a domain, ours always have: tables that were written for the one serve the other.
#[test]
fn a_login_without_its_domain_is_one_of_the_local_domain() {
    let policy = policy(&[
        ("smtpd_sasl_local_domain", "Example.com"),
        ("smtpd_sender_login_maps", "inline:{{s@other.test=bob, Alice}}"),
        (
            "smtpd_sender_restrictions",
            "check_sasl_access inline:{mallory=REJECT}, reject_sender_login_mismatch",
        ),
    ]);
    for (login, code) in [
        ("alice@example.com", None),
        ("bob@EXAMPLE.COM", None),
        ("alice@other.test", Some(553)),
        ("alice@", Some(553)),
        ("carol@example.com", Some(553)),
        ("mallory@example.com", Some(554)),
        ("mallory@other.test", Some(553)),
    ] {
        let mut request = stranger();
        request.login = Some(login.into());
        let (outcome, _) = run(&policy, &request, Stage::Rcpt(&recipient("<bob@example.com>")), nothing);
        assert_eq!(outcome.refusal.map(|reply| reply.code), code, "{login}");
    }
}
