//! Our client delivers to Debian's Postfix, to Dovecot's LMTP server, and to our own of both protocols: in the clear and over STARTTLS, by DATA and by
//! BDAT, to several recipients of whom one is refused. What lies in their mailboxes is what was sent, octet for octet
//! behind the trace fields.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::peers::{Peer, can_start};
use common::sender::{Session, send};
use common::{Server, eventually, inbox, trace_of};
use postroom::proto_core::{ForwardPath, ReversePath};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use smtp_proto::client::{ClientConfig, ClientProtocol, ClientTls, Envelope, Fault, Outcome, Report, Stage};
use smtp_proto::parameter::BodyKind;

const RECIPIENTS: [&str; 3] = ["alice@example.test", "nobody@example.test", "bob@example.test"];

/// Leading dots, spaces at line ends, 8-bit text, and enough for several chunks.
fn message(subject: &str) -> Vec<u8> {
    let mut message = format!(
        "From: Sender <s@sender.test>\r\nTo: Alice <alice@example.test>\r\nSubject: {subject}\r\n\
         Date: Sun, 22 Nov 2026 00:00:00 +0000\r\nMessage-ID: <{}@sender.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         .\r\n..\r\n.leading dot\r\ntrailing space \r\nFrom the start\r\nGr\u{fc}\u{df}e, \u{4e2d}\u{6587}\r\n",
        subject.replace(' ', ".")
    );
    for number in 0..2000 {
        message.push_str(&format!(".{number} {}\r\n", "x".repeat(number % 60)));
    }
    message.push_str("\r\nend\r\n\r\n");
    message.into_bytes()
}

fn envelope(recipients: &[&str], message: &[u8]) -> Envelope {
    let path = |address: &&str| ForwardPath::Mailbox(address.parse().unwrap());
    let sender = ReversePath::Mailbox("s@sender.test".parse().unwrap());
    let mut envelope = Envelope::new(sender, recipients.iter().map(path));
    envelope.parameters.body = BodyKind::EightBitMime;
    envelope.parameters.size = Some(message.len() as u64);
    envelope
}

fn reply(outcome: &Outcome) -> String {
    let Outcome::Sent(reply) = outcome else { panic!("{outcome:?}") };
    assert_eq!(reply.code(), 250);
    format!("{reply:?}")
}

fn is_unknown_user(outcome: &Outcome) -> bool {
    let Outcome::Permanent(failure) = outcome else { return false };
    failure.stage == Stage::Rcpt && failure.fault == Fault::Recipient && failure.status.to_string() == "5.1.1"
}

/// Delivers under every combination, two messages in each session: one of three recipients is refused, then all are.
/// Then looks into the mailboxes. `with` is what the trace says without TLS and with it.
fn deliver(peer: &Peer, protocol: ClientProtocol, with: [&str; 2], verdicts: fn(&Report)) {
    for tls in [ClientTls::None, ClientTls::Required] {
        for chunking in [false, true] {
            let subject = format!("{tls:?} chunking {chunking}");
            let message = message(&subject);
            let mut config = ClientConfig::new("client.sender.test").unwrap();
            (config.protocol, config.tls, config.chunking) = (protocol, tls, chunking);
            let envelopes = vec![envelope(&RECIPIENTS, &message), envelope(&RECIPIENTS[1..2], &message)];
            let session = send(peer.address, config, &peer.certificate, envelopes, &message);
            let secured = tls == ClientTls::Required;
            assert_went(&session, secured, chunking);
            let [first, second] = &session.reports[..] else { panic!("{subject}: {:?}", session.reports) };
            assert!(first.omitted.is_empty() && is_unknown_user(&first.outcomes[1]), "{subject}: {first:?}");
            verdicts(first);
            assert!(matches!(&second.outcomes[..], [refused] if is_unknown_user(refused)), "{second:?}");

            // A Maildir of theirs has the line ends of Unix.
            let sent = String::from_utf8(message).unwrap().replace("\r\n", "\n");
            for account in ["alice", "bob"] {
                let received = peer.delivered(account, &format!("Subject: {subject}\n"));
                let trace = trace_of(&received, sent.as_bytes());
                assert!(trace.starts_with("Return-Path: <s@sender.test>\n"), "{trace}");
                let with = format!(" with {}", with[usize::from(secured)]);
                let at = trace.find(&with).unwrap_or_else(|| panic!("no {with:?} in {trace}")) + with.len();
                assert!(trace[at..].starts_with([' ', '\n']), "{trace}");
            }
        }
    }
}

fn assert_went(session: &Session, secured: bool, chunking: bool) {
    assert_eq!(session.is_tls, secured);
    assert_eq!(session.has_said("STARTTLS\r\n"), secured);
    assert_eq!((session.has_said("BDAT "), session.has_said("DATA\r\n")), (chunking, !chunking));
}

#[test]
fn postfix_takes_our_mail() {
    if !can_start(&["postfix"]) {
        return;
    }
    deliver(&Peer::postfix(), ClientProtocol::Smtp, ["ESMTP", "ESMTPS"], |report| {
        let queued = reply(&report.outcomes[0]);
        assert!(queued.contains("queued as"), "{queued}");
        assert_eq!(queued, reply(&report.outcomes[2]), "one verdict for all");
    });
}

#[test]
fn dovecot_takes_our_mail_by_lmtp() {
    if !can_start(&["dovecot", "doveadm", "/usr/lib/dovecot/lmtp"]) {
        return;
    }
    deliver(&Peer::dovecot_lmtp(), ClientProtocol::Lmtp, ["LMTP", "LMTPS"], |report| {
        for recipient in [0, 2] {
            let saved = reply(&report.outcomes[recipient]);
            assert!(saved.contains(RECIPIENTS[recipient]) && saved.contains("Saved"), "{saved}");
        }
    });
}

#[test]
fn our_own_server_takes_our_mail() {
    let server = Server::start(false);
    let certificate = CertificateDer::from_pem_file(server.certificate()).unwrap();
    let protocols =
        [(ClientProtocol::Smtp, "smtp", " with ESMTPS "), (ClientProtocol::Lmtp, "lmtp", " with LMTPS ")];
    for (protocol, listener, with) in protocols {
        for chunking in [false, true] {
            let subject = format!("{listener} chunking {chunking}");
            let message = message(&subject);
            let mut config = ClientConfig::new("client.sender.test").unwrap();
            (config.protocol, config.tls, config.chunking) = (protocol, ClientTls::Required, chunking);
            let address = server.address(listener, "starttls");
            let session =
                send(address, config, &certificate, vec![envelope(&RECIPIENTS, &message)], &message);
            assert_went(&session, true, chunking);
            let [report] = &session.reports[..] else { panic!("{subject}: {:?}", session.reports) };
            assert!(is_unknown_user(&report.outcomes[1]), "{subject}: {report:?}");
            assert_eq!(reply(&report.outcomes[0]), reply(&report.outcomes[2]), "one verdict for all");
            for account in ["alice", "bob"] {
                let is_it = |mail: &Vec<u8>| String::from_utf8_lossy(mail).contains(&subject);
                eventually(|| inbox(&server.directory, account).iter().any(is_it));
                let received = inbox(&server.directory, account).into_iter().find(is_it).unwrap();
                assert!(trace_of(&received, &message).contains(with), "{subject}");
            }
        }
    }
    assert!(server.stop(), "a clean exit after SIGTERM");
}
