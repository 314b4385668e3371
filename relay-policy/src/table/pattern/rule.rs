//! A rule's pattern: read from its line, compiled, matched.

use super::template::Template;
use super::{BACKTRACKS_MAX, Dialect, pcre, posix};
use regex::SetMatches;
use std::sync::OnceLock;

/// A rule of a table.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) line: u32,
    pub(crate) condition: Condition,
    pub(crate) text: Template,
}

/// A pattern, or its negation.
#[derive(Debug)]
pub(crate) struct Condition {
    negated: bool,
    matcher: Matcher,
    /// Its place among those that are looked for at once.
    listed: Option<usize>,
    is_case_sensitive: bool,
}

#[derive(Debug)]
enum Matcher {
    /// In time linear in the key.
    Linear(Linear),
    /// Going back where it must.
    Backtracking(Box<Backtracking>),
}

/// A pattern that is matched in time linear in the key. Where many are looked for at once it is needed only to take a key apart,
/// and compiled for that; each would take several KB.
#[derive(Debug)]
struct Linear {
    pattern: Box<str>,
    groups: usize,
    compiled: OnceLock<Result<regex::Regex, String>>,
}

/// Patterns of more octets than this, and those that say how often something is there, are compiled at once: they alone may become
/// too large.
const SMALL_BYTES_MAX: usize = 200;

impl Linear {
    /// None where it is no such pattern.
    fn new(pattern: &str) -> Result<Option<Self>, String> {
        let Ok(parsed) = regex_syntax::parse(pattern) else { return Ok(None) };
        let groups = parsed.properties().explicit_captures_len();
        let this = Self { pattern: pattern.into(), groups, compiled: OnceLock::new() };
        if pattern.len() > SMALL_BYTES_MAX || pattern.contains('{') {
            this.regex()?;
        }
        Ok(Some(this))
    }

    fn regex(&self) -> Result<&regex::Regex, String> {
        let compile = || {
            regex::Regex::new(&self.pattern).map_err(|error| format!("the pattern cannot be used: {error}"))
        };
        self.compiled.get_or_init(compile).as_ref().map_err(Clone::clone)
    }
}

/// A pattern that is not linear, with a limit for each length of keys.
#[derive(Debug)]
struct Backtracking {
    pattern: String,
    /// As [`BACKTRACKS_MAX`]; compiled when there is such a key.
    by_length: [OnceLock<fancy_regex::Regex>; BACKTRACKS_MAX.len()],
}

impl Backtracking {
    fn new(pattern: &str) -> Result<Self, fancy_regex::Error> {
        let this = Self { pattern: pattern.into(), by_length: Default::default() };
        // What compiles with one limit does so with any.
        let [(_, limit), ..] = BACKTRACKS_MAX;
        let shortest = compile(pattern, limit)?;
        this.by_length[0].get_or_init(|| shortest);
        Ok(this)
    }

    fn of(&self, key: &str) -> &fancy_regex::Regex {
        let length = BACKTRACKS_MAX.iter().position(|(octets_max, _)| key.len() <= *octets_max).unwrap_or(0);
        self.by_length[length].get_or_init(|| {
            let (_, limit) = BACKTRACKS_MAX[length];
            compile(&self.pattern, limit).expect("invariant: it was compiled before")
        })
    }
}

fn compile(pattern: &str, backtracks_max: usize) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(pattern).backtrack_limit(backtracks_max).build()
}

/// A pattern in the form that the engines read.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) pattern: String,
    /// It means something else to the engine that never goes back.
    pub(crate) backtracking: bool,
}

impl Condition {
    /// Reads `/pattern/flags` or `!/pattern/flags`; gives what stands behind it, too. The pattern is noted in `linear`
    /// where it can be looked for together with others.
    pub(crate) fn parse<'l>(
        dialect: Dialect,
        text: &'l str,
        linear: &mut Vec<String>,
    ) -> Result<(Self, &'l str), String> {
        let (negated, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim_ascii_start()),
            None => (false, text),
        };
        let written = Written::parse(text)?;
        let translated = match dialect {
            Dialect::Posix => posix::translate(written.pattern, written.flags)?,
            Dialect::Pcre => pcre::translate(written.pattern, written.flags)?,
        };
        let matcher = Matcher::new(&translated)?;
        let listed = match &matcher {
            Matcher::Linear(regex) => {
                linear.push(regex.pattern.as_ref().into());
                Some(linear.len() - 1)
            }
            Matcher::Backtracking(_) => None,
        };
        let is_case_sensitive = written.flags.matches('i').count() % 2 == 1;
        Ok((Self { negated, matcher, listed, is_case_sensitive }, written.rest))
    }

    /// Whether its flags make case count.
    pub(crate) fn is_case_sensitive(&self) -> bool {
        self.is_case_sensitive
    }

    /// Makes it ready, where nothing else will match it.
    pub(crate) fn prepare(&self) {
        if let Matcher::Linear(linear) = &self.matcher {
            // What is wrong with it is told by every lookup.
            let _ = linear.regex();
        }
    }

    /// How many parts of the key a text may name; none where there are none to be had, because it must not match.
    pub(crate) fn groups(&self) -> Option<usize> {
        (!self.negated).then(|| match &self.matcher {
            Matcher::Linear(regex) => regex.groups,
            Matcher::Backtracking(regex) => regex.of("").captures_len() - 1,
        })
    }

    pub(crate) fn holds(&self, key: &str, matched: Option<&SetMatches>) -> Result<bool, String> {
        let matches = match (&self.matcher, self.listed, matched) {
            (_, Some(listed), Some(matched)) => matched.matched(listed),
            (Matcher::Linear(linear), ..) => linear.regex()?.is_match(key),
            (Matcher::Backtracking(regex), ..) => {
                regex.of(key).is_match(key).map_err(|error| error.to_string())?
            }
        };
        Ok(matches != self.negated)
    }

    /// The text with the parts of a key that matches.
    pub(crate) fn fill(&self, text: &Template, key: &str) -> Result<String, String> {
        match &self.matcher {
            Matcher::Linear(linear) => {
                let captures = linear.regex()?.captures(key);
                Ok(text.fill(|group| Some(captures.as_ref()?.get(group)?.as_str())))
            }
            Matcher::Backtracking(regex) => {
                let captures = regex.of(key).captures(key).map_err(|error| error.to_string())?;
                Ok(text.fill(|group| Some(captures.as_ref()?.get(group)?.as_str())))
            }
        }
    }
}

impl Matcher {
    fn new(translated: &Translated) -> Result<Self, String> {
        if !translated.backtracking {
            // One that is too large is no better for the other engine, which has the same limit for each part.
            if let Some(linear) = Linear::new(&translated.pattern)? {
                return Ok(Self::Linear(linear));
            }
        }
        Backtracking::new(&translated.pattern)
            .map(|pattern| Self::Backtracking(Box::new(pattern)))
            .map_err(|error| format!("the pattern cannot be used: {error}"))
    }
}

/// The parts of `/pattern/flags rest`.
struct Written<'l> {
    pattern: &'l str,
    flags: &'l str,
    rest: &'l str,
}

impl<'l> Written<'l> {
    fn parse(text: &'l str) -> Result<Self, String> {
        let delimiter = text
            .chars()
            .next()
            .filter(|delimiter| !delimiter.is_alphanumeric() && *delimiter != '\\')
            .ok_or("expected /pattern/flags and a text")?;
        let behind = &text[delimiter.len_utf8()..];
        let mut escaped = false;
        let end = behind.find(|character| {
            let found = !escaped && character == delimiter;
            escaped = !escaped && character == '\\';
            found
        });
        let end = end.ok_or_else(|| format!("no {delimiter} closes the pattern"))?;
        let (pattern, rest) = (&behind[..end], &behind[end + delimiter.len_utf8()..]);
        if pattern.is_empty() {
            return Err(format!("nothing is between {delimiter} and {delimiter}"));
        }
        let flags_end = rest.find(|character: char| character.is_ascii_whitespace()).unwrap_or(rest.len());
        let (flags, rest) = rest.split_at(flags_end);
        Ok(Self { pattern, flags, rest: rest.trim_ascii() })
    }
}
