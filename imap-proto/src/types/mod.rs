//! The vocabulary of the protocol: commands, responses and what they are made of.
//!
//! RFC 3501 §9. What cannot be on the wire cannot be constructed; flags, UIDs, sets, envelopes and body
//! structures are those of [`mail_message`].

mod attributes;
mod command;
mod date;
mod fetch;
mod mailbox;
mod response;
mod search;
mod status;
mod text;

pub use attributes::{Capability, MailboxAttribute, StatusItem, StoreAction};
pub use command::{Append, Command, CommandBody};
pub(crate) use date::MONTHS;
pub use date::{Date, DateTime};
pub use fetch::{FetchItem, FetchMacro, Partial};
pub use mailbox::{DELIMITER, ListPattern, MailboxName, NameFault};
pub use response::{FetchData, ListData, StatusData, UntaggedResponse};
pub use search::SearchKey;
pub use status::{RespText, ResponseCode, Status, StatusResponse};
pub use text::{AString, Atom, NotInGrammar, Tag};
pub(crate) use text::{is_astring_char, is_atom_char, is_list_char};
