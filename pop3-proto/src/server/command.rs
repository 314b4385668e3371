//! Commands: how a line is read, where each is legal, and who carries it out.
//!
//! RFC 1939 section 3, RFC 2449 section 3. Keywords are read in any case.
//!
//! # Departures
//! With [`Syntax::Lenient`] more spaces than one may stand before and after arguments.

use super::config::Syntax;
use super::reply::{self, Refusal};
use super::session::Server;
use super::transaction::Listing;
use proto_core::Now;

/// A command's keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Auth,
    Capa,
    Dele,
    List,
    Noop,
    Pass,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
}

impl Verb {
    fn from_keyword(keyword: &[u8]) -> Option<Self> {
        const KEYWORDS: [(&[u8], Verb); 14] = [
            (b"AUTH", Verb::Auth),
            (b"CAPA", Verb::Capa),
            (b"DELE", Verb::Dele),
            (b"LIST", Verb::List),
            (b"NOOP", Verb::Noop),
            (b"PASS", Verb::Pass),
            (b"QUIT", Verb::Quit),
            (b"RETR", Verb::Retr),
            (b"RSET", Verb::Rset),
            (b"STAT", Verb::Stat),
            (b"STLS", Verb::Stls),
            (b"TOP", Verb::Top),
            (b"UIDL", Verb::Uidl),
            (b"USER", Verb::User),
        ];
        KEYWORDS.iter().find(|(name, _)| keyword.eq_ignore_ascii_case(name)).map(|(_, verb)| *verb)
    }

    /// Whether the command is legal before login, and after it.
    fn is_legal(self, logged_in: bool) -> bool {
        match self {
            Self::Capa | Self::Quit => true,
            Self::Auth | Self::Pass | Self::Stls | Self::User => !logged_in,
            Self::Dele
            | Self::List
            | Self::Noop
            | Self::Retr
            | Self::Rset
            | Self::Stat
            | Self::Top
            | Self::Uidl => logged_in,
        }
    }
}

/// The arguments of one command; none has more than two.
struct Arguments<'a> {
    items: [&'a [u8]; 2],
    count: usize,
}

impl<'a> Arguments<'a> {
    /// Splits what follows the keyword's space; `None` when it is malformed.
    fn split(rest: Option<&'a [u8]>, syntax: Syntax) -> Option<Self> {
        let mut arguments = Self { items: [b""; 2], count: 0 };
        let Some(rest) = rest else { return Some(arguments) };
        for item in rest.split(|octet| *octet == b' ') {
            if item.is_empty() && syntax == Syntax::Lenient {
                continue;
            }
            if item.is_empty() || arguments.count == arguments.items.len() {
                return None;
            }
            arguments.items[arguments.count] = item;
            arguments.count += 1;
        }
        Some(arguments)
    }

    fn as_slice(&self) -> &[&'a [u8]] {
        &self.items[..self.count]
    }
}

impl Server {
    /// Carries out one command line.
    pub(super) fn command(&mut self, now: Now, line: &[u8]) {
        let (keyword, rest) = match memchr::memchr(b' ', line) {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        let Some(verb) = Verb::from_keyword(keyword) else {
            return self.bad_command(&reply::UNKNOWN);
        };
        if !verb.is_legal(self.maildrop.is_some()) {
            return self.bad_command(&reply::NOT_NOW);
        }
        if verb == Verb::Pass {
            return self.pass(now, rest);
        }
        let Some(arguments) = Arguments::split(rest, self.config.syntax) else {
            return self.bad_command(&reply::BAD_ARGUMENTS);
        };
        match (verb, arguments.as_slice()) {
            (Verb::Auth, []) => self.auth_list(),
            (Verb::Auth, [mechanism]) => self.auth(now, mechanism, None),
            (Verb::Auth, [mechanism, initial]) => self.auth(now, mechanism, Some(initial)),
            (Verb::Capa, []) => self.capa(),
            (Verb::Dele, [number]) => self.dele(number),
            (Verb::List, []) => self.start_listing(now, Listing::sizes()),
            (Verb::List, [number]) => self.list_one(number),
            (Verb::Noop, []) => reply::write_ok(&mut self.output, format_args!("Nothing done")),
            (Verb::Quit, []) => self.quit(now),
            (Verb::Retr, [number]) => self.retr(now, number),
            (Verb::Rset, []) => self.rset(),
            (Verb::Stat, []) => self.stat(),
            (Verb::Stls, []) => self.stls(now),
            (Verb::Top, [number, lines]) => self.top(now, number, lines),
            (Verb::Uidl, []) => self.start_listing(now, Listing::ids()),
            (Verb::Uidl, [number]) => self.uidl_one(number),
            (Verb::User, [name]) => self.user(name),
            _ => self.bad_command(&reply::BAD_ARGUMENTS),
        }
    }

    /// Refuses what no well-made client sends. Each counts; the last ends the session.
    pub(super) fn bad_command(&mut self, refusal: &Refusal) {
        self.bad_commands = self.bad_commands.saturating_add(1);
        if self.bad_commands < self.config.limits.bad_commands_max {
            refusal.write(&mut self.output);
        } else {
            reply::TOO_MANY.write(&mut self.output);
            self.close(proto_core::CloseReason::Protocol("too many bad commands".into()));
        }
    }
}

/// A decimal number (RFC 1939 section 4). Leading zeros mean nothing; what is too large to be true is the largest
/// there is. `None` for anything else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))),
    )
}
