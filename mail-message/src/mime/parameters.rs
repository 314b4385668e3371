//! Parameters of structured fields: `value; name=value; …` (RFC 2045 §5.1, RFC 2183 §2), with the continuations
//! of RFC 2231 §3 put together.
//!
//! # Limits
//! The number of parameters comes from the caller; more are not read.
//!
//! # Departures
//! Unquoted values may hold `tspecials`, since boundaries often do; they end at white space or a semicolon.
//! Continuations are joined where they number from 0 without a gap; in any other case they stay as they are.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::structure::Parameter;

/// A cursor over an unfolded structured field.
pub(super) struct Cursor<'a> {
    /// The field, whose memory is shared with what is read out of it.
    whole: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(value: &'a Bytes) -> Cursor<'a> {
        Cursor { whole: value, rest: value }
    }

    /// White space and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.first() != Some(&b'(') {
                return;
            }
            let mut depth = 0;
            while let Some(&octet) = self.rest.first() {
                let step = if octet == b'\\' { 2 } else { 1 };
                self.rest = self.rest.get(step..).unwrap_or_default();
                match octet {
                    b'(' => depth += 1,
                    b')' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
    }

    /// Octets up to white space, a comment or one of `ends`; empty if there are none.
    pub(super) fn token(&mut self, ends: &[u8]) -> &'a [u8] {
        self.skip_blanks();
        let is_end = |octet: &u8| octet.is_ascii_whitespace() || *octet == b'(' || ends.contains(octet);
        let len = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(len);
        self.rest = rest;
        token
    }

    /// Takes `octet` if it comes next, behind blanks.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        self.skip_blanks();
        let eaten = self.rest.first() == Some(&octet);
        if eaten {
            self.rest = &self.rest[1..];
        }
        eaten
    }

    /// A quoted string without quotes and backslashes, or a token.
    fn value(&mut self) -> Bytes {
        if !self.eat(b'"') {
            // An unquoted value may hold parentheses but not begin with a comment.
            let is_end = |octet: &u8| octet.is_ascii_whitespace() || *octet == b';';
            let len = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(len);
            self.rest = rest;
            return self.whole.slice_ref(value);
        }
        let end = memchr::memchr2(b'"', b'\\', self.rest).unwrap_or(self.rest.len());
        let (plain, rest) = self.rest.split_at(end);
        if rest.first() != Some(&b'\\') {
            self.rest = rest.get(1..).unwrap_or_default();
            return self.whole.slice_ref(plain);
        }
        let mut value = Vec::new();
        while let Some((&octet, rest)) = self.rest.split_first() {
            self.rest = rest;
            match octet {
                b'"' => break,
                b'\\' => {
                    value.extend(self.rest.first());
                    self.rest = self.rest.get(1..).unwrap_or_default();
                }
                _ => value.push(octet),
            }
        }
        Bytes::from(value)
    }

    /// The parameters that follow, up to `parameters_max` of them.
    pub(super) fn parameters(&mut self, parameters_max: usize) -> Vec<Parameter> {
        let mut list: Vec<Parameter> = Vec::new();
        while list.len() < parameters_max && !self.rest.is_empty() {
            if !self.eat(b';') {
                // Something that is no parameter: on to the next semicolon.
                let next = self.rest.iter().position(|&octet| octet == b';').unwrap_or(self.rest.len());
                self.rest = &self.rest[next..];
                continue;
            }
            let name = self.token(b"=;");
            if name.is_empty() || !self.eat(b'=') {
                continue;
            }
            let value = self.value();
            if !list.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
                list.push(Parameter { name: self.whole.slice_ref(name), value });
            }
        }
        join_continuations(list)
    }
}

/// `name*0=a; name*1=b` becomes `name=ab`; with an extended piece (`name*1*=%62`) it becomes `name*`, and what
/// was plain is percent-encoded, so that one rule decodes the whole.
fn join_continuations(mut list: Vec<Parameter>) -> Vec<Parameter> {
    if !list.iter().any(|parameter| parameter.name.contains(&b'*')) {
        return list;
    }
    let mut joined = Vec::new();
    while let Some(first) = list.first() {
        let base = continuation(&first.name).map(|(base, ..)| first.name.slice_ref(base));
        let mut pieces = Vec::new();
        if let Some(base) = &base {
            while let Some(at) = list.iter().position(|p| is_piece(&p.name, base, pieces.len())) {
                pieces.push(list.remove(at));
            }
        }
        match base.filter(|_| !pieces.is_empty()) {
            Some(base) => joined.push(join(&base, &pieces)),
            None => joined.push(list.remove(0)),
        }
    }
    joined
}

fn is_piece(name: &[u8], base: &[u8], index: usize) -> bool {
    continuation(name)
        .is_some_and(|(its_base, its_index, _)| its_index == index && its_base.eq_ignore_ascii_case(base))
}

/// Base name, index and whether extended, of `base*index` or `base*index*` (RFC 2231 §7).
fn continuation(name: &[u8]) -> Option<(&[u8], usize, bool)> {
    let (name, extended) = match name.strip_suffix(b"*") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let star = name.iter().rposition(|&octet| octet == b'*')?;
    let digits = &name[star + 1..];
    // "No leading zeroes" (RFC 2231 §3), and three digits are more than any limit lets through.
    if digits.is_empty() || digits.len() > 3 || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let index = core::str::from_utf8(digits).ok()?.parse().ok()?;
    (star > 0).then_some((&name[..star], index, extended))
}

fn join(base: &[u8], pieces: &[Parameter]) -> Parameter {
    let is_extended = |piece: &Parameter| piece.name.ends_with(b"*");
    let mut name = base.to_vec();
    let mut value = Vec::new();
    if !pieces.iter().any(is_extended) {
        pieces.iter().for_each(|piece| value.extend_from_slice(&piece.value));
        return Parameter { name: Bytes::from(name), value: Bytes::from(value) };
    }
    name.push(b'*');
    for (index, piece) in pieces.iter().enumerate() {
        if is_extended(piece) {
            value.extend_from_slice(&piece.value);
            continue;
        }
        if index == 0 {
            // No charset and no language were given; the form has to have their quotes.
            value.extend_from_slice(b"''");
        }
        for &octet in piece.value.iter() {
            if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
                value.push(octet);
            } else {
                value.push(b'%');
                value.push(b"0123456789ABCDEF"[usize::from(octet >> 4)]);
                value.push(b"0123456789ABCDEF"[usize::from(octet & 15)]);
            }
        }
    }
    Parameter { name: Bytes::from(name), value: Bytes::from(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn read(value: &str) -> Vec<String> {
        let list = Cursor::new(&Bytes::copy_from_slice(value.as_bytes())).parameters(100);
        let show = |octets: &Bytes| String::from_utf8_lossy(octets).into_owned();
        list.iter().map(|p| show(&p.name) + "=" + &show(&p.value)).collect()
    }

    #[test]
    fn plain_quoted_commented_and_broken() {
        assert_eq!(read(r#"; charset=utf-8"#), ["charset=utf-8"]);
        assert_eq!(read(r#" ; a = "b\"c;d" (e;f=g) ; h=i (j)"#), ["a=b\"c;d", "h=i"]);
        assert_eq!(read(r#"; boundary=--=_a:(b)/c; x=y"#), ["boundary=--=_a:(b)/c", "x=y"]);
        assert_eq!(read(r#"junk; ; =x; novalue; a=; b="open"#), ["a=", "b=open"]);
        assert_eq!(read(r#"; name=two words; a=1"#), ["name=two", "a=1"]);
        assert_eq!(read(r#"; a=1; A=2"#), ["a=1"]);
    }

    #[test]
    fn rfc_2231_continuations_join() {
        assert_eq!(read(r#"; url*0="ftp://"; URL*1="cs.utk.edu/""#), ["url=ftp://cs.utk.edu/"]);
        assert_eq!(
            read(
                "; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\""
            ),
            ["title*=us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it%21"]
        );
        assert_eq!(read("; a*1=y; a*0=x"), ["a=xy"]);
        assert_eq!(read("; a*0=x; a*2=z"), ["a=x", "a*2=z"]);
        assert_eq!(read("; a*1=y"), ["a*1=y"]);
        assert_eq!(read("; a*0=x; a*1*=%79"), ["a*=''x%79"]);
        assert_eq!(read("; a*=utf-8''x; a=y"), ["a*=utf-8''x", "a=y"]);
    }

    #[test]
    fn the_cap_holds() {
        let many = "; a=b".repeat(50) + &(0..1000).map(|n| alloc::format!("; a*{n}=x")).collect::<String>();
        assert_eq!(Cursor::new(&Bytes::from(many)).parameters(3).len(), 2);
    }
}
