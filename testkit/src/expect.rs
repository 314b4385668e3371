//! What is expected against what came, free text allowed.

use crate::text::Unit;

/// How many octets of `text` the pattern matches from the front. Free text stays within a line.
pub(crate) fn match_front(pattern: &[Unit], text: &[u8]) -> Option<usize> {
    glob(pattern, text, false)
}

/// Whether the pattern matches all of `text`. Free text may go over line ends.
pub(crate) fn match_all(pattern: &[Unit], text: &[u8]) -> bool {
    glob(pattern, text, true).is_some()
}

/// Backtracks only to the last free text, which is enough: an earlier one that took more would only leave less.
fn glob(pattern: &[Unit], text: &[u8], whole: bool) -> Option<usize> {
    let (mut p, mut t) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() && (!whole || t == text.len()) {
            return Some(t);
        }
        match pattern.get(p) {
            Some(Unit::Any) => {
                p += 1;
                last_any = Some((p, t));
                continue;
            }
            Some(Unit::Octet(octet)) if text.get(t) == Some(octet) => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        let (after_any, taken) = last_any?;
        let next = *text.get(taken)?;
        if !whole && matches!(next, b'\r' | b'\n') {
            return None;
        }
        last_any = Some((after_any, taken + 1));
        (p, t) = (after_any, taken + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use crate::vars::Setup;

    fn front(pattern: &str, text: &str) -> Option<usize> {
        match_front(&Text::parse(pattern).unwrap().units(&Setup::default()).unwrap(), text.as_bytes())
    }

    #[test]
    fn free_text_stays_in_its_line() {
        assert_eq!(front("250 2.1.0…", "250 2.1.0 ok\r\n250 x\r\n"), Some(14));
        assert_eq!(front("250 …x", "250 ok\r\n250 x\r\n"), None);
        assert_eq!(front("a…b…c", "aXbYbZc\r\n"), Some(9));
        assert_eq!(front("250", "250 \r\n"), None);
        assert_eq!(front("25\\", "250 \r\n"), Some(2));
    }

    #[test]
    fn a_whole_match_leaves_nothing() {
        let units = |pattern: &str| {
            let mut units = Vec::new();
            for c in pattern.chars() {
                units.push(if c == '*' { Unit::Any } else { Unit::Octet(c as u8) });
            }
            units
        };
        assert!(match_all(&units("body *"), b"body a\r\nb"));
        assert!(match_all(&units("*b"), b"abb"));
        assert!(!match_all(&units("body"), b"body a"));
        assert!(!match_all(&units("body a"), b"body"));
    }
}
