//! Commands on mailboxes as a whole.
//!
//! RFC 3501 §6.3. Names come out of modified UTF-7; one that cannot be a mailbox's is `NO [CANNOT]` (RFC 5530 §3),
//! since the syntax is right.

use super::cursor::Cursor;
use super::{Fault, bad};
use crate::types::{
    CommandBody, DELIMITER, ListPattern, MailboxName, NameFault, ResponseCode, StatusItem, StatusResponse,
    is_list_char,
};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mail_message::mutf7;

/// `SP mailbox`.
pub(super) fn argument(c: &mut Cursor<'_>) -> Result<MailboxName, Fault> {
    name(c)?.map_err(cannot)
}

/// `SP mailbox`, the name to be judged by the command.
pub(super) fn name(c: &mut Cursor<'_>) -> Result<Result<MailboxName, NameFault>, Fault> {
    c.space()?;
    let name = c.astring()?;
    Ok(mutf7::decode(name.as_bytes()).map_err(NameFault::from).and_then(|text| MailboxName::new(&text)))
}

/// `CREATE`: one separator at the end promises children and is no part of the name (§6.3.3).
pub(super) fn create(c: &mut Cursor<'_>) -> Result<CommandBody, Fault> {
    let text = name_text(c)?;
    let name = MailboxName::new(text.strip_suffix(DELIMITER).unwrap_or(&text)).map_err(cannot)?;
    Ok(CommandBody::Create(name))
}

/// `RENAME`.
pub(super) fn rename(c: &mut Cursor<'_>) -> Result<CommandBody, Fault> {
    let from = argument(c)?;
    let to = argument(c)?;
    Ok(CommandBody::Rename { from, to })
}

/// `SP mailbox SP list-mailbox`: what LIST and LSUB have.
pub(super) fn pattern(c: &mut Cursor<'_>) -> Result<ListPattern, Fault> {
    let reference = name_text(c)?;
    c.space()?;
    let pattern = c.string_or(is_list_char)?;
    let pattern = mutf7::decode(pattern.as_bytes()).map_err(|fault| cannot(fault.into()))?;
    ListPattern::new(&reference, &pattern).map_err(cannot)
}

/// `STATUS`.
pub(super) fn status(c: &mut Cursor<'_>) -> Result<CommandBody, Fault> {
    let mailbox = argument(c)?;
    c.space()?;
    c.expect(b'(', "Expected a list of items")?;
    let mut items: Vec<StatusItem> = Vec::new();
    loop {
        let word = c.word();
        let item = StatusItem::ALL.into_iter().find(|item| item.as_str() == word.as_str());
        let item = item.ok_or_else(|| bad("Unknown status item"))?;
        if !items.contains(&item) {
            items.push(item);
        }
        if c.eat(b')') {
            return Ok(CommandBody::Status { mailbox, items });
        }
        c.space()?;
    }
}

/// `SP astring` out of modified UTF-7.
fn name_text(c: &mut Cursor<'_>) -> Result<String, Fault> {
    c.space()?;
    let name = c.astring()?;
    mutf7::decode(name.as_bytes()).map_err(|fault| cannot(fault.into()))
}

fn cannot(fault: NameFault) -> Fault {
    Fault::Answer(StatusResponse::no(fault.to_string()).with_code(ResponseCode::Cannot))
}
