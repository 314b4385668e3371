//! Macros: what a milter learns besides the steps themselves, by names that come from Sendmail.
//!
//! Which are sent before which step is a list of names, `j` or `{client_addr}`, in the order in which they are sent. The
//! application knows the values; what it has none for is not sent.

use super::options::Stage;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};

/// The value of a macro by its name as it stands in a list, braces and all; `None` when there is none just now.
pub type MacroValues<'a> = &'a dyn Fn(&str) -> Option<Cow<'a, str>>;

/// Which macros are sent before which step. A header field shares the list of the end of the header, a piece of the body
/// that of the end of the message.
///
/// The default lists are those of Postfix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroNames([Cow<'static, str>; LISTS]);

/// The steps that have a list of their own.
const LISTS: usize = 8;

impl Default for MacroNames {
    fn default() -> Self {
        let mut names = Self([const { Cow::Borrowed("") }; LISTS]);
        for (stage, list) in [
            (Stage::Connect, "j {daemon_name} {daemon_addr} v _"),
            (Stage::Helo, "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}"),
            (Stage::Mail, "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}"),
            (Stage::Rcpt, "i {rcpt_addr} {rcpt_host} {rcpt_mailer}"),
            (Stage::Data, "i"),
            (Stage::EndOfHeader, "i"),
            (Stage::EndOfMessage, "i"),
        ] {
            names.0[index(stage)] = Cow::Borrowed(list);
        }
        names
    }
}

impl MacroNames {
    /// The list of a step.
    pub fn get(&self, stage: Stage) -> &str {
        &self.0[index(stage)]
    }

    /// Sets the list of a step: names separated by white space or commas.
    pub fn set(&mut self, stage: Stage, list: &str) {
        self.0[index(stage)] = Cow::Owned(list.to_string());
    }

    /// The names in the list of a step.
    pub fn names(&self, stage: Stage) -> impl Iterator<Item = &str> {
        let between = |c: char| c == ',' || c.is_ascii_whitespace();
        self.get(stage).split(between).filter(|name| !name.is_empty())
    }

    /// Takes over the lists that a milter has; an empty one says nothing, as Postfix has it.
    pub(super) fn override_by(&mut self, lists: impl IntoIterator<Item = (Stage, String)>) {
        for (stage, list) in lists {
            if !list.is_empty() {
                self.0[index(stage)] = Cow::Owned(list);
            }
        }
    }
}

const fn index(stage: Stage) -> usize {
    match stage {
        Stage::Connect => 0,
        Stage::Helo => 1,
        Stage::Mail => 2,
        Stage::Rcpt => 3,
        Stage::Data => 4,
        Stage::Header | Stage::EndOfHeader => 5,
        Stage::Body | Stage::EndOfMessage => 6,
        Stage::Unknown => 7,
    }
}
