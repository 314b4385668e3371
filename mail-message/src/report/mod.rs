//! Writing reports on what became of a message: `multipart/report; report-type=delivery-status`.
//!
//! RFC 3464 (the report), RFC 6522 (its container), RFC 6533 (addresses and text in UTF-8), RFC 3461 (who wants which). A
//! [`Report`] gives the octets [before](Report::before) and [after](Report::after) those of the message that it is about, which
//! stay where they are: whoever sends the report puts the message, or its header, between the two. What of it, and to whom
//! a report goes at all, [`Wanted`], [`Addressee`] and [`Returned`] decide.
//!
//! | part | holds |
//! | --- | --- |
//! | `text/plain` | what happened, to whom, why, and what to do |
//! | `message/delivery-status` | the same for programs |
//! | `message/rfc822` or `text/rfc822-headers` | the message, or its header; not there where neither can be read |
//!
//! With SMTPUTF8 the last two are `message/global-delivery-status`, and `message/global` or `message/global-headers`.
//!
//! # Promises
//! * Text that others have made up (addresses, replies, envelope ids) makes no line of its own: line ends and tabs in it become
//!   spaces, other control characters `?`, and what is long is folded. No line has more than 998 octets (RFC 5322 section 2.1.1).
//! * In the message that is returned no line ends a part: the boundary is drawn at random after the message was written, with 128 bits.
//!   So nobody reads the message to find a boundary that is not in it.
//! * Without SMTPUTF8 all that stands outside the returned message is ASCII.
//!
//! # Limits
//! [`Report::before`] gives a piece at a time, of which none is longer than what stands of one recipient.
//!
//! # Departures
//! A hard line end is put into a word of more than 900 octets. `Original-Recipient:` has an address that is not ASCII in the
//! form of RFC 6533 section 3 (`\x{E9}`), with the type `utf-8`, whatever its type was.

mod due;
mod field;
mod status;
mod text;

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

pub use due::{Addressee, Returned, Wanted};
pub use status::{Action, Status};

use field::{Address, Field};

/// A report.
///
/// ```
/// use mail_message::report::{Action, RecipientReport, Report, Returned, Status, Subject};
///
/// let recipients = [RecipientReport::new("bob@b.test", Action::Failed, Status::new(5, 2, 2), "mailbox is full")];
/// let report = Report {
///     reporting_mta: "mail.a.test",
///     from: "MAILER-DAEMON@a.test",
///     to: "ann@a.test",
///     id: "3ZK0Q4N1XA",
///     date: "Mon, 23 Nov 2026 16:00:00 +0000",
///     boundary: [7; 16],
///     subject: Subject {
///         queue_id: "3ZK0Q4N1X9",
///         sender: "ann@a.test",
///         envelope_id: None,
///         arrival_date: "Mon, 23 Nov 2026 15:59:00 +0000",
///         returned: Returned::Message,
///         is_utf8: false,
///         is_8bit: false,
///     },
///     recipients: &recipients,
/// };
/// let octets: String = report.before().chain(["Subject: hello\r\n\r\nHello\r\n".into(), report.after()]).collect();
/// assert!(octets.contains("\r\nFinal-Recipient: rfc822; bob@b.test\r\nAction: failed\r\nStatus: 5.2.2\r\n"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The host that reports.
    pub reporting_mta: &'a str,
    /// The address that the report is from; its envelope has the null sender.
    pub from: &'a str,
    /// The address that it goes to.
    pub to: &'a str,
    /// What it is known by to this host; `Message-ID:` is made of it.
    pub id: &'a str,
    /// When it is written, as in `Date:` (RFC 5322 section 3.3).
    pub date: &'a str,
    /// Random octets, drawn for this report.
    pub boundary: [u8; 16],
    /// The message that it is about.
    pub subject: Subject<'a>,
    /// The recipients that it is about: at least one.
    pub recipients: &'a [RecipientReport<'a>],
}

/// The message that a report is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What it is known by to this host.
    pub queue_id: &'a str,
    /// Its sender, without angle brackets; empty where it has none.
    pub sender: &'a str,
    /// ENVID, decoded.
    pub envelope_id: Option<&'a str>,
    /// When it was accepted, as in `Date:`.
    pub arrival_date: &'a str,
    /// What of it stands between [`Report::before`] and [`Report::after`].
    pub returned: Returned,
    /// Whether it was sent with SMTPUTF8; the report is then to be sent so, too.
    pub is_utf8: bool,
    /// Whether it may hold octets above 127: the report is then to be sent with `BODY=8BITMIME`.
    pub is_8bit: bool,
}

/// What became of one recipient.
#[derive(Debug, Clone, Copy)]
pub struct RecipientReport<'a> {
    /// The address, as it was used last.
    pub address: &'a str,
    /// The address that led to it, as the sender wrote it.
    pub expanded_from: Option<&'a str>,
    /// ORCPT: the type, and the address, decoded.
    pub original: Option<(&'a str, &'a str)>,
    /// What was done.
    pub action: Action,
    /// How that came out.
    pub status: Status,
    /// The host that said so.
    pub remote_mta: Option<&'a str>,
    /// What it said, as it said it, with its type: `smtp`, or `x-unix` for a program.
    pub diagnostic: Option<(&'a str, &'a str)>,
    /// Why, for people, without the status.
    pub reason: &'a str,
    /// Until when it is tried again, as in `Date:`.
    pub will_retry_until: Option<&'a str>,
}

impl<'a> RecipientReport<'a> {
    /// What became of a recipient, by this host's own account.
    pub fn new(address: &'a str, action: Action, status: Status, reason: &'a str) -> Self {
        Self {
            address,
            expanded_from: None,
            original: None,
            action,
            status,
            remote_mta: None,
            diagnostic: None,
            reason,
            will_retry_until: None,
        }
    }
}

impl<'a> Report<'a> {
    /// What stands before the message, or its header; a piece at a time.
    pub fn before(&self) -> impl Iterator<Item = String> + use<'a> {
        let report = *self;
        let texts = report.recipients.iter().map(move |recipient| report.told(recipient));
        let fields = report.recipients.iter().map(move |recipient| report.recipient_fields(recipient));
        [report.header()]
            .into_iter()
            .chain(texts)
            .chain([report.message_fields()])
            .chain(fields)
            .chain(report.returned_header())
    }

    /// What stands after the message, or its header.
    pub fn after(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary())
    }

    /// Whether it holds octets above 127: whoever passes it on must be able to take them.
    pub fn is_8bit(&self) -> bool {
        self.subject.is_8bit || self.subject.is_utf8
    }

    fn boundary(&self) -> String {
        let mut boundary = String::from("=_");
        for octet in self.boundary {
            // Writing to a string does not fail.
            let _ = write!(boundary, "{octet:02x}");
        }
        boundary
    }

    fn field(&self) -> Field {
        Field { is_utf8: self.subject.is_utf8 }
    }

    /// The header of the report, and the first part down to what is said of recipients.
    fn header(&self) -> String {
        let field = self.field();
        let mut octets = String::new();
        field.write(&mut octets, "Date", &[self.date]);
        field.write(&mut octets, "From", &[&field::bare(self.from), " (Mail Delivery System)"]);
        field.write(&mut octets, "To", &["<", &field::bare(self.to), ">"]);
        field.write(&mut octets, "Subject", &[text::subject(self.recipients)]);
        let message_id = ["<", &field::bare(self.id), "@", &field::bare(self.reporting_mta), ">"];
        field.write(&mut octets, "Message-ID", &message_id);
        octets.push_str("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
        octets.push_str("Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"");
        octets.push_str(&self.boundary());
        octets.push_str("\"\r\n");
        octets.push_str(if self.is_8bit() { EIGHT_BIT } else { "" });
        self.part(&mut octets, "Notification", "text/plain; charset=utf-8", self.subject.is_utf8);
        text::opening(&mut octets, self);
        octets
    }

    /// What people are told of one recipient.
    fn told(&self, recipient: &RecipientReport<'_>) -> String {
        let mut octets = String::new();
        text::recipient(&mut octets, self, recipient);
        octets
    }

    /// The beginning of the second part.
    fn message_fields(&self) -> String {
        let (field, subject) = (self.field(), &self.subject);
        let kind = if subject.is_utf8 { "message/global-delivery-status" } else { "message/delivery-status" };
        let mut octets = String::new();
        self.part(&mut octets, "Delivery report", kind, subject.is_utf8);
        if let Some(id) = subject.envelope_id {
            field.write(&mut octets, "Original-Envelope-Id", &[id]);
        }
        field.write(&mut octets, "Reporting-MTA", &["dns; ", self.reporting_mta]);
        field.write(&mut octets, "Arrival-Date", &[subject.arrival_date]);
        field.write(&mut octets, "X-Postroom-Queue-ID", &[subject.queue_id]);
        if !subject.sender.is_empty() {
            let sender = Address::new(subject.sender, field);
            field.write(&mut octets, "X-Postroom-Sender", &[&sender.kind, "; ", &sender.text]);
        }
        octets
    }

    /// What programs are told of one recipient.
    fn recipient_fields(&self, recipient: &RecipientReport<'_>) -> String {
        let field = self.field();
        let mut octets = String::from("\r\n");
        if let Some((kind, address)) = recipient.original {
            let address = Address::of_kind(kind, address, field);
            field.write(&mut octets, "Original-Recipient", &[&address.kind, "; ", &address.text]);
        }
        let address = Address::new(recipient.address, field);
        field.write(&mut octets, "Final-Recipient", &[&address.kind, "; ", &address.text]);
        field.write(&mut octets, "Action", &[recipient.action.word()]);
        field.write(&mut octets, "Status", &[&format!("{}", recipient.status)]);
        if let Some(host) = recipient.remote_mta {
            field.write(&mut octets, "Remote-MTA", &["dns; ", host]);
        }
        if let Some((kind, said)) = recipient.diagnostic {
            field.write(&mut octets, "Diagnostic-Code", &[&field::atom(kind), "; ", said]);
        }
        if let Some(until) = recipient.will_retry_until {
            field.write(&mut octets, "Will-Retry-Until", &[until]);
        }
        octets
    }

    /// The header of the third part, if there is one.
    fn returned_header(&self) -> Option<String> {
        let (description, kind) = match (self.subject.returned, self.subject.is_utf8) {
            (Returned::Nothing, _) => return None,
            (Returned::Message, false) => ("The message", "message/rfc822"),
            (Returned::Message, true) => ("The message", "message/global"),
            (Returned::Header, false) => ("The header of the message", "text/rfc822-headers"),
            (Returned::Header, true) => ("The header of the message", "message/global-headers"),
        };
        let mut octets = String::new();
        self.part(&mut octets, description, kind, self.is_8bit());
        Some(octets)
    }

    /// Ends what stood before, and begins a part.
    fn part(&self, octets: &mut String, description: &str, kind: &str, is_8bit: bool) {
        let boundary = self.boundary();
        let encoding = if is_8bit { EIGHT_BIT } else { "" };
        // Writing to a string does not fail.
        let _ = write!(
            octets,
            "\r\n--{boundary}\r\nContent-Description: {description}\r\nContent-Type: {kind}\r\n{encoding}\r\n"
        );
    }
}

const EIGHT_BIT: &str = "Content-Transfer-Encoding: 8bit\r\n";
