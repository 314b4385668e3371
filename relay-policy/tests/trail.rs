//! What is told of a decision: each rule with its list, what came of it, and the facts.

#![allow(clippy::unwrap_used, reason = "a test")]

mod access_support;

use access_support::{nothing, policy, recipient, reply, run, stranger};
use proto_core::Backend;
use relay_policy::access::LogLine;
use relay_policy::{
    Answer, ClientCertificate, ListName, Question, Record, RecordKind, Seen, Stage, Trail, TrailEntry,
    Verification,
};

/// The trail of a decision about `<all@example.com>`.
fn trail(lines: &[(&str, &str)], answer: impl Fn(&Question) -> Answer) -> Trail {
    let mut request = stranger();
    request.client_certificate = Some(ClientCertificate {
        is_verified: false,
        subject: "CN=x".into(),
        fingerprint: "0a:0b".into(),
        public_key_fingerprint: "0c:0d".into(),
        ..ClientCertificate::default()
    });
    run(&policy(lines), &request, Stage::Rcpt(&recipient("<all@example.com>")), answer).0.trail
}

const BEFORE: &str = "\
address: no: <all@example.com> is all@example.com, class local
relay: permit_mynetworks: no: 203.0.113.9 is not in mynetworks
relay: permit_sasl_authenticated: no: not logged in
relay: defer_unauth_destination: no: all@example.com is ours, class local
";

#[test]
fn tables_tell_which_keys_they_have_not() {
    let list = "check_client_access inline:{a=OK}, inline:{b=OK}, check_sender_access inline:{c=OK}, \
                check_ccert_access inline:{d=OK}, check_recipient_mx_access inline:{e=OK}, \
                check_recipient_access regexp:{{/^f/ OK}}";
    let servers = |question: &Question| match question {
        Question::Dns { kind: RecordKind::Mx, .. } => {
            Answer::Records(vec![Record::Mx { preference: 1, exchange: "mx.example.com".into() }])
        }
        Question::Dns { kind: RecordKind::A, .. } => {
            Answer::Records(vec![Record::Address("192.0.2.1".parse().unwrap())])
        }
        _ => Answer::Records(Vec::new()),
    };
    let told = trail(&[("smtpd_recipient_restrictions", list)], servers).to_string();
    let expected = "\
recipient: check_client_access inline:{a=OK}: no: inline:{a=OK} has none of unknown, 203.0.113.9, 203.0.113, 203.0, 203
recipient: inline:{b=OK}: no: inline:{b=OK} has none of all@example.com, example.com, com, all@
recipient: check_sender_access inline:{c=OK}: no: inline:{c=OK} has none of s@other.test, other.test, test, s@
recipient: check_ccert_access inline:{d=OK}: no: inline:{d=OK} has none of 0a:0b, 0c:0d
recipient: check_recipient_mx_access inline:{e=OK}: no: inline:{e=OK} has none of mx.example.com, example.com, com, \
192.0.2.1, 192.0.2, 192.0, 192
recipient: check_recipient_access regexp:{{/^f/ OK}}: no: regexp:{{/^f/ OK}} has none of all@example.com
reject_unlisted_recipient: no: class local: known without being looked for
";
    assert_eq!(told, format!("{BEFORE}{expected}"));
}

#[test]
fn rules_within_classes_tell_what_led_to_them() {
    let told = trail(
        &[
            ("smtpd_restriction_classes", "outer, inner"),
            ("outer", "permit_mynetworks, inner"),
            (
                "inner",
                "warn_if_reject reject, check_helo_access inline:{a=OK}, reject_unauth_pipelining, defer",
            ),
            ("smtpd_recipient_restrictions", "check_recipient_access inline:{all@=outer}, permit"),
        ],
        nothing,
    );
    let at = "recipient: check_recipient_access inline:{all@=outer}";
    let expected = format!(
        "{at}: no: inline:{{all@=outer}}: all@: outer
{at}: outer: no: its rules follow
{at}: outer: permit_mynetworks: no: 203.0.113.9 is not in mynetworks
{at}: outer: inner: no: its rules follow
{at}: outer: inner: warn_if_reject: no: of the next rule
{at}: outer: inner: reject: warn: 554 5.7.1 <all@example.com>: Recipient address rejected: Access denied
{at}: outer: inner: check_helo_access inline:{{a=OK}}: no: it does not apply
{at}: outer: inner: reject_unauth_pipelining: no: it does not apply
{at}: outer: inner: defer: defer: 450 4.3.2 <all@example.com>: Recipient address rejected: Try again later
"
    );
    assert_eq!(told.to_string(), format!("{BEFORE}{expected}"));
    let last = told.entries().last().unwrap();
    assert_eq!(last.list(), Some(ListName::Recipient));
    assert_eq!(last.rule(), "check_recipient_access inline:{all@=outer}: outer: inner: defer");
    assert_eq!(last.outcome(), Seen::Defer);
    assert_eq!(last.why(), "450 4.3.2 <all@example.com>: Recipient address rejected: Try again later");
    assert_eq!(told.entries().next().map(|entry| TrailEntry::list(&entry)), Some(None));
}

#[test]
fn a_rule_that_asked_is_told_once() {
    let list =
        "reject_unknown_sender_domain, reject_rbl_client a.test, check_sender_access inline:{s@=OK}, permit";
    let told = trail(&[("smtpd_recipient_restrictions", list)], |question| match question {
        Question::Dns { kind: RecordKind::Mx, .. } => {
            Answer::Records(vec![Record::Mx { preference: 1, exchange: "mx.other.test".into() }])
        }
        _ => Answer::Records(Vec::new()),
    });
    let expected = "\
recipient: reject_unknown_sender_domain: no: it does not apply
recipient: reject_rbl_client a.test: no: 203.0.113.9 is not in a.test
recipient: check_sender_access inline:{s@=OK}: permit: inline:{s@=OK}: s@: OK
reject_unlisted_recipient: no: class local: known without being looked for
";
    assert_eq!(told.to_string(), format!("{BEFORE}{expected}"));
}

/// Deferrals that wait for how the lists end are told where they come up, and where one is taken.
#[test]
fn what_waits_for_the_end_is_told() {
    let of = |lines: &[(&str, &str)]| {
        let told = trail(lines, |question| match question {
            Question::Verify { .. } => Answer::Verified(Verification::Unknown("later".into())),
            _ => Answer::Failed(Backend::TEMPORARY),
        });
        told.to_string().lines().filter(|line| !BEFORE.contains(line)).collect::<Vec<_>>().join("\n")
    };
    let unlisted = ("smtpd_reject_unlisted_recipient", "no");
    let list = |list: &'static str| [("smtpd_recipient_restrictions", list), unlisted];
    let domain = "450 4.1.8 <s@other.test>: Sender address rejected: Domain not found";
    assert_eq!(
        of(&list("reject_unknown_sender_domain, defer_if_permit, sleep 1, permit")),
        format!(
            "recipient: reject_unknown_sender_domain: defer if permitted: {domain}\n\
             recipient: defer_if_permit: defer if permitted: 450 4.7.0 <all@example.com>: Recipient address rejected: \
             defer_if_permit requested\n\
             recipient: sleep 1: no: the reply waits\n\
             recipient: permit: permit: always\n\
             recipient: reject_unknown_sender_domain: defer: nothing else refuses"
        )
    );
    assert_eq!(
        of(&list("permit_dnswl_client w.test, warn_if_reject reject_unverified_sender, reject")),
        "recipient: permit_dnswl_client w.test: defer if rejected: 450 4.7.1 <203.0.113.9>: Client host rejected: Service unavailable\n\
         recipient: warn_if_reject: no: of the next rule\n\
         recipient: reject_unverified_sender: warn: 450 4.1.7 <s@other.test>: Sender address rejected: unverified address: \
         later\n\
         recipient: reject: reject: 554 5.7.1 <all@example.com>: Recipient address rejected: Access denied\n\
         recipient: permit_dnswl_client w.test: defer: it is deferred where something refuses for good"
    );
}

/// What an earlier command has left has no rule in the trail of this one.
#[test]
fn a_deferral_of_an_earlier_command_is_told() {
    let policy = policy(&[("smtpd_delay_reject", "no"), ("smtpd_client_restrictions", "defer_if_permit")]);
    let mut request = stranger();
    let (connected, _) = run(&policy, &request, Stage::Connect, nothing);
    request.latches = connected.latches;
    let (outcome, _) = run(&policy, &request, Stage::Rcpt(&recipient("<all@example.com>")), nothing);
    assert!(outcome.is_deferral);
    let told = outcome.trail.to_string();
    assert!(told.ends_with("\ndeferred at an earlier command: defer: nothing else refuses\n"), "{told}");
}

/// Others' words are read in terminals.
#[test]
fn control_characters_of_others_are_blanks() {
    let list = "reject_rbl_client a.test, permit";
    let told = trail(&[("smtpd_recipient_restrictions", list)], |question| match question {
        Question::Dns { kind: RecordKind::A, .. } => {
            Answer::Records(vec![Record::Address("127.0.0.2".parse().unwrap())])
        }
        Question::Dns { kind: RecordKind::Txt, .. } => {
            Answer::Records(vec![Record::Text("listed\u{1b}[2J\n\u{9b}1m".into())])
        }
        _ => Answer::Records(Vec::new()),
    });
    let told = told.to_string();
    assert!(told.contains("listed [2J  1m"), "{told}");
}

#[test]
fn two_trails_are_the_same_that_say_the_same() {
    let list = |permit: &'static str| trail(&[("smtpd_recipient_restrictions", permit)], nothing);
    let (one, again, other) = (list("permit"), list("permit"), list("permit_mynetworks"));
    assert_eq!(one, again);
    assert_eq!(one.clone(), one);
    assert_ne!(one, other);
    assert_eq!(
        format!("{:?}", one.entries().last().unwrap()),
        format!("{:?}", one.entries().last().unwrap().to_string())
    );
    assert!(Trail::default().is_empty());
}

#[test]
fn what_is_broken_is_told_in_the_log_and_leaves_its_place() {
    let policy = policy(&[("smtpd_recipient_restrictions", "check_recipient_access inline:{all@=nonsense}")]);
    let to = recipient("<all@example.com>");
    let (outcome, _) = run(&policy, &stranger(), Stage::Rcpt(&to), nothing);
    assert!(outcome.log.lines().iter().any(|line| matches!(line, LogLine::Warning(_))));
    let last = outcome.trail.entries().last().unwrap();
    assert_eq!(last.outcome(), Seen::Defer);
    assert!(last.rule().contains("nonsense"), "{last}");
    assert_eq!(reply(&policy, &stranger(), "<all@example.com>"), "451 4.3.5 Server configuration error");
}
