//! The grammar of command lines, apart from any session.
//!
//! RFC 5321 section 4.1.1 and 4.1.2. A line is read in two steps, so that the rules of order can be applied
//! between them: [`split`] tells the verb, [`mail`] and [`rcpt`] read what is worth a grammar.

pub(crate) mod attribute;
mod path;
pub(crate) mod unitext;
mod verb;
pub(crate) mod word;
pub(crate) mod xtext;

pub(crate) use verb::{VERBS, is_blank};

pub use path::{Grammar, PathFault, mail, rcpt};
pub use verb::{Verb, split};
