//! What a milter does to a message.

use super::event::MilterFailure;
use super::field::{self, MilterField};
use super::options::Actions;
use super::reply::MilterReply;
use crate::parameter::{Extensions, MailParameters, RcptParameters};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::address::{AddressError, AddressSyntax, ForwardPath, ReversePath};

/// One change to a message. They are to be made in the order in which they come, and count only when the message is
/// accepted in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A header field behind all others.
    AddHeader(MilterField),
    /// A header field behind so many of those that the message has as it will be delivered, so 0 is before all; behind all
    /// others when there are fewer.
    InsertHeader {
        /// How many stand before it.
        index: u32,
        /// The field.
        field: MilterField,
    },
    /// A header field in the place of one of the same name; behind all others when there is no such.
    ChangeHeader {
        /// Which of those of this name, from 1, as earlier changes have left them; fields that the server itself put before the
        /// message and told no milter do not count.
        index: u32,
        /// The field.
        field: MilterField,
    },
    /// A header field goes; when there is no such, nothing does.
    DeleteHeader {
        /// Which, as of [`Change::ChangeHeader`].
        index: u32,
        /// The name.
        name: String,
    },
    /// A piece of a new body. The first one goes in the place of the old body; the next ones behind it. Pieces may be empty.
    /// All lines of the whole end with CR LF, whatever the milter sent.
    ReplaceBody(Bytes),
    /// Another sender.
    ChangeSender {
        /// Who.
        path: ReversePath,
        /// What was said with it, and could be read.
        parameters: MailParameters,
        /// What was said with it and could not, for a log.
        ignored: String,
    },
    /// One more recipient.
    AddRecipient {
        /// Who.
        path: ForwardPath,
        /// What was said with it, and could be read.
        parameters: RcptParameters,
        /// What was said with it and could not, for a log.
        ignored: String,
    },
    /// A recipient goes, if it is one.
    DeleteRecipient(ForwardPath),
    /// The message is to be kept back until somebody has looked at it. The reason is printable ASCII.
    Quarantine(String),
}

/// The longest text of parameters that is read: what a command line of SMTP can hold (RFC 5321 section 4.5.3.1.4 and the
/// extensions that add to it).
const PARAMETERS_BYTES_MAX: usize = 2048;

impl Change {
    /// What a reply means as a change; `None` when it is none.
    ///
    /// # Errors
    /// [`MilterFailure`] when it is one that was not offered, or cannot be made.
    pub(super) fn of_reply(
        reply: MilterReply,
        offered: Actions,
        leading_space: bool,
        origin: &str,
    ) -> Option<Result<Self, MilterFailure>> {
        let action = match &reply {
            MilterReply::AddHeader { .. } | MilterReply::InsertHeader { .. } => Actions::ADD_HEADERS,
            MilterReply::ChangeHeader { .. } => Actions::CHANGE_HEADERS,
            MilterReply::ReplaceBody(_) => Actions::CHANGE_BODY,
            MilterReply::ChangeSender { .. } => Actions::CHANGE_SENDER,
            MilterReply::AddRecipient(_) => Actions::ADD_RECIPIENTS,
            MilterReply::AddRecipientWithParameters { .. } => Actions::ADD_RECIPIENTS_WITH_PARAMETERS,
            MilterReply::DeleteRecipient(_) => Actions::DELETE_RECIPIENTS,
            MilterReply::Quarantine(_) => Actions::QUARANTINE,
            _ => return None,
        };
        if !offered.contains(action) {
            return Some(Err(MilterFailure::NotOffered));
        }
        Some(Self::read(reply, leading_space, origin))
    }

    fn read(reply: MilterReply, leading_space: bool, origin: &str) -> Result<Self, MilterFailure> {
        let field = |name: &[u8], value: &[u8]| {
            MilterField::new(name, value, leading_space).ok_or(MilterFailure::HeaderField)
        };
        Ok(match reply {
            MilterReply::AddHeader { name, value } => Self::AddHeader(field(&name, &value)?),
            MilterReply::InsertHeader { index, name, value } => {
                Self::InsertHeader { index, field: field(&name, &value)? }
            }
            MilterReply::ChangeHeader { index, name, value } => {
                // Sendmail takes 0 for the first.
                let index = index.max(1);
                if value.is_empty() {
                    Self::DeleteHeader { index, name: field::name(&name).ok_or(MilterFailure::HeaderField)? }
                } else {
                    Self::ChangeHeader { index, field: field(&name, &value)? }
                }
            }
            MilterReply::ReplaceBody(octets) => Self::ReplaceBody(octets),
            MilterReply::ChangeSender { address, parameters } => {
                let path = whole(ReversePath::read_prefix(address.trim_ascii(), SYNTAX, Some(origin)))?;
                let (parameters, ignored) = parameters_of(parameters, MailParameters::parse);
                Self::ChangeSender { path: path.into_owned(), parameters, ignored }
            }
            MilterReply::AddRecipient(address) => Self::AddRecipient {
                path: recipient(&address, origin)?,
                parameters: RcptParameters::default(),
                ignored: String::new(),
            },
            MilterReply::AddRecipientWithParameters { address, parameters } => {
                let (parameters, ignored) = parameters_of(parameters, RcptParameters::parse);
                Self::AddRecipient { path: recipient(&address, origin)?, parameters, ignored }
            }
            MilterReply::DeleteRecipient(address) => Self::DeleteRecipient(recipient(&address, origin)?),
            MilterReply::Quarantine(reason) => Self::Quarantine(printable(&reason)),
            _ => return Err(MilterFailure::NotOffered),
        })
    }
}

const SYNTAX: AddressSyntax = AddressSyntax { utf8: true, lenient: true };

fn recipient(address: &[u8], origin: &str) -> Result<ForwardPath, MilterFailure> {
    whole(ForwardPath::read_prefix(address.trim_ascii(), SYNTAX, Some(origin))).map(ForwardPath::into_owned)
}

/// The path, if nothing stands behind it.
fn whole<P>(read: Result<(P, &[u8]), AddressError>) -> Result<P, MilterFailure> {
    match read {
        Ok((path, [])) => Ok(path),
        _ => Err(MilterFailure::Address),
    }
}

/// What of the parameters can be read, and the words that cannot.
fn parameters_of<P: Default, E>(
    text: Option<Bytes>,
    parse: impl Fn(&[u8], &Extensions) -> Result<P, E>,
) -> (P, String) {
    let text = text.unwrap_or_default();
    let (mut parameters, mut read, mut ignored) = (P::default(), Vec::new(), String::new());
    if text.len() > PARAMETERS_BYTES_MAX {
        return (parameters, printable(&text[..PARAMETERS_BYTES_MAX]));
    }
    for word in text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        let before = read.len();
        read.push(b' ');
        read.extend_from_slice(word);
        match parse(&read, &Extensions::ALL) {
            Ok(with_it) => parameters = with_it,
            Err(_) => {
                read.truncate(before);
                if !ignored.is_empty() {
                    ignored.push(' ');
                }
                ignored.push_str(&printable(word));
            }
        }
    }
    (parameters, ignored)
}

/// Text for a log or a note: what is not printable becomes `?`.
pub(super) fn printable(octets: &[u8]) -> String {
    octets.iter().map(|b| if matches!(b, b' '..=b'~') { char::from(*b) } else { '?' }).collect()
}
