//! `always_bcc`, `sender_bcc_maps`, `recipient_bcc_maps`: recipients that are added.
//!
//! Whoever calls does so once for each message that came in from outside, and never for what it made itself: a report that
//! cannot be delivered would be copied for ever.

use super::form::Address;
use super::mapping::Mapper;
use super::rewrite::RewriteContext;
use crate::table::{LookupError, Maps};
use std::collections::BTreeSet;

/// Who gets a copy. The fields are Postfix's parameters of the same names.
#[derive(Debug, Clone, Default)]
pub struct Bcc {
    /// A copy of everything; empty for none.
    pub always_bcc: String,
    /// A copy of what a sender sends. The null sender is never looked up.
    pub sender_bcc_maps: Maps,
    /// A copy of what a recipient gets.
    pub recipient_bcc_maps: Maps,
}

impl Bcc {
    /// Whether nobody ever gets a copy.
    pub fn is_empty(&self) -> bool {
        self.always_bcc.is_empty() && self.sender_bcc_maps.is_empty() && self.recipient_bcc_maps.is_empty()
    }

    /// The names of those that are set.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        let set = [
            ("always_bcc", !self.always_bcc.is_empty()),
            ("sender_bcc_maps", !self.sender_bcc_maps.is_empty()),
            ("recipient_bcc_maps", !self.recipient_bcc_maps.is_empty()),
        ];
        set.into_iter().filter_map(|(name, is_set)| is_set.then_some(name))
    }

    /// The recipients to add to a message. Sender and recipients are those after canonical mapping, and before virtual
    /// aliases are expanded. Each copy is there once, and none for who is a recipient already.
    ///
    /// # Errors
    /// [`LookupError`]: the message is not to be accepted yet.
    pub fn recipients(
        &self,
        sender: &Address,
        recipients: &[Address],
        mapper: &Mapper<'_>,
    ) -> Result<Vec<Address>, LookupError> {
        let always = mapper.rewriting.rewrite(&self.always_bcc, RewriteContext::Local);
        let mut copies: Vec<Address> = [always].into_iter().filter(|address| !address.is_empty()).collect();
        copies.extend(mapper.map(&self.sender_bcc_maps, sender, false)?.unwrap_or_default());
        for recipient in recipients {
            copies.extend(mapper.map(&self.recipient_bcc_maps, recipient, false)?.unwrap_or_default());
        }
        let key = |address: &Address| address.as_str().to_lowercase();
        let mut there: BTreeSet<String> = recipients.iter().map(key).collect();
        copies.retain(|copy| there.insert(key(copy)));
        Ok(copies)
    }
}
