//! What stands beside a pattern: the actions.

use super::Kind;
use crate::access::split_enhanced;
use crate::decision::Reply;

/// What is done about a line. The names are Postfix's; `DUNNO` and `OK` do nothing and so are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// `REJECT text`: the message is refused.
    Reject(Reply),
    /// `DISCARD text`: the message is accepted and thrown away.
    Discard,
    /// `HOLD text`: the message waits for the administrator.
    Hold,
    /// `FILTER transport:destination`: the message goes that way.
    Filter(String),
    /// `REDIRECT user@domain`: the message goes to this recipient, and to nobody else.
    Redirect(String),
    /// `BCC user@domain`: one more recipient.
    Bcc(String),
    /// `PREPEND text`: a line in front.
    Prepend(String),
    /// `REPLACE text`: this in place of the line.
    Replace(String),
    /// `IGNORE`: the line is taken out.
    Ignore,
    /// `STRIP text`: the line is taken out, and logged.
    Strip,
    /// `INFO text`: logged.
    Info,
    /// `WARN text`: logged as a warning.
    Warn,
    /// `PASS text`: nothing else of the message is looked at, by no milter either.
    Pass,
    /// The text beside the pattern is no action, or lacks what the action needs: nothing is done, and it is to be logged.
    Wrong(String),
    /// A table could not be asked: the message is refused for now.
    Failed(String),
}

/// Reads the text beside a pattern: the action, none for `DUNNO` and `OK`, and the words that are logged with it.
pub(super) fn parse(written: &str, kind: Kind) -> Option<(Action, &str)> {
    let written = written.trim_ascii();
    let (name, text) =
        written.split_once(|character: char| character.is_ascii_whitespace()).unwrap_or((written, ""));
    let text = text.trim_ascii();
    let wrong = |expected: &str| Action::Wrong(format!("{written:?}: {expected}"));
    let holding = |needed: char, action: fn(String) -> Action, expected: &str| match text.contains(needed) {
        true => action(text.into()),
        false => wrong(expected),
    };
    let line = |action: fn(String) -> Action| match kind {
        _ if text.is_empty() => wrong("a text is missing"),
        Kind::Body => action(text.into()),
        _ if is_field(text.as_bytes()) => action(text.into()),
        _ => wrong("expected a field: Name: value"),
    };
    let action = match &*name.to_ascii_uppercase() {
        "DUNNO" | "OK" => return None,
        "REJECT" => Action::Reject(refusal(text)),
        "DISCARD" => Action::Discard,
        "HOLD" => Action::Hold,
        "FILTER" => holding(':', Action::Filter, "expected transport:destination"),
        "REDIRECT" => holding('@', Action::Redirect, "expected user@domain"),
        "BCC" => holding('@', Action::Bcc, "expected user@domain"),
        "PREPEND" => line(Action::Prepend),
        "REPLACE" => line(Action::Replace),
        "IGNORE" => Action::Ignore,
        "STRIP" => Action::Strip,
        "INFO" => Action::Info,
        "WARN" => Action::Warn,
        "PASS" => Action::Pass,
        _ => wrong("no such action"),
    };
    Some((action, text))
}

impl Action {
    /// Its name in the log, where it is logged.
    pub(super) fn logged_as(&self) -> Option<&'static str> {
        Some(match self {
            Self::Reject(_) | Self::Failed(_) => "reject",
            Self::Discard => "discard",
            Self::Hold => "hold",
            Self::Filter(_) => "filter",
            Self::Redirect(_) => "redirect",
            Self::Bcc(_) => "bcc",
            Self::Prepend(_) => "prepend",
            Self::Replace(_) => "replace",
            Self::Strip => "strip",
            Self::Info => "info",
            Self::Warn | Self::Wrong(_) => "warning",
            Self::Pass => "pass",
            Self::Ignore => return None,
        })
    }
}

/// The reply for a text, which may begin with an enhanced status code (RFC 3463) of class 4 or 5.
fn refusal(text: &str) -> Reply {
    const DEFAULT: &str = "message content rejected";
    let status = split_enhanced(text).filter(|((class, ..), _)| *class != 2);
    let (enhanced, text) = status.unwrap_or(((5, 7, 1), text));
    let code = if enhanced.0 == 4 { 450 } else { 550 };
    Reply::new(code, enhanced, if text.is_empty() { DEFAULT } else { text }.into()).fitted()
}

/// Whether a line begins as a field does: a name, then a colon, with blanks between them at most.
pub(crate) fn is_field(line: &[u8]) -> bool {
    let name = line.iter().take_while(|octet| octet.is_ascii_graphic() && **octet != b':').count();
    let behind = line[name..].iter().find(|octet| !matches!(octet, b' ' | b'\t'));
    name > 0 && behind == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read() {
        let read = |written: &str, kind: Kind| match parse(written, kind) {
            None => "none".to_string(),
            Some((Action::Reject(reply), _)) => reply.to_string(),
            Some((action, text)) => format!("{action:?} {text}").trim().into(),
        };
        for (written, expected) in [
            ("dunno whatever", "none"),
            ("OK", "none"),
            ("reject", "550 5.7.1 message content rejected"),
            ("REJECT 4.3.2 later", "450 4.3.2 later"),
            ("REJECT 5.7.0", "550 5.7.0 message content rejected"),
            ("REJECT 5.7 x", "550 5.7.1 5.7 x"),
            ("REJECT 2.0.0 x", "550 5.7.1 2.0.0 x"),
            ("REJECT +5.+7.+2 x", "550 5.7.1 +5.+7.+2 x"),
            ("REJECT 5.7.9\tGesperrt f\u{fc}r Sie", "550 5.7.9 Gesperrt f r Sie"),
            ("Hold  it", "Hold it"),
            ("FILTER smtp:[x]", "Filter(\"smtp:[x]\") smtp:[x]"),
            ("PREPEND X-A: b", "Prepend(\"X-A: b\") X-A: b"),
        ] {
            assert_eq!(read(written, Kind::Header), expected, "{written}");
        }
        for wrong in ["FILTER x", "REDIRECT x", "BCC", "PREPEND no field", "REPLACE", "EAT", ""] {
            assert!(read(wrong, Kind::Header).starts_with("Wrong"), "{wrong}");
        }
        assert_eq!(read("REPLACE no field", Kind::Body), "Replace(\"no field\") no field");
    }
}
