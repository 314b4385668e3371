//! `$name` and its relatives, replaced.
//!
//! | written | becomes |
//! | --- | --- |
//! | `$name`, `${name}`, `$(name)` | the value of `name`, expanded in its turn; nothing when there is none |
//! | `${name?text}`, `${name?{text}}` | `text` when `name` has a value that is not empty |
//! | `${name:text}`, `${name:{text}}` | `text` when it has none, or an empty one |
//! | `${name?{text}:{other}}` | the one or the other |
//! | `${{one} == {two} ? {text} : {other}}` | the one or the other; also `!=`, `<`, `<=`, `>=`, `>`, numbers as numbers; `<level` and its like, compatibility levels |
//! | `$$` | one `$` |

use super::is_white_space;
use std::cmp::Ordering;

/// So deep may names and brackets stand in each other.
pub const NESTING_MAX: usize = 100;

/// So long may a value be once it is expanded: 1 MiB.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// What looking up a name counts as, in octets written.
const NAME_OCTETS: usize = 16;

/// Gives the value of a parameter, not expanded.
type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Expands the value of the parameter `name`.
pub(super) fn expand(name: &str, value: &str, look_up: LookUp<'_>) -> Result<String, String> {
    let mut expansion = Expansion { look_up, names: vec![name.to_string()], depth: 0, work: 0 };
    expansion.text(value)
}

struct Expansion<'a> {
    look_up: LookUp<'a>,
    /// The parameter asked for, and those in it on the way to where the expansion is.
    names: Vec<String>,
    /// How many texts the one that is expanded stands in.
    depth: usize,
    /// Octets written at any depth, and [`NAME_OCTETS`] for each name, whose value may be empty: what bounds the work bounds the result.
    work: usize,
}

impl Expansion<'_> {
    fn text(&mut self, text: &str) -> Result<String, String> {
        if self.depth >= NESTING_MAX {
            return Err(format!(
                "{}: names or brackets stand in each other more than {NESTING_MAX} deep",
                self.names[0]
            ));
        }
        self.depth += 1;
        let mut out = String::new();
        let mut rest = text;
        while let Some((plain, behind)) = rest.split_once('$') {
            self.write(&mut out, plain)?;
            rest = match behind.chars().next() {
                Some('$') => {
                    self.write(&mut out, "$")?;
                    &behind[1..]
                }
                Some(open @ ('{' | '(')) => {
                    let (inside, after) = bracketed(behind, open)
                        .ok_or_else(|| format!("the bracket of \"${behind}\" does not close"))?;
                    let value = self.bracketed(inside)?;
                    self.write(&mut out, &value)?;
                    after
                }
                _ => {
                    let end = name_length(behind);
                    if end == 0 {
                        return Err(format!(
                            "\"${behind}\": no name stands behind the $; one $ is written $$"
                        ));
                    }
                    let value = self.named(&behind[..end])?;
                    self.write(&mut out, &value)?;
                    &behind[end..]
                }
            };
        }
        self.write(&mut out, rest)?;
        self.depth -= 1;
        Ok(out)
    }

    fn write(&mut self, out: &mut String, text: &str) -> Result<(), String> {
        self.work(text.len())?;
        out.push_str(text);
        Ok(())
    }

    fn work(&mut self, octets: usize) -> Result<(), String> {
        self.work += octets;
        if self.work > VALUE_BYTES_MAX {
            return Err(format!("{}: longer than {VALUE_BYTES_MAX} octets when expanded", self.names[0]));
        }
        Ok(())
    }

    fn named(&mut self, name: &str) -> Result<String, String> {
        self.work(NAME_OCTETS)?;
        let Some(value) = (self.look_up)(name) else { return Ok(String::new()) };
        let again = self.names.iter().any(|outer| outer == name);
        self.names.push(name.to_string());
        if again {
            return Err(format!("{}: it is set to itself", self.names.join(" -> ")));
        }
        let value = self.text(&value)?;
        self.names.pop();
        Ok(value)
    }

    /// What stands in the brackets of `${…}`.
    fn bracketed(&mut self, inside: &str) -> Result<String, String> {
        let inside = inside.trim_start_matches(is_white_space);
        let (holds, choice) = if inside.starts_with('{') {
            self.comparison(inside)?
        } else {
            let end = name_length(inside);
            if end == 0 {
                return Err(format!("\"{inside}\" does not begin with a name"));
            }
            let value = self.named(&inside[..end])?;
            let choice = inside[end..].trim_start_matches(is_white_space);
            if choice.is_empty() {
                return Ok(value);
            }
            (!value.is_empty(), choice)
        };
        self.choice(holds, choice)
    }

    /// `?text`, `:text`, `?{text}:{other}`.
    fn choice(&mut self, holds: bool, choice: &str) -> Result<String, String> {
        if let Some(text) = choice.strip_prefix(':') {
            return if holds { Ok(String::new()) } else { self.alternative(text) };
        }
        let Some(text) = choice.strip_prefix('?') else {
            return Err(format!("\"{choice}\": expected ? or :"));
        };
        let text = text.trim_start_matches(is_white_space);
        let Some((_, behind)) = text.starts_with('{').then(|| bracketed(text, '{')).flatten() else {
            return if holds { self.text(text) } else { Ok(String::new()) };
        };
        let text = &text[..text.len() - behind.len()];
        let behind = behind.trim_matches(is_white_space);
        let other = match behind.strip_prefix(':') {
            Some(other) => other,
            None if behind.is_empty() => "",
            None => return Err(format!("\"{behind}\": expected : or the end")),
        };
        self.alternative(if holds { text } else { other })
    }

    /// A text with or without braces around it.
    fn alternative(&mut self, text: &str) -> Result<String, String> {
        let trimmed = text.trim_matches(is_white_space);
        match trimmed.starts_with('{').then(|| bracketed(trimmed, '{')).flatten() {
            Some((inside, "")) => self.text(inside.trim_matches(is_white_space)),
            Some((_, behind)) => Err(format!("\"{behind}\" stands behind the last brace")),
            None => self.text(text),
        }
    }

    /// `{one} operator {two}`; whether it holds, and what is behind.
    fn comparison<'t>(&mut self, text: &'t str) -> Result<(bool, &'t str), String> {
        let unclosed = || format!("a bracket of \"{text}\" does not close");
        let (one, behind) = bracketed(text, '{').ok_or_else(unclosed)?;
        let behind = behind.trim_start_matches(is_white_space);
        let operators = [
            ("==", [Ordering::Equal].as_slice()),
            ("!=", &[Ordering::Less, Ordering::Greater]),
            ("<=", &[Ordering::Less, Ordering::Equal]),
            (">=", &[Ordering::Greater, Ordering::Equal]),
            ("<", &[Ordering::Less]),
            (">", &[Ordering::Greater]),
        ];
        let found =
            operators.iter().find_map(|(operator, holds)| Some((behind.strip_prefix(operator)?, holds)));
        let Some((behind, holds)) = found else {
            return Err(format!("\"{behind}\": expected ==, !=, <, <=, >= or >"));
        };
        let level = behind.strip_prefix("level");
        let behind = level.unwrap_or(behind).trim_start_matches(is_white_space);
        let (two, behind) = behind
            .starts_with('{')
            .then(|| bracketed(behind, '{').ok_or_else(unclosed))
            .ok_or_else(|| format!("\"{behind}\": expected {{"))??;
        let one = self.text(one.trim_matches(is_white_space))?;
        let two = self.text(two.trim_matches(is_white_space))?;
        let ordering = match (number(&one), number(&two)) {
            _ if level.is_some() => compatibility_level(&one)?.cmp(&compatibility_level(&two)?),
            (Some(one), Some(two)) => one.cmp(&two),
            _ => one.cmp(&two),
        };
        Ok((holds.contains(&ordering), behind.trim_start_matches(is_white_space)))
    }
}

/// A number as comparisons know it: digits alone.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A compatibility level: `major`, `major.minor` or `major.minor.patch`.
fn compatibility_level(text: &str) -> Result<[u64; 3], String> {
    let mut level = [0; 3];
    let mut parts = text.split('.');
    for (place, part) in level.iter_mut().zip(&mut parts) {
        *place =
            number(part).ok_or_else(|| format!("\"{text}\" is not a compatibility level such as 3.6"))?;
    }
    match parts.next() {
        None => Ok(level),
        Some(_) => Err(format!("\"{text}\" is not a compatibility level such as 3.6")),
    }
}

/// How many octets at the front are a name.
fn name_length(text: &str) -> usize {
    text.bytes().take_while(|octet| octet.is_ascii_alphanumeric() || *octet == b'_').count()
}

/// What is between the bracket at the front and the one that closes it, and what is behind that.
fn bracketed(text: &str, open: char) -> Option<(&str, &str)> {
    let close = if open == '(' { ')' } else { '}' };
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        if character == open {
            depth += 1;
        } else if character == close {
            depth -= 1;
            if depth == 0 {
                return Some((&text[1..at], &text[at + 1..]));
            }
        }
    }
    None
}
