//! STORE, COPY, UID EXPUNGE, and what they are made of: sets and flags.
//!
//! RFC 3501 §6.4.6 and §6.4.7, RFC 4315 §2.1.

use super::cursor::Cursor;
use super::{Fault, Limits, bad, mailbox, over_limit};
use crate::types::{CommandBody, StoreAction, is_atom_char};
use mail_message::{Flag, FlagFault, FlagSet, SequenceSet, SetFault};

/// `STORE`.
pub(super) fn store(c: &mut Cursor<'_>, uid: bool, limits: &Limits) -> Result<CommandBody, Fault> {
    let set = sequence_set(c, limits)?;
    c.space()?;
    let action = match (c.eat(b'+'), c.eat(b'-')) {
        (false, false) => StoreAction::Replace,
        (true, false) => StoreAction::Add,
        (false, true) => StoreAction::Remove,
        (true, true) => return Err(bad("Expected FLAGS")),
    };
    let silent = match c.word().as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(bad("Expected FLAGS")),
    };
    c.space()?;
    let flags = if c.peek() == Some(b'(') { flag_list(c, limits)? } else { flags(c, limits)? };
    Ok(CommandBody::Store { uid, set, action, silent, flags })
}

/// `COPY`.
pub(super) fn copy(c: &mut Cursor<'_>, uid: bool, limits: &Limits) -> Result<CommandBody, Fault> {
    let set = sequence_set(c, limits)?;
    let to = mailbox::argument(c)?;
    Ok(CommandBody::Copy { uid, set, to })
}

/// `UID EXPUNGE`.
pub(super) fn uid_expunge(c: &mut Cursor<'_>, limits: &Limits) -> Result<CommandBody, Fault> {
    sequence_set(c, limits).map(|set| CommandBody::Expunge { uids: Some(set) })
}

/// `SP sequence-set`.
pub(super) fn sequence_set(c: &mut Cursor<'_>, limits: &Limits) -> Result<SequenceSet, Fault> {
    c.space()?;
    set_here(c, limits)
}

/// `sequence-set`.
pub(super) fn set_here(c: &mut Cursor<'_>, limits: &Limits) -> Result<SequenceSet, Fault> {
    let text = c.take_while(|octet| octet.is_ascii_digit() || matches!(octet, b'*' | b':' | b','));
    SequenceSet::parse(&text, limits.set_ranges_max).map_err(|fault| match fault {
        SetFault::TooManyRanges => over_limit("Too many ranges in a set"),
        _ => bad("Not a sequence set"),
    })
}

/// `"(" [flag *(SP flag)] ")"`.
pub(super) fn flag_list(c: &mut Cursor<'_>, limits: &Limits) -> Result<FlagSet, Fault> {
    c.expect(b'(', "Expected a list of flags")?;
    if c.eat(b')') {
        return Ok(FlagSet::new());
    }
    let flags = flags(c, limits)?;
    c.expect(b')', "Not a flag")?;
    Ok(flags)
}

/// `flag *(SP flag)`.
fn flags(c: &mut Cursor<'_>, limits: &Limits) -> Result<FlagSet, Fault> {
    let mut flags = FlagSet::new();
    let mut count = 0;
    loop {
        if count == limits.flags_max {
            return Err(over_limit("Too many flags"));
        }
        count += 1;
        flags.insert(flag(c)?);
        if !c.eat(b' ') {
            return Ok(flags);
        }
    }
}

fn flag(c: &mut Cursor<'_>) -> Result<Flag, Fault> {
    let text = c.take_while(|octet| is_atom_char(octet) || octet == b'\\');
    let text = core::str::from_utf8(&text).unwrap_or_default();
    text.parse().map_err(|fault| match fault {
        FlagFault::Recent => bad("\\Recent cannot be set"),
        FlagFault::UnknownSystemFlag => bad("Unknown system flag"),
        FlagFault::TooLong => over_limit("Keyword too long"),
        _ => bad("Not a flag"),
    })
}
