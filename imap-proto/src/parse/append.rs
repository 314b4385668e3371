//! APPEND, up to its message.
//!
//! RFC 3501 §6.3.11.

use super::cursor::Cursor;
use super::{Fault, Limits, bad, date, mailbox, store};
use crate::types::{Append, CommandBody};
use alloc::boxed::Box;
use mail_message::FlagSet;

/// `append`. It never comes to an end: where the message must stand, the fault says so.
pub(super) fn append(c: &mut Cursor<'_>, limits: &Limits) -> Result<CommandBody, Fault> {
    let mailbox = mailbox::argument(c)?;
    c.space()?;
    let mut flags = FlagSet::new();
    if c.peek() == Some(b'(') {
        flags = store::flag_list(c, limits)?;
        c.space()?;
    }
    let mut date = None;
    if c.peek() == Some(b'"') {
        date = Some(date::date_time(c)?);
        c.space()?;
    }
    if c.is_before_literal() {
        return Err(Fault::MessageHere(Box::new(Append { mailbox, flags, date })));
    }
    Err(bad("Expected a literal"))
}
