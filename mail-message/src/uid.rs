//! The numbers by which a mailbox names its messages.
//!
//! RFC 3501 §2.3.1 (unique identifiers and message sequence numbers) and RFC 7162 §3.1 (mod-sequences).
//! Each is its own type, so that a sequence number can never stand where a UID belongs.

use core::fmt;
use core::num::NonZeroU32;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Uid {}
    impl Sealed for super::SeqNo {}
}

/// A number that sets are made of: [`Uid`] or [`SeqNo`], both `nz-number` (RFC 3501 §9).
pub trait Number: Copy + Ord + fmt::Debug + fmt::Display + sealed::Sealed {
    /// Wraps a number.
    fn from_raw(raw: NonZeroU32) -> Self;
    /// The number itself.
    fn raw(self) -> NonZeroU32;
}

macro_rules! nz_number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub NonZeroU32);

        impl $name {
            /// The lowest: 1.
            pub const MIN: $name = $name(NonZeroU32::MIN);
            /// The highest: 4294967295.
            pub const MAX: $name = $name(NonZeroU32::MAX);

            /// Wraps `raw`; `None` for 0, which is never such a number.
            pub const fn new(raw: u32) -> Option<$name> {
                match NonZeroU32::new(raw) {
                    Some(raw) => Some($name(raw)),
                    None => None,
                }
            }

            /// The number as an integer.
            pub const fn get(self) -> u32 {
                self.0.get()
            }

            /// The number that follows; `None` after the highest.
            pub const fn next(self) -> Option<$name> {
                match self.0.checked_add(1) {
                    Some(raw) => Some($name(raw)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

nz_number! {
    /// A unique identifier: ascends strictly in a mailbox, and is never used again while its
    /// [`UidValidity`] stands (RFC 3501 §2.3.1.1).
    Uid
}
nz_number! {
    /// The generation of a mailbox's UIDs. When it changes, no UID a client remembers means anything
    /// (RFC 3501 §2.3.1.1).
    UidValidity
}
nz_number! {
    /// A message sequence number: the position of a message in a session's view, from 1
    /// (RFC 3501 §2.3.1.2).
    SeqNo
}

impl Number for Uid {
    fn from_raw(raw: NonZeroU32) -> Self {
        Uid(raw)
    }
    fn raw(self) -> NonZeroU32 {
        self.0
    }
}

impl Number for SeqNo {
    fn from_raw(raw: NonZeroU32) -> Self {
        SeqNo(raw)
    }
    fn raw(self) -> NonZeroU32 {
        self.0
    }
}

/// A mod-sequence: grows with every change in a mailbox (RFC 7162 §3.1). 63 bits; 0 stands before any change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ModSeq(u64);

impl ModSeq {
    /// Before any change: `mod-sequence-valzer`'s zero (RFC 7162 §7).
    pub const ZERO: ModSeq = ModSeq(0);
    /// The highest the protocol can carry: 2⁶³ − 1.
    pub const MAX: ModSeq = ModSeq(i64::MAX as u64);

    /// Wraps `raw`; `None` above [`ModSeq::MAX`].
    pub const fn new(raw: u64) -> Option<ModSeq> {
        if raw <= ModSeq::MAX.0 { Some(ModSeq(raw)) } else { None }
    }

    /// The number as an integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The mod-sequence that follows; `None` after the highest.
    pub const fn next(self) -> Option<ModSeq> {
        ModSeq::new(self.0 + 1)
    }
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_number_and_the_highest_has_no_successor() {
        assert_eq!(Uid::new(0), None);
        assert_eq!(Uid::MAX.next(), None);
        assert_eq!(Uid::MIN.next(), Uid::new(2));
        assert_eq!(SeqNo::new(7).map(SeqNo::get), Some(7));
    }

    #[test]
    fn a_mod_sequence_has_63_bits() {
        assert_eq!(ModSeq::new(1 << 63), None);
        assert_eq!(ModSeq::MAX.next(), None);
        assert_eq!(ModSeq::ZERO.next(), ModSeq::new(1));
    }
}
