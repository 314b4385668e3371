//! Texts with `$name` in them (Postfix's `rbl_reply_maps`).
//!
//! `$name`, `${name}` and `$(name)` are the value; `${name?text}` is the text when there is a value, `${name:text}` when
//! there is none, and `${name?{one}:{other}}` is one or the other. A text may have names in it, too.
//!
//! # Limits
//! Conditions nest [`NESTED_MAX`] deep; what is deeper gives nothing.

const NESTED_MAX: usize = 8;

/// The text with its names replaced.
pub(crate) fn expand(template: &str, value: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    expand_into(template, value, &mut out, NESTED_MAX);
    out
}

fn expand_into(template: &str, value: &dyn Fn(&str) -> String, out: &mut String, deeper: usize) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((inner, after)) = enclosed(rest, '{', '}').or_else(|| enclosed(rest, '(', ')')) {
            if deeper > 0 {
                condition(inner, value, out, deeper - 1);
            }
            rest = after;
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            out.push_str(&value(&rest[..end]));
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
}

fn condition(inner: &str, value: &dyn Fn(&str) -> String, out: &mut String, deeper: usize) {
    let Some(at) = inner.find(['?', ':']) else {
        out.push_str(&value(inner));
        return;
    };
    let (name, text) = (&inner[..at], &inner[at + 1..]);
    let (if_some, if_none) = if inner.as_bytes()[at] == b':' {
        ("", unbraced(text))
    } else if let Some((one, other)) = enclosed(text, '{', '}') {
        (one, other.strip_prefix(':').map_or("", unbraced))
    } else {
        (text, "")
    };
    expand_into(if value(name).is_empty() { if_none } else { if_some }, value, out, deeper);
}

fn unbraced(text: &str) -> &str {
    enclosed(text, '{', '}').filter(|(_, after)| after.is_empty()).map_or(text, |(inner, _)| inner)
}

/// What is between a pair at the beginning, and what comes after it.
fn enclosed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    let inner = text.strip_prefix(open)?;
    let mut depth = 0_usize;
    for (at, character) in inner.char_indices() {
        if character == open {
            depth += 1;
        } else if character == close {
            if depth == 0 {
                return Some((&inner[..at], &inner[at + close.len_utf8()..]));
            }
            depth -= 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_conditions() {
        let value = |name: &str| if name == "reason" { "spam".to_string() } else { String::new() };
        for (template, expected) in [
            ("a $reason, b", "a spam, b"),
            ("${reason}s $(reason)", "spams spam"),
            ("x${reason?; $reason}", "x; spam"),
            ("x${other?; $other}", "x"),
            ("${other:none}", "none"),
            ("${reason?{yes $reason}:{no}} ${other?{yes}:{no}}", "yes spam no"),
            ("$$5 ${open", "$5 {open"),
            ("", ""),
        ] {
            assert_eq!(expand(template, &value), expected, "{template}");
        }
    }
}
