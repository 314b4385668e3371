//! Address lists: RFC 5322 §3.4, with the obsolete forms of §4.4 and whatever else stands in real headers.
//!
//! Encoded words stay encoded, comments go (a comment is the name when there is no other, RFC 822's custom).
//! The parser never fails: what it cannot read becomes an address whose parts hold the text.
//!
//! # Departures
//! * An address without a domain gets the host `""`, because an absent host (NIL) means a group to every IMAP
//!   client (RFC 3501 §7.4.2). An empty local part is `""` for the same reason.
//! * Words before an address without angle brackets (`John Doe john@a.test`) are taken for its name.
//! * With several `@`, the domain is what follows the last one.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::envelope::Address;

/// Reads the unfolded value of an address field, of which at most `addresses_max` elements are taken (a group's
/// start counts as one; its end is always given and counts as none).
///
/// ```
/// use mail_message::header::parse_addresses;
///
/// let list = parse_addresses(b"\"Doe, J.\" <@a,@b:j@c.test>, friends: k@c.test;", 100);
/// assert_eq!(list[0].name.as_deref(), Some(&b"Doe, J."[..]));
/// assert_eq!(list[0].adl.as_deref(), Some(&b"@a,@b"[..]));
/// assert_eq!(list[0].host.as_deref(), Some(&b"c.test"[..]));
/// assert!(list[1].is_group_start() && list[3].is_group_end());
/// ```
pub fn parse_addresses(value: &[u8], addresses_max: usize) -> Vec<Address> {
    let mut parser = Parser { rest: value, comment: None };
    let mut list = Vec::new();
    let mut taken = 0;
    let mut in_group = false;
    while taken < addresses_max {
        parser.comment = None;
        parser.skip_blanks();
        match parser.rest.first() {
            None => break,
            Some(b',') => parser.bump(),
            Some(b';') => {
                parser.bump();
                if in_group {
                    list.push(Address::GROUP_END);
                    in_group = false;
                }
            }
            Some(_) => {
                let words = parser.words(in_group);
                taken += 1;
                if !in_group && parser.rest.first() == Some(&b':') {
                    parser.bump();
                    list.push(Address::group_start(join(&words)));
                    in_group = true;
                } else {
                    list.push(parser.address(&words));
                }
            }
        }
    }
    if in_group {
        list.push(Address::GROUP_END);
    }
    list
}

/// An atom, a quoted string without its quotes, or a stray octet; and whether blanks stood before it.
struct Word {
    text: Vec<u8>,
    spaced: bool,
}

struct Parser<'a> {
    rest: &'a [u8],
    /// The last comment since the element began.
    comment: Option<Vec<u8>>,
}

impl Parser<'_> {
    fn bump(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// Skips white space and comments; true if there was any.
    fn skip_blanks(&mut self) -> bool {
        let before = self.rest.len();
        loop {
            match self.rest.first() {
                Some(octet) if octet.is_ascii_whitespace() => self.bump(),
                Some(b'(') => self.comment = Some(self.delimited(b'(', b')')),
                _ => return self.rest.len() < before,
            }
        }
    }

    /// Reads from `open` to its `close` (quoted string, domain literal, nested comment) without the outer pair
    /// and without the backslashes of quoted pairs. The end of the octets closes everything.
    fn delimited(&mut self, open: u8, close: u8) -> Vec<u8> {
        self.bump();
        let mut text = Vec::new();
        let mut depth = 1;
        while let Some(&octet) = self.rest.first() {
            self.bump();
            match octet {
                b'\\' => {
                    text.extend(self.rest.first());
                    self.bump();
                    continue;
                }
                octet if octet == close => depth -= 1,
                octet if octet == open => depth += 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            text.push(octet);
        }
        text
    }

    /// The words up to what ends a phrase or a local part: `<`, `@`, `,`, `;`, and `:` outside groups.
    fn words(&mut self, in_group: bool) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            let spaced = self.skip_blanks();
            let text = match self.rest.first() {
                None | Some(b'<' | b'@' | b',' | b';') => return words,
                Some(b':') if !in_group => return words,
                Some(b'"') => self.delimited(b'"', b'"'),
                Some(_) => self.atom(),
            };
            words.push(Word { text, spaced });
        }
    }

    /// One octet, whatever it is, and then as far as an atom with dots goes.
    fn atom(&mut self) -> Vec<u8> {
        let ends = |octet: &u8| octet.is_ascii_whitespace() || b"<>@,;:\"()".contains(octet);
        let len = 1 + self.rest.iter().skip(1).take_while(|octet| !ends(octet)).count();
        let (atom, rest) = self.rest.split_at(len);
        self.rest = rest;
        atom.to_vec()
    }

    /// The address that begins with `words`; reads up to the comma or semicolon behind it.
    fn address(&mut self, words: &[Word]) -> Address {
        let mut address = Address { adl: None, ..Address::GROUP_END };
        if self.rest.first() == Some(&b'<') {
            self.bump();
            self.comment = None;
            address.name = (!words.is_empty()).then(|| join(words));
            self.angle(&mut address);
        } else {
            let split = if self.rest.first() == Some(&b'@') { local_part_start(words) } else { 0 };
            self.local_and_domain(&words[split..], &mut address);
            address.name = (split > 0).then(|| join(&words[..split]));
        }
        // What stands behind an address and before the comma can only be a comment or a mistake.
        while !matches!(self.rest.first(), None | Some(b',' | b';')) {
            if !self.skip_blanks() {
                match self.rest.first() {
                    Some(b'"') => drop(self.delimited(b'"', b'"')),
                    _ => self.bump(),
                }
            }
        }
        if address.name.is_none() {
            let comment = self.comment.take().filter(|comment| !comment.trim_ascii().is_empty());
            address.name = comment.map(|comment| Bytes::copy_from_slice(comment.trim_ascii()));
        }
        address
    }

    /// What stands between `<` and `>`.
    fn angle(&mut self, address: &mut Address) {
        self.skip_blanks();
        if self.rest.first() == Some(&b'@') {
            // No route reaches beyond the next `<`: looking further would make a list of `<@,` quadratic.
            let ends = |octet: &u8| matches!(octet, b':' | b'>' | b'<' | b';');
            let end = self.rest.iter().position(ends);
            if let Some(end) = end.filter(|&end| self.rest[end] == b':') {
                let route: Vec<u8> =
                    self.rest[..end].iter().copied().filter(|o| !o.is_ascii_whitespace()).collect();
                address.adl = Some(Bytes::from(route));
                self.rest = &self.rest[end + 1..];
            }
        }
        let words = self.angle_words();
        self.local_and_domain(&words, address);
    }

    /// The words of a local part inside angle brackets.
    fn angle_words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            let spaced = self.skip_blanks();
            let text = match self.rest.first() {
                None | Some(b'>' | b'@' | b',' | b';') => return words,
                Some(b'"') => self.delimited(b'"', b'"'),
                Some(_) => self.atom(),
            };
            words.push(Word { text, spaced });
        }
    }

    /// Sets mailbox and host from the words before `@` and the domain behind it.
    fn local_and_domain(&mut self, words: &[Word], address: &mut Address) {
        let mut mailbox: Vec<u8> = words.iter().flat_map(|word| &word.text).copied().collect();
        if self.rest.first() != Some(&b'@') {
            // No domain: the text as it reads, spaces and all, says more than one glued together.
            address.mailbox = Some(join(words));
            address.host = Some(Bytes::new());
            return;
        }
        self.bump();
        let mut host = self.domain();
        while self.rest.first() == Some(&b'@') {
            self.bump();
            mailbox.push(b'@');
            mailbox.append(&mut host);
            host = self.domain();
        }
        address.mailbox = Some(Bytes::from(mailbox));
        address.host = Some(Bytes::from(host));
    }

    /// A domain or a domain literal, without the blanks in it (RFC 5322 §4.4).
    fn domain(&mut self) -> Vec<u8> {
        let mut host = Vec::new();
        loop {
            let spaced = self.skip_blanks();
            match self.rest.first() {
                None | Some(b',' | b';' | b'>' | b'<' | b'@') => return host,
                Some(b'[') => {
                    host.push(b'[');
                    host.append(&mut self.delimited(b'[', b']'));
                    host.push(b']');
                }
                // A word behind a blank is part of the domain only around a dot.
                Some(&octet) if spaced && !host.is_empty() && octet != b'.' && !host.ends_with(b".") => {
                    return host;
                }
                Some(&octet) => {
                    host.push(octet);
                    self.bump();
                }
            }
        }
    }
}

/// Where in `words` the local part begins: it reaches back over dots and over words without a blank between.
fn local_part_start(words: &[Word]) -> usize {
    let mut start = words.len().saturating_sub(1);
    while start > 0 {
        let (before, word) = (&words[start - 1], &words[start]);
        if word.spaced && !word.text.starts_with(b".") && !before.text.ends_with(b".") {
            break;
        }
        start -= 1;
    }
    start
}

/// The words as they read: one space where there were blanks.
fn join(words: &[Word]) -> Bytes {
    let mut text = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 && word.spaced {
            text.push(b' ');
        }
        text.extend_from_slice(&word.text);
    }
    Bytes::from(text)
}
