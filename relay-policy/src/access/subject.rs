//! What a refusal is about: the word of its class, and how status codes are fitted to it.

use super::log::Log;
use std::fmt::{self, Display};

/// The fact that a rule tests; `Display` gives the words of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// The client by its address and its verified name.
    Client,
    /// The client by the name that its address has, whatever that name says.
    ReverseClient,
    Helo,
    Sender,
    Recipient,
    Etrn,
    Data,
    EndOfData,
    Login,
    Certificate,
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "Client host",
            Self::ReverseClient => "Unverified Client host",
            Self::Helo => "Helo command",
            Self::Sender => "Sender address",
            Self::Recipient => "Recipient address",
            Self::Etrn => "Etrn command",
            Self::Data => "Data command",
            Self::EndOfData => "End-of-data",
            Self::Login => "SASL login name",
            Self::Certificate => "Client certificate",
        })
    }
}

/// The subject of a list or of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) subject: Subject,
    /// What it is called in replies, where that is not what it is in the request.
    pub(crate) called: Option<String>,
}

impl Context {
    /// A subject as it is in the request.
    pub(crate) fn of(subject: Subject) -> Self {
        Self { subject, called: None }
    }
}

impl Subject {
    /// Codes about addresses (X.1.n, RFC 3463 section 3.2) say which address is meant, so one that was written for a
    /// sender is another where it is said of a recipient.
    pub(crate) fn fitted(self, given: (u8, u16, u16), log: &mut Log) -> (u8, u16, u16) {
        let (class, 1, detail) = given else { return given };
        let fitted = match (self, detail) {
            (Subject::Sender, 1 | 3 | 4 | 6 | 7) => (class, 1, 7),
            (Subject::Sender, 2 | 8) => (class, 1, 8),
            (Subject::Recipient, 1..=6) => given,
            (Subject::Recipient, 7) => (class, 1, 3),
            (Subject::Recipient, 8) => (class, 1, 2),
            (Subject::Sender | Subject::Recipient, _) => (class, 1, 0),
            _ => (class, 0, 0),
        };
        if fitted != given {
            let written = |(class, subject, detail): (u8, u16, u16)| format!("{class}.{subject}.{detail}");
            log.info(format!("mapping DSN status {} into {self} status {}", written(given), written(fitted)));
        }
        fitted
    }
}

/// The class of a reply code, as enhanced codes have it.
pub(crate) fn first_digit(code: u16) -> u8 {
    if code / 100 == 5 { 5 } else { 4 }
}

/// An enhanced status code at the beginning, and the text after it.
pub(crate) fn split_enhanced(text: &str) -> Option<((u8, u16, u16), &str)> {
    let (code, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let mut numbers = code.split('.').map(|number| {
        let is_number = matches!(number.len(), 1..=3) && number.bytes().all(|octet| octet.is_ascii_digit());
        is_number.then(|| number.parse::<u16>().ok()).flatten()
    });
    let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    numbers.next().is_none().then(|| ((class, subject, detail), rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_before_a_text() {
        assert_eq!(split_enhanced("5.7.9 Go away"), Some(((5, 7, 9), "Go away")));
        assert_eq!(split_enhanced("4.2.1"), Some(((4, 2, 1), "")));
        for text in ["", "3.1.1 x", "5.1 x", "5.1.1.1 x", "5.1.1000 x", "5..1 x", "Go away", "5.1.x y"] {
            assert_eq!(split_enhanced(text), None, "{text}");
        }
    }

    #[test]
    fn codes_about_addresses_are_fitted_to_the_subject() {
        let fitted = |subject: Subject, detail| subject.fitted((5, 1, detail), &mut Log::default());
        let all = |subject| [1, 2, 3, 4, 5, 6, 7, 8, 9].map(|detail| fitted(subject, detail));
        assert_eq!(all(Subject::Sender), [7, 8, 7, 7, 0, 7, 7, 8, 0].map(|detail| (5, 1, detail)));
        assert_eq!(all(Subject::Recipient), [1, 2, 3, 4, 5, 6, 3, 2, 0].map(|detail| (5, 1, detail)));
        assert_eq!(all(Subject::Client), [(5, 0, 0); 9]);
        assert_eq!(Subject::Sender.fitted((5, 7, 1), &mut Log::default()), (5, 7, 1));
    }
}
