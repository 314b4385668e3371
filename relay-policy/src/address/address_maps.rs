//! The mappings that every address of a message goes through, in their order: `sender_canonical_maps` or
//! `recipient_canonical_maps`, `canonical_maps`, `masquerade_domains`.
//!
//! Recipients of the envelope are then expanded by [`VirtualAliases`](super::VirtualAliases), and copies are added by
//! [`Bcc`](super::Bcc).

use super::canonical::{Canonical, Canonicalised};
use super::form::Address;
use super::mapping::Mapper;
use super::masquerade::Masquerade;
use crate::table::LookupError;

/// Where an address of a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressClass {
    /// `envelope_sender`: MAIL FROM.
    EnvelopeSender,
    /// `envelope_recipient`: RCPT TO.
    EnvelopeRecipient,
    /// `header_sender`: `From:`, `Sender:`, `Reply-To:` and their like.
    HeaderSender,
    /// `header_recipient`: `To:`, `Cc:`, `Bcc:` and their like.
    HeaderRecipient,
}

impl AddressClass {
    pub(super) const ALL: [(&'static str, Self); 4] = [
        ("envelope_sender", Self::EnvelopeSender),
        ("envelope_recipient", Self::EnvelopeRecipient),
        ("header_sender", Self::HeaderSender),
        ("header_recipient", Self::HeaderRecipient),
    ];

    fn is_sender(self) -> bool {
        matches!(self, Self::EnvelopeSender | Self::HeaderSender)
    }
}

/// Canonical and masqueraded addresses.
#[derive(Debug, Clone)]
pub struct AddressMaps {
    /// `sender_canonical_maps`.
    pub sender_canonical: Canonical,
    /// `sender_canonical_classes`.
    pub sender_canonical_classes: Vec<AddressClass>,
    /// `recipient_canonical_maps`.
    pub recipient_canonical: Canonical,
    /// `recipient_canonical_classes`.
    pub recipient_canonical_classes: Vec<AddressClass>,
    /// `canonical_maps`.
    pub canonical: Canonical,
    /// `canonical_classes`.
    pub canonical_classes: Vec<AddressClass>,
    /// `masquerade_domains`.
    pub masquerade: Masquerade,
    /// `masquerade_classes`.
    pub masquerade_classes: Vec<AddressClass>,
}

impl AddressMaps {
    /// Whether nothing is put in the place of an address that stands there.
    pub(super) fn is_empty(&self, class: AddressClass) -> bool {
        let (own, _) = self.own(class);
        own.maps.is_empty() && self.canonical.maps.is_empty() && self.masquerade.masquerade_domains.is_empty()
    }

    /// The maps that are for senders or for recipients alone, and where their addresses stand.
    fn own(&self, class: AddressClass) -> (&Canonical, &[AddressClass]) {
        if class.is_sender() {
            (&self.sender_canonical, &self.sender_canonical_classes)
        } else {
            (&self.recipient_canonical, &self.recipient_canonical_classes)
        }
    }

    /// The maps that addresses that stand there go through, in their order.
    pub(super) fn canonical_of(&self, class: AddressClass) -> impl Iterator<Item = &Canonical> {
        let maps = [self.own(class), (&self.canonical, &*self.canonical_classes)];
        maps.into_iter().filter(move |(_, classes)| classes.contains(&class)).map(|(canonical, _)| canonical)
    }

    /// Maps an address, which is complete already. The null address stays.
    ///
    /// # Errors
    /// [`LookupError::Elsewhere`] when a table must be asked first; whatever else is wrong is a warning.
    pub fn map(
        &self,
        address: &Address,
        class: AddressClass,
        mapper: &Mapper<'_>,
    ) -> Result<Canonicalised, LookupError> {
        let mut done = Canonicalised { address: address.clone(), was_found: false, warnings: Vec::new() };
        for canonical in self.canonical_of(class) {
            let next = canonical.map(&done.address, mapper)?;
            done.address = next.address;
            done.was_found |= next.was_found;
            done.warnings.extend(next.warnings);
        }
        if self.masquerade_classes.contains(&class) {
            done.address = self.masquerade.apply(&done.address);
        }
        Ok(done)
    }
}
