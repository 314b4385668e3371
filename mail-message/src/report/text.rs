//! What a report says to people.

use super::field::{LINE_BYTES_WISHED, fold};
use super::{Action, RecipientReport, Report, Returned, Status};
use alloc::format;
use alloc::string::String;

/// What stands in front of the lines behind the first where others have made up a word: none of those begins a line.
const INDENT: &str = "    ";

/// The subject of a report: of the worst that happened.
pub(super) fn subject(recipients: &[RecipientReport<'_>]) -> &'static str {
    match worst(recipients) {
        Action::Failed => "Undelivered mail returned to sender",
        Action::Delayed => "Delayed mail (still being tried)",
        _ => "Successful mail delivery report",
    }
}

fn worst(recipients: &[RecipientReport<'_>]) -> Action {
    let has = |action| recipients.iter().any(|recipient| recipient.action == action);
    [Action::Failed, Action::Delayed].into_iter().find(|action| has(*action)).unwrap_or(Action::Delivered)
}

/// What is said before the recipients.
pub(super) fn opening(octets: &mut String, report: &Report<'_>) {
    let returned = match report.subject.returned {
        Returned::Message => "The message is attached.",
        Returned::Header => "The header of the message is attached.",
        Returned::Nothing => "The message is not attached, since it cannot be read any more.",
    };
    let host = report.reporting_mta;
    paragraph(octets, report, INDENT, &format!("This is the mail system at host {host}."));
    octets.push_str("\r\n");
    let what = match worst(report.recipients) {
        Action::Failed if report.subject.sender.is_empty() => {
            "A message without a sender could not be delivered to one or more recipients. They stand below, each with the reason."
        }
        Action::Failed => {
            "Your message could not be delivered to one or more recipients. They stand below, each with the reason."
        }
        Action::Delayed => {
            "Your message could not be delivered yet to one or more recipients, who stand below. You need not send it again: \
             it is tried again by itself."
        }
        _ => "Your message was delivered to the recipients below.",
    };
    paragraph(octets, report, "", &format!("{what} {returned}"));
    octets.push_str("\r\n");
    paragraph(
        octets,
        report,
        "",
        "If you need help, write to the postmaster of that host, and send this report with it.",
    );
}

/// What is said of one recipient.
pub(super) fn recipient(octets: &mut String, report: &Report<'_>, recipient: &RecipientReport<'_>) {
    let from = recipient.expanded_from.map(|from| format!(" (expanded from <{from}>)")).unwrap_or_default();
    let RecipientReport { address, reason, .. } = recipient;
    octets.push_str("\r\n");
    fold(octets, 0, INDENT, &report.field().clean(&format!("<{address}>{from}: {reason}")));
    let advice = match (recipient.action, recipient.will_retry_until) {
        (Action::Failed, _) => advice(recipient.status).into(),
        (Action::Delayed, Some(until)) => format!("It is tried until {until}."),
        _ => String::new(),
    };
    if !advice.is_empty() {
        // On a line of its own.
        fold(octets, LINE_BYTES_WISHED, INDENT, &report.field().clean(&advice));
    }
    octets.push_str("\r\n");
}

/// What the sender can do.
fn advice(status: Status) -> &'static str {
    match (status.class(), status.subject(), status.detail()) {
        (_, 1, _) => "Check the address. If it is wrong, send the message again to the right one.",
        (_, 2, 2) => {
            "The mailbox has no room. Send the message again later, or tell the recipient in another way."
        }
        (4, ..) => {
            "It was tried again and again, until there was no time left. The address may be right: you may send the message again."
        }
        (_, 4, _) => {
            "Check what stands behind the @ of the address. If it is right, ask the recipient in another way."
        }
        (_, 6, _) => "The message was not taken for what is in it. Send it again in another form.",
        (_, 7, _) => "A rule forbids the message. Ask the recipient in another way, or the postmaster.",
        _ => "Sending it again as it is will not help. Ask the recipient in another way, or the postmaster.",
    }
}

/// Writes a text as lines, of which all but the first begin with `indent`.
fn paragraph(octets: &mut String, report: &Report<'_>, indent: &str, text: &str) {
    fold(octets, 0, indent, &report.field().clean(text));
    octets.push_str("\r\n");
}
