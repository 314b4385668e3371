//! SEARCH.
//!
//! RFC 3501 §6.4.4. The tree is built with a stack of what is open, not by recursion.
//!
//! # Departures
//! Without CHARSET, text is taken as UTF-8, of which US-ASCII is a part.

use super::cursor::{Cursor, Word};
use super::{Fault, Limits, bad, date, over_limit, store};
use crate::types::{Atom, CommandBody, ResponseCode, SearchKey, StatusResponse};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use mail_message::{Flag, Keyword};

/// `SEARCH`.
pub(super) fn search(c: &mut Cursor<'_>, uid: bool, limits: &Limits) -> Result<CommandBody, Fault> {
    c.space()?;
    let mut first = key_word(c);
    if first.as_ref().is_some_and(|word| word.as_str() == "CHARSET") {
        charset(c)?;
        c.space()?;
        first = key_word(c);
    }
    Ok(CommandBody::Search { uid, key: keys(c, first, limits)? })
}

/// `SP astring`: one that we know.
fn charset(c: &mut Cursor<'_>) -> Result<(), Fault> {
    c.space()?;
    let charset = c.astring()?;
    if CHARSETS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(charset.as_bytes())) {
        return Ok(());
    }
    let known = CHARSETS.iter().filter_map(|known| Atom::new(known.as_bytes()).ok()).collect();
    Err(Fault::Answer(StatusResponse::no("Unknown charset").with_code(ResponseCode::BadCharset(known))))
}

/// What has begun and waits for keys.
enum Open {
    /// Keys side by side; in parentheses, unless it is the outermost.
    List(Vec<SearchKey>),
    Not,
    Or(Option<SearchKey>),
}

/// `search-key *(SP search-key)`, up to the end. The word of the first key, if it begins with one, has been read.
fn keys(c: &mut Cursor<'_>, first: Option<Word>, limits: &Limits) -> Result<SearchKey, Fault> {
    let mut open = vec![Open::List(Vec::new())];
    let mut word = first;
    let mut count = 0;
    loop {
        if open.len() > limits.nesting_max + 1 {
            return Err(bad("Search keys are nested too deep"));
        }
        if count == limits.search_keys_max {
            return Err(over_limit("Too many search keys"));
        }
        match word.as_ref().map(Word::as_str) {
            None if c.eat(b'(') => open.push(Open::List(Vec::new())),
            Some("NOT") => {
                c.space()?;
                open.push(Open::Not);
            }
            Some("OR") => {
                c.space()?;
                open.push(Open::Or(None));
            }
            other => {
                let key = match other {
                    Some(word) => worded_key(c, word, limits)?,
                    None => SearchKey::Sequence(store::set_here(c, limits)?),
                };
                count += 1;
                if let Some(whole) = close(c, &mut open, key)? {
                    return Ok(whole);
                }
            }
        }
        word = key_word(c);
    }
}

/// Puts a finished key where it belongs, which may finish others. `Some`: the outermost list is complete.
fn close(c: &mut Cursor<'_>, open: &mut Vec<Open>, mut key: SearchKey) -> Result<Option<SearchKey>, Fault> {
    loop {
        let outermost = open.len() == 1;
        match open.last_mut() {
            Some(Open::List(keys)) => {
                keys.push(key);
                if c.eat(b' ') {
                    return Ok(None);
                }
                if !outermost {
                    c.expect(b')', "Expected a space or a parenthesis")?;
                }
                key = all_of(core::mem::take(keys));
            }
            Some(Open::Not) => key = SearchKey::Not(Box::new(key)),
            Some(Open::Or(first)) => match first.take() {
                Some(first) => key = SearchKey::Or(Box::new((first, key))),
                None => {
                    *first = Some(key);
                    return c.space().map(|()| None);
                }
            },
            None => return Ok(Some(key)),
        }
        open.pop();
    }
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        Some(last) => {
            keys.push(last);
            SearchKey::And(keys)
        }
        None => SearchKey::All,
    }
}

/// The word of a key that is neither a set nor in parentheses.
fn key_word(c: &mut Cursor<'_>) -> Option<Word> {
    match c.peek() {
        Some(b'0'..=b'9' | b'*' | b'(') => None,
        _ => Some(c.word()),
    }
}

fn worded_key(c: &mut Cursor<'_>, word: &str, limits: &Limits) -> Result<SearchKey, Fault> {
    Ok(match word {
        "ALL" => SearchKey::All,
        "ANSWERED" => SearchKey::Flag(Flag::Answered),
        "DELETED" => SearchKey::Flag(Flag::Deleted),
        "DRAFT" => SearchKey::Flag(Flag::Draft),
        "FLAGGED" => SearchKey::Flag(Flag::Flagged),
        "SEEN" => SearchKey::Flag(Flag::Seen),
        "UNANSWERED" => SearchKey::Unflag(Flag::Answered),
        "UNDELETED" => SearchKey::Unflag(Flag::Deleted),
        "UNDRAFT" => SearchKey::Unflag(Flag::Draft),
        "UNFLAGGED" => SearchKey::Unflag(Flag::Flagged),
        "UNSEEN" => SearchKey::Unflag(Flag::Seen),
        "KEYWORD" => SearchKey::Flag(keyword(c)?),
        "UNKEYWORD" => SearchKey::Unflag(keyword(c)?),
        "NEW" => SearchKey::New,
        "OLD" => SearchKey::Old,
        "RECENT" => SearchKey::Recent,
        "UID" => SearchKey::Uid(store::sequence_set(c, limits)?),
        "BCC" => SearchKey::Bcc(text(c)?),
        "CC" => SearchKey::Cc(text(c)?),
        "FROM" => SearchKey::From(text(c)?),
        "TO" => SearchKey::To(text(c)?),
        "SUBJECT" => SearchKey::Subject(text(c)?),
        "HEADER" => SearchKey::Header(text(c)?, text(c)?),
        "BODY" => SearchKey::Body(text(c)?),
        "TEXT" => SearchKey::Text(text(c)?),
        "BEFORE" => SearchKey::Before(c.space().and_then(|()| date::date(c))?),
        "ON" => SearchKey::On(c.space().and_then(|()| date::date(c))?),
        "SINCE" => SearchKey::Since(c.space().and_then(|()| date::date(c))?),
        "SENTBEFORE" => SearchKey::SentBefore(c.space().and_then(|()| date::date(c))?),
        "SENTON" => SearchKey::SentOn(c.space().and_then(|()| date::date(c))?),
        "SENTSINCE" => SearchKey::SentSince(c.space().and_then(|()| date::date(c))?),
        "LARGER" => SearchKey::Larger(size(c)?),
        "SMALLER" => SearchKey::Smaller(size(c)?),
        _ => return Err(bad("Unknown search key")),
    })
}

/// `SP astring` in the charset.
fn text(c: &mut Cursor<'_>) -> Result<Box<str>, Fault> {
    c.space()?;
    let text = c.astring()?;
    text.to_str().map(Box::from).ok_or_else(|| bad("Text is not in the charset"))
}

fn keyword(c: &mut Cursor<'_>) -> Result<Flag, Fault> {
    c.space()?;
    let atom = c.atom("Expected a keyword")?;
    let text = core::str::from_utf8(&atom).unwrap_or_default();
    Keyword::new(text).map(Flag::Keyword).map_err(|_| bad("Not a keyword"))
}

fn size(c: &mut Cursor<'_>) -> Result<u64, Fault> {
    c.space()?;
    c.number("Expected a number")
}

/// The charsets that every server must know.
const CHARSETS: [&str; 2] = ["US-ASCII", "UTF-8"];
