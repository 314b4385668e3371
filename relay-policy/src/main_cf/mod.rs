//! Configuration as Postfix writes it: the lines of a `main.cf`, and what they come to.
//!
//! [`MainCf::parse`] reads a file, or what `postconf -n` prints, which has the same form: `name = value`, one to a logical
//! line. A line that begins with white space goes on with the one before it; comments and empty lines are skipped, also
//! between a line and what continues it. A `#` that is not the first character of its line is part of the value. Of two lines
//! for one name the last counts.
//!
//! [`MainCf::value`] gives a parameter with every `$name` in it replaced. The form is that of Postfix's `postconf(5)`.
//! [`MasterCf`] reads the file beside it, which says what services there are and what they have in place of these values, and
//! [`default`] has what Postfix takes where a file says nothing.
//!
//! ```
//! use relay_policy::main_cf::MainCf;
//!
//! let text = "# Ours\nmydomain = example.com\nmydestination = $mydomain,\n localhost.${mydomain}\n";
//! let main_cf = MainCf::parse("main.cf", text)?;
//! assert_eq!(main_cf.value("mydestination", &|_| None)?.as_deref(), Some("example.com, localhost.example.com"));
//! # Ok::<(), relay_policy::main_cf::MainCfError>(())
//! ```
//!
//! # Limits
//! A value is at most [`VALUE_BYTES_MAX`] octets once it is expanded, and names stand in each other at most
//! [`NESTING_MAX`] deep: a few lines could ask for more than any memory holds.
//!
//! # Departures
//! From Postfix: a line that is neither is an error and not the end of the program, and a parameter that names itself is told
//! with the names in between.

mod default;
mod expand;
mod master;

pub use default::default;
pub use expand::{NESTING_MAX, VALUE_BYTES_MAX};
pub use master::{MasterCf, Service};

pub use crate::words::words;

use std::fmt::{self, Display};

/// The parameters of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MainCf {
    file: String,
    parameters: Vec<Parameter>,
    warnings: Vec<Notice>,
}

/// One line of a file: a name and what it was set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name, in the case in which it was written: case matters.
    pub name: String,
    /// The value as written, its lines joined, not expanded, without white space at either end.
    pub value: String,
    /// The file that it stands in.
    pub file: String,
    /// The number of the first of its lines; the first line of a file is 1.
    pub line: usize,
}

/// Something about a line that whoever wrote it should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The file's name as it was given.
    pub file: String,
    /// The line's number, from 1.
    pub line: usize,
    /// What is the matter, and what to do.
    pub text: String,
}

impl Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.file, self.line, self.text)
    }
}

/// What makes a file, or a value in it, unusable. `Display` names the file and the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainCfError(pub Notice);

impl Display for MainCfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for MainCfError {}

impl MainCf {
    /// Reads the text of a file. `file` is what errors call it.
    ///
    /// # Errors
    /// A line that has no `=`, or no name before it; a first line that begins with white space.
    pub fn parse(file: &str, text: &str) -> Result<Self, MainCfError> {
        let mut main_cf = Self { file: file.to_string(), ..Self::default() };
        for (number, line) in logical_lines(file, text)? {
            main_cf.take(number, &line)?;
        }
        Ok(main_cf)
    }

    /// Every parameter, in the order of the lines that count.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The line that sets a parameter.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// What was read and is probably not what was meant.
    pub fn warnings(&self) -> &[Notice] {
        &self.warnings
    }

    /// The same with other values in place of these: those that a service has of its own.
    #[must_use]
    pub fn with(&self, options: &[Parameter]) -> Self {
        let mut whole = self.clone();
        for option in options {
            whole.parameters.retain(|parameter| parameter.name != option.name);
            whole.parameters.push(option.clone());
        }
        whole
    }

    /// The value of a parameter with every `$name` in it replaced; none when neither the file nor `default` has it.
    /// `default` gives the value, not expanded, of a parameter that the file does not set.
    ///
    /// # Errors
    /// A `$` with nothing after it that is a name, brackets that do not close, names that stand in each other without end, a
    /// value that is too long.
    pub fn value(
        &self,
        name: &str,
        default: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<String>, MainCfError> {
        let look_up = |name: &str| {
            self.parameter(name).map(|parameter| parameter.value.clone()).or_else(|| default(name))
        };
        let Some(raw) = look_up(name) else { return Ok(None) };
        expand::expand(name, &raw, &look_up).map(Some).map_err(|text| {
            let place = self.parameter(name).map(|parameter| (parameter.file.as_str(), parameter.line));
            let (file, line) = place.unwrap_or((&self.file, 0));
            error(file, line, &text)
        })
    }

    fn take(&mut self, number: usize, line: &str) -> Result<(), MainCfError> {
        let Some((name, value)) = line.split_once('=') else {
            return Err(error(&self.file, number, &format!("{line:?} has no \"=\"; expected name = value")));
        };
        let (name, value) = (name.trim_end_matches(is_white_space), value.trim_matches(is_white_space));
        if name.is_empty() || name.contains(is_white_space) {
            let text = format!("{name:?} is not a parameter's name; expected name = value");
            return Err(error(&self.file, number, &text));
        }
        if let Some(at) = self.parameters.iter().position(|parameter| parameter.name == name) {
            let earlier = self.parameters.remove(at);
            let text = format!("{name} was set in line {} already; this line counts", earlier.line);
            self.warn(number, text);
        }
        if value.contains(" #") {
            let text = format!(
                "\"#\" does not begin a comment behind a value: it is part of {name}; put it on a line of its own"
            );
            self.warn(number, text);
        }
        if value.len() >= 2 && value.starts_with('"') && value.ends_with('"') {
            let text = format!("the quotes are part of {name}; values are written without");
            self.warn(number, text);
        }
        let (name, value, file) = (name.to_string(), value.to_string(), self.file.clone());
        self.parameters.push(Parameter { name, value, file, line: number });
        Ok(())
    }

    fn warn(&mut self, line: usize, text: String) {
        self.warnings.push(Notice { file: self.file.clone(), line, text });
    }
}

fn error(file: &str, line: usize, text: &str) -> MainCfError {
    MainCfError(Notice { file: file.to_string(), line, text: text.to_string() })
}

/// The lines of a file with those that go on joined to the one before, and without comments; each with the number of its first.
fn logical_lines(file: &str, text: &str) -> Result<Vec<(usize, String)>, MainCfError> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.trim_matches(is_white_space);
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if !line.starts_with(is_white_space) {
            lines.push((number, line.to_string()));
        } else if let Some((_, joined)) = lines.last_mut() {
            joined.push_str(line);
        } else {
            let text = "a line that begins with white space goes on with the one before it, and there is none; remove \
                        the white space";
            return Err(error(file, number, text));
        }
    }
    Ok(lines)
}

/// What counts as white space in configuration: that of ASCII.
fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | '\x0b' | '\x0c')
}
