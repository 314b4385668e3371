//! Packets, and what their data is made of.
//!
//! A packet is four octets of length, the most significant first, one octet that says what it is, and its data; the
//! length counts all but itself. Strings end in NUL, numbers have four octets (the port of a client has two).

use super::options::Stage;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::{InBuf, OutBuf};

/// The octets of the length before a packet.
pub const LENGTH_BYTES: usize = 4;

/// What is no packet of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketFault {
    /// It says that it is empty: not even the octet that says what it is.
    #[error("an empty packet")]
    Empty,
    /// It says that it has so many octets, and that is more than the limit.
    #[error("a packet of {0} octets is too long")]
    TooLong(u32),
    /// No packet of this kind is known.
    #[error("a packet of unknown kind {:?}", char::from(*.0))]
    Unknown(u8),
    /// Its data ends too early, or a string in it does not end.
    #[error("the data of a packet of kind {:?} is cut short", char::from(*.0))]
    Short(u8),
    /// It goes on after its data.
    #[error("a packet of kind {:?} has more data than it should", char::from(*.0))]
    Excess(u8),
}

/// Length and kind of the packet at the front, as soon as they are there.
///
/// # Errors
/// [`PacketFault::Empty`], told as soon as the length is there.
pub(super) fn head(octets: &[u8]) -> Result<Option<(u32, u8)>, PacketFault> {
    let Some((length, rest)) = octets.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    match u32::from_be_bytes(*length) {
        0 => Err(PacketFault::Empty),
        length => Ok(rest.first().map(|kind| (length, *kind))),
    }
}

/// Takes the packet at the front, without its length, as soon as all of it is there. `bytes_max` bounds what the length
/// may say; the capacity of `input` must be at least this and [`LENGTH_BYTES`].
///
/// # Errors
/// [`PacketFault::Empty`] and [`PacketFault::TooLong`], told as soon as the length is there. There is no way to find the
/// next packet after it.
pub fn next_packet(input: &mut InBuf, bytes_max: usize) -> Result<Option<Bytes>, PacketFault> {
    let Some(length) = input.as_slice().first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    let bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= bytes_max);
    match bytes {
        None => Err(PacketFault::TooLong(length)),
        Some(0) => Err(PacketFault::Empty),
        Some(bytes) if input.len() - LENGTH_BYTES < bytes => Ok(None),
        Some(bytes) => {
            input.skip(LENGTH_BYTES);
            Ok(Some(input.take(bytes)))
        }
    }
}

/// Writes a packet whose data is in pieces. What has more octets than the length can say is cut: nobody writes that.
pub(super) fn write_packet(out: &mut OutBuf, kind: u8, pieces: &[&[u8]]) {
    let bytes = 1 + pieces.iter().map(|piece| piece.len()).sum::<usize>();
    out.reserve(LENGTH_BYTES + bytes);
    out.extend(&u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(&[kind]);
    pieces.iter().for_each(|piece| out.extend(piece));
}

/// What can stand in a string: a NUL would end it, and is a space instead.
pub(super) fn harmless(octets: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(0, octets) {
        None => Cow::Borrowed(octets),
        Some(_) => Cow::Owned(octets.iter().map(|b| if *b == 0 { b' ' } else { *b }).collect()),
    }
}

/// Appends a string and its NUL.
pub(super) fn push_string(data: &mut Vec<u8>, octets: &[u8]) {
    data.extend_from_slice(&harmless(octets));
    data.push(0);
}

/// Appends the macros of a step: its octet, then name and value of each.
pub(super) fn push_macros<'a>(
    data: &mut Vec<u8>,
    stage: Stage,
    values: impl Iterator<Item = (&'a str, Cow<'a, str>)>,
) {
    data.push(stage.code());
    for (name, value) in values {
        push_string(data, name.as_bytes());
        push_string(data, value.as_bytes());
    }
}

/// Reads the data of a packet from the front.
pub(super) struct Data<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Data<'a> {
    pub(super) const fn new(kind: u8, data: &'a [u8]) -> Self {
        Self { kind, rest: data }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn octet(&mut self) -> Result<u8, PacketFault> {
        let (octet, rest) = self.rest.split_first().ok_or(PacketFault::Short(self.kind))?;
        self.rest = rest;
        Ok(*octet)
    }

    pub(super) fn short(&mut self) -> Result<u16, PacketFault> {
        let (number, rest) = self.rest.split_first_chunk().ok_or(PacketFault::Short(self.kind))?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*number))
    }

    pub(super) fn number(&mut self) -> Result<u32, PacketFault> {
        let (number, rest) = self.rest.split_first_chunk().ok_or(PacketFault::Short(self.kind))?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*number))
    }

    /// A string without its NUL.
    pub(super) fn string(&mut self) -> Result<&'a [u8], PacketFault> {
        let at = memchr::memchr(0, self.rest).ok_or(PacketFault::Short(self.kind))?;
        let string = &self.rest[..at];
        self.rest = &self.rest[at + 1..];
        Ok(string)
    }

    /// A string as text; what is no UTF-8 becomes U+FFFD.
    pub(super) fn text(&mut self) -> Result<String, PacketFault> {
        Ok(String::from_utf8_lossy(self.string()?).into_owned())
    }

    /// All strings that are left.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, PacketFault> {
        let mut texts = Vec::new();
        while !self.is_empty() {
            texts.push(self.text()?);
        }
        Ok(texts)
    }

    /// All octets that are left.
    pub(super) fn octets(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), PacketFault> {
        if self.is_empty() { Ok(()) } else { Err(PacketFault::Excess(self.kind)) }
    }
}
