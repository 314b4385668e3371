//! Octets in, attributes out.

use super::{ATTRIBUTES_MAX, Attributes, DelegationError, MESSAGE_BYTES_MAX};

/// Reads questions or answers from a connection, however their octets are cut into pieces.
///
/// After an error it reads no more: the connection is to be closed.
#[derive(Debug, Default)]
pub struct Reader {
    /// The beginning of a line.
    line: Vec<u8>,
    /// Octets of the question or answer so far, of its lines that are whole.
    octets: usize,
    attributes: Attributes,
    failed: Option<DelegationError>,
}

impl Reader {
    /// For a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads from `input` up to the end of a question or an answer; how many octets that took, and the attributes when they
    /// are whole. What is behind them is to be handed in again.
    ///
    /// # Errors
    /// [`DelegationError`], the same at every call from then on.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Attributes>), DelegationError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let read = self.read_lines(input);
        if let Err(error) = &read {
            *self = Self { failed: Some(error.clone()), ..Self::default() };
        }
        read
    }

    /// Whether part of a question or an answer has come: a connection that is closed now was closed too early.
    pub fn is_inside(&self) -> bool {
        !self.line.is_empty() || !self.attributes.is_empty()
    }

    fn read_lines(&mut self, input: &[u8]) -> Result<(usize, Option<Attributes>), DelegationError> {
        let mut taken = 0;
        while taken < input.len() {
            let rest = &input[taken..];
            let (part, ends) = match rest.iter().position(|octet| *octet == b'\n') {
                Some(at) => (&rest[..at], true),
                None => (rest, false),
            };
            if self.octets + self.line.len() + part.len() >= MESSAGE_BYTES_MAX {
                return Err(DelegationError::TooLarge);
            }
            self.line.extend_from_slice(part);
            taken += part.len() + usize::from(ends);
            if !ends {
                break;
            }
            self.octets += self.line.len() + 1;
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.is_empty() {
                self.octets = 0;
                return Ok((taken, Some(std::mem::take(&mut self.attributes))));
            }
            self.take(line)?;
        }
        Ok((taken, None))
    }

    fn take(&mut self, line: &[u8]) -> Result<(), DelegationError> {
        let line = std::str::from_utf8(line).map_err(|_| DelegationError::BadText)?;
        let (name, value) = line.split_once('=').ok_or(DelegationError::NoAttribute)?;
        if name.is_empty() {
            return Err(DelegationError::NoAttribute);
        }
        if self.attributes.iter().any(|(known, _)| known == name) {
            return Err(DelegationError::Twice(name.to_string()));
        }
        if self.attributes.iter().count() >= ATTRIBUTES_MAX {
            return Err(DelegationError::TooLarge);
        }
        // What is left that cannot be set: NUL, and a CR inside.
        self.attributes.set(name, value).map_err(|_| DelegationError::BadText)
    }
}
