//! What a mailbox that is indexed tells without its messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail_message::{FlagSet, Uid};
use mailstore::{Mailbox, Meta, Summary};

/// A message with parts, but for its last octets.
pub const NESTED: &[u8] = b"From: a@b\r\nSubject: parts\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
    --x\r\n\r\none\r\n--x\r\nContent-Type: image/png\r\n\r\n...\r\n--x--";

/// All that a mailbox tells without its messages being read.
pub type Answers = BTreeMap<Uid, (FlagSet, Meta, bool, Arc<Summary>)>;

pub fn answers(mailbox: &mut dyn Mailbox) -> Answers {
    let entries = mailbox.entries().to_vec();
    let each = entries.into_iter().map(|entry| {
        // First, since a size in a name is believed until a message is read.
        let summary = mailbox.summary(entry.uid).unwrap();
        let meta = mailbox.meta(entry.uid).unwrap();
        (entry.uid, (entry.flags, meta, mailbox.is_terminated(entry.uid).unwrap(), summary))
    });
    each.collect()
}
