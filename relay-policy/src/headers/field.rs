//! One field with addresses, rewritten where it lies.
//!
//! RFC 5322 section 3.4 (addresses), section 2.2.3 (folding), section 2.1.1 (how long a line may be).

use super::{ADDRESSES_MAX, HeaderRewriting, QUESTIONS_MAX};
use crate::address::{AddressClass, MappingWarning, RewriteContext};
use crate::table::{Answers, LookupError};
use mail_message::header::{LocatedAddress, locate_addresses};
use std::collections::BTreeSet;

/// A line should have no more octets than this; see [`LINE_BYTES_MAX`].
const LINE_BYTES_WISHED: usize = 78;

/// A line must have no more octets than this, its end not counted (RFC 5322 section 2.1.1).
const LINE_BYTES_MAX: usize = 998;

/// A field with addresses, as far as it has come.
#[derive(Debug)]
pub(super) struct AddressField {
    pub(super) class: AddressClass,
    /// How many octets come before the value.
    pub(super) value_at: usize,
    pub(super) octets: Vec<u8>,
}

/// What a field is rewritten with.
pub(super) struct Rewriter<'a> {
    pub(super) settings: &'a HeaderRewriting,
    pub(super) context: RewriteContext,
    pub(super) answers: &'a Answers,
    /// What is to be logged of the field.
    pub(super) warnings: Vec<MappingWarning>,
}

/// The tables and keys that must be asked first.
pub(super) type Asked = BTreeSet<(String, String)>;

impl AddressField {
    /// The field as it is then; none where it stays as it is.
    pub(super) fn rewritten(&self, rewriter: &mut Rewriter<'_>) -> Result<Option<Vec<u8>>, Asked> {
        let value = &self.octets[self.value_at..];
        let located = locate_addresses(value, ADDRESSES_MAX);
        let (mut asked, mut changes) = (Asked::new(), Vec::new());
        for address in &located {
            match rewriter.address(&value[address.range.clone()], self.class) {
                Ok(change) => changes.push(change),
                Err(question) => {
                    asked.insert(question);
                    if asked.len() >= QUESTIONS_MAX {
                        break;
                    }
                }
            }
        }
        if !asked.is_empty() {
            return Err(asked);
        }
        if changes.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut field = self.octets[..self.value_at].to_vec();
        put(&mut field, value, &located, &changes);
        Ok(Some(field))
    }
}

impl Rewriter<'_> {
    /// What stands in the place of an address; none where it stays.
    fn address(&mut self, raw: &[u8], class: AddressClass) -> Result<Option<String>, (String, String)> {
        let settings = self.settings;
        // An address that is not text is in no table.
        let text = std::str::from_utf8(raw).unwrap_or_default();
        let Some((before, complete)) = settings.rewriting.rewrite_in_header(text, self.context) else {
            return Ok(None);
        };
        if before.is_empty() {
            return Ok(None);
        }
        let mapped = settings.address_maps.map(&complete, class, &settings.mapper(self.answers));
        let mapped = match mapped {
            Ok(mapped) => mapped,
            Err(LookupError::Elsewhere { table, key }) => return Err((table, key)),
            Err(cause) => {
                let warning = MappingWarning::Lookup { maps: "canonical_maps", address: complete, cause };
                self.warnings.push(warning);
                return Ok(None);
            }
        };
        self.warnings.extend(mapped.warnings);
        let after = mapped.address;
        // Nothing that a table has may end a line.
        let is_fit = !after.as_str().contains(char::is_control);
        Ok((after != before && is_fit).then(|| after.to_string()))
    }
}

/// Adds a value with what stands in the place of addresses, and folds it where that makes a line too long.
fn put(field: &mut Vec<u8>, value: &[u8], located: &[LocatedAddress], changes: &[Option<String>]) {
    let mut copied = 0;
    for (at, (address, change)) in located.iter().zip(changes).enumerate() {
        field.extend_from_slice(&value[copied..address.element_start]);
        copied = address.element_start;
        let next = located.get(at + 1).map_or(value.trim_ascii_end().len(), |next| next.element_start);
        let element = &value[copied..next.max(copied)];
        let longer = change.as_ref().map_or(0, |change| change.len().saturating_sub(address.range.len()));
        let bytes_max = if change.is_some() { LINE_BYTES_WISHED } else { LINE_BYTES_MAX };
        let line_bytes = field.len() - memchr::memrchr(b'\n', field).map_or(0, |end| end + 1);
        let first_line = memchr::memchr(b'\r', element).unwrap_or(element.len());
        // Elsewhere than behind a comma, a fold may end up within a name.
        if field.ends_with(b",") && first_line > 0 && line_bytes + first_line + longer > bytes_max {
            field.extend_from_slice(b"\r\n");
            if !element.starts_with(b" ") && !element.starts_with(b"\t") {
                field.push(b' ');
            }
        }
        if let Some(change) = change {
            field.extend_from_slice(&value[copied..address.range.start]);
            field.extend_from_slice(change.as_bytes());
            copied = address.range.end;
        }
    }
    field.extend_from_slice(&value[copied..]);
}
