//! Replies, typed: a code, an enhanced code, a text; what cannot be on the wire cannot be constructed.
//!
//! RFC 5321 section 4.2 (form and codes), RFC 2034 and RFC 3463 (enhanced status codes). The text may hold
//! several lines, separated by LF; each becomes a line of a multi-line reply.
//!
//! # Limits
//! A line is at most 512 octets with code and CR LF (RFC 5321 section 4.5.3.1.5); the texts that the checked
//! constructors take are held to it.
//!
//! # Departures
//! RFC 2034 forbids the enhanced code in the greeting and in every reply to HELO and EHLO, and RFC 5321 knows
//! none for 3yz. There the machine leaves it out when it writes; a [`Refusal`] always has one.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use proto_core::{Backend, OutBuf};

/// The longest reply line, code and CR LF counted (RFC 5321 section 4.5.3.1.5).
pub const REPLY_LINE_BYTES_MAX: usize = 512;

/// What the code, the separator, the longest enhanced code and CR LF take of a line.
const REPLY_FRAME_BYTES: usize = "550 ".len() + "5.999.999 ".len() + "\r\n".len();

/// The longest line of a text.
pub(crate) const REPLY_TEXT_BYTES_MAX: usize = REPLY_LINE_BYTES_MAX - REPLY_FRAME_BYTES;

/// An enhanced status code, as `5.1.1` (RFC 3463 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedCode {
    /// A code from its three numbers; `None` unless the class is 2, 4 or 5 and the others have at most three digits.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        if !matches!(class, 2 | 4 | 5) || subject > 999 || detail > 999 {
            return None;
        }
        Some(Self { class, subject, detail })
    }

    /// The class: 2 success, 4 temporary, 5 permanent.
    pub const fn class(self) -> u8 {
        self.class
    }

    /// What the status is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// The detail within the subject.
    pub const fn detail(self) -> u16 {
        self.detail
    }

    /// Reads `class.subject.detail` from the front of a text; what follows must be a space or the end.
    pub fn from_front(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut numbers = word.split('.').map(|n| {
            let plain = !n.is_empty() && n.len() <= 3 && n.bytes().all(|b| b.is_ascii_digit());
            if plain { n.parse::<u16>().ok() } else { None }
        });
        let class = u8::try_from(numbers.next()??).ok()?;
        let code = Self::new(class, numbers.next()??, numbers.next()??)?;
        if numbers.next().is_some() { None } else { Some((code, rest)) }
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Why a reply cannot be constructed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// The code is none of RFC 5321 section 4.2, or not of the kind asked for.
    #[error("not a reply code of the kind that is needed here")]
    Code,
    /// The enhanced code's class is not the code's first digit.
    #[error("the enhanced code's class differs from the code's first digit")]
    Class,
    /// The text holds an octet that a reply may not hold: anything but printable ASCII, space, tab, and LF
    /// between lines.
    #[error("the text holds an octet that a reply may not hold")]
    Text,
    /// A line of the text is too long for a reply line.
    #[error("a line of the text is too long")]
    LineTooLong,
}

/// A reply, as it is written by a server and as it was read by a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<EnhancedCode>,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply from its parts.
    ///
    /// # Errors
    /// [`ReplyFault`] names the part that cannot be on the wire.
    pub fn new(
        code: u16,
        enhanced: Option<EnhancedCode>,
        text: impl Into<Cow<'static, str>>,
    ) -> Result<Self, ReplyFault> {
        let text = text.into();
        if !is_code(code) {
            return Err(ReplyFault::Code);
        }
        if enhanced.is_some_and(|e| u16::from(e.class) != code / 100) {
            return Err(ReplyFault::Class);
        }
        check_text(&text)?;
        Ok(Self { code, enhanced, text })
    }

    /// One of this crate's own replies; the text is known to be right.
    pub(crate) const fn fixed(code: u16, enhanced: (u16, u16), text: &'static str) -> Self {
        let enhanced = EnhancedCode { class: (code / 100) as u8, subject: enhanced.0, detail: enhanced.1 };
        Self { code, enhanced: Some(enhanced), text: Cow::Borrowed(text) }
    }

    /// One of this crate's own replies without an enhanced code.
    pub(crate) const fn plain(code: u16, text: &'static str) -> Self {
        Self { code, enhanced: None, text: Cow::Borrowed(text) }
    }

    /// One whose text is known to be right: a peer's, whose octets were made harmless by the reader, or one of this crate's.
    pub(crate) const fn received(code: u16, enhanced: Option<EnhancedCode>, text: String) -> Self {
        Self { code, enhanced, text: Cow::Owned(text) }
    }

    /// The three-digit code.
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code, if it has one.
    pub const fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// The text; lines are separated by LF.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Keeps no more of the text than this, and no memory for the rest.
    pub(crate) fn shorten(&mut self, text_bytes_max: usize) {
        if self.text.len() > text_bytes_max {
            let text = self.text.to_mut();
            let cut = (0..=text_bytes_max).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(cut.unwrap_or_default());
            text.shrink_to_fit();
        }
    }

    /// Whether it says yes: 2yz.
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether it says go on: 3yz.
    pub const fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// Whether it says not now: 4yz.
    pub const fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }

    /// Whether it says never: 5yz.
    pub const fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// A 5yz as the 4yz of the same words; none of any other.
    pub(crate) fn softened(&self) -> Option<Self> {
        let enhanced = self.enhanced.map(|code| EnhancedCode { class: 4, ..code });
        self.is_permanent().then(|| Self { code: self.code - 100, enhanced, text: self.text.clone() })
    }

    /// Writes the lines of the reply. `enhanced` is false where RFC 2034 forbids the enhanced code.
    pub(crate) fn write(&self, out: &mut OutBuf, enhanced: bool) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            write_line(out, self.code, self.enhanced.filter(|_| enhanced), lines.peek().is_none(), line);
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for (i, line) in self.text.split('\n').enumerate() {
            write!(f, "{}{line}", if i == 0 { " " } else { " / " })?;
        }
        Ok(())
    }
}

/// Writes one line of a reply straight into the output; `last` decides between `-` and space.
pub(crate) fn write_line(
    out: &mut OutBuf,
    code: u16,
    enhanced: Option<EnhancedCode>,
    last: bool,
    line: &str,
) {
    write_words(out, code, enhanced, last, &[line]);
}

/// Writes one line of a reply whose text is in pieces.
pub(crate) fn write_words(
    out: &mut OutBuf,
    code: u16,
    enhanced: Option<EnhancedCode>,
    last: bool,
    words: &[&str],
) {
    out.reserve(REPLY_FRAME_BYTES + words.iter().map(|word| word.len()).sum::<usize>());
    digits(out, code);
    out.extend(if last { b" " } else { b"-" });
    if let Some(EnhancedCode { class, subject, detail }) = enhanced {
        digits(out, class.into());
        out.extend(b".");
        digits(out, subject);
        out.extend(b".");
        digits(out, detail);
        out.extend(b" ");
    }
    words.iter().for_each(|word| out.extend(word.as_bytes()));
    out.extend(b"\r\n");
}

/// A number of at most three digits, as all are in a reply. By hand: there is a reply to every command, and the
/// formatter is not cheap.
fn digits(out: &mut OutBuf, number: u16) {
    let digits = [100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8);
    let zeros = usize::from(number < 100) + usize::from(number < 10);
    out.extend(&digits[zeros..]);
}

/// A text that may stand in a reply: printable ASCII, space and tab, on one line; see [`ReplyText::utf8`] for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyText(Cow<'static, str>);

impl ReplyText {
    /// A checked text.
    ///
    /// # Errors
    /// [`ReplyFault::Text`] and [`ReplyFault::LineTooLong`]; a line break is refused as well.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, ReplyFault> {
        let text = text.into();
        if text.contains('\n') {
            return Err(ReplyFault::Text);
        }
        check_text(&text)?;
        Ok(Self(text))
    }

    /// A checked text that may hold UTF-8, but no control character. Only the answers of VRFY and EXPN show it as it is,
    /// and only to a client that takes UTF-8 there (RFC 6531 section 3.7.4.2).
    ///
    /// # Errors
    /// As of [`ReplyText::new`].
    pub fn utf8(text: impl Into<Cow<'static, str>>) -> Result<Self, ReplyFault> {
        let text = text.into();
        if text.is_ascii() {
            return Self::new(text);
        }
        if text.chars().any(char::is_control) {
            return Err(ReplyFault::Text);
        }
        check_line(&text)?;
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A reply that says no: 4yz or 5yz, always with an enhanced code.
///
/// The codes 421 and 521 close the connection once the reply is written (RFC 5321 section 3.8, RFC 7504).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Reply);

impl Refusal {
    /// Our side cannot go on just now (RFC 5321 section 4.2.2: local error in processing).
    pub const TEMPORARY: Refusal =
        Refusal(Reply::fixed(451, (3, 0), "Error: temporary failure, try again later"));
    /// Our side cannot do this, now or later.
    pub const PERMANENT: Refusal = Refusal(Reply::fixed(554, (3, 0), "Error: transaction failed"));
    /// No more resources for this message just now (RFC 5321 section 4.2.2, RFC 3463 `X.3.1`).
    pub const STORAGE_FULL: Refusal = Refusal(Reply::fixed(452, (3, 1), "Insufficient system storage"));

    /// A refusal from its parts.
    ///
    /// # Errors
    /// [`ReplyFault`]; a code that is not 4yz or 5yz is [`ReplyFault::Code`].
    pub fn new(
        code: u16,
        enhanced: EnhancedCode,
        text: impl Into<Cow<'static, str>>,
    ) -> Result<Self, ReplyFault> {
        if !matches!(code / 100, 4 | 5) {
            return Err(ReplyFault::Code);
        }
        Reply::new(code, Some(enhanced), text).map(Self)
    }

    /// One of this crate's own refusals; the text is known to be right.
    pub(crate) const fn fixed(code: u16, enhanced: (u16, u16), text: &'static str) -> Self {
        Self(Reply::fixed(code, enhanced, text))
    }

    /// The reply it is.
    pub const fn reply(&self) -> &Reply {
        &self.0
    }

    /// Whether the connection is closed after it: 421 and 521.
    pub const fn closes(&self) -> bool {
        matches!(self.0.code, 421 | 521)
    }
}

/// A reply that says yes: 2yz, or the 354 that has the message come.
///
/// An application gives one where it wants to say more than the standard reply, see
/// [`Extras::reply`](crate::server::Extras::reply).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval(Reply);

impl Approval {
    /// An approval from its parts. Without an enhanced code it gets that of the standard reply.
    ///
    /// # Errors
    /// [`ReplyFault`]; a code that is neither 2yz nor 354 is [`ReplyFault::Code`].
    pub fn new(
        code: u16,
        enhanced: Option<EnhancedCode>,
        text: impl Into<Cow<'static, str>>,
    ) -> Result<Self, ReplyFault> {
        if code / 100 != 2 && code != 354 {
            return Err(ReplyFault::Code);
        }
        Reply::new(code, enhanced, text).map(Self)
    }

    /// The reply it is.
    pub const fn reply(&self) -> &Reply {
        &self.0
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        refusal.0
    }
}

/// The one table from a failure behind the application to a reply. A text that cannot stand in a reply is
/// replaced by the standard one.
impl From<Backend> for Refusal {
    fn from(fault: Backend) -> Refusal {
        let (standard, text) = match fault {
            Backend::Temporary(text) => (Refusal::TEMPORARY, text),
            Backend::Permanent(text) => (Refusal::PERMANENT, text),
        };
        if text.is_empty() || check_text(&text).is_err() {
            return standard;
        }
        Refusal(Reply { text, ..standard.0 })
    }
}

/// RFC 5321 section 4.2: `Reply-code = %x32-35 %x30-35 %x30-39`.
const fn is_code(code: u16) -> bool {
    code >= 200 && code <= 559 && code / 10 % 10 <= 5
}

fn check_text(text: &str) -> Result<(), ReplyFault> {
    if !text.bytes().all(|b| matches!(b, b'\t' | b'\n' | b' '..=b'~')) {
        return Err(ReplyFault::Text);
    }
    text.split('\n').try_for_each(check_line)
}

fn check_line(line: &str) -> Result<(), ReplyFault> {
    if line.len() > REPLY_TEXT_BYTES_MAX { Err(ReplyFault::LineTooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn code(class: u8, subject: u16, detail: u16) -> EnhancedCode {
        EnhancedCode::new(class, subject, detail).unwrap()
    }

    #[test]
    fn what_cannot_be_on_the_wire_cannot_be_constructed() {
        assert_eq!(Reply::new(199, None, "x"), Err(ReplyFault::Code));
        assert_eq!(Reply::new(560, None, "x"), Err(ReplyFault::Code));
        assert_eq!(Reply::new(269, None, "x"), Err(ReplyFault::Code));
        assert_eq!(Reply::new(550, Some(code(4, 0, 0)), "x"), Err(ReplyFault::Class));
        for bad in ["a\r\nb", "nul\0", "\u{e9}", "\u{7f}"] {
            assert_eq!(Reply::new(550, None, bad), Err(ReplyFault::Text), "{bad:?}");
        }
        assert_eq!(Reply::new(550, None, "x".repeat(500)), Err(ReplyFault::LineTooLong));
        assert_eq!(Refusal::new(250, code(2, 0, 0), "x"), Err(ReplyFault::Code));
        assert_eq!(Approval::new(550, None, "x"), Err(ReplyFault::Code));
        assert_eq!(Approval::new(334, None, "x"), Err(ReplyFault::Code));
        assert_eq!(Approval::new(250, Some(code(5, 0, 0)), "x"), Err(ReplyFault::Class));
        assert_eq!(Approval::new(354, None, "go").unwrap().reply().to_string(), "354 go");
        assert_eq!(ReplyText::new("two\nlines"), Err(ReplyFault::Text));
        assert_eq!(ReplyText::new("caf\u{e9}"), Err(ReplyFault::Text));
        assert_eq!(ReplyText::utf8("<caf\u{e9}@x>").unwrap().as_str(), "<caf\u{e9}@x>");
        for text in ["two\nlines", "\u{e9}\r\n", "\u{e9}\t", "\u{85}", "\0"] {
            assert_eq!(ReplyText::utf8(text), Err(ReplyFault::Text), "{text:?}");
        }
        assert_eq!(ReplyText::utf8("\u{e9}".repeat(250)), Err(ReplyFault::LineTooLong));
        assert_eq!(EnhancedCode::new(3, 0, 0), None);
        assert_eq!(EnhancedCode::new(2, 1000, 0), None);
    }

    #[test]
    fn all_but_the_last_line_have_a_hyphen() {
        let mut out = OutBuf::new();
        let reply = Reply::new(550, Some(code(5, 7, 1)), "no\nreally not\nend").unwrap();
        reply.write(&mut out, true);
        assert_eq!(out.as_slice(), b"550-5.7.1 no\r\n550-5.7.1 really not\r\n550 5.7.1 end\r\n");
        let mut out = OutBuf::new();
        reply.write(&mut out, false);
        assert_eq!(out.as_slice(), b"550-no\r\n550-really not\r\n550 end\r\n");
        assert_eq!(reply.to_string(), "550 5.7.1 no / really not / end");
    }

    #[test]
    fn the_longest_text_makes_a_line_within_the_limit() {
        let text = "x".repeat(REPLY_LINE_BYTES_MAX - REPLY_FRAME_BYTES);
        let mut out = OutBuf::new();
        Reply::new(550, Some(code(5, 999, 999)), text).unwrap().write(&mut out, true);
        assert_eq!(out.len(), REPLY_LINE_BYTES_MAX);
    }

    #[test]
    fn a_failure_behind_us_becomes_a_reply() {
        assert_eq!(Refusal::from(Backend::TEMPORARY), Refusal::TEMPORARY);
        assert_eq!(Refusal::from(Backend::Permanent("bad\r\n".into())), Refusal::PERMANENT);
        let own = Refusal::from(Backend::Temporary("directory unavailable".into()));
        assert_eq!(own.reply().to_string(), "451 4.3.0 directory unavailable");
        assert!(!own.closes());
    }

    #[test]
    fn enhanced_codes_are_read_back() {
        for (text, expected) in [
            ("5.1.1 gone", Some((code(5, 1, 1), "gone"))),
            ("2.10.999", Some((code(2, 10, 999), ""))),
            ("3.0.0 x", None),
            ("5.1 x", None),
            ("5.1.1.1 x", None),
            ("5.1.+1 x", None),
            ("5..1 x", None),
            ("5.1.1000 x", None),
        ] {
            assert_eq!(EnhancedCode::from_front(text), expected, "{text}");
        }
    }
}
