//! [`Envelope`]: who sent a message, who gets it, and what later stages must know of its acceptance.
//!
//! Addresses and parameters are kept as the text that was accepted. The spool reads none of them, so that a
//! message accepted yesterday is never refused by a stricter parser today.

use proto_core::UnixTime;

/// The envelope of an accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The reverse-path without angle brackets; empty for the null path `<>` (RFC 5321 §4.5.5).
    pub reverse_path: String,
    /// When the message was accepted.
    pub received_at: UnixTime,
    /// Facts of the acceptance that later stages need, by name: MAIL parameters, client address, protocol. At
    /// most one value a name; names hold neither space nor control.
    pub facts: Vec<(String, String)>,
    /// The recipients.
    pub recipients: Vec<Recipient>,
}

/// One recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipient {
    /// The forward-path without angle brackets and source route.
    pub address: String,
    /// Facts about this recipient, by name: RCPT parameters, the route that policy chose. Names hold neither
    /// space nor control.
    pub facts: Vec<(String, String)>,
}

impl Envelope {
    /// An envelope without recipients.
    pub fn new(reverse_path: impl Into<String>, received_at: UnixTime) -> Self {
        Self { reverse_path: reverse_path.into(), received_at, facts: Vec::new(), recipients: Vec::new() }
    }

    /// Adds a recipient.
    #[must_use]
    pub fn to(mut self, address: impl Into<String>) -> Self {
        self.recipients.push(Recipient::new(address));
        self
    }

    /// The fact of that name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        find(&self.facts, name)
    }
}

impl Recipient {
    /// A recipient without further facts.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), facts: Vec::new() }
    }

    /// The fact of that name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        find(&self.facts, name)
    }
}

fn find<'a>(facts: &'a [(String, String)], name: &str) -> Option<&'a str> {
    facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
