//! Mailbox names between the wire and the store: modified UTF-7 and the wildcards of LIST.

pub(crate) mod matcher;
pub mod mutf7;
