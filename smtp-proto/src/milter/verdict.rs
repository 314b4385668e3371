//! What a milter thinks of a step, and what is done when it cannot be asked.

use super::event::MilterFailure;
use crate::client::ReplyParser;
use crate::reply::{EnhancedCode, REPLY_TEXT_BYTES_MAX, Refusal};
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

/// What a milter thinks of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Go on. Also of a step that the milter was not told.
    Continue,
    /// The mail is welcome. Of [`connect`](super::MilterClient::connect) and [`helo`](super::MilterClient::helo): all of the
    /// mail session, and the session with the milter ends; else the message.
    Accept,
    /// It is to be refused with these words. Of a recipient: this recipient. Of `connect` and `helo`: every command of the
    /// mail session, and the session with the milter ends. Else the message. A refusal that
    /// [closes](Refusal::closes) ends the mail session at any step.
    Refuse(Refusal),
    /// The message is to be accepted and thrown away. Of `connect` and `helo` it means nothing, and the session goes on.
    Discard,
}

/// What is said for `r`.
pub(super) const REJECT: Refusal = Refusal::fixed(550, (7, 1), "Command rejected");
/// What is said for `t`.
pub(super) const TEMPFAIL: Refusal = Refusal::fixed(451, (7, 1), "Service unavailable - try again later");
/// What is said for `4`.
pub(super) const SHUTDOWN: Refusal = Refusal::fixed(421, (7, 0), "Server closing connection");
/// What is said when a milter is not there and mail is to be refused for it.
const UNAVAILABLE: Refusal = Refusal::fixed(550, (5, 0), "Service unavailable");
/// What is said when a milter does what it cannot mean.
const MISCONFIGURED: Refusal = Refusal::fixed(451, (3, 5), "Server configuration problem - try again later");

/// Lines of a reply that a milter words; `libmilter` has at most 32.
const REPLY_LINES_MAX: usize = 100;

/// Octets of the text of such a reply.
const REPLY_BYTES_MAX: usize = 32 * 1024;

/// The words of a milter as a refusal. `%%` is one `%` and a single `%` goes, as Sendmail, where the words are a format,
/// and Postfix have it; what cannot stand in a reply becomes `?`, a line that is too long is cut, and a missing enhanced
/// code becomes `X.7.1`, which is what a refusal for policy has elsewhere.
///
/// # Errors
/// [`MilterFailure::ReplyCode`] when it is no reply that refuses.
pub(super) fn refusal_of(words: &[u8]) -> Result<Refusal, MilterFailure> {
    let mut text = Vec::with_capacity(words.len());
    let mut octets = words.iter();
    while let Some(octet) = octets.next() {
        // Behind a `%` comes what it stands for.
        text.extend(if *octet == b'%' { octets.next() } else { Some(octet) });
    }
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let mut parser = ReplyParser::new();
    let mut lines = text.split(|octet| *octet == b'\n');
    let reply = lines.find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        parser.line(line, REPLY_LINES_MAX, REPLY_BYTES_MAX).transpose()
    });
    let (Some(Ok(reply)), None) = (reply, lines.next()) else { return Err(MilterFailure::ReplyCode) };
    let class = reply.code() / 100;
    let policy = u8::try_from(class).ok().and_then(|class| EnhancedCode::new(class, 7, 1));
    let enhanced = reply.enhanced().or(policy).ok_or(MilterFailure::ReplyCode)?;
    let lines = reply.text().split('\n').map(|line| &line[..line.len().min(REPLY_TEXT_BYTES_MAX)]);
    let lines: Vec<&str> = lines.collect();
    let text: String = lines.join("\n");
    Refusal::new(reply.code(), enhanced, text).map_err(|_| MilterFailure::ReplyCode)
}

/// What is done with mail when a milter cannot be asked: `milter_default_action` of Postfix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultAction {
    /// It is refused for now.
    #[default]
    TempFail,
    /// It is taken as if there were no such milter.
    Accept,
    /// It is refused for good.
    Reject,
    /// It is taken and kept back.
    Quarantine,
}

/// No action of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of accept, reject, tempfail, quarantine")]
pub struct NoSuchAction;

impl FromStr for DefaultAction {
    type Err = NoSuchAction;

    fn from_str(text: &str) -> Result<Self, NoSuchAction> {
        [
            ("tempfail", Self::TempFail),
            ("accept", Self::Accept),
            ("reject", Self::Reject),
            ("quarantine", Self::Quarantine),
        ]
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map_or(Err(NoSuchAction), |(_, action)| Ok(action))
    }
}

/// What becomes of mail without its milter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consequence {
    /// It is taken.
    Accept,
    /// It is taken and kept back.
    Quarantine,
    /// It is refused with these words.
    Refuse(Refusal),
}

impl DefaultAction {
    /// What becomes of mail when a milter has failed; `None`: it could not be reached. A milter that
    /// [is set up wrongly](MilterFailure::is_misconfiguration) has mail refused for now also where the action is
    /// [`DefaultAction::Reject`]. It holds for the rest of the mail session.
    pub fn consequence(self, failure: Option<&MilterFailure>) -> Consequence {
        let misconfigured = failure.is_some_and(MilterFailure::is_misconfiguration);
        match self {
            Self::Accept => Consequence::Accept,
            Self::Quarantine => Consequence::Quarantine,
            Self::TempFail | Self::Reject if misconfigured => Consequence::Refuse(MISCONFIGURED),
            Self::TempFail => Consequence::Refuse(TEMPFAIL),
            Self::Reject => Consequence::Refuse(UNAVAILABLE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn the_words_of_a_milter() {
        let said = |words: &str| refusal_of(words.as_bytes()).map(|refusal| refusal.reply().to_string());
        let says = |text: &str| Ok(text.to_string());
        assert_eq!(said("550 5.7.9 no"), says("550 5.7.9 no"));
        assert_eq!(said("550 no"), says("550 5.7.1 no"));
        assert_eq!(said("450 5.7.9 no"), says("450 4.7.1 5.7.9 no"));
        assert_eq!(said("550-5.7.9 one\r\n550 5.7.9 two"), says("550 5.7.9 one / two"));
        assert_eq!(said("550 5.7.9 a line\r\n"), says("550 5.7.9 a line"));
        assert_eq!(said("421 4.7.0 100%% %s"), says("421 4.7.0 100% s"));
        assert_eq!(said("550 5.7.9 \u{e9}\u{7}"), says("550 5.7.9 ???"));
        for bad in ["", "250 2.0.0 fine", "354 go", "550", "no", "550-5.7.9 a", "550 a\r\n550 b", "590 x"] {
            assert_eq!(
                said(bad),
                if bad == "550" { says("550 5.7.1 ") } else { Err(MilterFailure::ReplyCode) },
                "{bad}"
            );
        }
        let long = refusal_of(format!("550 5.7.9 {}", "x".repeat(2000)).as_bytes()).unwrap();
        assert_eq!(long.reply().text().len(), REPLY_TEXT_BYTES_MAX);
    }
}
