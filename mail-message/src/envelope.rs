//! The envelope of a message: what a mailbox list shows, as raw octets.
//!
//! RFC 3501 §7.4.2 (ENVELOPE). Values are the octets of the header, unfolded, with encoded words left as they
//! are; decoding is the reader's. `None` is NIL: the field is absent. An empty value is an empty field.

use alloc::vec::Vec;
use bytes::Bytes;

/// The ten fields of an ENVELOPE (RFC 3501 §7.4.2). An empty address list is NIL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Envelope {
    /// `Date:`, not parsed.
    pub date: Option<Bytes>,
    /// `Subject:`.
    pub subject: Option<Bytes>,
    /// `From:`.
    pub from: Vec<Address>,
    /// `Sender:`; when absent or empty a server puts `from` here.
    pub sender: Vec<Address>,
    /// `Reply-To:`; when absent or empty a server puts `from` here.
    pub reply_to: Vec<Address>,
    /// `To:`.
    pub to: Vec<Address>,
    /// `Cc:`.
    pub cc: Vec<Address>,
    /// `Bcc:`.
    pub bcc: Vec<Address>,
    /// `In-Reply-To:`.
    pub in_reply_to: Option<Bytes>,
    /// `Message-ID:`, angle brackets included.
    pub message_id: Option<Bytes>,
}

/// One element of an address list, in the four parts of RFC 3501 §7.4.2.
///
/// A group is flat in the list: [`Address::group_start`], its members, [`Address::GROUP_END`]. Those two have no
/// `host`; every real address has one, empty when the text gave no domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Address {
    /// The display name (or the trailing comment, as RFC 822 had it), without quotes.
    pub name: Option<Bytes>,
    /// The source route ("at-domain-list"), such as `@a,@b`.
    pub adl: Option<Bytes>,
    /// The local part without quotes; in a group's start its name.
    pub mailbox: Option<Bytes>,
    /// The domain; `None` only in a group's start and end.
    pub host: Option<Bytes>,
}

impl Address {
    /// The end of a group: `(NIL NIL NIL NIL)`.
    pub const GROUP_END: Address = Address { name: None, adl: None, mailbox: None, host: None };

    /// The start of a group of that name: `(NIL NIL "name" NIL)`.
    pub fn group_start(name: Bytes) -> Address {
        Address { mailbox: Some(name), ..Address::GROUP_END }
    }

    /// Whether this opens a group; its name is then the `mailbox`.
    pub fn is_group_start(&self) -> bool {
        self.host.is_none() && self.mailbox.is_some()
    }

    /// Whether this closes a group.
    pub fn is_group_end(&self) -> bool {
        self.host.is_none() && self.mailbox.is_none()
    }
}
