//! [`Query`]: strings to look for, and where.

use alloc::vec::Vec;

use super::needles::Needles;

/// Where a string is looked for; see [the module](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope<'a> {
    /// In the value of each field of this name, in any case. The empty string is in every such field, so it asks
    /// whether there is one.
    Field(&'a str),
    /// In the text of the body. The empty string is in every body.
    Body,
    /// In any header or in the text of the body. The empty string is in every message.
    Text,
}

/// Strings to look for, ready to be looked for in any number of messages, by any number of threads.
///
/// ```
/// use mail_message::mime::{Limits, Scanner};
/// use mail_message::search::{Query, Scope, Search};
///
/// let octets = b"Subject: =?iso-8859-1?q?Viele_Gr=FC=DFe?=\r\nContent-Type: text/plain; charset=utf-8\r\n\
///     Content-Transfer-Encoding: base64\r\n\r\nw4RSR0VS\r\n";
/// let query = Query::new([(Scope::Field("subject"), "gr\u{fc}\u{df}e"), (Scope::Body, "\u{e4}rger"), (Scope::Text, "nosuch")]);
///
/// let mut scanner = Scanner::new(Limits::default());
/// scanner.feed(octets);
/// let message = scanner.finish();
///
/// let mut search = Search::new(&query);
/// for target in search.targets(&message) {
///     let range = target.range();
///     search.begin(&target);
///     search.feed(&octets[range.start as usize..range.end as usize]);
/// }
/// search.finish();
/// assert_eq!([0, 1, 2].map(|term| search.outcome(term)), [Some(true), Some(true), Some(false)]);
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    terms: Vec<Term>,
    /// What is looked for in fields of one name.
    pub(super) fields: Vec<(Vec<u8>, Needles)>,
    /// What is looked for in every field: the strings of [`Scope::Text`].
    pub(super) header: Needles,
    /// What is looked for in bodies: the strings of [`Scope::Text`] and [`Scope::Body`].
    pub(super) body: Needles,
}

/// Which string of which group a term is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Term {
    Field { group: usize, number: usize },
    Body { in_body: usize },
    Text { in_header: usize, in_body: usize },
}

impl Term {
    pub(super) fn is_in_body(self) -> bool {
        !matches!(self, Term::Field { .. })
    }
}

impl Query {
    /// Compiles the terms. They are numbered as they come, from 0.
    pub fn new<'a>(terms: impl IntoIterator<Item = (Scope<'a>, &'a str)>) -> Query {
        let mut numbered = Vec::new();
        let mut fields: Vec<(&str, Vec<&str>)> = Vec::new();
        let (mut header, mut body) = (Vec::new(), Vec::new());
        for (scope, text) in terms {
            numbered.push(match scope {
                Scope::Field(name) => {
                    let group = fields.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
                    let group = group.unwrap_or(fields.len());
                    if group == fields.len() {
                        fields.push((name, Vec::new()));
                    }
                    fields[group].1.push(text);
                    Term::Field { group, number: fields[group].1.len() - 1 }
                }
                Scope::Body => {
                    body.push(text);
                    Term::Body { in_body: body.len() - 1 }
                }
                Scope::Text => {
                    header.push(text);
                    body.push(text);
                    Term::Text { in_header: header.len() - 1, in_body: body.len() - 1 }
                }
            });
        }
        let compiled = |(name, texts): (&str, Vec<&str>)| (name.as_bytes().to_vec(), Needles::new(texts));
        Query {
            terms: numbered,
            fields: fields.into_iter().map(compiled).collect(),
            header: Needles::new(header),
            body: Needles::new(body),
        }
    }

    /// How many terms there are.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }
}
