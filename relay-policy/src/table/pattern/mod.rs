//! `regexp:` and `pcre:`: patterns over the whole key, in the order of the file.
//!
//! A line is `/pattern/flags text`, `!/pattern/flags text`, `if /pattern/flags`, `if !/pattern/flags` or `endif`; any
//! character that is neither a letter, a digit nor a blank may stand for `/`. The first that matches counts. Case is
//! ignored unless the flag `i` turns that off.
//!
//! # Limits
//! A pattern is matched in time linear in the key, except `pcre:` patterns with look-around, back-references, possessive
//! quantifiers or atomic groups: those give up after so many steps back, and the lookup fails for now. Each step may go through
//! the rest of the key, so there are fewer for longer keys ([`BACKTRACKS_MAX`]).
//!
//! # Departures
//! From Postfix, as to which text is captured: of alternatives the first that fits counts, also in `regexp:`, where POSIX
//! takes the longest. Whether a pattern matches does not depend on that. `$` is the end of the key, never a line's end
//! in front of it (flag `E`, always on). `\b` knows the letters of all scripts.

mod class;
mod pcre;
mod posix;
mod rule;
mod template;

use super::blocks::{Blocks, Program};
use super::source::{LogicalLines, Warnings, usable};
use super::{Entry, Family, Found, LookupError, Oddity, Place, Remark, Remarks, Table, Warning};
use regex::{RegexSet, RegexSetBuilder, SetMatches};
use rule::{Condition, Rule};
use std::borrow::Cow;
use template::Template;

/// After how many steps back a pattern that is not linear gives up, for keys of at most so many octets. A pattern that begins
/// with none of this goes back once for each octet that it may begin at, so for keys of up to 16 KiB there are more.
const BACKTRACKS_MAX: [(usize, usize); 4] =
    [(2 << 10, 100_000), (16 << 10, 32_768), (64 << 10, 4_096), (usize::MAX, 1_024)];

/// From how many patterns on they are looked for all at once.
const SET_MIN: usize = 8;

/// How large all patterns together may become, compiled, to be looked for all at once.
const SET_BYTES_MAX: usize = 64 << 20;

/// Which language the patterns are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `regexp:`, POSIX.
    Posix,
    /// `pcre:`, Perl's.
    Pcre,
}

/// A table of patterns.
#[derive(Debug)]
pub(crate) struct Patterns {
    name: String,
    file: String,
    program: Program<Condition, Rule>,
    /// All the patterns that can be looked for at once, where that is worth it.
    set: Option<RegexSet>,
    remarks: Remarks,
}

impl Patterns {
    /// Reads the source of a table; with `substitution` off, rules that put parts of the key in their text are ignored.
    pub(crate) fn parse(
        dialect: Dialect,
        name: &str,
        file: &str,
        source: &[u8],
        substitution: bool,
    ) -> (Self, Vec<Warning>) {
        let (mut blocks, mut warnings) = (Blocks::new(), Warnings::new(file));
        let (mut linear, mut remarks) = (Vec::new(), Remarks::default());
        for line in LogicalLines::new(source) {
            let Some(text) = usable(&line, &mut warnings) else { continue };
            let number = line.number;
            match Keyword::of(text) {
                Keyword::Endif(rest) => {
                    if !rest.is_empty() {
                        warnings.push(number, format!("behind endif stands {rest:?}: that is ignored"));
                    }
                    blocks.end(number, &mut warnings);
                }
                Keyword::If(rest) => match Condition::parse(dialect, rest, &mut linear) {
                    Ok((condition, rest)) => {
                        if !rest.is_empty() {
                            warnings.push(
                                number,
                                format!("behind the pattern of if stands {rest:?}: that is ignored"),
                            );
                        }
                        blocks.begin(number, Some(condition));
                    }
                    Err(why) => {
                        warnings.push(number, format!("{why}: what is within this if is skipped"));
                        blocks.begin(number, None);
                    }
                },
                Keyword::None => {
                    let rule = Condition::parse(dialect, text, &mut linear).and_then(|(condition, rest)| {
                        let text = Template::parse(rest, condition.groups())?;
                        if !substitution && !text.is_fixed() {
                            return Err("parts of the key must not get into this table's texts".into());
                        }
                        Ok(Rule { line: number, condition, text })
                    });
                    match rule {
                        Err(why) => warnings.push(number, format!("{why}: this rule is skipped")),
                        Ok(rule) => {
                            if rule.condition.is_case_sensitive() {
                                let what = "the flag i makes case count here: without it, it does not";
                                remarks.push(Oddity::CaseSensitive, file, number, what);
                            }
                            if rule.text.is_empty() {
                                warnings.push(number, "no text behind the pattern: it is taken as empty");
                            }
                            blocks.rule(rule);
                        }
                    }
                }
            }
        }
        let set = (linear.len() >= SET_MIN)
            .then(|| RegexSetBuilder::new(&linear).size_limit(SET_BYTES_MAX).build().ok())
            .flatten();
        let program = blocks.finish(&mut warnings);
        if set.is_none() {
            program.all().for_each(|rule: &Rule| rule.condition.prepare());
        }
        (Self { name: name.into(), file: file.into(), program, set, remarks }, warnings.finish())
    }
}

impl Table for Patterns {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        Family::Pattern
    }

    fn visit(&self, see: &mut dyn FnMut(Entry<'_>)) {
        for rule in self.program.all() {
            let place = Place { file: Cow::Borrowed(&self.file), line: Some(rule.line) };
            if let Some(text) = rule.text.fixed() {
                see(Entry { key: None, text, place });
            }
        }
    }

    fn remarks(&self) -> &[Remark] {
        &self.remarks.0
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        let matched: Option<SetMatches> = self.set.as_ref().map(|set| set.matches(key));
        let failed = |cause: String| LookupError::Failed { table: self.name.clone(), cause };
        for rule in self.program.rules(|condition| condition.holds(key, matched.as_ref())) {
            let rule = rule.map_err(failed)?;
            if rule.condition.holds(key, matched.as_ref()).map_err(failed)? {
                let text = match rule.text.fixed() {
                    Some(text) => Cow::Borrowed(text),
                    None => Cow::Owned(rule.condition.fill(&rule.text, key).map_err(failed)?),
                };
                let place = Place { file: Cow::Borrowed(&self.file), line: Some(rule.line) };
                return Ok(Some(Found { text, place }));
            }
        }
        Ok(None)
    }
}

/// The word in front of a line.
enum Keyword<'l> {
    If(&'l str),
    Endif(&'l str),
    None,
}

impl<'l> Keyword<'l> {
    fn of(line: &'l str) -> Self {
        let end = line.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        if word.eq_ignore_ascii_case("if") {
            Self::If(rest.trim_ascii())
        } else if word.eq_ignore_ascii_case("endif") {
            Self::Endif(rest.trim_ascii())
        } else {
            Self::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a table says to some keys, and the lines of its warnings.
    fn table(dialect: Dialect, source: &str, keys: &[&str]) -> (Vec<String>, Vec<u32>) {
        let (table, warnings) = Patterns::parse(dialect, "pcre:tab", "tab", source.as_bytes(), true);
        let found = |key: &&str| match table.look_up(key) {
            Ok(Some(found)) => found.text.into_owned(),
            Ok(None) => "-".into(),
            Err(error) => error.to_string(),
        };
        (keys.iter().map(found).collect(), warnings.iter().filter_map(|warning| warning.place.line).collect())
    }

    /// Whether a pattern with its flags matches.
    fn matches(dialect: Dialect, pattern: &str, key: &str) -> bool {
        let (found, warnings) = table(dialect, &format!("{pattern} yes"), &[key]);
        assert!(warnings.is_empty(), "{pattern}: {warnings:?}");
        found == ["yes"]
    }

    #[test]
    fn perl_patterns_mean_what_they_mean_in_perl() {
        for (pattern, yes, no) in [
            (r"/^a{2}$/", "aa", "aaa"),
            (r"/^a{x}$/", "a{x}", "ax"),
            (r"/^a{,2}$/", "a{,2}", "aa"),
            (r"/^\x{e9}\x41$/", "éA", "e"),
            (r"/^\Qa.b*\E.$/", "a.b*c", "axbbc"),
            (r"/^[\w.-]+$/", "a.b-c_9", "a b"),
            (r"/^[[:digit:]\-a]+$/", "1-a", "b"),
            (r"/^[a&&b]$/", "&", "x"),
            (r"/^[+--]$/", ",", "."),
            (r"/^[[a]$/", "[", "b"),
            (r"/^[]a]$/", "]", "b"),
            (r"/^[^]a]$/", "b", "]"),
            (r"/^[a ]b c$/x", " bc", "a b c"),
            (r"/a \# # a comment/x", "a#", "a "),
            (r"/^(?!owner-)[^@]+@/", "joe@x", "owner-joe@x"),
            (r"/^(?<=^)(.)\1/", "aab", "aba"),
            (r"/^(?>a*)b/", "aab", "c"),
            (r"/^(?!x)a\@b\.c[\@\]]\#$/", "a@b.c]#", "xa@bxc@#"),
            (r"/^a++b/", "aab", "ba"),
            (r"/^\d\s\h\S\D\W\H$/", "1 \tab-c", "٣ \tab-c"),
            (r"/^(?i-s:A)\/b$/i", "a/b", "a/B"),
            (r"/^a.b$/", "a\nb", "ab"),
            (r"/^a.b$/s", "axb", "a\nb"),
            (r"/^b$/m", "a\nb", "ab"),
            (r"/^(?'name'a)(?#no matter)b$/", "ab", "a"),
            (r"/a\Z/", "a\n", "ab"),
            (r"/^\<a\>$/", "<a>", "a"),
            (r"/^\060$/", "0", "60"),
        ] {
            assert!(matches(Dialect::Pcre, pattern, yes), "{pattern} {yes}");
            assert!(!matches(Dialect::Pcre, pattern, no), "{pattern} {no}");
        }
    }

    #[test]
    fn posix_patterns_mean_what_they_mean_there() {
        for (pattern, yes, no) in [
            (r"/^[\.]$/", "\\", "a"),
            (r"/^a{1,2}$/", "aa", "aaa"),
            (r"/^a{,2}$/", "", "aaa"),
            (r"/^a{x$/", "a{x", "a"),
            (r"/^a\{1\}$/", "a{1}", "a"),
            (r"/^a\{1,2\}$/x", "aa", "aaa"),
            (r"/^\(a\|b\)\1$/x", "bb", "ab"),
            (r"/^(.)\1\@\.$/", "aa@.", "ab@."),
            (r"/*a^b$c$/x", "*a^b$c", "a^b$c"),
            (r"/^a(b|c)+$/", "abc", "a(b|c)+"),
            (r"/^a(b|c)$/x", "a(b|c)", "ab"),
            (r"/\<cat\>/", "the cat sat", "concatenate"),
            (r"/^[[:alpha:]]+[^[:alpha:]]$/", "ab1", "abc"),
            (r"/^[[.-.]x]$/", "-", "a"),
            (r"/^[a-c]$/", "B", "-"),
            (r"/^[^a]$/", "\n", "a"),
            (r"/x[^a]$/m", "xb", "x\n"),
            (r"/^\w\W\s\S$/", "a- b", "aa b"),
            (r"/^\d$/", "d", "1"),
        ] {
            assert!(matches(Dialect::Posix, pattern, yes), "{pattern} {yes}");
            assert!(!matches(Dialect::Posix, pattern, no), "{pattern} {no}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_skipped_and_named() {
        let source = "/a/z text\nabc text\n/a text\n// text\n/(?R)/ text\n/[a/ text\n!/x/ $1\n/x/ $1\n/x/ $\n\
                      /\\Ka/ text\n/(?x)a/ text\nendif\nif /(/\n/./ never\nendif\n/./ last\nif /q/\n";
        let (found, warnings) = table(Dialect::Pcre, source, &["x"]);
        assert_eq!(found, ["last"]);
        assert_eq!(warnings, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17]);
    }

    #[test]
    fn many_patterns_at_once_are_as_one_by_one() {
        let few = "if /@/\n/^u([0-9])@/ $1\n!/^u/ not u\nendif\n/(?=x)x(.)/ around $1\n/^u/ u\n";
        let mut many = String::from("if !/./\n");
        (0..SET_MIN).for_each(|number| many.push_str(&format!("/never{number}/ never\n")));
        many.push_str("endif\n");
        many.push_str(few);
        let keys = ["u7@a", "ux@a", "a@b", "xy", "u", "", "never1"];
        let expected = ["7", "around @", "not u", "around y", "u", "-", "-"];
        for source in [few, &many] {
            assert_eq!(table(Dialect::Pcre, source, &keys), (expected.map(String::from).into(), Vec::new()));
        }
    }

    #[test]
    fn going_back_has_an_end() {
        let (found, _) = table(Dialect::Pcre, "/^(?=a)(a|a)*\\1c$/ text", &["a".repeat(40).as_str()]);
        assert!(found[0].starts_with("pcre:tab: "), "{found:?}");
    }

    #[test]
    fn longer_keys_have_fewer_steps() {
        // Each foo begins anew, and goes through the rest of the key: the octets gone through are the square of the key's.
        let source = "/foo(?!.*bar)/ text\n/^(?!.*foo).*bar$/ none\n";
        let key = |kibibytes: usize| format!("{}bar", "foo".repeat((kibibytes << 10) / 3 - 1));
        let keys = [1, 16, 17, 64, 100].map(key);
        let (found, _) = table(Dialect::Pcre, source, &keys.each_ref().map(String::as_str));
        assert_eq!(found[..2], ["-", "-"]);
        assert!(found[2..].iter().all(|told| told.starts_with("pcre:tab: ")), "{found:?}");
        // What has one place to begin at has steps enough.
        let anchored = "/^foo(?!.*never)/ text\n";
        assert_eq!(table(Dialect::Pcre, anchored, &[&keys[4]]).0, ["text"]);
    }

    #[test]
    fn parts_of_the_key_are_kept_out_where_they_must_be() {
        let (table, warnings) =
            Patterns::parse(Dialect::Posix, "regexp:tab", "tab", b"/(.*)/ $1\n/./ safe", false);
        assert_eq!(warnings.len(), 1);
        assert_eq!(table.look_up("|rm").unwrap().unwrap().text, "safe");
    }
}
