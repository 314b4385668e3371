//! What final delivery writes before a message.

use mailstore::spool::{Envelope, Recipient};

/// `Return-Path:` first (RFC 5321 section 4.4), then whom the message was for: as the client wrote it, and as it was
/// delivered (RFC 9228). The `Received:` field follows: it was put before the message when it was accepted.
pub(super) fn header(envelope: &Envelope, recipient: &Recipient) -> String {
    let original = recipient.fact(ORIGINAL_RECIPIENT).unwrap_or(&recipient.address);
    let sender = sender(envelope, recipient);
    format!("Return-Path: <{sender}>\r\nX-Original-To: {original}\r\nDelivered-To: {}\r\n", recipient.address)
}

/// Who a message is from: its sender, or the owner of the list that the recipient came by.
pub(super) fn sender<'a>(envelope: &'a Envelope, recipient: &'a Recipient) -> &'a str {
    recipient.fact(OWNER).unwrap_or(&envelope.reverse_path)
}

/// The fact of a message that tells who had logged in when he sent it.
pub(crate) const LOGIN: &str = "login";

/// The fact of a recipient that tells what the client wrote, where that led to another address.
pub(crate) const ORIGINAL_RECIPIENT: &str = "original_recipient";

/// The fact of a recipient that tells whose mailbox its mail goes to, where that is not the recipient's own address.
pub(crate) const MAILBOX: &str = "mailbox";

/// The fact of a recipient that tells which file its mail goes to, in place of a mailbox.
pub(crate) const FILE: &str = "file";

/// The fact of a recipient that tells which command gets its mail, in place of a mailbox.
pub(crate) const COMMAND: &str = "command";

/// The fact of a recipient that tells the extension of its address, without the delimiter; known where a command gets its mail.
pub(crate) const EXTENSION: &str = "extension";

/// The fact of a recipient that tells the owner of the list that it came by: he takes the place of the sender.
pub(crate) const OWNER: &str = "owner";

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::UnixTime;

    #[test]
    fn r46_the_fields_stand_in_their_order() {
        let mut envelope = Envelope::new("", UnixTime(0)).to("postmaster@example.test").to("a@example.test");
        envelope.recipients[0].facts.push((ORIGINAL_RECIPIENT.into(), "postmaster".into()));
        assert_eq!(
            header(&envelope, &envelope.recipients[0]),
            "Return-Path: <>\r\nX-Original-To: postmaster\r\nDelivered-To: postmaster@example.test\r\n"
        );
        envelope.reverse_path = "s@x.test".into();
        assert_eq!(
            header(&envelope, &envelope.recipients[1]),
            "Return-Path: <s@x.test>\r\nX-Original-To: a@example.test\r\nDelivered-To: a@example.test\r\n"
        );
        envelope.recipients[1].facts.push((OWNER.into(), "owner-list@example.test".into()));
        assert!(
            header(&envelope, &envelope.recipients[1])
                .starts_with("Return-Path: <owner-list@example.test>\r\n")
        );
    }
}
