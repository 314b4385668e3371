//! AUTHENTICATE, LOGIN and ID.
//!
//! RFC 3501 §6.2.2 and §6.2.3, RFC 4959 (initial response), RFC 2971.
//!
//! # Limits
//! 30 pairs in an ID, a name of 30 octets, a value of 1,024 (RFC 2971 §3.3).

use super::cursor::Cursor;
use super::{Fault, bad};
use crate::framing::overwrite;
use crate::types::{AString, Atom, CommandBody};
use alloc::vec::Vec;
use proto_core::Secret;
use proto_core::sasl::line;

/// `"AUTHENTICATE" SP auth-type [SP (base64 / "=")]`.
pub(super) fn authenticate(c: &mut Cursor<'_>) -> Result<CommandBody, Fault> {
    c.space()?;
    let mechanism = Atom::new(&c.atom("Expected a mechanism")?).map_err(|_| bad("Expected a mechanism"))?;
    let mut initial_response = None;
    if c.eat(b' ') {
        let base64 = c.take_while(|octet| octet.is_ascii_alphanumeric() || b"+/=".contains(&octet));
        let response = line::decode_initial(&base64).map_err(|_| bad("Initial response is not base64"))?;
        initial_response = Some(response);
    }
    Ok(CommandBody::Authenticate { mechanism, initial_response })
}

/// `"LOGIN" SP userid SP password`.
pub(super) fn login(c: &mut Cursor<'_>) -> Result<CommandBody, Fault> {
    c.space()?;
    let user = c.astring()?;
    c.space()?;
    let written = c.astring()?;
    let password = Secret::from(written.as_bytes());
    // Where it had escapes it is a copy.
    overwrite(written.into_bytes());
    Ok(CommandBody::Login { user, password })
}

/// `"ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)`.
pub(super) fn id(c: &mut Cursor<'_>) -> Result<CommandBody, Fault> {
    c.space()?;
    let mut pairs = Vec::new();
    if !c.eat(b'(') {
        nil(c)?;
        return Ok(CommandBody::Id(pairs));
    }
    if c.eat(b')') {
        return Ok(CommandBody::Id(pairs));
    }
    loop {
        if pairs.len() == ID_PAIRS_MAX {
            return Err(bad("Too many pairs"));
        }
        let name = at_most(c.string()?, ID_NAME_BYTES_MAX)?;
        c.space()?;
        let value = match c.peek() {
            Some(b'N' | b'n') => nil(c).map(|()| None)?,
            _ => Some(at_most(c.string()?, ID_VALUE_BYTES_MAX)?),
        };
        pairs.push((name, value));
        if c.eat(b')') {
            return Ok(CommandBody::Id(pairs));
        }
        c.space()?;
    }
}

fn nil(c: &mut Cursor<'_>) -> Result<(), Fault> {
    if c.word().as_str() == "NIL" { Ok(()) } else { Err(bad("Expected NIL or a list")) }
}

fn at_most(string: AString, octets_max: usize) -> Result<AString, Fault> {
    if string.as_bytes().len() <= octets_max { Ok(string) } else { Err(bad("String too long")) }
}

const ID_PAIRS_MAX: usize = 30;
const ID_NAME_BYTES_MAX: usize = 30;
const ID_VALUE_BYTES_MAX: usize = 1024;
