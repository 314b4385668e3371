//! Reads the commands of a client out of complete frames.
//!
//! RFC 3501 §6 and §9, one file a group of commands. The grammar is read to the letter: one space is one space, and
//! what a rule does not allow is BAD. What is right by the grammar and yet cannot be, a mailbox name or a charset, is
//! NO with a code. A literal may stand wherever a string may.
//!
//! # Limits
//! [`Limits`]. Nothing recurses; the work is linear in the length of the frame.
//!
//! # Departures
//! Only commands of the extensions named in [`CommandBody`] are known, so an option of another, such as
//! `SEARCH RETURN`, is BAD.

mod append;
mod auth;
mod cursor;
mod date;
mod fetch;
mod mailbox;
mod search;
mod store;
#[cfg(test)]
mod tests;

use crate::framing::{Fragment, Frame};
use crate::types::{Append, Command, CommandBody, ResponseCode, StatusResponse, Tag, is_astring_char};
use alloc::boxed::Box;
use cursor::Cursor;

/// What the grammar leaves open and a command may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Parentheses, NOT and OR within each other in SEARCH. Over it: BAD.
    pub nesting_max: usize,
    /// Items of one FETCH. Over it: `NO [LIMIT]`.
    pub fetch_items_max: usize,
    /// Keys of one SEARCH. Over it: `NO [LIMIT]`.
    pub search_keys_max: usize,
    /// Ranges of one set. Over it: `NO [LIMIT]`.
    pub set_ranges_max: usize,
    /// Flags of one STORE or APPEND. Over it: `NO [LIMIT]`.
    pub flags_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nesting_max: 32,
            fetch_items_max: 256,
            search_keys_max: 1024,
            set_ranges_max: 10_000,
            flags_max: 256,
        }
    }
}

/// A command that cannot be taken, and what its client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its tag; without one the answer is untagged.
    pub tag: Option<Tag>,
    /// BAD or NO.
    pub answer: StatusResponse,
}

/// What a literal is that was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiteralUse {
    /// An argument: to be collected.
    Argument,
    /// The message of an APPEND: to be streamed. [`append_end`] then looks at the rest of the command.
    Message {
        /// The tag of the APPEND.
        tag: Tag,
        /// What stands before the message.
        append: Append,
    },
}

/// Reads a complete command. An APPEND is not read here, since its message makes it complete: it is what
/// [`literal`] found before, and what arrives here lacks the message and is BAD.
///
/// # Errors
/// [`Refused`]: what to answer, whatever the frame holds.
pub fn command(frame: &Frame, limits: &Limits) -> Result<Command, Refused> {
    let (tag, body) = read(frame.fragments(), false, limits)?;
    match body {
        Ok(body) => Ok(Command { tag, body }),
        Err(Fault::Answer(answer)) => Err(Refused { tag: Some(tag), answer }),
        Err(Fault::LiteralHere | Fault::MessageHere(_)) => {
            Err(Refused { tag: Some(tag), answer: StatusResponse::bad("Missing argument") })
        }
    }
}

/// Looks at the beginning of a command, up to a literal that was announced: what is the literal for?
///
/// # Errors
/// [`Refused`] when the command is wrong already, or no literal may stand there.
pub fn literal(fragments: &[Fragment], limits: &Limits) -> Result<LiteralUse, Refused> {
    let (tag, body) = read(fragments, true, limits)?;
    match body {
        Err(Fault::LiteralHere) => Ok(LiteralUse::Argument),
        Err(Fault::MessageHere(append)) => Ok(LiteralUse::Message { tag, append: *append }),
        Err(Fault::Answer(answer)) => Err(Refused { tag: Some(tag), answer }),
        Ok(_) => Err(Refused { tag: Some(tag), answer: StatusResponse::bad("Unexpected literal") }),
    }
}

/// Looks at an APPEND whose message was streamed: nothing may follow it.
///
/// # Errors
/// [`Refused`] when something does.
pub fn append_end(frame: &Frame) -> Result<(), Refused> {
    match frame.fragments() {
        [.., Fragment::Streamed, Fragment::Line(line)] if line.is_empty() => Ok(()),
        _ => Err(Refused { tag: frame.tag(), answer: StatusResponse::bad("Unexpected argument") }),
    }
}

/// Why a rule of the grammar did not come to its end.
#[derive(Debug)]
enum Fault {
    /// It cannot: this is the answer.
    Answer(StatusResponse),
    /// It can go on with the literal that was announced.
    LiteralHere,
    /// It can go on with the message of an APPEND that was announced.
    MessageHere(Box<Append>),
}

/// BAD, and why.
fn bad(text: &'static str) -> Fault {
    Fault::Answer(StatusResponse::bad(text))
}

/// `NO [LIMIT]`, and why.
fn over_limit(text: &'static str) -> Fault {
    Fault::Answer(StatusResponse::no(text).with_code(ResponseCode::Limit))
}

type Read = (Tag, Result<CommandBody, Fault>);

fn read(fragments: &[Fragment], announced: bool, limits: &Limits) -> Result<Read, Refused> {
    let mut cursor = Cursor::new(fragments, announced);
    let tag = cursor.take_while(|octet| is_astring_char(octet) && octet != b'+');
    let tag = match (Tag::new(&tag), cursor.peek()) {
        (Ok(tag), Some(b' ')) => tag,
        (Ok(tag), None) if !cursor.is_before_literal() => tag,
        _ => return Err(Refused { tag: None, answer: StatusResponse::bad("Expected a tag") }),
    };
    let body = body(&mut cursor, limits).and_then(|body| cursor.end().map(|()| body));
    Ok((tag, body))
}

fn body(c: &mut Cursor<'_>, limits: &Limits) -> Result<CommandBody, Fault> {
    c.expect(b' ', "Expected a command")?;
    match c.word().as_str() {
        "CAPABILITY" => Ok(CommandBody::Capability),
        "NOOP" => Ok(CommandBody::Noop),
        "LOGOUT" => Ok(CommandBody::Logout),
        "STARTTLS" => Ok(CommandBody::StartTls),
        "AUTHENTICATE" => auth::authenticate(c),
        "LOGIN" => auth::login(c),
        "ID" => auth::id(c),
        "SELECT" => mailbox::name(c).map(CommandBody::Select),
        "EXAMINE" => mailbox::name(c).map(CommandBody::Examine),
        "CREATE" => mailbox::create(c),
        "DELETE" => mailbox::argument(c).map(CommandBody::Delete),
        "RENAME" => mailbox::rename(c),
        "SUBSCRIBE" => mailbox::argument(c).map(CommandBody::Subscribe),
        "UNSUBSCRIBE" => mailbox::argument(c).map(CommandBody::Unsubscribe),
        "LIST" => mailbox::pattern(c).map(CommandBody::List),
        "LSUB" => mailbox::pattern(c).map(CommandBody::Lsub),
        "STATUS" => mailbox::status(c),
        "NAMESPACE" => Ok(CommandBody::Namespace),
        "APPEND" => append::append(c, limits),
        "IDLE" => Ok(CommandBody::Idle),
        "CHECK" => Ok(CommandBody::Check),
        "CLOSE" => Ok(CommandBody::Close),
        "UNSELECT" => Ok(CommandBody::Unselect),
        "EXPUNGE" => Ok(CommandBody::Expunge { uids: None }),
        "FETCH" => fetch::fetch(c, false, limits),
        "STORE" => store::store(c, false, limits),
        "COPY" => store::copy(c, false, limits),
        "SEARCH" => search::search(c, false, limits),
        "UID" => {
            c.space()?;
            match c.word().as_str() {
                "FETCH" => fetch::fetch(c, true, limits),
                "STORE" => store::store(c, true, limits),
                "COPY" => store::copy(c, true, limits),
                "SEARCH" => search::search(c, true, limits),
                "EXPUNGE" => store::uid_expunge(c, limits),
                _ => Err(bad("Unknown UID command")),
            }
        }
        _ => Err(bad("Unknown command")),
    }
}
