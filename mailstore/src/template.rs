//! [`PathTemplate`]: where a user's mail is, for all users at once, in Dovecot's variables.
//!
//! | variable | stands for |
//! | --- | --- |
//! | `%u` | the user with domain, `user@domain`; without, where there is no domain |
//! | `%n` | the user without domain |
//! | `%d` | the domain |
//! | `%h`, `~` | the home directory; at the beginning alone |
//! | `%%` | a percent sign |
//!
//! Between `%` and `u`, `n` or `d` may stand a width or an offset and a width, in characters, and a modifier: `%1n` is
//! the first character, `%1.1n` the second, `%Ld` is in lower case. With `N` it is a hash: `%2.256Nu` is one of `00` to
//! `ff`, the same that Dovecot has for that user, so that a million users lie in 256 directories, and in 65,536 by
//! `%2.256Nd/%2.256Nu`, where there are many domains.
//!
//! # Names cannot lead elsewhere
//! What is filled in stays the part of the path that it stands in: a name with `/` or NUL, a part that comes out empty, longer
//! than 255 octets, or with a dot at its beginning that the template has not, is refused.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use md5::{Digest as _, Md5};

use crate::error::{ErrorKind, Result, StoreError};

/// The longest name of a file or directory, in octets.
const PART_BYTES_MAX: usize = 255;

/// Whose mail a path is filled in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathUser<'a> {
    /// The name without domain.
    pub user: &'a str,
    /// The domain; may be empty.
    pub domain: &'a str,
    /// The home directory, an absolute path; what is relative counts from it.
    pub home: &'a Path,
}

/// A path with variables in it.
///
/// ```
/// use mailstore::{PathTemplate, PathUser};
/// use std::path::Path;
///
/// let alice = PathUser { user: "alice", domain: "example.test", home: Path::new("/srv") };
/// let path = |text: &str| text.parse::<PathTemplate>().unwrap().expand(&alice).unwrap();
/// assert_eq!(path("mail/%d/%n/Maildir"), Path::new("/srv/mail/example.test/alice/Maildir"));
/// assert_eq!(path("/var/mail/%1n/%1.1n/%u"), Path::new("/var/mail/a/l/alice@example.test"));
/// assert!("mail/%x".parse::<PathTemplate>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    is_absolute: bool,
    parts: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Variable {
    of: Of,
    offset: usize,
    /// 0 for all that there is.
    width: usize,
    lower: bool,
    hash: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    User,
    Name,
    Domain,
}

fn bad(why: &'static str) -> StoreError {
    StoreError::new(ErrorKind::BadName, "reading the template of a path", why)
}

fn bad_user(why: &'static str) -> StoreError {
    StoreError::new(ErrorKind::BadName, "finding a mailbox", why)
}

impl PathTemplate {
    /// Fills the variables in. What is relative counts from the home directory.
    ///
    /// # Errors
    /// `BadName`, when there are variables in it: the user's name is empty or would lead elsewhere.
    pub fn expand(&self, user: &PathUser<'_>) -> Result<PathBuf> {
        let names_user = self.parts.iter().flatten().any(|piece| matches!(piece, Piece::Variable(_)));
        if names_user && user.user.is_empty() {
            return Err(bad_user("the path has %u, %n or %d in it, and no user was named"));
        }
        if names_user && [user.user, user.domain].iter().any(|name| name.contains(['/', '\0'])) {
            return Err(bad_user("the account's name cannot be part of a path"));
        }
        let mut path = if self.is_absolute { PathBuf::from("/") } else { user.home.to_path_buf() };
        for pieces in &self.parts {
            let mut part = String::new();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => part.push_str(text),
                    Piece::Variable(variable) => part.push_str(&variable.value(user)),
                }
            }
            let is_hidden = part.starts_with('.')
                && !matches!(pieces.first(), Some(Piece::Text(text)) if text.starts_with('.'));
            if part.is_empty() || is_hidden || matches!(&*part, "." | "..") {
                return Err(bad_user("the account's name cannot be part of a path"));
            }
            if part.len() > PART_BYTES_MAX {
                return Err(bad_user("the account's name is too long for a part of a path"));
            }
            path.push(part);
        }
        Ok(path)
    }

    /// Whether it counts from the root, not from the home directory.
    pub fn is_absolute(&self) -> bool {
        self.is_absolute
    }

    /// Whether two users never get one path, be they told apart by case or not: the user is there whole, and so is the
    /// domain, where there are several; each in a directory of its own, or with an `@` between, which no domain holds. By
    /// `%n%d`, `a` of `bc` and `ab` of `c` would be one.
    pub fn tells_apart(&self, several_domains: bool) -> bool {
        let alone = |wanted: Of| {
            self.parts.iter().any(|pieces| {
                let variables = pieces.iter().filter_map(Piece::variable);
                let mut varying = variables.filter(|it| several_domains || it.of != Of::Domain);
                varying.next().is_some_and(|it| it.is_whole(wanted)) && varying.next().is_none()
            })
        };
        let is_address = |pieces: &Vec<Piece>| {
            let is_between = |three: &[Piece]| match three {
                [Piece::Variable(user), Piece::Text(text), Piece::Variable(domain)] => {
                    user.is_whole(Of::Name) && text.contains('@') && domain.is_whole(Of::Domain)
                }
                _ => false,
            };
            pieces.iter().filter_map(Piece::variable).count() == 2 && pieces.windows(3).any(is_between)
        };
        alone(Of::User)
            || alone(Of::Name) && (!several_domains || alone(Of::Domain))
            || self.parts.iter().any(is_address)
    }
}

impl Piece {
    fn variable(&self) -> Option<&Variable> {
        match self {
            Piece::Variable(variable) => Some(variable),
            Piece::Text(_) => None,
        }
    }
}

impl FromStr for PathTemplate {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self> {
        let (is_absolute, rest) = match text.strip_prefix('~').or_else(|| text.strip_prefix("%h")) {
            Some(below) if below.is_empty() || below.starts_with('/') => (false, below),
            Some(_) => return Err(bad("'/' must follow ~ and %h")),
            None => (text.starts_with('/'), text),
        };
        let parts = rest.split('/').filter(|part| !part.is_empty());
        let parts = parts.map(parse_part).collect::<Result<Vec<_>>>()?;
        if parts.is_empty() && rest == text {
            return Err(bad("it names nothing"));
        }
        Ok(Self { is_absolute, parts })
    }
}

fn parse_part(part: &str) -> Result<Vec<Piece>> {
    if matches!(part, "." | "..") {
        return Err(bad("no part of it may be . or .."));
    }
    let mut pieces = Vec::new();
    let (mut text, mut rest) = (String::new(), part);
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            text.push('%');
            rest = after;
            continue;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        let variable;
        (variable, rest) = Variable::parse(rest)?;
        pieces.push(Piece::Variable(variable));
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

impl Variable {
    /// Whether it is all of what it stands for.
    fn is_whole(&self, of: Of) -> bool {
        self.of == of && self.width == 0 && self.offset == 0 && !self.hash
    }

    /// Reads what stands behind a `%`; returns what follows it.
    fn parse(text: &str) -> Result<(Self, &str)> {
        let number = |text: &str| -> Result<(usize, usize)> {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            match &text[..digits] {
                "" => Ok((0, 0)),
                number => Ok((number.parse().map_err(|_| bad("a number is too large"))?, digits)),
            }
        };
        let (mut width, digits) = number(text)?;
        let (mut offset, mut rest) = (0, &text[digits..]);
        if let Some(after) = rest.strip_prefix('.').filter(|_| digits > 0) {
            let digits;
            offset = width;
            (width, digits) = number(after)?;
            rest = &after[digits..];
        }
        let (mut lower, mut hash) = (false, false);
        loop {
            let of = match rest.chars().next() {
                Some('L') => {
                    lower = true;
                    None
                }
                Some('N') => {
                    hash = true;
                    None
                }
                Some('u') => Some(Of::User),
                Some('n') => Some(Of::Name),
                Some('d') => Some(Of::Domain),
                _ => {
                    return Err(bad(
                        "variables are %u, %n, %d, %h at the beginning, and %%; with an offset and a \
                        width, as %1.1n, L for lower case, or N for a hash, as %2.256Nu",
                    ));
                }
            };
            rest = &rest[1..];
            if let Some(of) = of {
                return Ok((Self { of, offset, width, lower, hash }, rest));
            }
        }
    }

    fn value(self, user: &PathUser<'_>) -> String {
        let mut value = match self.of {
            Of::User if !user.domain.is_empty() => format!("{}@{}", user.user, user.domain),
            Of::User | Of::Name => user.user.to_owned(),
            Of::Domain => user.domain.to_owned(),
        };
        if self.lower {
            value = value.to_ascii_lowercase();
        }
        if self.hash {
            return self.hashed(&value);
        }
        let from_offset = value.chars().skip(self.offset);
        if self.width == 0 { from_offset.collect() } else { from_offset.take(self.width).collect() }
    }

    /// Dovecot's: the first eight octets of the MD5, as far as the width goes, in hexadecimal of at least so many digits as
    /// the offset says.
    fn hashed(self, value: &str) -> String {
        let digest = Md5::digest(value);
        let first = digest[..8].iter().fold(0_u64, |sum, &octet| sum << 8 | u64::from(octet));
        let limited = if self.width == 0 { first } else { first % self.width as u64 };
        let digits = self.offset.min(PART_BYTES_MAX);
        // More than 32 bits are never shown.
        format!("{:0digits$x}", limited & u64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn expand(template: &str, user: &str, domain: &str) -> Result<PathBuf> {
        template.parse::<PathTemplate>()?.expand(&PathUser { user, domain, home: Path::new("/home/x") })
    }

    #[test]
    fn r149_templates_are_filled_in_as_dovecot_does() {
        for (template, path) in [
            ("%d/%n/Maildir", "/home/x/example.test/Alice/Maildir"),
            ("mail/%Ld/%Ln", "/home/x/mail/example.test/alice"),
            ("~/mail", "/home/x/mail"),
            ("%h/50%%", "/home/x/50%"),
            ("~", "/home/x"),
            ("/var/mail/%u", "/var/mail/Alice@example.test"),
            ("/srv/%1Ln/%1.1n/%n", "/srv/a/l/Alice"),
            ("/srv/%2.3n-%2d", "/srv/ice-ex"),
            ("/srv//x%n.d/", "/srv/xAlice.d"),
            ("/srv/.%n", "/srv/.Alice"),
        ] {
            assert_eq!(expand(template, "Alice", "example.test").unwrap(), Path::new(path), "{template}");
        }
        assert_eq!(expand("/m/%u", "alice", "").unwrap(), Path::new("/m/alice"));
        for bad in [
            "",
            "/",
            "%",
            "%x",
            "%1.",
            "%.2d",
            "../%n",
            "a/./%n",
            "~x/%n",
            "%hx",
            "x%h",
            "{user}/%q",
            "%99999999999999999999n",
        ] {
            assert!(expand(bad, "alice", "example.test").is_err(), "{bad}");
        }
    }

    #[test]
    fn r149_names_cannot_lead_elsewhere() {
        let long = "l".repeat(256);
        for user in ["", "..", ".", ".hidden", "../bob", "a/b", "a\0b", &long] {
            for template in ["/srv/%n/Maildir", "/srv/%u", "%n", "/srv/%1n/%n"] {
                assert!(expand(template, user, "example.test").is_err(), "{user:?} in {template}");
            }
        }
        for domain in ["", "..", "a/b"] {
            assert!(expand("/srv/%d/%n", "alice", domain).is_err(), "{domain:?}");
        }
        // Who is not in the path cannot lead anywhere.
        assert_eq!(expand("/srv/mail", "", "").unwrap(), Path::new("/srv/mail"));
        // The second character of a short name is none, and would make `/srv/a/a` a part of the mail of `a`.
        assert!(expand("/srv/%1n/%1.1n/%n", "a", "x").is_err());
        assert!(expand("/srv/%1.1n/%n", "a.b", "x").is_err());
        assert!(expand("/srv/%n", &"l".repeat(255), "x").is_ok());
    }

    #[test]
    fn what_tells_users_apart() {
        let apart = |text: &str, several| text.parse::<PathTemplate>().unwrap().tells_apart(several);
        for (template, one, several) in [
            ("%u", true, true),
            ("%d/%n", true, true),
            ("%n", true, false),
            ("%d", false, false),
            ("%1n/%2.256Nu", false, false),
            ("%2.256Nu/%u", true, true),
            ("%n%d", true, false),
            ("%n.%d", true, false),
            ("%d-%n/%1n", true, false),
            ("mail-%n@%d", true, true),
            ("%n@x/%1d", true, false),
            ("%u%d", true, false),
            ("x%Ld/%Ln.d", true, true),
        ] {
            assert_eq!((apart(template, false), apart(template, true)), (one, several), "{template}");
        }
    }

    #[test]
    fn r153_a_hash_spreads_users_evenly() {
        let template: PathTemplate = "/srv/%2.256Nd/%2.256Nu/%u".parse().unwrap();
        let mut directories: HashMap<PathBuf, u32> = HashMap::new();
        for number in 0..25_600 {
            let (user, home) = (format!("user{number}"), Path::new("/"));
            let path = template.expand(&PathUser { user: &user, domain: "example.test", home }).unwrap();
            *directories.entry(path.parent().unwrap().to_path_buf()).or_default() += 1;
        }
        assert_eq!(directories.len(), 256);
        assert!(directories.values().all(|&users| (50..=150).contains(&users)), "{directories:?}");
    }
}
