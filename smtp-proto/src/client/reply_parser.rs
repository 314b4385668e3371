//! Replies as a client reads them, line by line.
//!
//! RFC 5321 sections 4.2 and 4.2.1: three digits, a hyphen on all lines but the last, the same code on each.
//!
//! # Limits
//! Lines of a reply and the octets of its text are bounded; a peer that goes on is a fault.
//!
//! # Departures
//! An enhanced code whose class is not the reply's is taken for text (RFC 2034 section 4 says that they must agree).
//! Octets that a reply may not hold become `?`, so that a text can be logged and passed on.

use crate::reply::{EnhancedCode, Reply};
use alloc::string::String;

/// A reply that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyParseFault {
    /// Not three digits of RFC 5321 section 4.2, or something else than a space or a hyphen after them.
    #[error("malformed reply")]
    Malformed,
    /// The lines of one reply have different codes.
    #[error("reply lines with different codes")]
    CodesDiffer,
    /// A line is too long, or there are too many, or too much text.
    #[error("reply too long")]
    TooLong,
}

/// Puts lines together into replies.
#[derive(Debug, Default)]
pub struct ReplyParser {
    code: Option<u16>,
    enhanced: Option<EnhancedCode>,
    text: String,
    lines: usize,
}

impl ReplyParser {
    /// A parser at the start of a reply.
    pub const fn new() -> Self {
        Self { code: None, enhanced: None, text: String::new(), lines: 0 }
    }

    /// Whether no reply has begun that is not complete.
    pub const fn is_at_start(&self) -> bool {
        self.lines == 0
    }

    /// Takes a line without its ending; a reply when it was the last line of one. `lines_max` and `text_bytes_max`
    /// bound a whole reply.
    ///
    /// # Errors
    /// [`ReplyParseFault`]; there is no way to find the next reply after it.
    pub fn line(
        &mut self,
        line: &[u8],
        lines_max: usize,
        text_bytes_max: usize,
    ) -> Result<Option<Reply>, ReplyParseFault> {
        let (code, last, text) = split(line).ok_or(ReplyParseFault::Malformed)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyParseFault::CodesDiffer);
        }
        self.lines += 1;
        if self.lines > lines_max || self.text.len() + text.len() + 1 > text_bytes_max {
            return Err(ReplyParseFault::TooLong);
        }
        self.append(code, text, text_bytes_max);
        if !last {
            self.code = Some(code);
            return Ok(None);
        }
        let Self { enhanced, text, .. } = core::mem::take(self);
        Ok(Some(Reply::received(code, enhanced, text)))
    }

    fn append(&mut self, code: u16, text: &[u8], text_bytes_max: usize) {
        let needed = self.text.len() + usize::from(self.lines > 1) + text.len();
        if needed > self.text.capacity() {
            // Doubling by itself, it would take twice the limit.
            let roomy = (2 * self.text.capacity()).min(text_bytes_max).max(needed);
            self.text.reserve_exact(roomy - self.text.len());
        }
        if self.lines > 1 {
            self.text.push('\n');
        }
        let start = self.text.len();
        self.text
            .extend(text.iter().map(|b| if matches!(b, b'\t' | b' '..=b'~') { char::from(*b) } else { '?' }));
        let Some((enhanced, rest)) = EnhancedCode::from_front(&self.text[start..]) else { return };
        let agrees = u16::from(enhanced.class()) == code / 100;
        if agrees && (self.lines == 1 || self.enhanced == Some(enhanced)) {
            self.enhanced = Some(enhanced);
            let cut = self.text.len() - rest.len();
            self.text.replace_range(start..cut, "");
        }
    }
}

/// Code, whether it is the last line, text.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let [first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = digits else { return None };
    let code = [first, second, third].iter().fold(0, |code, digit| code * 10 + u16::from(**digit - b'0'));
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn parse(lines: &[&str]) -> Result<Option<String>, ReplyParseFault> {
        let mut parser = ReplyParser::new();
        let mut reply = None;
        for line in lines {
            assert!(reply.is_none(), "lines after the end");
            reply = parser.line(line.as_bytes(), 100, 4096)?;
        }
        Ok(reply.map(|reply| reply.to_string()))
    }

    #[test]
    fn s41_replies() {
        let some = |text: &str| Ok(Some(text.to_string()));
        assert_eq!(parse(&["250-a", "250-b", "250 c"]), some("250 a / b / c"));
        assert_eq!(parse(&["250"]), some("250 "));
        assert_eq!(parse(&["250-a", "250"]), some("250 a / "));
        assert_eq!(parse(&["250-a", "550 b"]), Err(ReplyParseFault::CodesDiffer));
        for bad in ["2x0 a", "", "25", "25 a", "150 a", "650 a", "250a", "\u{e9}50"] {
            assert_eq!(parse(&[bad]), Err(ReplyParseFault::Malformed), "{bad}");
        }
        assert_eq!(parse(&["250-"; 10_000]), Err(ReplyParseFault::TooLong));
        assert_eq!(parse(&[&["250-", &"x".repeat(4096)].concat()]), Err(ReplyParseFault::TooLong));
        assert_eq!(parse(&["550 5.1.1 no"]), some("550 5.1.1 no"));
        assert_eq!(parse(&["550-5.1.1 no", "550 5.1.1 never"]), some("550 5.1.1 no / never"));
        assert_eq!(parse(&["250-"]), Ok(None));
    }

    #[test]
    fn an_enhanced_code_of_another_class_is_text() {
        let mut parser = ReplyParser::new();
        let reply = parser.line(b"550 2.1.0 x", 100, 4096).unwrap().unwrap();
        assert_eq!(reply.enhanced(), None);
        assert_eq!(reply.text(), "2.1.0 x");
        let reply = parser.line(b"250 a\x1b[31m\xff", 100, 4096).unwrap().unwrap();
        assert_eq!(reply.text(), "a?[31m?");
    }
}
