//! What a milter says to a server.

use super::offer::Offer;
use super::wire::{Data, PacketFault, push_string, write_packet};
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::OutBuf;

/// A packet from a milter to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MilterReply {
    /// `O`: what the milter takes of the offer.
    Negotiate(Offer),
    /// `c`: go on.
    Continue,
    /// `a`: the mail is welcome, and the rest of it need not be told.
    Accept,
    /// `r`: refuse for good.
    Reject,
    /// `t`: refuse for now.
    TempFail,
    /// `d`: take the message and throw it away.
    Discard,
    /// `y`: refuse with this reply of SMTP; several lines are separated by CR LF, and each `%` is doubled.
    ReplyCode(Bytes),
    /// `4`: refuse with 421 and close.
    Shutdown,
    /// `f`: let the connection fail.
    ConnectionFailure,
    /// `s`: tell no more of this step in this transaction.
    Skip,
    /// `p`: it takes longer, have patience.
    Progress,
    /// `h`: add a header field at the end.
    AddHeader {
        /// Its name.
        name: Bytes,
        /// Its value, lines separated by LF.
        value: Bytes,
    },
    /// `i`: insert a header field.
    InsertHeader {
        /// Behind how many of the header fields it is to stand.
        index: u32,
        /// Its name.
        name: Bytes,
        /// Its value, lines separated by LF.
        value: Bytes,
    },
    /// `m`: change a header field, or with an empty value delete it.
    ChangeHeader {
        /// Which of those of this name, from 1.
        index: u32,
        /// Its name.
        name: Bytes,
        /// Its new value, lines separated by LF.
        value: Bytes,
    },
    /// `b`: a piece of a new body.
    ReplaceBody(Bytes),
    /// `e`: a new sender.
    ChangeSender {
        /// Its address.
        address: Bytes,
        /// Parameters of MAIL.
        parameters: Option<Bytes>,
    },
    /// `+`: one more recipient.
    AddRecipient(Bytes),
    /// `2`: one more recipient with parameters of RCPT.
    AddRecipientWithParameters {
        /// Its address.
        address: Bytes,
        /// The parameters.
        parameters: Option<Bytes>,
    },
    /// `-`: one recipient less.
    DeleteRecipient(Bytes),
    /// `q`: keep the message back, for this reason.
    Quarantine(Bytes),
}

impl MilterReply {
    /// Reads a packet as [`next_packet`](super::next_packet) gives it.
    ///
    /// # Errors
    /// [`PacketFault`].
    pub fn decode(packet: &[u8]) -> Result<Self, PacketFault> {
        let (kind, data) = packet.split_first().ok_or(PacketFault::Empty)?;
        let mut data = Data::new(*kind, data);
        let reply = match kind {
            b'O' => Self::Negotiate(Offer::read(&mut data)?),
            b'c' => Self::Continue,
            b'a' => Self::Accept,
            b'r' => Self::Reject,
            b't' => Self::TempFail,
            b'd' => Self::Discard,
            b'y' => Self::ReplyCode(string_or_rest(&mut data)?),
            b'4' => Self::Shutdown,
            b'f' => Self::ConnectionFailure,
            b's' => Self::Skip,
            b'p' => Self::Progress,
            b'h' => Self::AddHeader { name: string(&mut data)?, value: string(&mut data)? },
            b'i' => Self::InsertHeader {
                index: data.number()?,
                name: string(&mut data)?,
                value: string(&mut data)?,
            },
            b'm' => Self::ChangeHeader {
                index: data.number()?,
                name: string(&mut data)?,
                value: string(&mut data)?,
            },
            b'b' => Self::ReplaceBody(Bytes::copy_from_slice(data.octets())),
            b'e' => {
                Self::ChangeSender { address: string(&mut data)?, parameters: optional_string(&mut data)? }
            }
            b'+' => Self::AddRecipient(string(&mut data)?),
            b'2' => Self::AddRecipientWithParameters {
                address: string(&mut data)?,
                parameters: optional_string(&mut data)?,
            },
            b'-' => Self::DeleteRecipient(string(&mut data)?),
            b'q' => Self::Quarantine(string_or_rest(&mut data)?),
            other => return Err(PacketFault::Unknown(*other)),
        };
        data.end()?;
        Ok(reply)
    }

    /// Writes it as a packet. A NUL in what is a string on the wire becomes a space.
    pub fn encode(&self, out: &mut OutBuf) {
        let mut data = Vec::new();
        let kind = match self {
            Self::Negotiate(offer) => return write_packet(out, b'O', &[&offer.data()]),
            Self::Continue => b'c',
            Self::Accept => b'a',
            Self::Reject => b'r',
            Self::TempFail => b't',
            Self::Discard => b'd',
            Self::ReplyCode(text) => {
                push_string(&mut data, text);
                b'y'
            }
            Self::Shutdown => b'4',
            Self::ConnectionFailure => b'f',
            Self::Skip => b's',
            Self::Progress => b'p',
            Self::AddHeader { name, value } => {
                push_string(&mut data, name);
                push_string(&mut data, value);
                b'h'
            }
            Self::InsertHeader { index, name, value } | Self::ChangeHeader { index, name, value } => {
                data.extend_from_slice(&index.to_be_bytes());
                push_string(&mut data, name);
                push_string(&mut data, value);
                if matches!(self, Self::InsertHeader { .. }) { b'i' } else { b'm' }
            }
            Self::ReplaceBody(octets) => return write_packet(out, b'b', &[octets]),
            Self::ChangeSender { address, parameters }
            | Self::AddRecipientWithParameters { address, parameters } => {
                push_string(&mut data, address);
                parameters.iter().for_each(|parameters| push_string(&mut data, parameters));
                if matches!(self, Self::ChangeSender { .. }) { b'e' } else { b'2' }
            }
            Self::AddRecipient(address) => {
                push_string(&mut data, address);
                b'+'
            }
            Self::DeleteRecipient(address) => {
                push_string(&mut data, address);
                b'-'
            }
            Self::Quarantine(reason) => {
                push_string(&mut data, reason);
                b'q'
            }
        };
        write_packet(out, kind, &[&data]);
    }
}

fn string(data: &mut Data<'_>) -> Result<Bytes, PacketFault> {
    Ok(Bytes::copy_from_slice(data.string()?))
}

fn optional_string(data: &mut Data<'_>) -> Result<Option<Bytes>, PacketFault> {
    if data.is_empty() { Ok(None) } else { string(data).map(Some) }
}

/// A string that is all of the packet. Some milters leave its NUL out, and `libmilter` has servers read no further than it.
fn string_or_rest(data: &mut Data<'_>) -> Result<Bytes, PacketFault> {
    let octets = data.octets();
    let end = memchr::memchr(0, octets).unwrap_or(octets.len());
    Ok(Bytes::copy_from_slice(&octets[..end]))
}
