//! What an inspection ends with.

use super::action::Action;
use super::{FINDINGS_MAX, Kind};
use crate::access::Effects;
use crate::decision::Reply;
use crate::table::Place;
use std::fmt::{self, Display};

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// Whether it is taken.
    pub verdict: Verdict,
    /// It waits for the administrator (`HOLD`).
    pub is_held: bool,
    /// Where it goes, `transport:destination`, in place of the usual way (`FILTER`); the last one counts. None when
    /// `redirect` is given.
    pub filter: Option<String>,
    /// Who gets it in place of its recipients (`REDIRECT`); the last one counts.
    pub redirect: Option<String>,
    /// Who gets it, too (`BCC`).
    pub bcc: Vec<String>,
    /// No milter is to look at it (`PASS`).
    pub is_passed: bool,
    /// What was found, in the order of the message; to be logged, and for whoever wants to know why.
    pub findings: Vec<Finding>,
    /// How many findings were not kept.
    pub findings_dropped: usize,
}

/// Whether a message is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verdict {
    /// It is.
    #[default]
    Accept,
    /// It is, and then thrown away.
    Discard,
    /// It is not; whether for good or for now stands in the reply.
    Refuse(Reply),
}

/// A line, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What the line is.
    pub kind: Kind,
    /// The line, at most 200 characters of it; line ends within a field are blanks, and what cannot be shown is `?`.
    pub line: String,
    /// What was done.
    pub action: Action,
    /// The words beside the action.
    pub text: String,
    /// Where that is written.
    pub place: Place<'static>,
}

impl Finding {
    /// The line of the log, where it is logged; `session` says where the message comes from, as in
    /// `client.example[192.0.2.1]; from=<a@b.test> proto=ESMTP`, see [`Request::origin`](crate::Request::origin).
    pub fn log_line(&self, session: &str) -> Option<String> {
        let action = self.action.logged_as()?;
        let (kind, text) = (self.place_of_line(), self.said());
        let colon = if text.is_empty() { "" } else { ": " };
        Some(format!("{action}: {kind} {} from {session}{colon}{text}", self.line))
    }

    fn place_of_line(&self) -> &'static str {
        if self.kind == Kind::Body { "body" } else { "header" }
    }

    /// One line of it: a pattern may have taken octets of the message into the words (`$1`).
    fn said(&self) -> String {
        match &self.action {
            Action::Reject(reply) => {
                let (class, subject, detail) = reply.enhanced;
                shown(&format!("{class}.{subject}.{detail} {}", reply.text), WORDS_MAX)
            }
            Action::Wrong(why) | Action::Failed(why) => shown(why, WORDS_MAX),
            _ => shown(&self.text, WORDS_MAX),
        }
    }
}

/// The line, what is done about it, and where that is written: `header Subject: x: reject: 5.7.1 No x (checks, line 3)`.
impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = self.action.logged_as().unwrap_or("taken out");
        write!(f, "{} {}: {action}", self.place_of_line(), self.line)?;
        match self.said() {
            text if text.is_empty() => write!(f, " ({})", self.place),
            text => write!(f, ": {text} ({})", self.place),
        }
    }
}

/// So many characters of a line are shown.
pub(super) const LINE_MAX: usize = 200;

/// So many characters of the words beside an action are shown.
const WORDS_MAX: usize = 1000;

/// Text that may be of a message, as it is shown: one line, at most so many characters.
pub(super) fn shown(text: &str, characters_max: usize) -> String {
    let show = |character: char| match character {
        '\n' | '\t' => ' ',
        character if character.is_control() || ('\u{f780}'..='\u{f7ff}').contains(&character) => '?',
        character => character,
    };
    text.chars().take(characters_max).map(show).collect()
}

impl Outcome {
    /// What is to be done to the message besides taking it.
    ///
    /// # Errors
    /// The refusal, when it is not taken.
    pub fn effects(&self) -> Result<Effects, Reply> {
        let mut wanted = Effects::default();
        match &self.verdict {
            Verdict::Refuse(reply) => return Err(reply.clone()),
            Verdict::Discard => wanted.discard = true,
            Verdict::Accept => {}
        }
        wanted.hold = self.is_held;
        (wanted.filter, wanted.redirect, wanted.bcc) =
            (self.filter.clone(), self.redirect.clone(), self.bcc.clone());
        Ok(wanted)
    }

    /// Adds a finding, and what follows from it for the message; true where nothing more is to be looked at.
    pub(super) fn add(&mut self, finding: Finding) -> bool {
        let ends = match &finding.action {
            Action::Reject(reply) => {
                self.verdict = Verdict::Refuse(reply.clone());
                true
            }
            Action::Failed(_) => {
                let text = "Temporary lookup failure".into();
                self.verdict = Verdict::Refuse(Reply::new(451, (4, 3, 0), text));
                true
            }
            Action::Discard => {
                self.verdict = Verdict::Discard;
                true
            }
            Action::Pass => {
                self.is_passed = true;
                true
            }
            Action::Hold => {
                self.is_held = true;
                false
            }
            Action::Filter(way) => {
                self.filter = self.redirect.is_none().then(|| way.clone());
                false
            }
            Action::Redirect(recipient) => {
                self.filter = None;
                self.redirect = Some(recipient.clone());
                false
            }
            Action::Bcc(recipient) => {
                if self.bcc.len() < FINDINGS_MAX && !self.bcc.contains(recipient) {
                    self.bcc.push(recipient.clone());
                }
                false
            }
            _ => false,
        };
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.findings_dropped += 1;
        }
        ends
    }
}
