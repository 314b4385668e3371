//! POSIX regular expressions, extended and basic, into the form of the engines.
//!
//! Flags turn from the default: `i` minds the case, `m` lets `^` and `$` match at each line, `x` makes the expression a
//! basic one. GNU's `\<`, `\>`, `\b`, `\B`, `\w`, `\W`, `\s`, `\S`, `` \` `` and `\'` are known, and back-references.

use super::class::{self, literal};
use super::rule::Translated;
use std::iter::Peekable;
use std::str::Chars;

pub(crate) fn translate(pattern: &str, flags: &str) -> Result<Translated, String> {
    let (mut fold, mut lines, mut extended) = (true, false, true);
    for flag in flags.chars() {
        match flag {
            'i' => fold = !fold,
            'm' => lines = !lines,
            'x' => extended = !extended,
            _ => return Err(format!("the flag {flag} is none of i, m, x")),
        }
    }
    let mut translation = Translation {
        from: pattern.chars().peekable(),
        to: String::new(),
        extended,
        lines,
        backtracking: false,
        begins: true,
    };
    while translation.step()? {}
    let Translation { to, backtracking, .. } = translation;
    let on = |flag, is_on| if is_on { flag } else { "" };
    let pattern = format!("(?{}{}u){to}", on("i", fold), if lines { "m" } else { "s" });
    Ok(Translated { pattern, backtracking })
}

struct Translation<'p> {
    from: Peekable<Chars<'p>>,
    to: String,
    extended: bool,
    lines: bool,
    backtracking: bool,
    /// At the beginning of the expression or of a part of it, where a basic expression's `*` is itself and `^` an anchor.
    begins: bool,
}

impl Translation<'_> {
    /// Takes the next character with what belongs to it; false at the end.
    fn step(&mut self) -> Result<bool, String> {
        let Some(character) = self.from.next() else { return Ok(false) };
        let begins = std::mem::take(&mut self.begins);
        match character {
            '[' => class::translate(&mut self.from, &mut self.to, true, self.lines)?,
            '\\' => self.escape(begins)?,
            '.' => self.to.push('.'),
            '*' if begins => self.to.push_str("\\*"),
            '*' => self.to.push('*'),
            '^' if self.extended || begins => {
                self.to.push('^');
                self.begins = true;
            }
            '$' if self.extended || self.ends() => self.to.push('$'),
            '(' | '|' if self.extended => {
                self.to.push(character);
                self.begins = true;
            }
            ')' if self.extended => self.to.push(')'),
            '+' | '?' if self.extended && !begins => self.to.push(character),
            '{' if self.extended && !begins => self.interval("}")?,
            other => literal(other, &mut self.to),
        }
        Ok(true)
    }

    fn escape(&mut self, begins: bool) -> Result<(), String> {
        let character = self.from.next().ok_or("a backslash at the end of the pattern")?;
        match character {
            '(' | '|' if !self.extended => {
                self.to.push(character);
                self.begins = true;
            }
            ')' if !self.extended => self.to.push(')'),
            '+' | '?' if !self.extended && !begins => self.to.push(character),
            '{' if !self.extended && !begins => self.interval("\\}")?,
            '1'..='9' => {
                self.backtracking = true;
                // In a group of its own, so that a digit behind it is none of its own.
                self.to.push_str(&format!("(?:\\{character})"));
            }
            'w' => self.to.push_str("[0-9A-Za-z_]"),
            'W' => self.to.push_str("[^0-9A-Za-z_]"),
            's' => self.to.push_str("[\\t-\\r ]"),
            'S' => self.to.push_str("[^\\t-\\r ]"),
            '<' => self.to.push_str("\\b{start}"),
            '>' => self.to.push_str("\\b{end}"),
            'b' | 'B' => self.to.extend(['\\', character]),
            '`' => self.to.push_str("\\A"),
            '\'' => self.to.push_str("\\z"),
            other => literal(other, &mut self.to),
        }
        Ok(())
    }

    /// `{2,3}` from behind its brace; a brace that begins no such is itself.
    fn interval(&mut self, closing: &str) -> Result<(), String> {
        let rest: String = self.from.clone().collect();
        let Some((interval, _)) = rest.split_once(closing).filter(|(interval, _)| is_interval(interval))
        else {
            self.to.push_str("\\{");
            return Ok(());
        };
        let interval = if interval.starts_with(',') { format!("0{interval}") } else { interval.into() };
        self.to.push_str(&format!("{{{interval}}}"));
        let taken = rest.find(closing).unwrap_or(0) + closing.len();
        self.from.by_ref().take(taken).for_each(drop);
        Ok(())
    }

    /// Whether a basic expression, or a part of it, ends here.
    fn ends(&self) -> bool {
        let mut rest = self.from.clone();
        match (rest.next(), rest.next()) {
            (None, _) => true,
            (Some('\\'), Some(next)) => matches!(next, ')' | '|'),
            _ => false,
        }
    }
}

/// `2`, `2,`, `,3` or `2,3`.
pub(crate) fn is_interval(text: &str) -> bool {
    let (low, high) = text.split_once(',').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    digits(low) && digits(high) && text.bytes().any(|octet| octet.is_ascii_digit())
}
