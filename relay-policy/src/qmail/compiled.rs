//! qmail's constant databases: what `tcprules` and `qmail-newmrh` compile, where the text is not at hand.

use super::tcp_rules::{TcpRule, TcpRules};
use crate::table::Cdb;

/// A file that is no constant database, or one of something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CompiledError(String);

/// The domains of `morercpthosts.cdb`, a line each: as in the text that `qmail-newmrh` compiles.
///
/// # Errors
/// [`CompiledError`]: nothing is taken of a file that is broken.
pub fn more_hosts(octets: Vec<u8>) -> Result<String, CompiledError> {
    Ok(records(octets)?.into_iter().fold(String::new(), |text, (key, _)| text + &key + "\n"))
}

impl TcpRules {
    /// Reads what `tcprules` has compiled. There are no lines in it: each rule is of line 0.
    ///
    /// # Errors
    /// [`CompiledError`]: the file is broken, or what stands beside an address is nothing that `tcprules` writes.
    pub fn from_cdb(octets: Vec<u8>) -> Result<Self, CompiledError> {
        let mut rules = Self::default();
        for (address, data) in records(octets)? {
            let mut rule = TcpRule { address, allow: true, variables: Vec::new(), line: 0 };
            // Each part has a zero octet behind it.
            for part in data.split_terminator('\0') {
                match part.strip_prefix('+').and_then(|variable| variable.split_once('=')) {
                    Some((name, value)) => rule.variables.push((name.into(), value.into())),
                    None if part == "D" => rule.allow = false,
                    None => {
                        let what = format!("{}: {part:?} is nothing that tcprules writes", rule.address);
                        return Err(CompiledError(what));
                    }
                }
            }
            rules.add(rule);
        }
        Ok(rules)
    }
}

/// Keys and texts, in the order of the file.
fn records(octets: Vec<u8>) -> Result<Vec<(String, String)>, CompiledError> {
    let cdb = Cdb::new("", "", octets).map_err(CompiledError)?;
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec());
    let texts = cdb.records().map(|record| {
        let (key, value) = record.map_err(|_| CompiledError("the constant database is broken".into()))?;
        match (text(key), text(value)) {
            (Ok(key), Ok(value)) => Ok((key, value)),
            _ => Err(CompiledError("what stands in it is not in UTF-8".into())),
        }
    });
    texts.collect()
}
