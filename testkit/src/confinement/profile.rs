//! A profile, in the part of AppArmor's language that ours are written in.
//!
//! A line that is not of that part is an error, so that no profile says something that no test looks at. So is a rule without a word why:
//! each run of rules without an empty line between them has a comment before its first one. Where that comment says `Untested:`, with a reason,
//! nothing needs to have used its rules.

use super::pattern::Pattern;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a program may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Under which name the system has it.
    pub name: String,
    /// Files, directories, and sockets that have a path.
    pub paths: Vec<PathRule>,
    /// Kinds of sockets.
    pub network: Vec<NetworkRule>,
    /// What root may do besides, as `net_bind_service`.
    pub capabilities: Vec<String>,
    /// Signals that may be sent to processes of the same profile, by name, as `kill`; `exists`, which is none and asks whether there is such a
    /// process, to all.
    pub sends: Signals,
    /// Signals that those without a profile may send.
    pub receives: Signals,
}

/// Some signals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signals(BTreeSet<String>);

impl Signals {
    /// Whether one is among them, as `SIGKILL`.
    #[must_use]
    pub fn has(&self, signal: &str) -> bool {
        signal.strip_prefix("SIG").is_some_and(|name| self.0.contains(&name.to_lowercase()))
    }
}

/// A rule about paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    /// As it is written.
    pub text: String,
    /// What it is about.
    pub patterns: Vec<Pattern>,
    /// What may be done: `r`ead, `w`rite, loc`k`, `l`ink, `m`ap as code, e`x`ecute under the same profile.
    pub may: BTreeSet<char>,
    /// Whether nothing needs to have used it.
    pub is_untested: bool,
}

/// A rule about sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRule {
    /// As `inet6`.
    pub family: String,
    /// As `stream`.
    pub kind: String,
    /// Whether nothing needs to have used it.
    pub is_untested: bool,
}

impl Profile {
    /// Reads a file, with these values in place of those of its variables.
    ///
    /// # Errors
    /// What cannot be read or is not understood, with its line; a variable that the file does not have.
    pub fn read(file: &Path, variables: &[(&str, &Path)]) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let values = variables.iter().map(|(name, path)| (*name, path.display().to_string()));
        Self::parse(&text, values.collect()).map_err(|error| format!("{}: {error}", file.display()))
    }

    pub(super) fn parse(text: &str, replaced: BTreeMap<&str, String>) -> Result<Self, String> {
        let mut reader = Reader { variables: replaced, ..Reader::default() };
        for (place, line) in text.lines().enumerate() {
            reader.line(line).map_err(|error| format!("line {}: {error}", place + 1))?;
        }
        match reader.names.iter().collect::<Vec<_>>()[..] {
            _ if reader.part != Part::Behind => Err("no profile, or one without an end".to_owned()),
            [] => Ok(reader.profile),
            [name, ..] => Err(format!("@{{{name}}} is given, and the file has no such variable")),
        }
    }

    /// All that rules about paths let be done with this one.
    #[must_use]
    pub fn may(&self, path: &str) -> BTreeSet<char> {
        let rules = self.paths.iter().filter(|rule| rule.has(path));
        rules.flat_map(|rule| rule.may.iter().copied()).collect()
    }
}

impl PathRule {
    /// Whether it is about a path; that of a directory ends in `/`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.has(path))
    }
}

/// Where the reader is.
#[derive(Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Before,
    Within,
    Behind,
}

#[derive(Debug, Default)]
struct Reader<'v> {
    profile: Profile,
    part: Part,
    /// As they are given, then as they stand in the file.
    variables: BTreeMap<&'v str, String>,
    /// What the file sets, each with its value.
    set: BTreeMap<String, String>,
    /// Given, and not met yet.
    names: BTreeSet<String>,
    /// What stands before the rules that are being read.
    comment: Option<String>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            *self.comment.get_or_insert_default() += comment;
            return Ok(());
        }
        if line.is_empty() {
            self.comment = None;
            return Ok(());
        }
        match self.part {
            Part::Before => self.before(line),
            Part::Within if line == "}" => {
                self.part = Part::Behind;
                Ok(())
            }
            Part::Within => self.rule(line),
            Part::Behind => Err(format!("{line}: nothing is expected behind the profile")),
        }
    }

    fn before(&mut self, line: &str) -> Result<(), String> {
        if line == "abi <abi/3.0>," {
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("@{") {
            let (name, value) = rest.split_once("} = ").ok_or_else(|| not_understood(line))?;
            if value.contains([' ', '"', '@', '#']) {
                return Err(format!("{line}: one path is expected"));
            }
            let value = self.variables.get(name).map_or(value, |given| given);
            self.set.insert(name.to_owned(), value.to_owned());
            return Ok(());
        }
        let name = line.strip_prefix("profile ").and_then(|rest| rest.strip_suffix(" {"));
        self.profile.name = name.ok_or_else(|| not_understood(line))?.to_owned();
        self.names = self.variables.keys().map(|name| (*name).to_owned()).collect();
        self.names.retain(|name| !self.set.contains_key(name));
        self.part = Part::Within;
        Ok(())
    }

    fn rule(&mut self, line: &str) -> Result<(), String> {
        let comment = self.comment.as_deref().ok_or_else(|| format!("{line}: no comment says why"))?;
        let is_untested = comment.contains("Untested: ");
        if line == format!("include if exists <local/{}>", self.profile.name) {
            return Ok(());
        }
        let rule = line.strip_suffix(',').ok_or_else(|| not_understood(line))?;
        let words: Vec<&str> = rule.split_whitespace().collect();
        match words[..] {
            ["capability", name] => self.profile.capabilities.push(name.to_owned()),
            ["network", family, kind] => {
                let (family, kind) = (family.to_owned(), kind.to_owned());
                self.profile.network.push(NetworkRule { family, kind, is_untested });
            }
            ["signal", "send", "set=(exists)"] => drop(self.profile.sends.0.insert("exists".to_owned())),
            ["signal", way, ref set @ .., peer] => {
                let text = set.join(" ");
                let names = text.strip_prefix("set=(").and_then(|rest| rest.strip_suffix(')'));
                let names = names.ok_or_else(|| not_understood(line))?;
                let signals = match (way, peer.strip_prefix("peer=")) {
                    ("send", Some(peer)) if peer == self.profile.name => &mut self.profile.sends,
                    // What is sent within the profile is received there.
                    ("receive", Some(peer)) if peer == self.profile.name => return Ok(()),
                    ("receive", Some("unconfined")) => &mut self.profile.receives,
                    _ => return Err(not_understood(line)),
                };
                signals.0.extend(names.split(' ').map(str::to_owned));
            }
            [path, may] => {
                let path = self.filled_in(path)?;
                // Otherwise than by `ix` nothing is executed.
                let may = may.replace("ix", "x");
                if may.contains("xx")
                    || !may.chars().all(|c| "rwklmx".contains(c))
                    || words[1].replace("ix", "").contains('x')
                {
                    return Err(not_understood(line));
                }
                let (text, patterns) = (line.to_owned(), Pattern::read(&path)?);
                self.profile.paths.push(PathRule { text, patterns, may: may.chars().collect(), is_untested });
            }
            _ => return Err(not_understood(line)),
        }
        Ok(())
    }

    /// With values in place of variables.
    fn filled_in(&self, path: &str) -> Result<String, String> {
        let Some(rest) = path.strip_prefix("@{") else { return Ok(path.to_owned()) };
        let (name, rest) = rest.split_once('}').ok_or_else(|| not_understood(path))?;
        let value = self.set.get(name).ok_or_else(|| format!("{path}: there is no such variable"))?;
        Ok(format!("{value}{rest}"))
    }
}

fn not_understood(line: &str) -> String {
    format!("{line}: not understood")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may unwrap")]

    use super::*;

    const TEXT: &str = "# What it is for.\nabi <abi/3.0>,\n@{data} = /var/lib/x\n\nprofile x {\n  # Mail.\n  @{data}/ r,\n  \
        @{data}/** rwk,\n\n  # Programs. Untested: there is none.\n  /bin/sh mrix,\n\n  # The rest.\n  network inet stream,\n  \
        capability setuid,\n  signal send set=(kill term) peer=x,\n  signal receive set=(hup) peer=unconfined,\n  \
        signal send set=(exists),\n  include if exists <local/x>\n}\n";

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Profile, String> {
        Profile::parse(text, variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn rules_say_what_may_be_done() {
        let profile = read(TEXT, &[]).unwrap();
        let may = |path| profile.may(path).into_iter().collect::<String>();
        assert_eq!(may("/var/lib/x/"), "r");
        assert_eq!(may("/var/lib/x/a/b"), "krw");
        assert_eq!(may("/bin/sh"), "mrx");
        assert_eq!(may("/etc/passwd"), "");
        assert_eq!(
            profile.paths.iter().map(|rule| rule.is_untested).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert_eq!((&*profile.name, &*profile.capabilities), ("x", &["setuid".to_owned()][..]));
        assert_eq!((&*profile.network[0].family, &*profile.network[0].kind), ("inet", "stream"));
        assert!(
            profile.sends.has("SIGTERM") && !profile.sends.has("SIGHUP") && profile.receives.has("SIGHUP")
        );
        assert!(profile.sends.has("SIGEXISTS"));
    }

    #[test]
    fn variables_are_replaced() {
        let profile = read(TEXT, &[("data", "/tmp/y")]).unwrap();
        assert!(profile.may("/var/lib/x/").is_empty() && !profile.may("/tmp/y/").is_empty());
        let wrong = read(TEXT, &[("date", "/tmp/y")]).unwrap_err();
        assert_eq!(wrong, "@{date} is given, and the file has no such variable");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (from, to, line) in [
            ("  @{data}/ r,", "  @{other}/ r,", 7),
            ("  @{data}/ r,", "  @{data}/ r", 7),
            ("  @{data}/ r,", "  owner @{data}/ r,", 7),
            ("  @{data}/ r,", "  @{data}/ a,", 7),
            ("mrix", "mrx", 11),
            ("mrix", "mrux", 11),
            ("abi <abi/3.0>,", "include <tunables/global>", 2),
            ("  # Mail.\n", "", 6),
            ("peer=x", "peer=y", 16),
            ("network inet stream", "network", 14),
            ("set=(exists)", "set=(hup)", 18),
            ("<local/x>", "<local/y>", 19),
            ("}\n", "}\n}\n", 21),
        ] {
            let text = TEXT.replacen(from, to, 1);
            let wrong = read(&text, &[]).unwrap_err();
            assert!(wrong.starts_with(&format!("line {line}: ")), "{to}: {wrong}");
        }
        assert_eq!(read("# Nothing.\n", &[]).unwrap_err(), "no profile, or one without an end");
    }
}
