//! Reports, read back with our own scanner: K20 to K31 of the specification of routing, exact octets, and any text in any field.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

use mail_message::header::Fields;
use mail_message::mime::{Content, Limits, Part, Scanner};
use mail_message::report::{Action, Addressee, RecipientReport, Report, Returned, Status, Subject, Wanted};
use proptest::prelude::*;

const MESSAGE: &str = "From: ann@a.test\r\nSubject: hello\r\n\r\nHello\r\n--\r\nAnn\r\n";

fn report<'a>(recipients: &'a [RecipientReport<'a>]) -> Report<'a> {
    Report {
        reporting_mta: "mail.a.test",
        from: "MAILER-DAEMON@a.test",
        to: "ann@a.test",
        id: "R2",
        date: "Mon, 23 Nov 2026 16:00:00 +0000",
        boundary: [0xA5; 16],
        subject: Subject {
            queue_id: "Q1",
            sender: "ann@a.test",
            envelope_id: None,
            arrival_date: "Mon, 23 Nov 2026 15:00:00 +0000",
            returned: Returned::Message,
            is_utf8: false,
            is_8bit: false,
        },
        recipients,
    }
}

fn octets(report: &Report<'_>, returned: &str) -> String {
    report.before().chain([returned.to_owned(), report.after()]).collect()
}

type FieldsOfOne = Vec<(String, String)>;

/// What a report says, as our scanner reads it.
struct Read {
    kinds: Vec<String>,
    text: String,
    /// Of the message, then of each recipient.
    groups: Vec<FieldsOfOne>,
    returned: String,
}

fn kind(part: &Part) -> String {
    let of = &part.fields.content_type;
    format!("{}/{}", String::from_utf8_lossy(&of.media_type), String::from_utf8_lossy(&of.subtype))
}

fn read(octets: &str) -> Read {
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(octets.as_bytes());
    let message = scanner.finish();
    let root = &message.root;
    assert_eq!(kind(root), "multipart/report");
    assert_eq!(root.fields.content_type.parameter("report-type"), Some(&b"delivery-status"[..]));
    let Content::Multipart(parts) = &root.content else { panic!("no parts: {octets}") };
    let body = |part: &Part| octets[part.body.start as usize..part.body.end as usize].to_owned();
    let fields = |group: &str| {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let fields = Fields::new(group.as_bytes());
        let of_group: FieldsOfOne =
            fields.map(|field| (text(field.name()), text(&field.unfolded()))).collect();
        let read: usize = Fields::new(group.as_bytes()).map(|field| field.raw().len()).sum();
        assert_eq!(read, group.len(), "all of it is fields: {group:?}");
        of_group
    };
    Read {
        kinds: parts.iter().map(kind).collect(),
        text: body(&parts[0]),
        groups: body(&parts[1]).split("\r\n\r\n").map(fields).collect(),
        returned: parts.get(2).map(body).unwrap_or_default(),
    }
}

fn value<'a>(group: &'a FieldsOfOne, name: &str) -> Option<&'a str> {
    group.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
}

/// What other hosts, or this one, have said of a recipient, and what the report says of it.
#[test]
fn k20_to_k29_action_and_status() {
    let until = Some("Sat, 28 Nov 2026 15:00:00 +0000");
    for (id, action, reply, own, status, diagnostic) in [
        (
            "K20",
            Action::Failed,
            "550 5.1.1 <b@b.test>: no such user",
            "",
            "5.1.1",
            "smtp; 550 5.1.1 <b@b.test>: no such user",
        ),
        ("K21", Action::Failed, "550 no such user", "", "5.0.0", "smtp; 550 no such user"),
        ("K22", Action::Failed, "451 4.7.1 come again", "", "4.7.1", "smtp; 451 4.7.1 come again"),
        ("K23", Action::Failed, "", "5.4.4 Host or domain name not found", "5.4.4", ""),
        ("K24", Action::Failed, "", "5.1.0 Domain b.test does not accept mail (nullMX)", "5.1.0", ""),
        ("K25", Action::Failed, "", "5.4.6 mail for b.test loops back to myself", "5.4.6", ""),
        ("K26", Action::Delivered, "", "2.0.0 delivered to mailbox", "2.0.0", ""),
        ("K27", Action::Relayed, "250 2.1.5 taken", "", "2.1.5", "smtp; 250 2.1.5 taken"),
        ("K28", Action::Expanded, "", "2.0.0 alias expanded", "2.0.0", ""),
        ("K29", Action::Delayed, "451 4.3.0 later", "", "4.3.0", "smtp; 451 4.3.0 later"),
    ] {
        let told = Status::of_reply(reply).map(|status| (status, reply)).or_else(|| Status::split(own));
        let (code, reason) = told.unwrap();
        let mut recipient = RecipientReport::new("b@b.test", action, code, reason);
        if !reply.is_empty() {
            recipient.remote_mta = Some("mx.b.test");
            recipient.diagnostic = Some(("smtp", reply));
        }
        recipient.will_retry_until = until.filter(|_| action == Action::Delayed);
        let recipients = [recipient];
        let mut report = report(&recipients);
        report.subject.returned = Returned::of(action, false, MESSAGE.len() as u64, 50_000);
        let is_failure = action == Action::Failed;
        let returned = if is_failure { MESSAGE } else { "From: ann@a.test\r\nSubject: hello\r\n" };
        let read = read(&octets(&report, returned));
        let third = if is_failure { "message/rfc822" } else { "text/rfc822-headers" };
        assert_eq!(read.kinds, ["text/plain", "message/delivery-status", third], "{id}");
        assert_eq!(read.returned, returned, "{id}");
        let [_, of_recipient] = &read.groups[..] else { panic!("{id}: one recipient") };
        assert_eq!(value(of_recipient, "Final-Recipient"), Some("rfc822; b@b.test"), "{id}");
        assert_eq!(value(of_recipient, "Action"), Some(action.word()), "{id}");
        assert_eq!(value(of_recipient, "Status"), Some(status), "{id}");
        assert_eq!(value(of_recipient, "Diagnostic-Code").unwrap_or_default(), diagnostic, "{id}");
        assert_eq!(value(of_recipient, "Remote-MTA").is_some(), !reply.is_empty(), "{id}");
        assert_eq!(value(of_recipient, "Will-Retry-Until"), recipient.will_retry_until, "{id}");
        let text = read.text.replace("\r\n    ", " ");
        assert!(text.contains(&format!("\r\n<b@b.test>: {reason}")), "{id}: {text}");
    }
}

#[test]
fn k26_to_k30_who_wants_which() {
    let all = [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded];
    let wanted = |wanted: Wanted| all.map(|action| wanted.has(action));
    assert_eq!(wanted(Wanted::NEVER), [false; 5], "K30");
    assert_eq!(wanted(Wanted::unsaid(false)), [true, false, false, false, false]);
    assert_eq!(wanted(Wanted::unsaid(true)), [true, true, false, false, false]);
    assert_eq!(wanted(Wanted { success: true, ..Wanted::NEVER }), [false, false, true, true, true]);
    assert_eq!(wanted(Wanted { delay: true, ..Wanted::NEVER }), [false, true, false, false, false]);
}

#[test]
fn k31_a_message_without_sender_gets_no_report() {
    for action in [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded] {
        assert_eq!(Addressee::of("", action, false), Addressee::Nobody);
        let double = if action == Action::Failed { Addressee::Postmaster } else { Addressee::Nobody };
        assert_eq!(Addressee::of("", action, true), double);
        assert_eq!(Addressee::of("ann@a.test", action, true), Addressee::Sender("ann@a.test"));
    }
}

#[test]
fn what_is_returned() {
    let of = |action, hdrs, bytes| Returned::of(action, hdrs, bytes, 50_000);
    assert_eq!(of(Action::Failed, false, 50_000), Returned::Message);
    assert_eq!(of(Action::Failed, false, 50_001), Returned::Header);
    assert_eq!(of(Action::Failed, true, 10), Returned::Header);
    assert_eq!(of(Action::Delayed, false, 10), Returned::Header);
    assert_eq!(of(Action::Delivered, false, 10), Returned::Header);
}

#[test]
fn the_octets_of_a_report() {
    let mut full =
        RecipientReport::new("bob@b.test", Action::Failed, Status::new(5, 2, 2), "mailbox is full");
    full.expanded_from = Some("team@b.test");
    full.original = Some(("rfc822", "Team@b.test"));
    let mut gone = RecipientReport::new("eve@c.test", Action::Failed, Status::new(5, 1, 1), "no such user");
    gone.remote_mta = Some("mx.c.test");
    gone.diagnostic = Some(("smtp", "550 5.1.1 no such user"));
    let recipients = [full, gone];
    let mut report = report(&recipients);
    report.subject.envelope_id = Some("QQ314159");
    report.subject.is_8bit = true;
    let b = "=_a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
    let expected = format!(
        "Date: Mon, 23 Nov 2026 16:00:00 +0000\n\
         From: MAILER-DAEMON@a.test (Mail Delivery System)\n\
         To: <ann@a.test>\n\
         Subject: Undelivered mail returned to sender\n\
         Message-ID: <R2@mail.a.test>\n\
         Auto-Submitted: auto-replied\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status;\n \
         boundary=\"{b}\"\n\
         Content-Transfer-Encoding: 8bit\n\
         \n\
         --{b}\n\
         Content-Description: Notification\n\
         Content-Type: text/plain; charset=utf-8\n\
         \n\
         This is the mail system at host mail.a.test.\n\
         \n\
         Your message could not be delivered to one or more recipients. They stand\n\
         below, each with the reason. The message is attached.\n\
         \n\
         If you need help, write to the postmaster of that host, and send this report\n\
         with it.\n\
         \n\
         <bob@b.test> (expanded from <team@b.test>): mailbox is full\n    \
         The mailbox has no room. Send the message again later, or tell the\n    \
         recipient in another way.\n\
         \n\
         <eve@c.test>: no such user\n    \
         Check the address. If it is wrong, send the message again to the right\n    \
         one.\n\
         \n\
         --{b}\n\
         Content-Description: Delivery report\n\
         Content-Type: message/delivery-status\n\
         \n\
         Original-Envelope-Id: QQ314159\n\
         Reporting-MTA: dns; mail.a.test\n\
         Arrival-Date: Mon, 23 Nov 2026 15:00:00 +0000\n\
         X-Postroom-Queue-ID: Q1\n\
         X-Postroom-Sender: rfc822; ann@a.test\n\
         \n\
         Original-Recipient: rfc822; Team@b.test\n\
         Final-Recipient: rfc822; bob@b.test\n\
         Action: failed\n\
         Status: 5.2.2\n\
         \n\
         Final-Recipient: rfc822; eve@c.test\n\
         Action: failed\n\
         Status: 5.1.1\n\
         Remote-MTA: dns; mx.c.test\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\n\
         \n\
         --{b}\n\
         Content-Description: The message\n\
         Content-Type: message/rfc822\n\
         Content-Transfer-Encoding: 8bit\n\
         \n"
    );
    let whole = octets(&report, MESSAGE);
    assert_eq!(whole, expected.replace('\n', "\r\n") + MESSAGE + &format!("\r\n--{b}--\r\n"));
}

/// RFC 6533.
#[test]
fn addresses_that_are_not_ascii() {
    let mut recipient =
        RecipientReport::new("j\u{f6}rg@b.test", Action::Failed, Status::new(5, 1, 1), "n\u{f6}");
    recipient.original = Some(("utf-8", "j\u{f6}rg+x@b.test"));
    let recipients = [recipient];
    let mut report = report(&recipients);
    let seven = octets(&report, MESSAGE);
    assert!(seven.is_ascii(), "{seven}");
    let of_recipient = &read(&seven).groups[1];
    assert_eq!(value(of_recipient, "Final-Recipient"), Some(r"utf-8; j\x{F6}rg@b.test"));
    assert_eq!(value(of_recipient, "Original-Recipient"), Some(r"utf-8; j\x{F6}rg\x{2B}x@b.test"));

    report.subject.is_utf8 = true;
    for (returned, kind) in
        [(Returned::Message, "message/global"), (Returned::Header, "message/global-headers")]
    {
        report.subject.returned = returned;
        let read = read(&octets(&report, MESSAGE));
        assert_eq!(read.kinds, ["text/plain", "message/global-delivery-status", kind]);
        assert_eq!(value(&read.groups[1], "Final-Recipient"), Some("utf-8; j\u{f6}rg@b.test"));
        assert_eq!(value(&read.groups[1], "Original-Recipient"), Some("utf-8; j\u{f6}rg+x@b.test"));
        assert!(read.text.contains("<j\u{f6}rg@b.test>: n\u{f6}"), "{}", read.text);
    }
}

#[test]
fn a_message_that_cannot_be_read_is_not_returned() {
    let recipients = [RecipientReport::new("bob@b.test", Action::Failed, Status::new(4, 3, 0), "no")];
    let mut report = report(&recipients);
    report.subject.returned = Returned::Nothing;
    let octets = octets(&report, "");
    let read = read(&octets);
    assert_eq!(read.kinds, ["text/plain", "message/delivery-status"]);
    assert_eq!(value(&read.groups[1], "Final-Recipient"), Some("rfc822; bob@b.test"));
    assert!(read.text.contains("The message is not attached") && octets.ends_with("--\r\n"), "{octets}");
}

/// Text that means something where lines end, or is long, or is not ASCII.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("\r\nAction: delivered".to_owned()),
        Just("\n--=_a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5--\n".to_owned()),
        Just("\u{0}\u{7f}\u{85}\u{2028}".to_owned()),
        Just("<>;:\"\\".to_owned()),
        Just(" ".repeat(1000)),
        Just("x".repeat(3000)),
        Just("\u{20ac}".repeat(1200)),
        any::<String>(),
        any::<Vec<u8>>().prop_map(|octets| String::from_utf8_lossy(&octets).into_owned()),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_line_of_its_own(
        texts in proptest::collection::vec(hostile(), 17),
        (is_utf8, is_8bit) in any::<(bool, bool)>(),
    ) {
        let text = |at: usize| &*texts[at];
        let sender = format!("s{}", texts[15]);
        let recipient = RecipientReport {
            address: text(0),
            expanded_from: Some(text(1)),
            original: Some((text(2), text(3))),
            action: Action::Delayed,
            status: Status::new(4, 3, 0),
            remote_mta: Some(text(4)),
            diagnostic: Some((text(5), text(6))),
            reason: text(7),
            will_retry_until: Some(text(8)),
        };
        let recipients = [recipient, recipient];
        let report = Report {
            reporting_mta: text(9),
            from: text(10),
            to: text(11),
            id: text(12),
            date: text(13),
            boundary: [0xA5; 16],
            subject: Subject {
                queue_id: text(14),
                sender: &sender,
                envelope_id: Some(text(16)),
                arrival_date: text(8),
                returned: Returned::Message,
                is_utf8,
                is_8bit,
            },
            recipients: &recipients,
        };
        let whole = octets(&report, MESSAGE);
        prop_assert!(whole.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
        prop_assert!(is_utf8 || whole.is_ascii());
        let of_report: Vec<String> = Fields::new(whole.as_bytes())
            .map(|field| String::from_utf8(field.name().to_vec()).unwrap())
            .collect();
        let mut expected = vec![
            "Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
        ];
        expected.extend((is_utf8 || is_8bit).then_some("Content-Transfer-Encoding"));
        prop_assert_eq!(of_report, expected);
        let read = read(&whole);
        prop_assert_eq!(read.kinds.len(), 3);
        prop_assert_eq!(&*read.returned, MESSAGE);
        let names = |group: &FieldsOfOne| group.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let [of_message, first, second] = &read.groups[..] else { panic!("{} groups", read.groups.len()) };
        prop_assert_eq!(
            names(of_message),
            ["Original-Envelope-Id", "Reporting-MTA", "Arrival-Date", "X-Postroom-Queue-ID", "X-Postroom-Sender"]
        );
        prop_assert_eq!(
            names(first),
            [
                "Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code",
                "Will-Retry-Until",
            ]
        );
        prop_assert_eq!(first, second);
        prop_assert_eq!(value(first, "Action"), Some("delayed"));
        prop_assert_eq!(value(first, "Status"), Some("4.3.0"));
    }
}
