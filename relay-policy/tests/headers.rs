//! What becomes of the addresses in headers, and what is added to them.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use relay_policy::address::{Address, EnvelopeRouter, RewriteContext};
use relay_policy::headers::{HeaderOutcome, HeaderRewriting, HeaderRun, HeaderStep, MessageFacts};
use relay_policy::table::{Answers, LookupError, Opener};
use relay_policy::{Answer, Parameters, Question, Request};

/// All clients are ours, unless something else is said.
fn rewriting(parameters: &[(&str, &str)]) -> HeaderRewriting {
    let mut set = Parameters::default();
    for (name, value) in [
        ("myhostname", "mail.example.com"),
        ("myorigin", "example.com"),
        ("mydomain", "example.com"),
        ("mydestination", "example.com"),
        ("local_header_rewrite_clients", "static:all"),
    ] {
        set.set(name, value).unwrap();
    }
    parameters.iter().for_each(|(name, value)| set.set(name, value).unwrap());
    let no_files = |_: &str| Err("no files".into());
    let opener = Opener::new(&no_files);
    let router = EnvelopeRouter::from_parameters(&set, &opener, &mut Vec::new()).unwrap();
    HeaderRewriting::from_parameters(&set, &router, &opener, &mut Vec::new()).unwrap()
}

fn facts() -> MessageFacts {
    let date = "Thu, 1 Jan 1970 00:00:00 +0000".into();
    MessageFacts { sender: Address::parse("\"joe d\"@example.com"), id: "0.Q".into(), date }
}

fn client() -> Request {
    Request::new("203.0.113.9".parse().unwrap())
}

/// What becomes of a message, in pieces of this size; every key of a table that is not in memory is found with a `2` behind
/// its local part, until it has one.
fn run(rewriting: &HeaderRewriting, message: &[u8], piece_bytes: usize) -> (Vec<u8>, HeaderOutcome) {
    let Some(plan) = rewriting.plan(&client(), &Answers::default()).unwrap() else {
        return (message.into(), HeaderOutcome::default());
    };
    let (mut run, mut kept) = (HeaderRun::new(rewriting, plan, facts()), Vec::new());
    let mut settle = |run: &mut HeaderRun<_>| {
        while let HeaderStep::Needs(questions) = run.step(&mut kept) {
            for question in questions {
                let Question::Lookup { key, .. } = &question else { unreachable!() };
                let local =
                    key.split_once('@').filter(|(local, _)| !(local.is_empty() || local.ends_with('2')));
                let found = local.map(|(local, domain)| format!("{local}2@{domain}"));
                run.answer(&question, Answer::Found(found)).unwrap();
            }
        }
    };
    for piece in message.chunks(piece_bytes.max(1)) {
        run.feed(piece);
        settle(&mut run);
    }
    run.end();
    settle(&mut run);
    assert!(run.is_over());
    let outcome = run.outcome().clone();
    (kept, outcome)
}

/// What becomes of a header that lacks nothing.
fn header(rewriting: &HeaderRewriting, fields: &str) -> String {
    let complete = "Message-Id: <a@b>\r\nDate: x\r\nFrom: <f@far.test>\r\n\
        Resent-Message-Id: <a@b>\r\nResent-Date: x\r\nResent-From: <f@far.test>\r\n";
    let message = format!("{complete}{fields}\r\nbody\r\n");
    let (kept, _) = run(rewriting, message.as_bytes(), 7);
    let kept = String::from_utf8(kept).unwrap();
    let kept = kept.strip_prefix(complete).unwrap_or_else(|| panic!("{kept}"));
    kept.strip_suffix("\r\nbody\r\n").unwrap_or_else(|| panic!("{kept}")).into()
}

#[test]
fn addresses_are_completed_and_the_rest_stays() {
    let rewriting = rewriting(&[("append_dot_mydomain", "yes")]);
    for (before, after) in [
        ("To: joe\r\n", "To: joe@example.com\r\n"),
        ("to : joe@pc\r\n", "to : joe@pc.example.com\r\n"),
        (
            "Cc: \"Joe, D.\"  <joe> (a (b) c), ann@far.test\r\n",
            "Cc: \"Joe, D.\"  <joe@example.com> (a (b) c), ann@far.test\r\n",
        ),
        (
            "Reply-To: =?utf-8?q?J=C3=B6?=\r\n\t<joe>\r\n",
            "Reply-To: =?utf-8?q?J=C3=B6?=\r\n\t<joe@example.com>\r\n",
        ),
        (
            "To: friends: ann, joe@far.test;, bob\r\n",
            "To: friends: ann@example.com, joe@far.test;, bob@example.com\r\n",
        ),
        ("To: undisclosed-recipients:;\r\n", "To: undisclosed-recipients:;\r\n"),
        ("Sender: <@a.test,@b.test:joe@far.test>\r\n", "Sender: <joe@far.test>\r\n"),
        ("Sender: far.test!joe, joe%far.test\r\n", "Sender: joe@far.test, joe@far.test\r\n"),
        ("Resent-To: \"joe d\"\r\n", "Resent-To: \"joe d\"@example.com\r\n"),
        ("Errors-To: joe@far.test.\r\n", "Errors-To: joe@far.test\r\n"),
        ("To: joe(comment)@(another)pc\r\n", "To: joe@pc.example.com\r\n"),
        ("To: joe@[192.0.2.1]\r\n", "To: joe@[192.0.2.1]\r\n"),
        // What is no address.
        ("To: John Doe, <>, <John Doe>,, ;\r\n", "To: John Doe, <>, <John Doe>,, ;\r\n"),
        // Others are none of ours.
        (
            "Subject: joe\r\nX-To: joe\r\nMessage-ID: <joe>\r\n",
            "Subject: joe\r\nX-To: joe\r\nMessage-ID: <joe>\r\n",
        ),
    ] {
        assert_eq!(header(&rewriting, before), after);
    }
    let raw = b"To: j\xf6e, joe\r\n\r\nTo: joe\r\n";
    let (kept, _) = run(&rewriting, raw, 3);
    assert!(kept.starts_with(b"To: j\xf6e, joe@example.com\r\n"), "what is not text stays");
    assert!(kept.ends_with(b"\r\n\r\nTo: joe\r\n"), "the body is none of ours");
}

#[test]
fn each_class_has_its_tables() {
    let rewriting = rewriting(&[
        ("recipient_delimiter", "+"),
        ("sender_canonical_maps", "inline:{ann@example.com=sender@far.test}"),
        ("recipient_canonical_maps", "inline:{ann@example.com=recipient@far.test}"),
        (
            "canonical_maps",
            "inline:{ {joe=joe.doe@example.com}, {@old.test=@new.test}, {bob@example.com=\"bob b\"@example.com} }",
        ),
        ("masquerade_domains", "!lab.far.test far.test"),
        ("masquerade_exceptions", "root"),
    ]);
    for (before, after) in [
        ("From: ann\r\n", "From: sender@far.test\r\n"),
        ("To: ann\r\n", "To: recipient@far.test\r\n"),
        ("Cc: joe+x, u@old.test\r\n", "Cc: joe.doe+x@example.com, u@new.test\r\n"),
        ("Bcc: Bob <bob>\r\n", "Bcc: Bob <\"bob b\"@example.com>\r\n"),
        (
            "Resent-Cc: u@pc.far.test, u@pc.lab.far.test, root@pc.far.test\r\n",
            "Resent-Cc: u@far.test, u@pc.lab.far.test, root@pc.far.test\r\n",
        ),
    ] {
        assert_eq!(header(&rewriting, before), after);
    }
    let envelope_only = self::rewriting(&[
        ("canonical_maps", "inline:{joe@example.com=other@example.com}"),
        ("canonical_classes", "envelope_sender, envelope_recipient, header_sender"),
        ("masquerade_domains", "example.com"),
        ("masquerade_classes", "header_recipient"),
    ]);
    let before = "To: joe@example.com, u@pc.example.com\r\nSender: joe@example.com, u@pc.example.com\r\n";
    let after = "To: joe@example.com, u@example.com\r\nSender: other@example.com, u@pc.example.com\r\n";
    assert_eq!(header(&envelope_only, before), after);
}

#[test]
fn lines_do_not_grow_too_long() {
    let rewriting = rewriting(&[]);
    let before = "To: ann,bob, \"Carol with a name\" <carol>, dave@far.test, erna@far.test, friedrich@far.test, gustav\r\n";
    let after = "To: ann@example.com,bob@example.com, \"Carol with a name\" <carol@example.com>, dave@far.test, \
        erna@far.test, friedrich@far.test,\r\n gustav@example.com\r\n";
    assert_eq!(header(&rewriting, before), after, "what stays is not moved");
    // Without blanks between them, and far beyond what a line may have.
    let many = format!("To: {}\r\n", vec!["u"; 490].join(","));
    let header = self::header(&rewriting, &many);
    assert!(header.lines().all(|line| line.len() <= 78), "{header}");
    let mixed = format!("To: first,{}\r\n", ["u@far.test"; 89].join(","));
    assert!(mixed.len() > 985);
    let header = self::header(&rewriting, &mixed);
    assert!(header.lines().all(|line| line.len() <= 998), "{header}");
    assert_eq!(header.replace("\r\n ", ""), mixed.replace("first", "first@example.com"));
}

#[test]
fn a_field_that_is_too_long_stays() {
    let rewriting = rewriting(&[("header_size_limit", "100")]);
    let long = format!("To: joe,\r\n {}\r\n", "x@far.test, ".repeat(20));
    assert_eq!(header(&rewriting, &format!("{long}Cc: joe\r\n")), format!("{long}Cc: joe@example.com\r\n"));
}

#[test]
fn what_is_missing_is_added() {
    let rewriting = rewriting(&[("undisclosed_recipients_header", "To: undisclosed-recipients:;")]);
    let added = |message: &str| {
        let (kept, _) = run(&rewriting, message.as_bytes(), 3);
        String::from_utf8(kept).unwrap()
    };
    let all = "Message-Id: <0.Q@mail.example.com>\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nFrom: \"joe d\"@example.com\r\n\
        To: undisclosed-recipients:;\r\n";
    for (message, expected) in [
        ("Subject: s\r\n\r\nbody\r\n", format!("Subject: s\r\n{all}\r\nbody\r\n")),
        // There is no empty line, or no end of the last line.
        ("Subject: s\r\nbody\r\n", format!("Subject: s\r\n{all}\r\nbody\r\n")),
        ("Subject: s", format!("Subject: s\r\n{all}\r\n")),
        ("", format!("{all}\r\n")),
        ("\r\n", format!("{all}\r\n")),
        (
            "Cc: <c@far.test>\r\nMESSAGE-ID: x\r\nDate : y\r\nfrom: <f@far.test>\r\n\r\n",
            "Cc: <c@far.test>\r\nMESSAGE-ID: x\r\nDate : y\r\nfrom: <f@far.test>\r\n\r\n".into(),
        ),
        (
            "From: <f@far.test>\r\nResent-To: <c@far.test>\r\nResent-Date: y\r\n\r\n",
            "From: <f@far.test>\r\nResent-To: <c@far.test>\r\nResent-Date: y\r\nResent-Message-Id: <0.Q@mail.example.com>\r\n\
             Resent-From: \"joe d\"@example.com\r\n\r\n"
                .into(),
        ),
    ] {
        assert_eq!(added(message), expected);
    }
}

#[test]
fn a_message_from_nobody_is_from_the_mail_system() {
    let rewriting = rewriting(&[]);
    let plan = rewriting.plan(&client(), &Answers::default()).unwrap().unwrap();
    let (mut run, mut kept) = (
        HeaderRun::new(&rewriting, plan, MessageFacts { sender: Address::default(), ..facts() }),
        Vec::new(),
    );
    run.feed(b"Subject: s\r\n\r\n");
    assert_eq!(run.step(&mut kept), HeaderStep::Done);
    assert!(run.is_over());
    let kept = String::from_utf8(kept).unwrap();
    assert!(kept.ends_with("\r\nFrom: MAILER-DAEMON@example.com (Mail Delivery System)\r\n\r\n"), "{kept}");
}

#[test]
fn who_is_concerned() {
    let none = ("local_header_rewrite_clients", "");
    let plan = |parameters: &[(&str, &str)]| {
        rewriting(parameters)
            .plan(&client(), &Answers::default())
            .unwrap()
            .map(|plan| (plan.context, plan.adds_missing))
    };
    assert_eq!(plan(&[]), Some((Some(RewriteContext::Local), true)));
    assert_eq!(plan(&[none]), None);
    assert_eq!(plan(&[("local_header_rewrite_clients", "permit_inet_interfaces")]), None, "the default");
    assert_eq!(plan(&[none, ("always_add_missing_headers", "yes")]), Some((None, true)));
    assert_eq!(plan(&[none, ("message_drop_headers", "bcc")]), Some((None, false)));
    let invalid = ("remote_header_rewrite_domain", "domain.invalid");
    assert_eq!(plan(&[none, invalid]), Some((Some(RewriteContext::Remote), true)));
    let remote = rewriting(&[none, invalid, ("append_dot_mydomain", "yes")]);
    assert_eq!(header(&remote, "To: joe, ann@pc\r\n"), "To: joe@domain.invalid, ann@pc.domain.invalid\r\n");
    let elsewhere = rewriting(&[("local_header_rewrite_clients", "mysql:clients")]);
    let asked = elsewhere.plan(&client(), &Answers::default()).unwrap_err();
    let (table, key) = ("mysql:clients".to_string(), "203.0.113.9".to_string());
    assert_eq!(asked, LookupError::Elsewhere { table, key });
}

#[test]
fn fields_are_taken_out() {
    let rewriting = rewriting(&[("message_drop_headers", "Bcc, return-path")]);
    let before = "To: ann\r\nBCC: joe,\r\n\tbob\r\nReturn-Path: <x>\r\nBcc-Not: joe\r\n";
    assert_eq!(header(&rewriting, before), "To: ann@example.com\r\nBcc-Not: joe\r\n");
}

#[test]
fn what_is_not_in_memory_is_asked_for_many_at_a_time() {
    let rewriting =
        rewriting(&[("canonical_maps", "mysql:names"), ("canonical_classes", "header_recipient")]);
    assert_eq!(
        header(&rewriting, "To: joe, Ann <ann@far.test>\r\n"),
        "To: joe2@example.com, Ann <ann2@far.test>\r\n"
    );
    let plan = rewriting.plan(&client(), &Answers::default()).unwrap().unwrap();
    let (mut run, mut kept) = (HeaderRun::new(&rewriting, plan, facts()), Vec::new());
    let many: Vec<String> = (0..250).map(|n| format!("u{n}@far.test")).collect();
    run.feed(format!("Subject: s\r\nTo: {}\r\nCc: x\r\n", many.join(", ")).as_bytes());
    let HeaderStep::Needs(questions) = run.step(&mut kept) else { panic!("it must ask") };
    assert_eq!(questions.len(), 100);
    assert_eq!(kept, b"Subject: s\r\n");
    let other = Question::Lookup { table: "mysql:names".into(), key: "x@far.test".into() };
    assert!(run.answer(&other, Answer::Found(None)).is_err());
}

#[test]
fn a_table_that_fails_refuses_the_message_for_now() {
    let rewriting = rewriting(&[("canonical_maps", "fail:broken")]);
    let (_, outcome) = run(&rewriting, b"To: joe\r\nCc: joe\r\n\r\n", 100);
    assert_eq!(outcome.refusal.unwrap().to_string(), "451 4.3.0 Temporary lookup failure");
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
    let several =
        self::rewriting(&[("canonical_maps", "inline:{ {joe@example.com=a@far.test, b@far.test} }")]);
    let (kept, outcome) = run(&several, b"To: joe\r\n", 100);
    assert!(kept.starts_with(b"To: a@far.test\r\n"));
    assert_eq!(outcome.refusal, None);
    assert_eq!(outcome.warnings, ["multi-valued canonical_maps entry for joe@example.com"]);
}

/// Fields with addresses that are complete, whatever else stands in them.
fn complete_field() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["To", "from", "Cc ", "Resent-Sender", "Subject", "X-Any"]);
    let element = prop_oneof![
        4 => prop::sample::select(vec![
            "joe@far.test",
            "Joe <joe@far.test>",
            "\"Joe, D\" <joe@far.test> (c)",
            "=?utf-8?q?a=2C?= <joe@far.test>",
            "g: a@far.test, b@far.test;",
            "(c (d\\)) e) joe@far.test",
            "<joe@[192.0.2.1]>",
            "\"j o\"@far.test",
            "John Doe",
            "<>",
            "",
            "\"open",
            "(open",
            "[open",
            "\\",
        ])
        .prop_map(String::from),
        1 => "[a@<>,;\"() \\[\\]\\\\]{0,10}@far",
    ];
    let separator = prop::sample::select(vec![",", ", ", ",\r\n\t", " , ", ";", " "]);
    let list = prop::collection::vec((element, separator), 0..6);
    (name, list).prop_map(|(name, list)| {
        let list: String = list.into_iter().map(|(element, separator)| element + separator).collect();
        format!("{name}: {list}\r\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn where_no_table_has_anything_the_message_is_the_same(
        fields in prop::collection::vec(complete_field(), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..40),
        piece_bytes in 1..80_usize,
    ) {
        // What is open before a group may make a source route of it (`<@far,g: a@far.test`), and routes are taken off.
        let may_be_route = |field: &String| field.contains("g:") && field.replace("@far.test", "").contains("@far");
        prop_assume!(!fields.iter().any(may_be_route));
        // Nothing is completed, so that it is for the tables to change anything.
        let rewriting = rewriting(&[
            ("append_at_myorigin", "no"),
            ("canonical_maps", "inline:{nobody@nowhere.test=x@y.test}, regexp:{{/^nobody$/ x@y.test}}"),
            ("masquerade_domains", "nowhere.test"),
            ("undisclosed_recipients_header", ""),
        ]);
        let complete = "Message-Id: <a@b>\r\nDate: x\r\nFrom: <f@far.test>\r\n\
            Resent-Message-Id: <a@b>\r\nResent-Date: x\r\nResent-From: <f@far.test>\r\n";
        let message = [complete.as_bytes(), fields.concat().as_bytes(), b"\r\n", &body].concat();
        let (kept, outcome) = run(&rewriting, &message, piece_bytes);
        prop_assert_eq!(kept.escape_ascii().to_string(), message.escape_ascii().to_string());
        prop_assert_eq!(outcome, HeaderOutcome::default());
    }

    #[test]
    fn how_a_message_is_cut_changes_nothing(
        fields in prop::collection::vec(prop_oneof![complete_field(), "[a-z:@<>,;. \r\n\"()%!]{0,30}"], 0..8),
        piece_bytes in 1..60_usize,
    ) {
        let rewriting = rewriting(&[
            ("canonical_maps", "mysql:names, inline:{@far.test=@near.test}"),
            ("header_size_limit", "60"),
            ("message_drop_headers", "resent-sender"),
        ]);
        let message = fields.concat();
        let whole = run(&rewriting, message.as_bytes(), usize::MAX);
        prop_assert_eq!(run(&rewriting, message.as_bytes(), piece_bytes), whole);
    }
}
