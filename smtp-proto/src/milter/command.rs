//! What a server says to a milter.

use super::offer::Offer;
use super::options::Stage;
use super::peer::MilterPeer;
use super::wire::{Data, PacketFault, push_macros, push_string, write_packet};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::OutBuf;

/// A packet from a server to a milter. Text that is no UTF-8 reads as U+FFFD; header fields and bodies are octets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MilterCommand {
    /// `O`: what the server offers.
    Negotiate(Offer),
    /// `D`: macros, before the step that they are for.
    Macros {
        /// The step.
        stage: Stage,
        /// Names and values.
        values: Vec<(String, String)>,
    },
    /// `C`: a client has connected.
    Connect(MilterPeer),
    /// `H`: the name that HELO or EHLO said.
    Helo(String),
    /// `M`: the path of MAIL, then its parameters.
    Mail(Vec<String>),
    /// `R`: the path of RCPT, then its parameters.
    Rcpt(Vec<String>),
    /// `T`: DATA.
    Data,
    /// `L`: a header field.
    Header {
        /// Its name.
        name: Bytes,
        /// Its value, lines separated by LF.
        value: Bytes,
    },
    /// `N`: the end of the header.
    EndOfHeader,
    /// `B`: a piece of the body.
    Body(Bytes),
    /// `E`: the end of the message, and what may be left of the body.
    EndOfMessage(Bytes),
    /// `A`: the transaction is void.
    Abort,
    /// `Q`: the connection ends.
    Quit,
    /// `K`: the mail session ends, and another one follows on this connection.
    QuitNewConnection,
    /// `U`: a command that the server does not know.
    Unknown(Bytes),
}

impl MilterCommand {
    /// Reads a packet as [`next_packet`](super::next_packet) gives it.
    ///
    /// # Errors
    /// [`PacketFault`].
    pub fn decode(packet: &[u8]) -> Result<Self, PacketFault> {
        let (kind, data) = packet.split_first().ok_or(PacketFault::Empty)?;
        let mut data = Data::new(*kind, data);
        let command = match kind {
            b'O' => Self::Negotiate(Offer::read(&mut data)?),
            b'D' => {
                let stage = data.octet()?;
                let stage = Stage::of_code(stage).ok_or(PacketFault::Unknown(stage))?;
                let mut values = Vec::new();
                while !data.is_empty() {
                    values.push((data.text()?, data.text()?));
                }
                Self::Macros { stage, values }
            }
            b'C' => Self::Connect(MilterPeer::read(*kind, &mut data)?),
            b'H' => Self::Helo(data.text()?),
            b'M' => Self::Mail(data.texts()?),
            b'R' => Self::Rcpt(data.texts()?),
            b'T' => Self::Data,
            b'L' => Self::Header {
                name: Bytes::copy_from_slice(data.string()?),
                value: Bytes::copy_from_slice(data.string()?),
            },
            b'N' => Self::EndOfHeader,
            b'B' => Self::Body(Bytes::copy_from_slice(data.octets())),
            b'E' => Self::EndOfMessage(Bytes::copy_from_slice(data.octets())),
            b'A' => Self::Abort,
            b'Q' => Self::Quit,
            b'K' => Self::QuitNewConnection,
            b'U' => Self::Unknown(Bytes::copy_from_slice(data.string()?)),
            other => return Err(PacketFault::Unknown(*other)),
        };
        data.end()?;
        Ok(command)
    }

    /// Writes it as a packet. A NUL in what is a string on the wire becomes a space.
    pub fn encode(&self, out: &mut OutBuf) {
        let mut data = Vec::new();
        let mut strings =
            |strings: &[&[u8]]| strings.iter().for_each(|octets| push_string(&mut data, octets));
        let kind = match self {
            Self::Negotiate(offer) => return write_packet(out, b'O', &[&offer.data()]),
            Self::Macros { stage, values } => {
                let values =
                    values.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str())));
                push_macros(&mut data, *stage, values);
                b'D'
            }
            Self::Connect(peer) => {
                peer.write(&mut data);
                b'C'
            }
            Self::Helo(name) => {
                strings(&[name.as_bytes()]);
                b'H'
            }
            Self::Mail(arguments) | Self::Rcpt(arguments) => {
                arguments.iter().for_each(|argument| strings(&[argument.as_bytes()]));
                if matches!(self, Self::Mail(_)) { b'M' } else { b'R' }
            }
            Self::Data => b'T',
            Self::Header { name, value } => {
                strings(&[name, value]);
                b'L'
            }
            Self::EndOfHeader => b'N',
            Self::Body(octets) => return write_packet(out, b'B', &[octets]),
            Self::EndOfMessage(octets) => return write_packet(out, b'E', &[octets]),
            Self::Abort => b'A',
            Self::Quit => b'Q',
            Self::QuitNewConnection => b'K',
            Self::Unknown(line) => {
                strings(&[line]);
                b'U'
            }
        };
        write_packet(out, kind, &[&data]);
    }
}
