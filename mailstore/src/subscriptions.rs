//! [`Subscriptions`]: a name on each line, in a file that Dovecot keeps too.
//!
//! Both of Dovecot's forms are read, and each is written back as it was found: plain lines, and version 2, which opens with
//! `V<TAB>2` and an empty line and has tabs between components. Lines that are no names of ours are kept.

use crate::error::Result;
use crate::lines::{self, Line};
use crate::name::MailboxName;

const VERSION_2: &str = "V\t2";

/// How names stand in the files of one kind of store.
pub(crate) trait Spelling: Copy {
    /// What parts the levels of names in plain lines.
    fn separator(self) -> char;

    /// The name of a mailbox from its parts, as they stand in the file.
    fn name<'a>(self, parts: impl Iterator<Item = &'a str>) -> Option<MailboxName>;

    /// The parts of a name, as they stand in the file.
    ///
    /// # Errors
    /// `BadName` when it cannot be written.
    fn parts(self, name: &MailboxName, separator: char) -> Result<String>;
}

/// The subscriptions as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscriptions<S> {
    spelling: S,
    version_2: bool,
    lines: Vec<Line>,
}

impl<S: Spelling> Subscriptions<S> {
    pub(crate) fn parse(mut lines: Vec<Line>, spelling: S) -> Self {
        let version_2 = lines.first().and_then(lines::text) == Some(VERSION_2);
        lines.drain(..usize::from(version_2));
        lines.retain(|line| lines::text(line) != Some(""));
        Self { spelling, version_2, lines }
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        let header = if self.version_2 { format!("{VERSION_2}\n\n") } else { String::new() };
        [header.into_bytes(), lines::join(&self.lines)].concat()
    }

    fn separator(&self) -> char {
        if self.version_2 { '\t' } else { self.spelling.separator() }
    }

    fn name(&self, line: &Line) -> Option<MailboxName> {
        self.spelling.name(lines::text(line)?.split(self.separator()))
    }

    /// The names, sorted.
    pub(crate) fn names(&self) -> Vec<MailboxName> {
        let mut names: Vec<_> = self.lines.iter().filter_map(|line| self.name(line)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Adds a name or takes it out, wherever it stands; false when there was nothing to be done.
    ///
    /// # Errors
    /// `BadName`.
    pub(crate) fn set(&mut self, name: &MailboxName, subscribed: bool) -> Result<bool> {
        let is_it = |line: &Line| self.name(line).as_ref() == Some(name);
        if self.lines.iter().any(is_it) == subscribed {
            return Ok(false);
        }
        if subscribed {
            self.lines.push(self.spelling.parts(name, self.separator())?.into_bytes());
        } else {
            let kept = self.lines.iter().filter(|line| !is_it(line)).cloned().collect();
            self.lines = kept;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `.`, as in a Maildir++, or with `/`.
    #[derive(Debug, Clone, Copy)]
    struct Plain(char);

    impl Spelling for Plain {
        fn separator(self) -> char {
            self.0
        }

        fn name<'a>(self, parts: impl Iterator<Item = &'a str>) -> Option<MailboxName> {
            MailboxName::new(&parts.collect::<Vec<_>>().join("/")).ok()
        }

        fn parts(self, name: &MailboxName, separator: char) -> Result<String> {
            Ok(name.as_str().replace('/', &separator.to_string()))
        }
    }

    fn name(text: &str) -> MailboxName {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_is_read_and_stays_what_it_is() {
        for (separator, text, after) in [
            ('.', "A.B\nINBOX\n", "A.B\nINBOX\nC.D\n"),
            ('/', "A/B\nINBOX\n", "A/B\nINBOX\nC/D\n"),
            ('/', "V\t2\n\nA\tB\nINBOX\n", "V\t2\n\nA\tB\nINBOX\nC\tD\n"),
        ] {
            let mut subscriptions = Subscriptions::parse(lines::split(text.as_bytes()), Plain(separator));
            assert_eq!(subscriptions.names(), [name("A/B"), name("INBOX")]);
            assert!(subscriptions.set(&name("C/D"), true).unwrap());
            assert!(!subscriptions.set(&name("C/D"), true).unwrap());
            assert_eq!(subscriptions.octets(), after.as_bytes());
            assert!(subscriptions.set(&name("C/D"), false).unwrap());
            assert!(!subscriptions.set(&name("C/D"), false).unwrap());
            assert_eq!(subscriptions.octets(), text.as_bytes());
        }
    }

    #[test]
    fn lines_that_are_no_names_are_kept() {
        let lines = lines::split(b"..odd\nA\nEntw\xfcrfe\r\nA\n");
        let mut subscriptions = Subscriptions::parse(lines, Plain('.'));
        assert_eq!(subscriptions.names(), [name("A")]);
        subscriptions.set(&name("A"), false).unwrap();
        assert_eq!(subscriptions.octets(), b"..odd\nEntw\xfcrfe\r\n");
    }
}
