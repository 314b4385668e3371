//! [`Held`]: the beginning of a header line, held back until it is known whose the line is.
//!
//! A message is turned in pieces of any size, and whether a line is shown hangs on its name
//! ([`fields::judge`](super::fields::judge)); continuation lines share the fate of the field before them.
//!
//! # Limits
//! At most [`HEAD_BYTES_MAX`](super::fields::HEAD_BYTES_MAX) octets are held.

use super::fields::{self, Verdict};

/// What is held of the present line, and what became of the field before.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    head: Vec<u8>,
    is_hidden: bool,
}

/// What is known of a line now.
#[derive(Debug)]
pub(super) struct Judged {
    /// It is one of the mailbox's own: nothing of it is shown.
    pub(super) is_hidden: bool,
    /// What was held of it.
    pub(super) head: Vec<u8>,
}

impl Held {
    /// Takes octets of one line, until it is known whose it is; then with what is left of them.
    pub(super) fn take<'a>(&mut self, mut text: &'a [u8]) -> Option<(Judged, &'a [u8])> {
        while let [octet, rest @ ..] = text {
            self.head.push(*octet);
            text = rest;
            if let Some(judged) = self.judge(false) {
                return Some((judged, text));
            }
        }
        None
    }

    /// The line ends with what is held, which is not known yet.
    pub(super) fn end(&mut self) -> Judged {
        self.judge(true).expect("invariant: of a whole line is known whose it is")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Whether nothing is held but a CR that may belong to the line's end.
    pub(super) fn is_blank(&self) -> bool {
        matches!(&self.head[..], b"" | b"\r")
    }

    fn judge(&mut self, whole: bool) -> Option<Judged> {
        let text = self.head.strip_suffix(b"\r").filter(|_| whole).unwrap_or(&self.head);
        self.is_hidden = match fields::judge(text, whole) {
            Verdict::Unclear => return None,
            Verdict::Own(_) => true,
            Verdict::Message => false,
            Verdict::Continued => self.is_hidden,
        };
        Some(Judged { is_hidden: self.is_hidden, head: std::mem::take(&mut self.head) })
    }
}
