//! Our side of a policy server: its dialogue at every cut, questions as our lists are asked them, and what those say.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use proto_core::{Ask, Instant, Machine as _, Now, UnixTime};
use relay_policy::access::{AccessPolicy, AccessStep};
use relay_policy::delegation::{
    Asked, Attributes, Event, Inquiry, MESSAGE_BYTES_MAX, Server, Timeouts, Verdict, question,
};
use relay_policy::table::Opener;
use relay_policy::{NameStatus, Parameters, Stage};
use testkit::{Fixture, Log, Runner};

/// Answers `DUNNO` and who was meant; `close@` not at all, `late@` when it is told to.
#[derive(Default)]
struct Application {
    log: Log,
    kept: Option<Ask<Asked>>,
}

impl Fixture<Server> for Application {
    fn on_event(&mut self, server: &mut Server, now: Now, event: Event) {
        match event {
            Event::Asked(ask) => {
                let recipient = ask.detail.0.value("recipient").to_string();
                self.log.event(format!("asked {} {recipient}", ask.detail.0.value("protocol_state")));
                let verdict = match recipient.split('@').next() {
                    Some("late") => return self.kept = Some(ask),
                    Some("close") => Verdict::Close,
                    Some("split") => Verdict::Action("DUNNO\n\naction=OK".into()),
                    _ => Verdict::Action(format!("DUNNO {recipient}")),
                };
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Cancelled(id) => {
                let ask = self.kept.take().unwrap();
                assert_eq!(ask.id(), id);
                assert!(server.answer(now, ask, Verdict::Close).is_err(), "it is too late");
                self.log.event("cancelled");
            }
            other => panic!("{other:?}"),
        }
    }

    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn on_directive(&mut self, server: &mut Server, now: Now, name: &str, words: &str) -> Result<(), String> {
        let ask = self.kept.take().filter(|_| name == "answer").ok_or("nothing is asked")?;
        server.answer(now, ask, Verdict::Action(words.into())).map_err(|fault| fault.to_string())
    }
}

const START: Now = Now::new(Instant::ORIGIN, UnixTime(0));

#[test]
fn dialogues() {
    Runner::server().check("tests/transcripts/delegation.txt", |_| {
        (Server::new(testkit::START, Timeouts::default()), Application::default())
    });
}

#[test]
fn a_question_without_an_end_is_cut_off() {
    let mut server = Server::new(START, Timeouts::default());
    let mut sent = 0;
    while !server.is_closed() {
        assert!(sent <= 2 * MESSAGE_BYTES_MAX, "it takes no end of octets");
        if server.wants_input() {
            sent += server.handle_input(START, &[b'x'; 4096]);
        }
        let _ = server.poll_event(START);
    }
    assert_eq!(server.handle_input(START, b"request=smtpd_access_policy\n\n"), 0);
    assert_eq!(server.poll_timeout(), None);
}

fn asked(pairs: &[(&str, &str)]) -> Attributes {
    let mut attributes = question();
    for (name, value) in pairs {
        attributes.set(name, value).unwrap();
    }
    attributes
}

#[test]
fn a_question_becomes_a_request() {
    let full = asked(&[
        ("protocol_state", "RCPT"),
        ("protocol_name", "ESMTP"),
        ("client_address", "::ffff:192.0.2.1"),
        ("client_name", "mail.example.org"),
        ("reverse_client_name", "unknown"),
        ("client_port", "4711"),
        ("server_address", "192.0.2.25"),
        ("server_port", "25"),
        ("helo_name", "helo.example.org"),
        ("sender", "first last@example.org"),
        ("recipient", "Bob@example.test"),
        ("recipient_count", "0"),
        ("size", "12345"),
        ("instance", "123.456.7"),
        ("queue_id", "8045F2AB23"),
        ("sasl_method", "plain"),
        ("sasl_username", "alice"),
        ("sasl_sender", "alice@example.org"),
        ("ccert_subject", "client"),
        ("ccert_issuer", "issuer"),
        ("ccert_fingerprint", "AA:BB"),
        ("ccert_pubkey_fingerprint", "CC:DD"),
        ("encryption_protocol", "TLSv1.3"),
        ("encryption_cipher", "TLS_AES_256_GCM_SHA384"),
        ("nobody_knows_this", "x"),
    ]);
    let inquiry = Inquiry::read(&full, "example.test").unwrap();
    let request = &inquiry.request;
    assert!(
        matches!(inquiry.stage(), Stage::Rcpt(to) if to.to_string() == "<Bob@example.test>"),
        "{inquiry:?}"
    );
    assert_eq!(request.client.to_string(), "192.0.2.1");
    assert_eq!((&*request.client_name, request.client_name_status), ("mail.example.org", NameStatus::Ok));
    assert_eq!(
        (&*request.reverse_client_name, request.reverse_client_name_status),
        ("unknown", NameStatus::Permanent)
    );
    assert_eq!((request.client_port, request.server), (Some(4711), Some("192.0.2.25:25".parse().unwrap())));
    assert_eq!((request.helo.as_deref(), request.esmtp), (Some("helo.example.org"), true));
    assert_eq!(request.sender.as_ref().unwrap().to_string(), "<\"first last\"@example.org>");
    assert_eq!((request.size_bytes, &*request.instance), (12345, "123.456.7"));
    assert_eq!(request.queue_id.as_deref(), Some("8045F2AB23"));
    assert_eq!((request.login.as_deref(), request.sasl_method), (Some("alice"), Some("PLAIN")));
    assert_eq!(request.sasl_sender.as_deref(), Some("alice@example.org"));
    let certificate = request.client_certificate.as_ref().unwrap();
    assert!(certificate.is_verified && certificate.fingerprint == "AA:BB");
    assert_eq!(request.tls.as_ref().unwrap().version, "TLSv1.3");

    // What is not known is not known.
    let bare = Inquiry::read(&asked(&[("protocol_state", "MAIL")]), "example.test").unwrap();
    assert_eq!(bare.request.client.to_string(), "::");
    assert_eq!(bare.request.sender.as_ref().unwrap().to_string(), "<>");
    assert!(bare.request.tls.is_none() && bare.request.login.is_none() && bare.request.helo.is_none());
    // An address of this machine alone has its domain.
    let root = asked(&[
        ("protocol_state", "DATA"),
        ("sender", "root"),
        ("recipient", "bob"),
        ("recipient_count", "1"),
    ]);
    let root = Inquiry::read(&root, "example.test").unwrap();
    assert_eq!(root.request.sender.unwrap().to_string(), "<root@example.test>");
    assert_eq!(root.request.recipient.unwrap().to_string(), "<bob@example.test>");
    let node = asked(&[("protocol_state", "ETRN"), ("etrn_domain", "example.org")]);
    assert!(matches!(Inquiry::read(&node, "").unwrap().stage(), Stage::Etrn("example.org")));
    for wrong in [
        &[("protocol_state", "")][..],
        &[("protocol_state", "XYZ")],
        &[("protocol_state", "RCPT")],
        &[("protocol_state", "RCPT"), ("recipient", "@")],
        &[("protocol_state", "MAIL"), ("sender", "a@b@")],
    ] {
        assert!(Inquiry::read(&asked(wrong), "example.test").is_err(), "{wrong:?}");
    }
}

/// What lists say to a recipient, as an action.
fn said(lists: &[(&str, &str)], recipient: &str) -> (String, Vec<String>) {
    let mut parameters = Parameters::default();
    parameters.set("smtpd_relay_restrictions", "").unwrap();
    for (name, value) in lists {
        parameters.set(name, value).unwrap();
    }
    let policy =
        AccessPolicy::compile_unguarded(parameters, &Opener::new(&|_| Err("no files".into()))).unwrap();
    let attributes =
        asked(&[("protocol_state", "RCPT"), ("client_address", "192.0.2.1"), ("recipient", recipient)]);
    let inquiry = Inquiry::read(&attributes, "example.test").unwrap();
    let mut evaluation = policy.evaluate(&inquiry.request, inquiry.stage());
    match evaluation.step() {
        AccessStep::Done(outcome) => outcome.action(),
        AccessStep::Needs(questions) => panic!("{questions:?}"),
    }
}

#[test]
fn what_lists_say_becomes_an_action() {
    let table = |entries: &str| format!("check_recipient_access inline:{{{entries}}}");
    let say = |entries: &str| said(&[("smtpd_recipient_restrictions", &table(entries))], "bob@example.org");
    for (entries, action) in [
        ("{x = OK}", "DUNNO"),
        ("{bob@example.org = OK}", "DUNNO"),
        ("{bob@example.org = REJECT}", "554 5.7.1 Access denied"),
        ("{bob@example.org = REJECT 5.1.6 Gone: rejected: for good}", "554 5.1.6 Gone: rejected: for good"),
        ("{bob@example.org = 421 4.3.2 Not now}", "421 4.3.2 Not now"),
        ("{bob@example.org = DEFER_IF_PERMIT 4.2.0 Come again}", "DEFER_IF_PERMIT 4.2.0 Come again"),
        ("{bob@example.org = HOLD}", "HOLD"),
        ("{bob@example.org = DISCARD}", "DISCARD"),
        ("{bob@example.org = REDIRECT carol@example.org}", "REDIRECT carol@example.org"),
        ("{bob@example.org = FILTER smtp:[127.0.0.1]:10025}", "FILTER smtp:[127.0.0.1]:10025"),
        ("{bob@example.org = PREPEND X-Seen: yes}", "PREPEND X-Seen: yes"),
        ("{bob@example.org = BCC carol@example.org}", "BCC carol@example.org"),
    ] {
        assert_eq!(say(entries), (action.into(), vec![]), "{entries}");
    }
    let relay = said(&[("smtpd_relay_restrictions", "reject_unauth_destination")], "bob@example.org");
    assert_eq!(relay.0, "554 5.7.1 Relay access denied");
    // One answer is one action; a refusal is all that counts.
    let hold_and = "check_recipient_access inline:{{bob@example.org = HOLD}},
        check_recipient_access inline:{{bob@example.org = PREPEND X-Seen: yes}}";
    let both = said(&[("smtpd_recipient_restrictions", hold_and)], "bob@example.org");
    assert_eq!(both, ("HOLD".into(), vec!["PREPEND X-Seen: yes".into()]));
    let refused =
        said(&[("smtpd_recipient_restrictions", &format!("{hold_and}, reject"))], "bob@example.org");
    assert_eq!(refused, ("554 5.7.1 Access denied".into(), vec![]));
}
