//! Fields by their names: whose addresses are senders', whose are recipients', and which must be there.
//!
//! RFC 5322 section 3.6; `Apparently-To:`, `Errors-To:`, `Return-Receipt-To:` and `Mail-Followup-To:` are older or never were
//! standard, `Disposition-Notification-To:` is of RFC 8098.

use crate::address::AddressClass::{self, HeaderRecipient, HeaderSender};

/// What is known of a field: the class of its addresses, and the bit by which it is remembered.
type Known = (&'static str, Option<AddressClass>, u16);

pub(super) const MESSAGE_ID: u16 = 1;
pub(super) const DATE: u16 = 1 << 1;
pub(super) const FROM: u16 = 1 << 2;
/// `To:`, `Cc:`, and those of a message that was sent again.
pub(super) const VISIBLE_RECIPIENT: u16 = 1 << 3;
pub(super) const RESENT_MESSAGE_ID: u16 = 1 << 4;
pub(super) const RESENT_DATE: u16 = 1 << 5;
pub(super) const RESENT_FROM: u16 = 1 << 6;
/// Any field of those with which a message is sent again (RFC 5322 section 3.6.6).
pub(super) const RESENT: u16 = 1 << 7;

const KNOWN: [Known; 22] = [
    ("Message-Id", None, MESSAGE_ID),
    ("Date", None, DATE),
    ("From", Some(HeaderSender), FROM),
    ("Sender", Some(HeaderSender), 0),
    ("Reply-To", Some(HeaderSender), 0),
    ("To", Some(HeaderRecipient), VISIBLE_RECIPIENT),
    ("Cc", Some(HeaderRecipient), VISIBLE_RECIPIENT),
    ("Bcc", Some(HeaderRecipient), 0),
    ("Resent-Message-Id", None, RESENT | RESENT_MESSAGE_ID),
    ("Resent-Date", None, RESENT | RESENT_DATE),
    ("Resent-From", Some(HeaderSender), RESENT | RESENT_FROM),
    ("Resent-Sender", Some(HeaderSender), RESENT),
    // It is where answers go; Postfix counts it among the recipients.
    ("Resent-Reply-To", Some(HeaderRecipient), RESENT),
    ("Resent-To", Some(HeaderRecipient), RESENT | VISIBLE_RECIPIENT),
    ("Resent-Cc", Some(HeaderRecipient), RESENT | VISIBLE_RECIPIENT),
    ("Resent-Bcc", Some(HeaderRecipient), RESENT),
    ("Apparently-To", Some(HeaderRecipient), 0),
    ("Disposition-Notification-To", Some(HeaderSender), 0),
    ("Errors-To", Some(HeaderSender), 0),
    ("Mail-Followup-To", Some(HeaderSender), 0),
    ("Return-Path", Some(HeaderSender), 0),
    ("Return-Receipt-To", Some(HeaderSender), 0),
];

/// The class of a field's addresses, where it has some, and the bits by which it is remembered.
pub(super) fn known(name: &[u8]) -> (Option<AddressClass>, u16) {
    let is = |known: &&Known| known.0.as_bytes().eq_ignore_ascii_case(name);
    KNOWN.iter().find(is).map_or((None, 0), |(_, class, bits)| (*class, *bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_case_and_whole() {
        assert_eq!(known(b"RESENT-to"), (Some(HeaderRecipient), RESENT | VISIBLE_RECIPIENT));
        assert_eq!(known(b"message-id"), (None, MESSAGE_ID));
        assert_eq!(known(b"X-To"), (None, 0));
        assert_eq!(known(b"Subject"), (None, 0));
    }
}
