//! The text of a rule, with `$1`, `${1}`, `$(1)` for parts of the key and `$$` for a dollar sign.

/// A text, or the pieces it is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// What the group with this number has matched, from 1.
    Group(usize),
}

impl Template {
    /// Reads a text that may name so many groups, or none since there is nothing that has matched.
    pub(crate) fn parse(text: &str, groups: Option<usize>) -> Result<Self, String> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, behind)) = rest.split_once('$') {
            literal.push_str(before);
            if let Some(behind) = behind.strip_prefix('$') {
                literal.push('$');
                rest = behind;
                continue;
            }
            let (name, behind) = name(behind)?;
            let group: usize = name.parse().map_err(|_| format!("${name} is no number of a group"))?;
            let groups =
                groups.ok_or_else(|| format!("${name} behind a pattern with ! in front has no meaning"))?;
            if group == 0 || group > groups {
                return Err(format!("${name}: the pattern has groups 1 to {groups}"));
            }
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            pieces.push(Piece::Group(group));
            rest = behind;
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        Ok(Self(pieces))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fixed().is_some_and(str::is_empty)
    }

    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed().is_some()
    }

    /// The text, where nothing of the key is in it.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match &self.0[..] {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text, with what the groups have matched; one that took no part is empty.
    pub(crate) fn fill<'k>(&self, group: impl Fn(usize) -> Option<&'k str>) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Group(number) => group(*number).unwrap_or_default(),
            })
            .collect()
    }
}

/// The name behind a dollar sign, without its brackets, and what follows it.
fn name(text: &str) -> Result<(&str, &str), String> {
    let closing = match text.as_bytes().first() {
        Some(b'{') => Some('}'),
        Some(b'(') => Some(')'),
        _ => None,
    };
    match closing {
        Some(closing) => text[1..].split_once(closing).ok_or_else(|| format!("no {closing} closes ${text}")),
        None => {
            let end = text.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
            let (name, rest) = text.split_at(end.unwrap_or(text.len()));
            if name.is_empty() {
                return Err("a single $: write $$ for a dollar sign".into());
            }
            Ok((name, rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, String> {
        let groups = [None, Some("a"), Some("b")];
        Template::parse(text, Some(3))
            .map(|template| template.fill(|group| groups.get(group).copied().flatten()))
    }

    #[test]
    fn parts_are_filled_in() {
        assert_eq!(fill("$1-${2}-$(1)$$1[$3]").as_deref(), Ok("a-b-a$1[]"));
        assert_eq!(fill("plain").as_deref(), Ok("plain"));
        for wrong in ["$0", "$4", "$x", "$1x", "${1", "$ 1", "$", "${}"] {
            assert!(fill(wrong).is_err(), "{wrong}");
        }
        assert!(Template::parse("$1", None).is_err());
        assert!(Template::parse("$$", None).unwrap().is_fixed());
    }
}
