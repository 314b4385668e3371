//! Bracket expressions, from POSIX and Perl into the form of the engines.
//!
//! The engines know set operators (`&&`, `--`, `~~`) and nested brackets, which those two languages do not: there such
//! characters are just members.

use std::iter::Peekable;
use std::str::Chars;

/// Reads what follows `[` up to its `]`, and writes it with its brackets. In POSIX a backslash is a member; elsewhere it
/// escapes. `lines`: what is not in the set must not match the end of a line.
pub(crate) fn translate(
    from: &mut Peekable<Chars<'_>>,
    to: &mut String,
    posix: bool,
    lines: bool,
) -> Result<(), String> {
    const OPEN: &str = "no ] closes [";
    to.push('[');
    let negated = from.next_if_eq(&'^').is_some();
    if negated {
        to.push('^');
    }
    let mut first = true;
    loop {
        match from.next().ok_or(OPEN)? {
            ']' if !first => break,
            '[' => match from.next_if(|next| matches!(next, ':' | '.' | '=')) {
                Some(kind) => named(from, to, kind)?,
                None => to.push_str("\\["),
            },
            '\\' if !posix => escape(from.next().ok_or(OPEN)?, from, to),
            '-' if !first && from.peek().is_some_and(|next| *next != ']') && !to.ends_with("\\-") => {
                to.push('-')
            }
            member => literal(member, to),
        }
        first = false;
        // The end of a range may be a hyphen.
        if to.ends_with('-') && !to.ends_with("\\-") && from.next_if_eq(&'-').is_some() {
            to.push_str("\\-");
        }
    }
    if negated && lines {
        to.push_str("\\n");
    }
    to.push(']');
    Ok(())
}

/// `[:alpha:]`, `[.-.]` or `[=a=]`, from behind its `[:`.
fn named(from: &mut Peekable<Chars<'_>>, to: &mut String, kind: char) -> Result<(), String> {
    let mut name = String::new();
    loop {
        let next = from.next().ok_or_else(|| format!("no {kind}] closes [{kind}"))?;
        if next == kind && from.next_if_eq(&']').is_some() {
            break;
        }
        name.push(next);
    }
    match kind {
        ':' => to.push_str(&format!("[:{name}:]")),
        _ if name.chars().count() == 1 => name.chars().for_each(|character| literal(character, to)),
        _ => return Err(format!("[{kind}{name}{kind}] is not known")),
    }
    Ok(())
}

/// A character behind a backslash, within brackets.
fn escape(character: char, from: &mut Peekable<Chars<'_>>, to: &mut String) {
    match character {
        'd' => to.push_str("0-9"),
        'w' => to.push_str("0-9A-Za-z_"),
        's' => to.push_str("\\t-\\r "),
        'h' => to.push_str("\\t "),
        'D' => to.push_str("[^0-9]"),
        'W' => to.push_str("[^0-9A-Za-z_]"),
        'S' => to.push_str("[^\\t-\\r ]"),
        'H' => to.push_str("[^\\t ]"),
        'b' => to.push_str("\\x08"),
        'e' => to.push_str("\\x1b"),
        // Octal, as far as it goes.
        '0'..='7' => {
            let mut value = u32::from(character) - u32::from('0');
            for _ in 0..2 {
                let Some(digit) = from.next_if(|next| matches!(next, '0'..='7')) else { break };
                value = value * 8 + u32::from(digit) - u32::from('0');
            }
            to.push_str(&format!("\\x{{{value:x}}}"));
        }
        other if other.is_ascii_alphanumeric() => to.extend(['\\', other]),
        other => literal(other, to),
    }
}

/// One character that stands for itself, wherever it stands; also a blank, where blanks are ignored.
pub(crate) fn literal(character: char, to: &mut String) {
    if character.is_ascii_whitespace() {
        to.push_str(&format!("\\x{:02x}", u32::from(character)));
        return;
    }
    if character.is_ascii_punctuation() && !matches!(character, '<' | '>' | '_') {
        to.push('\\');
    }
    to.push(character);
}
