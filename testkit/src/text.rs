//! The notation of one transcript line: octets, cuts, free text and variables.
//!
//! | written | means |
//! | --- | --- |
//! | `↵` | CR LF |
//! | `␍` `␊` `␀` `␉` `␠`, or `\r` `\n` `\0` `\t` `\s` | CR, LF, NUL, tab, space |
//! | `\xNN`, `\\`, `\{` | that octet, a backslash, an opening brace that begins no variable |
//! | `¦` | a segment boundary, in the run that is cut as written |
//! | `‿` or `\j` | the octets on either side arrive together in every run |
//! | `…` | in what is expected: any octets of the same line |
//! | `{name}` | a variable's value |
//! | `{len:…}` `{b64:…}` `{rep:N:…}` | the length of the text in octets, the text in base64, the text N times |
//!
//! A brace that no lower-case letter follows stands for itself, so IMAP literals (`{3+}`) need no escape. A line
//! ends in CR LF of its own accord, except after an explicit `↵`, `␊` or `\n`, after `¦`, or after a final `\`.

use crate::vars::Setup;
use base64::Engine as _;

/// One element of a line, variables filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Octet(u8),
    /// A segment boundary.
    Cut,
    /// No segment boundary, in any run.
    Join,
    /// Free text within a line.
    Any,
}

/// One parsed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    tokens: Vec<Token>,
    /// Whether CR LF follows though it is not written.
    pub(crate) line_end: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Unit(Unit),
    Variable(String),
    Length(Vec<Token>),
    Base64(Vec<Token>),
    Repeat(usize, Vec<Token>),
}

impl Text {
    pub(crate) fn parse(written: &str) -> Result<Text, String> {
        if written.ends_with([' ', '\t']) {
            return Err("ends in a blank that nobody can see: write ␠ or \\s".into());
        }
        // An escaped backslash at the end is an octet; an odd one is the mark for "no line end".
        let backslashes = |text: &str| text.len() - text.trim_end_matches('\\').len();
        let continued = backslashes(written) % 2 == 1;
        let body = if continued { &written[..written.len() - 1] } else { written };
        let written_end = body.ends_with(['↵', '␊', '¦'])
            || body.strip_suffix('n').is_some_and(|before| backslashes(before) % 2 == 1);
        let line_end = !continued && !written_end;
        let mut chars = body.chars().peekable();
        let tokens = parse_tokens(&mut chars, false)?;
        Ok(Text { tokens, line_end })
    }

    /// The line's elements with the values of this run, its own CR LF included. A `‿` at the very end of the
    /// line joins what follows the CR LF.
    pub(crate) fn units(&self, setup: &Setup) -> Result<Vec<Unit>, String> {
        let mut units = Vec::new();
        expand(&self.tokens, setup, &mut units)?;
        if self.line_end {
            let joined = units.last() == Some(&Unit::Join);
            if joined {
                units.pop();
            }
            units.extend([Unit::Octet(b'\r'), Unit::Octet(b'\n')]);
            if joined {
                units.push(Unit::Join);
            }
        }
        Ok(units)
    }

    /// The line's octets alone, without an implied CR LF.
    pub(crate) fn octets(&self, setup: &Setup) -> Result<Vec<u8>, String> {
        let mut units = Vec::new();
        expand(&self.tokens, setup, &mut units)?;
        octets_of(&units)
    }
}

fn octets_of(units: &[Unit]) -> Result<Vec<u8>, String> {
    units
        .iter()
        .map(|unit| match unit {
            Unit::Octet(octet) => Ok(*octet),
            _ => Err("only octets may stand here".to_string()),
        })
        .collect()
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Tokens up to the end, or, `inside` braces, up to the closing one.
fn parse_tokens(chars: &mut Chars<'_>, inside: bool) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let octet = |octet: u8| Token::Unit(Unit::Octet(octet));
    while let Some(c) = chars.next() {
        match c {
            '}' if inside => return Ok(tokens),
            '↵' => tokens.extend([octet(b'\r'), octet(b'\n')]),
            '␍' => tokens.push(octet(b'\r')),
            '␊' => tokens.push(octet(b'\n')),
            '␀' => tokens.push(octet(0)),
            '␉' => tokens.push(octet(b'\t')),
            '␠' => tokens.push(octet(b' ')),
            '¦' => tokens.push(Token::Unit(Unit::Cut)),
            '‿' => tokens.push(Token::Unit(Unit::Join)),
            '…' => tokens.push(Token::Unit(Unit::Any)),
            '\\' => tokens.push(Token::Unit(parse_escape(chars)?)),
            '{' if chars.peek().is_some_and(char::is_ascii_lowercase) => tokens.push(parse_braces(chars)?),
            other => tokens.extend(other.encode_utf8(&mut [0; 4]).bytes().map(octet)),
        }
    }
    if inside { Err("a brace is not closed".into()) } else { Ok(tokens) }
}

fn parse_escape(chars: &mut Chars<'_>) -> Result<Unit, String> {
    Ok(Unit::Octet(match chars.next() {
        Some('r') => b'\r',
        Some('n') => b'\n',
        Some('0') => 0,
        Some('t') => b'\t',
        Some('s') => b' ',
        Some('\\') => b'\\',
        Some('{') => b'{',
        Some('j') => return Ok(Unit::Join),
        Some('x') => {
            let digits: String = chars.by_ref().take(2).collect();
            u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is no octet"))?
        }
        other => return Err(format!("unknown escape \\{}", other.unwrap_or(' '))),
    }))
}

fn parse_braces(chars: &mut Chars<'_>) -> Result<Token, String> {
    let mut name = String::new();
    loop {
        match chars.next() {
            Some('}') => return Ok(Token::Variable(name)),
            Some(':') => break,
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
            _ => return Err(format!("{{{name} is not closed; write \\{{ for a brace")),
        }
    }
    match name.as_str() {
        "len" => Ok(Token::Length(parse_tokens(chars, true)?)),
        "b64" => Ok(Token::Base64(parse_tokens(chars, true)?)),
        "rep" => {
            let digits: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect();
            let times = digits.parse().map_err(|_| "{rep:N:…} wants a number N".to_string())?;
            if chars.next() != Some(':') {
                return Err("{rep:N:…} wants a second colon".into());
            }
            Ok(Token::Repeat(times, parse_tokens(chars, true)?))
        }
        other => Err(format!("{{{other}:…}} is not known: len, b64, rep")),
    }
}

fn expand(tokens: &[Token], setup: &Setup, units: &mut Vec<Unit>) -> Result<(), String> {
    let inner = |tokens: &[Token]| {
        let mut units = Vec::new();
        expand(tokens, setup, &mut units)?;
        octets_of(&units)
    };
    for token in tokens {
        let text = match token {
            Token::Unit(unit) => {
                units.push(*unit);
                continue;
            }
            Token::Variable(name) => {
                setup.find_var(name).ok_or_else(|| format!("no variable {name}"))?.as_bytes().to_vec()
            }
            Token::Length(tokens) => inner(tokens)?.len().to_string().into_bytes(),
            Token::Base64(tokens) => {
                base64::engine::general_purpose::STANDARD.encode(inner(tokens)?).into_bytes()
            }
            Token::Repeat(times, tokens) => inner(tokens)?.repeat(*times),
        };
        units.extend(text.into_iter().map(Unit::Octet));
    }
    Ok(())
}

/// Octets as a transcript would write them, a line each.
pub(crate) fn show(octets: &[u8]) -> String {
    let mut shown = String::new();
    let mut rest = octets;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        match octet {
            b'\r' if rest.first() == Some(&b'\n') => {
                rest = &rest[1..];
                shown.push_str("↵\n");
            }
            b'\r' => shown.push('␍'),
            b'\n' => shown.push_str("␊\n"),
            0 => shown.push('␀'),
            b' '..=b'~' => shown.push(char::from(octet)),
            other => shown.push_str(&format!("\\x{other:02x}")),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(written: &str) -> Vec<Unit> {
        let setup = Setup { variables: vec![("user".into(), "bob".into())], options: Vec::new() };
        Text::parse(written).unwrap().units(&setup).unwrap()
    }

    fn octets(written: &str) -> Vec<u8> {
        octets_of(&units(written)).unwrap()
    }

    #[test]
    fn known_answers() {
        assert_eq!(octets("NOOP"), b"NOOP\r\n");
        assert_eq!(octets("a␊b␍c␀\\xff\\\\\\"), b"a\nb\rc\0\xff\\");
        assert_eq!(octets("a↵"), b"a\r\n");
        assert_eq!(octets("é"), "é\r\n".as_bytes());
        assert_eq!(octets("a LOGIN {3+}\\"), b"a LOGIN {3+}");
        assert_eq!(octets("{{len:{user}}}\\"), b"{3}");
        assert_eq!(octets("{b64:␀{user}␀p}\\"), b"AGJvYgBw");
        assert_eq!(octets("{rep:3:ab}\\"), b"ababab");
        assert_eq!(octets("\\{user}\\"), b"{user}");
    }

    #[test]
    fn a_join_at_the_end_follows_the_line_end() {
        let expected = [Unit::Octet(b'A'), Unit::Octet(b'\r'), Unit::Octet(b'\n'), Unit::Join];
        assert_eq!(units("A‿"), expected);
        assert_eq!(units("A\\j"), expected);
        assert_eq!(units("A¦"), [Unit::Octet(b'A'), Unit::Cut]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for written in ["a ", "{user", "{foo:x}", "\\q", "\\xzz", "{rep:x:y}"] {
            assert!(Text::parse(written).is_err(), "{written}");
        }
        assert!(Text::parse("{nobody}").unwrap().units(&Setup::default()).is_err());
    }
}
