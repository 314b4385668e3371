//! Decisions by table: who asks, for whom, and what comes of it.

mod common;

use common::{config, decide, path, policy};
use proto_core::Backend;
use proto_core::address::Mailbox;
use relay_policy::*;

fn exists(address: &Mailbox) -> Answer {
    match address.local_part().as_str() {
        "alice" | "hostmaster" => Answer::Exists(true),
        "tempfail" => Answer::Failed(Backend::TEMPORARY),
        "permfail" => Answer::Failed(Backend::PERMANENT),
        _ => Answer::Exists(false),
    }
}

/// Each case: the client's address, `+name` after it when logged in; the recipient; the decision.
fn check(listener: Listener, cases: &[(&str, &str, &str)]) {
    let policy = policy(listener);
    for (client, recipient, expected) in cases {
        let (address, login) = client.split_once('+').map_or((*client, None), |(a, l)| (a, Some(l)));
        let mut request = Request::new(address.parse().expect("an address"));
        request.login = login.map(Into::into);
        let (decision, trail) = decide(&policy, &request, &path(recipient), exists);
        assert_eq!(decision.to_string(), *expected, "{client} to {recipient}\n{trail}");
        assert_eq!(matches!(decision, Decision::Accept { .. }), expected.starts_with("accept"));
        assert_eq!(matches!(decision, Decision::Defer(_)), expected.starts_with('4'));
    }
}

#[test]
fn an_smtp_listener() {
    check(
        Listener::Smtp,
        &[
            ("203.0.113.9", "<alice@example.com>", "accept <alice@example.com>, class local"),
            ("203.0.113.9", "<alice@EXAMPLE.com>", "accept <alice@example.com>, class local"),
            ("203.0.113.9", "<alice@bücher.example>", "accept <alice@xn--bcher-kva.example>, class local"),
            (
                "203.0.113.9",
                "<bob@example.com>",
                "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown in local recipient table",
            ),
            ("203.0.113.9", "<y@other.test>", "554 5.7.1 <y@other.test>: Relay access denied"),
            ("::ffff:203.0.113.9", "<y@other.test>", "554 5.7.1 <y@other.test>: Relay access denied"),
            ("203.0.113.9", "<y@sub.example.com>", "554 5.7.1 <y@sub.example.com>: Relay access denied"),
            (
                "192.0.2.7",
                "<y@other.test>",
                "550 5.4.4 <y@other.test>: Recipient address rejected: No route to remote domains is configured",
            ),
            (
                "::ffff:192.0.2.7",
                "<y@other.test>",
                "550 5.4.4 <y@other.test>: Recipient address rejected: No route to remote domains is configured",
            ),
            (
                "203.0.113.9+alice",
                "<y@other.test>",
                "550 5.4.4 <y@other.test>: Recipient address rejected: No route to remote domains is configured",
            ),
            (
                "192.0.2.7",
                "<bob@example.com>",
                "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown in local recipient table",
            ),
            (
                "203.0.113.9",
                "<tempfail@example.com>",
                "451 4.3.0 <tempfail@example.com>: Temporary lookup failure",
            ),
            (
                "203.0.113.9",
                "<permfail@example.com>",
                "451 4.3.0 <permfail@example.com>: Temporary lookup failure",
            ),
            ("203.0.113.9", "<tempfail@other.test>", "554 5.7.1 <tempfail@other.test>: Relay access denied"),
            ("203.0.113.9", "<u@192.0.2.1>", "501 5.1.3 Bad recipient address syntax"),
        ],
    );
}

#[test]
fn the_postmaster_is_always_reached() {
    check(
        Listener::Smtp,
        &[
            ("203.0.113.9", "<Postmaster>", "accept <hostmaster@example.com>, class local"),
            ("203.0.113.9", "<POSTMASTER@example.com>", "accept <hostmaster@example.com>, class local"),
            ("203.0.113.9", "<postmaster@localhost>", "accept <hostmaster@example.com>, class local"),
            (
                "203.0.113.9",
                "<postmaster@other.test>",
                "554 5.7.1 <postmaster@other.test>: Relay access denied",
            ),
        ],
    );
}

#[test]
fn a_postmaster_that_does_not_exist_is_not_promised() {
    let request = Request::new("203.0.113.9".parse().unwrap());
    for recipient in ["<Postmaster>", "<postmaster@localhost>", "<hostmaster@example.com>"] {
        let (decision, trail) =
            decide(&policy(Listener::Smtp), &request, &path(recipient), |_| Answer::Exists(false));
        let expected = format!(
            "550 5.1.1 {recipient}: Recipient address rejected: User unknown in local recipient table"
        );
        assert_eq!(decision.to_string(), expected, "{trail}");
    }
}

#[test]
fn a_submission_listener_takes_mail_from_those_who_have_logged_in() {
    check(
        Listener::Submission,
        &[
            (
                "127.0.0.1",
                "<alice@example.com>",
                "554 5.7.1 <alice@example.com>: Recipient address rejected: Access denied",
            ),
            (
                "203.0.113.9",
                "<Postmaster>",
                "554 5.7.1 <Postmaster>: Recipient address rejected: Access denied",
            ),
            ("203.0.113.9+alice", "<Postmaster>", "accept <hostmaster@example.com>, class local"),
            ("203.0.113.9+alice", "<alice@example.com>", "accept <alice@example.com>, class local"),
        ],
    );
}

#[test]
fn an_lmtp_listener_delivers_here_and_nowhere_else() {
    check(
        Listener::Lmtp,
        &[
            ("127.0.0.1", "<alice@example.com>", "accept <alice@example.com>, class local"),
            ("127.0.0.1", "<y@other.test>", "554 5.7.1 <y@other.test>: Relay access denied"),
        ],
    );
}

#[test]
fn the_trail_tells_every_rule() {
    let request = Request::new("203.0.113.9".parse().unwrap());
    let (_, trail) = decide(&policy(Listener::Smtp), &request, &path("<a%b.test@example.com>"), exists);
    let expected = "\
address: no: <a%b.test@example.com> is a@b.test, class default
relay: permit_mynetworks: no: 203.0.113.9 is in none of 127.0.0.0/8, 192.0.2.0/24
relay: permit_sasl_authenticated: no: not logged in
relay: reject_unauth_destination: reject: a@b.test is not ours, class default
";
    assert_eq!(trail.to_string(), expected);
}

#[test]
fn a_permit_ends_its_own_list_only() {
    let lists = [
        (ListName::Client, "permit"),
        (ListName::Helo, "reject"),
        (ListName::Sender, "permit_mynetworks, permit"),
        (ListName::Recipient, "reject_unlisted_recipient, permit, reject"),
    ]
    .map(|(name, list)| (name, Restriction::parse_list(list).unwrap()));
    let overrides = PolicyOverrides { mynetworks: Some(Vec::new()), lists: lists.into() };
    let policy = Policy::compile(&config(), Listener::Smtp, &overrides).unwrap();
    let mut request = Request::new("192.0.2.7".parse().unwrap());
    let refused =
        |request: &Request, recipient: &str| decide(&policy, request, &path(recipient), exists).0.to_string();
    assert_eq!(refused(&request, "<y@other.test>"), "554 5.7.1 <y@other.test>: Relay access denied");
    assert_eq!(refused(&request, "<alice@example.com>"), "accept <alice@example.com>, class local");
    request.helo = Some("client.test".into());
    assert_eq!(
        refused(&request, "<alice@example.com>"),
        "554 5.7.1 <client.test>: Helo command rejected: Access denied"
    );
}

#[test]
fn an_evaluation_waits_for_its_answer() {
    let policy = policy(Listener::Smtp);
    let request = Request::new("203.0.113.9".parse().unwrap());
    let recipient = path("<alice@example.com>");
    let mut evaluation = policy.evaluate(&request, Stage::Rcpt(&recipient));
    let Step::Needs(first) = evaluation.step() else { panic!("it must ask") };
    let Step::Needs(again) = evaluation.step() else { panic!("it must still ask") };
    assert_eq!(first, again);
    let other = Question::RecipientExists { address: "bob@example.com".parse().unwrap() };
    assert!(evaluation.answer(other, Answer::Exists(true)).is_err());
    evaluation.answer(first[0].clone(), Answer::Exists(true)).unwrap();
    let Step::Done(_, trail) = evaluation.step() else { panic!("it must be done") };
    let rules: Vec<&str> = trail.entries().iter().map(|entry| &*entry.rule).collect();
    assert_eq!(
        rules,
        [
            "address",
            "permit_mynetworks",
            "permit_sasl_authenticated",
            "reject_unauth_destination",
            "reject_unlisted_recipient",
            "route"
        ]
    );
}

#[test]
fn other_stages_have_nothing_to_refuse_yet() {
    let policy = policy(Listener::Smtp);
    let request = Request::new("203.0.113.9".parse().unwrap());
    for stage in [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Data, Stage::EndOfMessage] {
        let step = policy.evaluate(&request, stage).step();
        assert!(matches!(step, Step::Done(Decision::Accept { destination: None }, _)), "{stage:?}");
    }
}
