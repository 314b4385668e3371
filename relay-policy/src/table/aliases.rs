//! The source text of alias tables, the input of `postalias`: `name: value, value`.
//!
//! Comments and continued lines are as in other tables. A name is a local part; where it is quoted, it is looked up with
//! its quotes. Names are folded to lower case, the first of equal ones counts, the values are separated by a comma and a
//! blank.
//!
//! # Departures
//! The entries that Postfix adds for itself and for NIS (`@`, `YP_LAST_MODIFIED`, `YP_MASTER_NAME`) are not there.

use super::Warning;
use super::hashed::Hashed;
use super::source::{LogicalLines, Warnings, usable};
use super::texthash::insert;

/// Reads the source text of an alias table.
pub(crate) fn parse(file: &str, source: &[u8]) -> (Hashed, Vec<Warning>) {
    let (mut keys, mut warnings) = (Hashed::default(), Warnings::new(file));
    for line in LogicalLines::new(source) {
        let Some(text) = usable(&line, &mut warnings) else { continue };
        match entry(text) {
            Ok((name, values)) => {
                if has_open_quote(text) {
                    let what = "a quote is open to the end of the line, and takes all that stands behind it";
                    warnings.push(line.number, what);
                }
                insert(&mut keys, &mut warnings, line.number, name, &values);
            }
            Err(why) => warnings.push(line.number, format!("{why}: this line is ignored")),
        }
    }
    (keys, warnings.finish())
}

fn entry(line: &str) -> Result<(&str, String), &'static str> {
    const EXPECTED: &str = "expected name: value, value";
    let colon = outside_quotes(line, ':').next().ok_or(EXPECTED)?;
    let name = line[..colon].trim_ascii();
    let quoted = name.len() > 2 && name.starts_with('"') && name.ends_with('"');
    if !quoted
        && name.contains(|character: char| character.is_ascii_whitespace() || ",\"()<>".contains(character))
    {
        return Err("expected one name in front of the colon");
    }
    if outside_quotes(name, '@').next().is_some() {
        return Err("the name must be local, without a domain");
    }
    let values = values(&line[colon + 1..]);
    if name.is_empty() || values.is_empty() {
        return Err(EXPECTED);
    }
    Ok((name, values.join(", ")))
}

/// The values of an alias as they are written: what stands between commas that are not quoted.
pub(crate) fn values(text: &str) -> Vec<String> {
    let (mut values, mut begin) = (Vec::new(), 0);
    for comma in outside_quotes(text, ',').chain([text.len()]) {
        let value = text[begin..comma].trim_ascii();
        if !value.is_empty() {
            values.push(value.into());
        }
        begin = (comma + 1).min(text.len());
    }
    values
}

/// Whether a quote is not closed.
fn has_open_quote(text: &str) -> bool {
    let step = |(quoted, escaped): (bool, bool), c| (quoted ^ (c == '"' && !escaped), c == '\\' && !escaped);
    text.chars().fold((false, false), step).0
}

/// Where a character stands, outside quotes and not behind a backslash.
fn outside_quotes(text: &str, wanted: char) -> impl Iterator<Item = usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter_map(move |(at, character)| {
        let is_escaped = escaped;
        escaped = !escaped && character == '\\';
        if is_escaped {
            return None;
        }
        if character == '"' {
            quoted = !quoted;
        }
        (!quoted && character == wanted).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_alias() {
        let source = "a:x,,\"b, c\" ,d\\,e,\n\"Q:,\" : y\nc d: x\n: x\nx: ,\nA: z\nno\n\"a@b\": v\n";
        let (keys, warnings) = parse("aliases", source.as_bytes());
        let text = |name: &str| keys.find(name).map(|record| record.text.to_string());
        assert_eq!(text("A").as_deref(), Some("x, \"b, c\", d\\,e"));
        assert_eq!(text("\"q:,\"").as_deref(), Some("y"));
        assert_eq!(text("\"a@b\"").as_deref(), Some("v"), "a local part may hold an @ in quotes");
        let lines: Vec<_> = warnings.iter().filter_map(|warning| warning.place.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7]);
        let (keys, warnings) = parse("aliases", b"a: \"x, y\nb: \"c\\\", d\", e\n");
        assert_eq!((keys.len(), warnings.len()), (2, 1));
        assert!(warnings[0].to_string().starts_with("aliases, line 1: a quote is open"), "{}", warnings[0]);
    }
}
