//! Patterns of paths, as apparmor.d(5) has them: `*` within a name, `**` over several, `{a,b}` one of them.

use std::path::{Path, PathBuf};

/// One pattern, without alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// All that a pattern with alternatives stands for.
    ///
    /// # Errors
    /// What it has that is not known here.
    pub(super) fn read(text: &str) -> Result<Vec<Self>, String> {
        if !text.starts_with('/') || text.contains(['?', '[', ']', '^', '\\', '"', '@']) {
            return Err(format!("{text}: an absolute path with *, ** and {{a,b}} is expected"));
        }
        alternatives(text).map(|all| all.into_iter().map(Self).collect())
    }

    /// Whether it stands for a path; that of a directory ends in `/`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        has(self.0.as_bytes(), path.as_bytes(), b'/')
    }

    /// Whether it may stand for directories.
    pub(super) fn has_directories(&self) -> bool {
        self.0.ends_with('/') || self.0.ends_with("**")
    }

    /// The directory below which all lies that it stands for; where nothing in it is left open, the path itself.
    pub(super) fn base(&self) -> PathBuf {
        match self.0.split_once('*') {
            None => PathBuf::from(&self.0),
            Some((before, _)) => Path::new(&before[..=before.rfind('/').unwrap_or(0)]).to_owned(),
        }
    }
}

/// One text for each choice among alternatives.
fn alternatives(text: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = text.split_once('{') else {
        return if text.contains('}') {
            Err(format!("{text}: a }} without a {{"))
        } else {
            Ok(vec![text.to_owned()])
        };
    };
    let (choices, after) = rest.split_once('}').ok_or_else(|| format!("{text}: a {{ without a }}"))?;
    if choices.contains('{') {
        return Err(format!("{text}: alternatives within alternatives"));
    }
    let after = alternatives(after)?;
    let chosen = |choice| after.iter().map(move |after| format!("{before}{choice}{after}"));
    Ok(choices.split(',').flat_map(chosen).collect())
}

/// Whether a pattern stands for a path, where `previous` is what came before both.
fn has(pattern: &[u8], path: &[u8], previous: u8) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', rest @ ..] => {
            let (rest, over_several) = match rest {
                [b'*', rest @ ..] => (rest, true),
                rest => (rest, false),
            };
            // A whole name is at least one octet: /a/** is not /a/ itself.
            let least = usize::from(previous == b'/' && matches!(rest, [] | [b'/', ..]));
            if least > path.len() || path[..least] == *b"/" {
                return false;
            }
            let most = if over_several {
                path.len()
            } else {
                path.iter().position(|c| *c == b'/').unwrap_or(path.len())
            };
            (least..=most).any(|taken| has(rest, &path[taken..], b'*'))
        }
        [c, rest @ ..] => path.split_first().is_some_and(|(first, path)| first == c && has(rest, path, *c)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may unwrap")]

    use super::*;

    fn is(pattern: &str, path: &str) -> bool {
        Pattern::read(pattern).unwrap().iter().any(|pattern| pattern.has(path))
    }

    #[test]
    fn stars_stay_within_a_name_or_do_not() {
        for (pattern, path, expected) in [
            ("/a/b", "/a/b", true),
            ("/a/b", "/a/b/", false),
            ("/a/", "/a", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/", false),
            ("/a/*", "/a/b/", false),
            ("/a/*", "/a/b/c", false),
            ("/a/*/", "/a/b/", true),
            ("/a/*/", "/a//", false),
            ("/a/x*", "/a/x", true),
            ("/a/*.so*", "/a/b.so.6", true),
            ("/a/**", "/a/", false),
            ("/a/**", "/a/b/", true),
            ("/a/**", "/a/b/c.d", true),
            ("/a/**/", "/a/b/c", false),
            ("/a/**/", "/a/b/c/", true),
            ("/a**", "/a", true),
            ("/{,usr/}lib/**", "/lib/x", true),
            ("/{,usr/}lib/**", "/usr/lib/x", true),
            ("/{,usr/}lib{,64}/**", "/usr/lib64/x", true),
            ("/{,usr/}lib/**", "/usr/x", false),
        ] {
            assert_eq!(is(pattern, path), expected, "{pattern} and {path}");
        }
    }

    #[test]
    fn the_base_is_above_all_that_is_meant() {
        let base = |pattern: &str| Pattern::read(pattern).unwrap().remove(0).base();
        assert_eq!(base("/a/b"), Path::new("/a/b"));
        assert_eq!(base("/a/b*/c"), Path::new("/a/"));
        assert_eq!(base("/a/**"), Path::new("/a/"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for wrong in ["a", "/a?", "/[ab]", "/{a,{b,c}}", "/{a", "/a}", "@{HOME}/a", "\"/a\""] {
            assert!(Pattern::read(wrong).is_err(), "{wrong}");
        }
    }
}
