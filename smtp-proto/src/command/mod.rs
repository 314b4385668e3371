//! The grammar of command lines, apart from any session.

mod verb;
pub(crate) mod xtext;

pub use verb::{Verb, split};
