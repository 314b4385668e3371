//! Parameters as they stand behind a path: `esmtp-keyword ["=" esmtp-value]`.
//!
//! RFC 5321 section 4.1.2; RFC 6533 section 3 for values that are not ASCII.

use super::ParameterFault;
use crate::command::word::Key;
use crate::command::xtext::XCHAR;

/// The value of a parameter: never empty, UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) octets: &'a [u8],
    /// It is `xtext` in which nothing is encoded.
    pub(super) is_plain: bool,
}

impl<'a> Value<'a> {
    pub(super) fn text(self) -> &'a str {
        core::str::from_utf8(self.octets).expect("invariant: values are UTF-8")
    }
}

/// The parameters in a text: keywords and values.
pub(super) struct Words<'a> {
    rest: &'a [u8],
    /// A value may hold more than ASCII, as ORCPT's does.
    utf8: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a [u8], utf8: bool) -> Self {
        Self { rest: text, utf8 }
    }

    fn keyword(&mut self) -> Option<Key> {
        match self.run(&KEYWORD) {
            [] | [b'-', ..] => None,
            keyword => Some(Key::of(keyword)),
        }
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let before = self.rest;
        let octets = self.run(&XCHAR);
        if matches!(self.rest, [] | [b' ', ..]) {
            return (!octets.is_empty()).then_some(Value { octets, is_plain: true });
        }
        self.rest = before;
        let octets = self.run(if self.utf8 { &UTF8_VALUE } else { &VALUE });
        let good = !octets.is_empty() && core::str::from_utf8(octets).is_ok();
        good.then_some(Value { octets, is_plain: false })
    }

    /// Passes over the longest run of octets of this class.
    fn run(&mut self, class: &[bool; 256]) -> &'a [u8] {
        let outside = |octet: &u8| !class[usize::from(*octet)];
        let (run, rest) = self.rest.split_at(self.rest.iter().position(outside).unwrap_or(self.rest.len()));
        self.rest = rest;
        run
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Result<(Key, Option<Value<'a>>), ParameterFault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while let [b' ', after @ ..] = self.rest {
            self.rest = after;
        }
        if self.rest.is_empty() {
            return None;
        }
        let Some(keyword) = self.keyword() else { return Some(Err(ParameterFault::Malformed)) };
        let mut value = None;
        if let [b'=', after @ ..] = self.rest {
            self.rest = after;
            value = self.value();
            if value.is_none() {
                return Some(Err(ParameterFault::Malformed));
            }
        }
        let ends = matches!(self.rest, [] | [b' ', ..]);
        Some(if ends { Ok((keyword, value)) } else { Err(ParameterFault::Malformed) })
    }
}

static KEYWORD: [bool; 256] = class(false, false);
static VALUE: [bool; 256] = class(true, false);
static UTF8_VALUE: [bool; 256] = class(true, true);

const fn class(value: bool, utf8: bool) -> [bool; 256] {
    let (mut class, mut octet) = ([utf8; 256], 0u8);
    while octet.is_ascii() {
        class[octet as usize] = if value {
            octet.is_ascii_graphic() && octet != b'='
        } else {
            octet.is_ascii_alphanumeric() || octet == b'-'
        };
        octet += 1;
    }
    class
}
