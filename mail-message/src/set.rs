//! Sets of UIDs and of sequence numbers, kept as ranges and never expanded.
//!
//! RFC 3501 §9 (`sequence-set`). [`SequenceSet`] is what a client wrote, `*` and all; [`RangeSet`] is what it
//! means once the mailbox is known, sorted and without overlap.
//!
//! # Limits
//! A set costs one pair of numbers a range, whatever the range spans. [`SequenceSet::parse`] takes the number of
//! ranges at which it gives up.
//!
//! # Departures
//! A range that ends in `*` never reaches beyond the mailbox: `4000:*` on 3 messages is message 3, for sequence
//! numbers as for UIDs. Read to the letter, RFC 3501 makes it `3:4000`, and most of that does not exist.

mod range;
mod sequence;

pub use range::{RangeSet, SeqSet, UidSet};
pub use sequence::{SequenceSet, SetBound, SetFault};
