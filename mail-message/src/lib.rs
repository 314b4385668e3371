//! Byte-exact, lazy reading of internet mail: headers, MIME structure, envelope, flags, UIDs and sets.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod decode;
pub mod envelope;
pub mod flag;
pub mod fuzz;
pub mod header;
pub mod mime;
pub mod search;
pub mod section;
pub mod set;
pub mod structure;
pub mod uid;

pub use envelope::{Address, Envelope};
pub use flag::{Flag, FlagFault, FlagSet, Keyword};
pub use section::{Section, SectionText};
pub use set::{RangeSet, SeqSet, SequenceSet, SetBound, SetFault, UidSet};
pub use structure::{
    BasicPart, BodyFields, BodyStructure, Disposition, Extension, MessagePart, Multipart, Parameter, TextPart,
};
pub use uid::{ModSeq, Number, SeqNo, Uid, UidValidity};
