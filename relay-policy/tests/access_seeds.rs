//! What administrators first ask for, each in the words of `main.cf` and its tables.

#![allow(clippy::unwrap_used, reason = "a test")]

use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, AccessStep};
use relay_policy::table::Opener;
use relay_policy::{Parameters, Request, Stage};

const FILES: [(&str, &str); 4] = [
    (
        "/etc/postroom/client_access",
        "# a host, and a network\n203.0.113.66 REJECT You are known here\n198.51.100 REJECT\n",
    ),
    ("/etc/postroom/recipient_access", "microsoft.com REJECT We do not write there\n"),
    ("/etc/postroom/protected", "allemp@test.com directors_only\n"),
    ("/etc/postroom/directors", "ann@test.com OK\nbob@test.com OK\n"),
];

fn policy() -> AccessPolicy {
    let mut parameters = Parameters::default();
    for (name, value) in [
        ("mydestination", "test.com"),
        ("mynetworks", "127.0.0.0/8 192.0.2.0/24"),
        ("smtpd_client_restrictions", "check_client_access hash:/etc/postroom/client_access"),
        (
            "smtpd_relay_restrictions",
            "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
        ),
        ("smtpd_restriction_classes", "directors_only"),
        ("directors_only", "check_sender_access hash:/etc/postroom/directors, reject"),
        (
            "smtpd_recipient_restrictions",
            "check_recipient_access hash:/etc/postroom/protected, \
             check_recipient_access hash:/etc/postroom/recipient_access",
        ),
    ] {
        parameters.set(name, value).unwrap();
    }
    let read = |path: &str| {
        let file = FILES.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| "no such file".to_string())
    };
    let policy = AccessPolicy::compile(parameters, &Opener::new(&read)).unwrap();
    assert!(policy.doubts().is_empty() && policy.warnings().is_empty(), "{:?}", policy.doubts());
    policy
}

/// Each case: the client, `+name` after it when logged in; the sender; the recipient; the reply.
fn check(cases: &[(&str, &str, &str, &str)]) {
    let policy = policy();
    for (client, sender, recipient, expected) in cases {
        let (address, login) = client.split_once('+').map_or((*client, None), |(a, l)| (a, Some(l)));
        let mut request = Request::new(address.parse().unwrap());
        request.login = login.map(Into::into);
        request.sender = Some(ReversePath::parse_prefix(sender.as_bytes(), AddressSyntax::STRICT).unwrap().0);
        let path = ForwardPath::parse_prefix(recipient.as_bytes(), AddressSyntax::STRICT).unwrap().0;
        let AccessStep::Done(outcome) = policy.evaluate(&request, Stage::Rcpt(&path)).step() else {
            panic!("nothing is to be asked");
        };
        let reply = outcome.refusal.map_or("accepted".into(), |reply| reply.to_string());
        assert_eq!(reply, *expected, "{client} {sender} {recipient}\n{}", outcome.trail);
    }
}

#[test]
fn a_client_is_forbidden() {
    let to = "<a@test.com>";
    check(&[
        (
            "203.0.113.66",
            "<x@other.test>",
            to,
            "554 5.7.1 <unknown[203.0.113.66]>: Client host rejected: You are known here",
        ),
        (
            "198.51.100.7",
            "<x@other.test>",
            to,
            "554 5.7.1 <unknown[198.51.100.7]>: Client host rejected: Access denied",
        ),
        ("203.0.113.67", "<x@other.test>", to, "accepted"),
    ]);
}

#[test]
fn a_recipient_domain_is_forbidden_to_everybody() {
    let refused = "554 5.7.1 <bill@microsoft.com>: Recipient address rejected: We do not write there";
    check(&[
        ("192.0.2.7", "<ann@test.com>", "<bill@microsoft.com>", refused),
        ("203.0.113.9+ann", "<ann@test.com>", "<bill@microsoft.com>", refused),
        ("192.0.2.7", "<ann@test.com>", "<bill@other.test>", "accepted"),
    ]);
}

#[test]
fn only_directors_write_to_all() {
    let refused = "554 5.7.1 <allemp@test.com>: Recipient address rejected: Access denied";
    check(&[
        ("192.0.2.7", "<ann@test.com>", "<allemp@test.com>", "accepted"),
        ("192.0.2.7", "<clerk@test.com>", "<allemp@test.com>", refused),
        ("203.0.113.9", "<x@other.test>", "<allemp@test.com>", refused),
        ("203.0.113.9", "<>", "<allemp@test.com>", refused),
        ("192.0.2.7", "<clerk@test.com>", "<ann@test.com>", "accepted"),
    ]);
}

#[test]
fn inside_and_outside() {
    let denied = "554 5.7.1 <y@other.test>: Relay access denied";
    check(&[
        ("203.0.113.9", "<x@other.test>", "<a@test.com>", "accepted"),
        ("203.0.113.9", "<>", "<a@test.com>", "accepted"),
        ("192.0.2.7", "<a@test.com>", "<y@other.test>", "accepted"),
        ("203.0.113.9+ann", "<ann@test.com>", "<y@other.test>", "accepted"),
        ("203.0.113.9", "<a@test.com>", "<y@other.test>", denied),
        ("203.0.113.9", "<x@other.test>", "<y@other.test>", denied),
    ]);
}
