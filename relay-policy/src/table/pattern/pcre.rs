//! Perl's regular expressions into the form of the engines.
//!
//! Flags turn from the default: `i` minds the case, `m` lets `^` and `$` match at each line, `s` keeps `.` from matching the
//! end of a line, `x` ignores blanks and comments in the pattern, `A` matches at the key's beginning only, `U` takes the
//! shortest; `E` and `X` change nothing here. `\d`, `\w`, `\s` are ASCII's, as in Perl's library without its UCP option.
//!
//! # Departures
//! Recursion, conditions, callouts, `\G` and verbs such as `(*SKIP)` are refused.

use super::class::{self, literal};
use super::posix::is_interval;
use super::rule::Translated;
use std::iter::Peekable;
use std::str::Chars;

pub(crate) fn translate(pattern: &str, flags: &str) -> Result<Translated, String> {
    let (mut fold, mut lines, mut all, mut blanks, mut anchored, mut short) =
        (true, false, true, false, false, false);
    for flag in flags.chars() {
        match flag {
            'i' => fold = !fold,
            'm' => lines = !lines,
            's' => all = !all,
            'x' => blanks = !blanks,
            'A' => anchored = !anchored,
            'U' => short = !short,
            'E' | 'X' => {}
            _ => return Err(format!("the flag {flag} is none of i, m, s, x, A, E, U, X")),
        }
    }
    let mut translation = Translation {
        from: pattern.chars().peekable(),
        to: String::new(),
        blanks,
        backtracking: false,
        repeats: false,
    };
    while translation.step()? {}
    let Translation { to, backtracking, .. } = translation;
    if short && backtracking {
        return Err(
            "the flag U cannot be had together with look-around, back-references and their like".into()
        );
    }
    let flags: String = [('i', fold), ('m', lines), ('s', all), ('x', blanks), ('U', short)]
        .into_iter()
        .filter_map(|(flag, is_on)| is_on.then_some(flag))
        .collect();
    let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
    // The end of the line ends a comment that the pattern may end with.
    let end = if blanks { "\n" } else { "" };
    let pattern = if anchored { format!("\\A{flags}(?:{to}{end})") } else { format!("{flags}{to}{end}") };
    Ok(Translated { pattern, backtracking })
}

struct Translation<'p> {
    from: Peekable<Chars<'p>>,
    to: String,
    blanks: bool,
    backtracking: bool,
    /// What was just taken says how often something is repeated.
    repeats: bool,
}

impl Translation<'_> {
    /// Takes the next character with what belongs to it; false at the end.
    fn step(&mut self) -> Result<bool, String> {
        let Some(character) = self.from.next() else { return Ok(false) };
        let after_repeat = std::mem::take(&mut self.repeats);
        match character {
            '[' => class::translate(&mut self.from, &mut self.to, false, false)?,
            '\\' => self.escape()?,
            '#' if self.blanks => while self.from.next_if(|next| *next != '\n').is_some() {},
            // Possessive: what is taken is never given back.
            '+' if after_repeat => {
                self.backtracking = true;
                self.to.push('+');
            }
            '?' if after_repeat => self.to.push('?'),
            '*' | '+' | '?' => {
                self.to.push(character);
                self.repeats = true;
            }
            '{' => self.interval(),
            '(' => self.group()?,
            other => self.to.push(other),
        }
        Ok(true)
    }

    fn escape(&mut self) -> Result<(), String> {
        let character = self.from.next().ok_or("a backslash at the end of the pattern")?;
        match character {
            'd' => self.to.push_str("[0-9]"),
            'D' => self.to.push_str("[^0-9]"),
            'w' => self.to.push_str("[0-9A-Za-z_]"),
            'W' => self.to.push_str("[^0-9A-Za-z_]"),
            's' => self.to.push_str("[\\t-\\r ]"),
            'S' => self.to.push_str("[^\\t-\\r ]"),
            'h' => self.to.push_str("[\\t ]"),
            'H' => self.to.push_str("[^\\t ]"),
            'N' => self.to.push_str("[^\\n]"),
            'R' => self.to.push_str("(?:\\r\\n|[\\n-\\r])"),
            'e' => self.to.push_str("\\x1b"),
            'Z' => self.to.push_str("(?:\\n?\\z)"),
            'Q' => self.quoted(),
            'E' => {}
            'G' | 'C' | 'X' | 'K' => return Err(format!("\\{character} is not known here")),
            'g' | 'k' | '1'..='9' => {
                self.backtracking = true;
                self.to.extend(['\\', character]);
                self.argument()?;
            }
            'x' | 'p' | 'P' => {
                self.to.extend(['\\', character]);
                self.argument()?;
            }
            '0' => {
                let mut value = 0;
                for _ in 0..2 {
                    let Some(digit) = self.from.next_if(|next| matches!(next, '0'..='7')) else { break };
                    value = value * 8 + u32::from(digit) - u32::from('0');
                }
                self.to.push_str(&format!("\\x{{{value:x}}}"));
            }
            other if other.is_ascii_alphanumeric() => self.to.extend(['\\', other]),
            other => literal(other, &mut self.to),
        }
        Ok(())
    }

    /// Up to `\E`, everything is itself.
    fn quoted(&mut self) {
        while let Some(character) = self.from.next() {
            if character == '\\' && self.from.next_if_eq(&'E').is_some() {
                return;
            }
            literal(character, &mut self.to);
        }
    }

    /// A brace that begins no interval is itself.
    fn interval(&mut self) {
        let rest: String = self.from.clone().take_while(|next| *next != '}').collect();
        let closed = self.from.clone().any(|next| next == '}');
        if closed && is_interval(&rest) && !rest.starts_with(',') {
            self.to.push_str(&format!("{{{rest}}}"));
            self.from.by_ref().take(rest.len() + 1).for_each(drop);
            self.repeats = true;
        } else {
            self.to.push_str("\\{");
        }
    }

    /// What may stand behind an opening parenthesis.
    fn group(&mut self) -> Result<(), String> {
        let ahead: String = self.from.clone().take(3).collect();
        if ahead.starts_with('*') {
            return Err("(* is not known here".into());
        }
        if ahead.starts_with("?#") {
            // A comment.
            while self.from.next().ok_or("no ) closes (?#")? != ')' {}
            return Ok(());
        }
        for unknown in ["?R", "?0", "?|", "?&", "?+", "?P>", "?P=", "?C", "?(", "?^"] {
            if ahead.starts_with(unknown) {
                return Err(format!("({unknown} is not known here"));
            }
        }
        let around = ["?=", "?!", "?<=", "?<!", "?>"];
        self.backtracking |= around.iter().any(|prefix| ahead.starts_with(prefix));
        self.to.push('(');
        // Taken together, since its question mark repeats nothing.
        if self.from.next_if_eq(&'?').is_some() {
            self.to.push('?');
            match self.from.next_if_eq(&'\'') {
                Some(_) => {
                    self.to.push_str("P<");
                    while let Some(next) = self.from.next_if(|next| *next != '\'') {
                        self.to.push(next);
                    }
                    self.from.next().ok_or("no ' closes the name of a group")?;
                    self.to.push('>');
                }
                None => self.inline_flags()?,
            }
        }
        Ok(())
    }

    /// Flags that are turned within the pattern.
    fn inline_flags(&mut self) -> Result<(), String> {
        while let Some(flag) = self.from.next_if(|next| next.is_ascii_alphabetic() || *next == '-') {
            if flag == 'x' {
                return Err("(?x is not known here: write the flag x behind the pattern".into());
            }
            self.to.push(flag);
        }
        Ok(())
    }

    /// What belongs to an escape, in braces or angle brackets.
    fn argument(&mut self) -> Result<(), String> {
        let closing = match self.from.peek() {
            Some('{') => '}',
            Some('<') => '>',
            _ => return Ok(()),
        };
        loop {
            let next =
                self.from.next().ok_or_else(|| format!("no {closing} closes what belongs to an escape"))?;
            self.to.push(next);
            if next == closing {
                return Ok(());
            }
        }
    }
}
