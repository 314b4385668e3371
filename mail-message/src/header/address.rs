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

use alloc::borrow::Cow;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;

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
    read_addresses(&Bytes::copy_from_slice(value), addresses_max)
}

/// As [`parse_addresses`]; what it gives shares the memory of `value` as far as it lies there in one piece.
pub(crate) fn read_addresses(value: &Bytes, addresses_max: usize) -> Vec<Address> {
    let mut list = Vec::new();
    read(value, addresses_max, |address, _| list.push(address));
    list
}

/// An address of a list, and where it lies; see [`locate_addresses`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedAddress {
    /// What it says.
    pub address: Address,
    /// Where its element begins: behind the comma, colon or semicolon before it, so with the white space before its
    /// name.
    pub element_start: usize,
    /// Where the address itself lies, a source route included: neither its name, nor angle brackets, nor the white
    /// space and comments around it. Empty where there is none (`<>`).
    pub range: Range<usize>,
}

/// The addresses of an address field and where they lie in its value, which may be folded; groups are passed over, and
/// their members are not.
///
/// Who puts one address in the place of another leaves everything else as it is.
///
/// ```
/// use mail_message::header::locate_addresses;
///
/// let value = b" \"Doe, J.\" <@a:j@b.test>,\r\n\tfriends: k@c.test (K);";
/// let located = locate_addresses(value, 100);
/// let text: Vec<_> = located.iter().map(|one| &value[one.range.clone()]).collect();
/// assert_eq!(text, [&b"@a:j@b.test"[..], b"k@c.test"]);
/// assert_eq!(&value[located[1].element_start..], b" k@c.test (K);");
/// ```
pub fn locate_addresses(value: &[u8], addresses_max: usize) -> Vec<LocatedAddress> {
    let mut list = Vec::new();
    read(&Bytes::copy_from_slice(value), addresses_max, |address, place| {
        if !(address.is_group_start() || address.is_group_end()) {
            let Place { element_start, range } = place;
            list.push(LocatedAddress { address, element_start, range });
        }
    });
    list
}

/// Where something of a list lies.
struct Place {
    element_start: usize,
    range: Range<usize>,
}

/// Reads a list: what is found is handed out in its order.
fn read(value: &Bytes, addresses_max: usize, mut found: impl FnMut(Address, Place)) {
    let mut parser = Parser { whole: value, rest: value, comment: None, end: 0 };
    let mut words = Vec::new();
    let mut taken = 0;
    let mut in_group = false;
    let nowhere = |at| Place { element_start: at, range: at..at };
    while taken < addresses_max {
        parser.comment = None;
        let element_start = parser.at();
        parser.skip_blanks();
        match parser.rest.first() {
            None => break,
            Some(b',') => parser.bump(),
            Some(b';') => {
                parser.bump();
                if in_group {
                    found(Address::GROUP_END, nowhere(element_start));
                    in_group = false;
                }
            }
            Some(_) => {
                parser.words(if in_group { IN_GROUP } else { PHRASE }, &mut words);
                taken += 1;
                if !in_group && parser.rest.first() == Some(&b':') {
                    parser.bump();
                    found(Address::group_start(parser.join(&words)), nowhere(element_start));
                    in_group = true;
                } else {
                    let (address, range) = parser.address(&mut words);
                    found(address, Place { element_start, range });
                }
            }
        }
    }
    if in_group {
        found(Address::GROUP_END, nowhere(parser.at()));
    }
}

/// An atom, a quoted string without its quotes, or a stray octet; and whether blanks stood before it.
struct Word<'a> {
    text: Cow<'a, [u8]>,
    spaced: bool,
    /// Where it lies, with its quotes.
    range: Range<usize>,
}

struct Parser<'a> {
    whole: &'a Bytes,
    rest: &'a [u8],
    /// The last comment since the element began.
    comment: Option<Cow<'a, [u8]>>,
    /// Where the last word of an address ends, or its domain.
    end: usize,
}

impl<'a> Parser<'a> {
    fn bump(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// Where the rest begins.
    fn at(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    fn share(&self, text: Cow<'_, [u8]>) -> Bytes {
        match text {
            Cow::Borrowed(text) => self.whole.slice_ref(text),
            Cow::Owned(text) => Bytes::from(text),
        }
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
    fn delimited(&mut self, open: u8, close: u8) -> Cow<'a, [u8]> {
        self.bump();
        let inside = self.rest;
        // Mostly there is nothing in it but text.
        let end = memchr::memchr3(b'\\', open, close, inside).unwrap_or(inside.len());
        if inside.get(end).is_none_or(|octet| *octet == close) {
            self.rest = inside.get(end + 1..).unwrap_or_default();
            return Cow::Borrowed(&inside[..end]);
        }
        let mut text = inside[..end].to_vec();
        self.rest = &inside[end..];
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
        Cow::Owned(text)
    }

    /// The words up to an octet of the class `ends`.
    fn words(&mut self, ends: u8, words: &mut Vec<Word<'a>>) {
        words.clear();
        loop {
            let spaced = self.skip_blanks();
            let start = self.at();
            let text = match self.rest.first() {
                None => return,
                Some(&octet) if is(octet, ends) => return,
                Some(b'"') => self.delimited(b'"', b'"'),
                Some(_) => Cow::Borrowed(self.atom()),
            };
            words.push(Word { text, spaced, range: start..self.at() });
        }
    }

    /// One octet, whatever it is, and then as far as an atom with dots goes.
    fn atom(&mut self) -> &'a [u8] {
        let more = &self.rest[1..];
        let len = 1 + more.iter().position(|&octet| is(octet, ATOM)).unwrap_or(more.len());
        let (atom, rest) = self.rest.split_at(len);
        self.rest = rest;
        atom
    }

    /// The address that begins with `words`, and where it lies; reads up to the comma or semicolon behind it.
    fn address(&mut self, words: &mut Vec<Word<'a>>) -> (Address, Range<usize>) {
        let mut address = Address { adl: None, ..Address::GROUP_END };
        let start;
        if self.rest.first() == Some(&b'<') {
            self.bump();
            self.comment = None;
            address.name = (!words.is_empty()).then(|| self.join(words));
            self.skip_blanks();
            start = self.at();
            self.angle(&mut address, words);
        } else {
            let split = if self.rest.first() == Some(&b'@') { local_part_start(words) } else { 0 };
            address.name = (split > 0).then(|| self.join(&words[..split]));
            start = words.get(split).map_or(self.at(), |word| word.range.start);
            self.local_and_domain(&words[split..], &mut address);
        }
        let range = start..self.end.max(start);
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
            address.name = comment.map(|comment| match comment {
                Cow::Borrowed(comment) => self.whole.slice_ref(comment.trim_ascii()),
                Cow::Owned(comment) => Bytes::copy_from_slice(comment.trim_ascii()),
            });
        }
        (address, range)
    }

    /// What stands between `<` and `>`, behind the blanks.
    fn angle(&mut self, address: &mut Address, words: &mut Vec<Word<'a>>) {
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
        self.words(ANGLE, words);
        self.local_and_domain(words, address);
    }

    /// Sets mailbox and host from the words before `@` and the domain behind it.
    fn local_and_domain(&mut self, words: &[Word<'a>], address: &mut Address) {
        self.end = words.last().map_or(0, |word| word.range.end);
        if self.rest.first() != Some(&b'@') {
            // No domain: the text as it reads, spaces and all, says more than one glued together.
            address.mailbox = Some(self.join(words));
            address.host = Some(Bytes::new());
            return;
        }
        self.bump();
        let mut mailbox = match words {
            [word] => word.text.clone(),
            _ => Cow::Owned(words.iter().flat_map(|word| &*word.text).copied().collect()),
        };
        let mut host = self.domain();
        while self.rest.first() == Some(&b'@') {
            self.bump();
            let mailbox = mailbox.to_mut();
            mailbox.push(b'@');
            mailbox.extend_from_slice(&host);
            host = self.domain();
        }
        address.mailbox = Some(self.share(mailbox));
        address.host = Some(self.share(host));
    }

    /// A domain or a domain literal, without the blanks in it (RFC 5322 §4.4).
    fn domain(&mut self) -> Cow<'a, [u8]> {
        let mut host = Cow::Borrowed(&[][..]);
        loop {
            // Behind the `@`, and then behind each piece.
            self.end = self.at();
            let spaced = self.skip_blanks();
            match self.rest.first() {
                None | Some(b',' | b';' | b'>' | b'<' | b'@') => return host,
                Some(b'[') => {
                    let host = host.to_mut();
                    host.push(b'[');
                    host.extend_from_slice(&self.delimited(b'[', b']'));
                    host.push(b']');
                }
                // A word behind a blank is part of the domain only around a dot.
                Some(&octet) if spaced && !host.is_empty() && octet != b'.' && !host.ends_with(b".") => {
                    return host;
                }
                Some(_) => {
                    let end = self.rest.iter().position(|&octet| is(octet, DOMAIN));
                    let (part, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                    self.rest = rest;
                    if host.is_empty() {
                        host = Cow::Borrowed(part);
                    } else {
                        host.to_mut().extend_from_slice(part);
                    }
                }
            }
        }
    }

    /// The words as they read: one space where there were blanks.
    fn join(&self, words: &[Word<'a>]) -> Bytes {
        if let Some(text) = self.as_it_lies(words) {
            return text;
        }
        let mut text = Vec::new();
        for (index, word) in words.iter().enumerate() {
            if index > 0 && word.spaced {
                text.push(b' ');
            }
            text.extend_from_slice(&word.text);
        }
        Bytes::from(text)
    }

    /// The words, if they lie in the field as they read.
    fn as_it_lies(&self, words: &[Word<'a>]) -> Option<Bytes> {
        let place = |word: &Word<'a>| match word.text {
            Cow::Borrowed(text) => Some(text.as_ptr().addr().wrapping_sub(self.whole.as_ptr().addr())),
            Cow::Owned(_) => None,
        };
        let start = place(words.first()?)?;
        let mut end = start + words[0].text.len();
        for word in &words[1..] {
            let at = place(word)?;
            let is_space = word.spaced && at == end + 1 && self.whole.get(end) == Some(&b' ');
            if !is_space && (word.spaced || at != end) {
                return None;
            }
            end = at + word.text.len();
        }
        Some(self.whole.slice(start..end))
    }
}

/// Where in `words` the local part begins: it reaches back over dots and over words without a blank between.
fn local_part_start(words: &[Word<'_>]) -> usize {
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

/// Ends a phrase, or an address without angle brackets.
const PHRASE: u8 = 1;
/// The same among the members of a group.
const IN_GROUP: u8 = 2;
/// Ends the local part inside angle brackets.
const ANGLE: u8 = 4;
/// Ends an atom.
const ATOM: u8 = 8;
/// Ends a piece of a domain.
const DOMAIN: u8 = 16;

/// The classes of every octet.
const CLASSES: [u8; 256] = {
    let classes: [(&[u8], u8); 5] = [
        (b"<@,;:", PHRASE),
        (b"<@,;", IN_GROUP),
        (b">@,;", ANGLE),
        (b" \t\n\x0c\r<>@,;:\"()", ATOM),
        (b" \t\n\x0c\r,;><@[(", DOMAIN),
    ];
    let mut table = [0; 256];
    let mut class = 0;
    while class < classes.len() {
        let (octets, bit) = classes[class];
        let mut at = 0;
        while at < octets.len() {
            table[octets[at] as usize] |= bit;
            at += 1;
        }
        class += 1;
    }
    table
};

fn is(octet: u8, class: u8) -> bool {
    CLASSES[usize::from(octet)] & class != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn addresses_are_found_where_they_lie() {
        for (value, expected) in [
            (" j@a.test", " [j@a.test]"),
            ("John Doe\r\n\t<j@a.test>", "John Doe\r\n\t<[j@a.test]>"),
            ("\"a, b\" <j@a.test> (c), k@b.test", "\"a, b\" <[j@a.test]> (c), [k@b.test]"),
            ("(c) j@a.test (d)", "(c) [j@a.test] (d)"),
            ("John Doe j@a.test x", "John Doe [j@a.test] x"),
            ("j (c) @ (d) a . test (e)", "[j (c) @ (d) a . test] (e)"),
            ("< (c) @x,@y:j@a.test (d) >", "< (c) [@x,@y:j@a.test] (d) >"),
            ("\"j\\\"k\" . l@[192.0.2.1]", "[\"j\\\"k\" . l@[192.0.2.1]]"),
            ("g: j, k@a.test;, l", "g: [j], [k@a.test];, [l]"),
            ("John Doe, j@", "[John Doe], [j@]"),
            ("<>, <@>, @, ,", "<[]>, <[@]>, [@], ,"),
            ("a@b@c", "[a@b@c]"),
            ("\"open, j@a.test", "[\"open, j@a.test]"),
            ("<j@a.test", "<[j@a.test]"),
        ] {
            let (mut marked, mut at) = (String::new(), 0);
            for LocatedAddress { range, .. } in locate_addresses(value.as_bytes(), 100) {
                marked += &value[at..range.start];
                marked += "[";
                marked += &value[range.clone()];
                marked += "]";
                at = range.end;
            }
            marked += &value[at..];
            assert_eq!(marked, expected);
        }
    }
}
