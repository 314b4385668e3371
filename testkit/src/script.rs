//! A transcript file, parsed: cases, each a list of lines.
//!
//! ```text
//! # A comment. Variables come first; a file without them runs with its published text only.
//! @var user name alice
//! @var dom domain example.test
//!
//! @define hello                 a named section, used by `@use hello`
//! S: 220 …
//! C: EHLO client.{dom}
//! S*: 250-…                     any number of lines like this
//! S: 250 …
//! @end
//!
//! === S02 an empty message      a case; its name
//! @with size_max=10000          an option for the fixture
//! @use hello
//! C: MAIL FROM:<{user}@{dom}>   the client's octets, with the CR LF
//! S: 250 2.1.0…                 the server's line
//! @time +10m                    ten minutes pass; also ms, s, h, d
//! C: QUIT
//! S: 221 …
//! E: rset                       the next noted event like this, others between them allowed
//! @closed quit                  the machine has closed; why
//! ```
//!
//! Adjacent input lines are one write. Everything the machine sends must be expected before the next input.
//! What may be written in a line is told in [`text`](crate::text).
//!
//! | directive | does or demands |
//! | --- | --- |
//! | `@time +10m` | time passes, every deadline on the way is kept |
//! | `@eof` | the peer closes its side |
//! | `@tls` | the handshake is done; the machine has asked for it, or nothing has happened yet |
//! | `@shutdown` | the driver wants to stop |
//! | `@closed REASON` | the machine has closed; the reason as `CloseReason` displays it begins so |
//! | `@open` | the machine has not closed and nothing is left to be read |
//! | `@writes N` | so many writes since the last input; looked at only when a group arrives whole |
//! | `@use NAME` | the lines of that section |
//! | anything else | is the fixture's, see [`Fixture::on_directive`](crate::Fixture::on_directive) |

use crate::text::Text;
use crate::vars::VarKind;
use std::collections::BTreeMap;

/// A parsed transcript file.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) variables: Vec<Variable>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) kind: VarKind,
    pub(crate) published: String,
}

/// One transcript.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) items: Vec<Item>,
}

/// One line of a transcript and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Octets of one end.
    Line(End, Text),
    /// Any number of lines of one end.
    Many(End, Text),
    /// A noted event.
    Event(Text),
    /// `@name arguments`.
    Directive(String, Text),
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The end that connects; its lines are marked `C:`.
    Client,
    /// The end that listens; its lines are marked `S:`.
    Server,
}

impl Script {
    /// Parses a file's text; an error names the line.
    pub(crate) fn parse(source: &str) -> Result<Script, (usize, String)> {
        let mut parser = Parser::default();
        for (index, line) in source.lines().enumerate() {
            parser.line(index + 1, line).map_err(|what| (index + 1, what))?;
        }
        match parser.section {
            Some((name, _)) => Err((source.lines().count(), format!("@define {name} has no @end"))),
            None if parser.script.cases.is_empty() => Err((1, "no case; one begins with `=== name`".into())),
            None => Ok(parser.script),
        }
    }
}

#[derive(Default)]
struct Parser {
    script: Script,
    sections: BTreeMap<String, Vec<Item>>,
    section: Option<(String, Vec<Item>)>,
}

impl Parser {
    fn line(&mut self, line: usize, text: &str) -> Result<(), String> {
        if text.trim().is_empty() || text.starts_with('#') {
            return Ok(());
        }
        if let Some(name) = text.strip_prefix("===") {
            return self.begin_case(name.trim());
        }
        if let Some(directive) = text.strip_prefix('@') {
            let (name, arguments) = directive.split_once(' ').unwrap_or((directive, ""));
            return self.directive(line, name, arguments.trim());
        }
        let Some((mark, rest)) = text.split_once(':') else {
            return Err("neither `C:`, `S:`, `E:`, `@…`, `=== …` nor a comment".into());
        };
        let parsed = Text::parse(rest.strip_prefix(' ').unwrap_or(rest))?;
        let kind = match mark {
            "C" => Kind::Line(End::Client, parsed),
            "S" => Kind::Line(End::Server, parsed),
            "C*" => Kind::Many(End::Client, parsed),
            "S*" => Kind::Many(End::Server, parsed),
            "E" => Kind::Event(parsed),
            other => return Err(format!("unknown mark {other}:")),
        };
        self.items()?.push(Item { line, kind });
        Ok(())
    }

    fn begin_case(&mut self, name: &str) -> Result<(), String> {
        if self.section.is_some() {
            return Err("a case inside @define".into());
        }
        if name.is_empty() || self.script.cases.iter().any(|case| case.name == name) {
            return Err("a case needs a name of its own".into());
        }
        self.script.cases.push(Case { name: name.into(), ..Case::default() });
        Ok(())
    }

    fn directive(&mut self, line: usize, name: &str, arguments: &str) -> Result<(), String> {
        match name {
            "var" => {
                let mut words = arguments.splitn(3, ' ');
                let (Some(name), Some(kind), Some(published)) = (words.next(), words.next(), words.next())
                else {
                    return Err("@var NAME KIND VALUE".into());
                };
                let (name, published) = (name.into(), published.into());
                self.script.variables.push(Variable { name, kind: VarKind::parse(kind)?, published });
            }
            "define" => {
                if self.section.is_some() || arguments.is_empty() {
                    return Err("@define NAME, and not inside another".into());
                }
                self.section = Some((arguments.into(), Vec::new()));
            }
            "end" => {
                let (name, items) = self.section.take().ok_or("@end without @define")?;
                self.sections.insert(name, items);
            }
            "use" => {
                let items =
                    self.sections.get(arguments).ok_or(format!("no section {arguments} above"))?.clone();
                self.items()?.extend(items);
            }
            "with" => {
                let (option, value) = arguments.split_once('=').ok_or("@with NAME=VALUE")?;
                let case = self.script.cases.last_mut().ok_or("@with outside a case")?;
                case.options.push((option.into(), value.into()));
            }
            _ => {
                let kind = Kind::Directive(name.into(), Text::parse(arguments)?);
                self.items()?.push(Item { line, kind });
            }
        }
        Ok(())
    }

    /// Where lines go now.
    fn items(&mut self) -> Result<&mut Vec<Item>, String> {
        match (&mut self.section, self.script.cases.last_mut()) {
            (Some((_, items)), _) => Ok(items),
            (None, Some(case)) => Ok(&mut case.items),
            (None, None) => Err("a line before the first `=== name`".into()),
        }
    }
}

/// `10m`, `1h30m`, `250ms`, with or without a leading `+`.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("{text}: a time is written 250ms, 10s, 5m, 1h30m, 2d");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = std::time::Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| at + digits);
        let unit_ms = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        total += std::time::Duration::from_millis(count * unit_ms);
        rest = &rest[unit_end..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("+10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "+", "10", "m", "10y"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_error_names_its_line() {
        let wrong = [
            ("=== a\nC: x\nQ: y", 3),
            ("C: x", 1),
            ("=== a\n=== a", 2),
            ("@define x\nC: y", 2),
            ("=== a\n@use nothing", 2),
            ("@var user king bob", 1),
            ("# nothing", 1),
        ];
        for (source, line) in wrong {
            assert_eq!(Script::parse(source).unwrap_err().0, line, "{source}");
        }
    }

    #[test]
    fn sections_and_options() {
        let source = "@define hi\nC: EHLO x\n@end\n=== one\n@with a=b\n@use hi\nS: 250 x\n=== two\n@eof";
        let script = Script::parse(source).unwrap();
        assert_eq!(script.cases.len(), 2);
        assert_eq!(script.cases[0].items.len(), 2);
        assert_eq!(script.cases[0].options, [("a".to_string(), "b".to_string())]);
    }
}
