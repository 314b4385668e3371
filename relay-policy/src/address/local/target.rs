//! What may stand on the right of an alias.

use crate::address::{Address, Rewriting};
use crate::table::alias_values;

/// One of the things that mail for an alias goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An address.
    Address(Address),
    /// `|command`: a program, the message as its input.
    Command(String),
    /// `/path`, a file to append to; or `/path/`, a Maildir.
    File(String),
    /// `:include:/path`: a file with more of these.
    Include(String),
}

/// The name under which the file of an [`Target::Include`] is asked for as if it were a table, with its path as the key:
/// see [`LookupError::Elsewhere`](crate::table::LookupError::Elsewhere). The answer is the file's text.
///
/// Whoever reads it sees to it that it is a regular file that not everybody may write; otherwise the answer is that it is
/// not there.
pub const INCLUDE: &str = ":include:";

impl Target {
    /// Reads the right side of an alias: targets with commas between them, each in quotes where it holds a comma or blanks.
    /// Addresses are completed.
    ///
    /// ```
    /// use relay_policy::address::{Address, Rewriting, Target};
    ///
    /// let targets = Target::parse_list("joe, \"|/usr/bin/filter -a b, c\", :include:/etc/list", &Rewriting::new("a.test"));
    /// assert_eq!(targets, [
    ///     Target::Address(Address::parse("joe@a.test")),
    ///     Target::Command("/usr/bin/filter -a b, c".into()),
    ///     Target::Include("/etc/list".into()),
    /// ]);
    /// ```
    pub fn parse_list(text: &str, rewriting: &Rewriting) -> Vec<Self> {
        alias_values(text).iter().flat_map(|value| Self::parse(value, rewriting)).collect()
    }

    /// The targets of a file that was included: one or more on each line, `#` begins a comment line.
    pub(super) fn parse_file(text: &str, rewriting: &Rewriting) -> Vec<Self> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.flat_map(|line| Self::parse_list(line, rewriting)).collect()
    }

    fn parse(value: &str, rewriting: &Rewriting) -> Vec<Self> {
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let bare = quoted.map_or_else(|| value.to_string(), unescaped);
        if let Some(command) = bare.strip_prefix('|') {
            vec![Self::Command(command.trim().into())]
        } else if bare.starts_with('/') {
            vec![Self::File(bare)]
        } else if let Some(path) = bare.strip_prefix(INCLUDE) {
            vec![Self::Include(path.trim().into())]
        } else {
            rewriting.rewrite_list(value).into_iter().map(Self::Address).collect()
        }
    }
}

fn unescaped(quoted: &str) -> String {
    let mut characters = quoted.chars();
    let unescape = || match characters.next() {
        Some('\\') => characters.next(),
        other => other,
    };
    std::iter::from_fn(unescape).collect()
}
