//! How SASL messages travel in SMTP, IMAP and POP3: base64, one message a line.
//!
//! RFC 4954 (SMTP), RFC 3501 section 6.2.2 with RFC 4959 (IMAP), RFC 5034 (POP3). The base64 is RFC 4648 section 4 to
//! the letter: padded, nothing outside the alphabet, no spare bits.

use crate::output::OutBuf;
use crate::secret::Secret;
use alloc::string::String;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use zeroize::Zeroizing;

/// The longest line of an exchange in octets, its CR LF counted: RFC 4954 section 4 holds 12,288 octets sufficient for
/// every deployed mechanism.
pub const OCTETS_MAX: usize = 12_288 + 2;

/// The base64 is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed base64")]
pub struct BadBase64;

/// A client's answer to a challenge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Response<'a> {
    /// `*`: it gives up.
    Cancel,
    /// A message; empty for an empty line.
    Message(&'a [u8]),
}

/// Says which it is, not what stands in it: it may be a password.
impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Cancel { "Cancel" } else { "Message" })
    }
}

impl<'a> Response<'a> {
    /// Reads a line without its ending, where it lies.
    ///
    /// # Errors
    /// [`BadBase64`].
    pub fn parse(line: &'a mut [u8]) -> Result<Self, BadBase64> {
        if *line == *b"*" { Ok(Self::Cancel) } else { decode_in_place(line).map(Self::Message) }
    }
}

/// Reads the initial response that stands in a command, where it lies: base64, or `=` for an empty message.
///
/// # Errors
/// [`BadBase64`]; also when it is empty, which means nothing.
pub fn decode_initial_in_place(argument: &mut [u8]) -> Result<&[u8], BadBase64> {
    match argument {
        [] => Err(BadBase64),
        [b'='] => Ok(&[]),
        base64 => decode_in_place(base64),
    }
}

/// As [`decode_initial_in_place`], for a command that is not its reader's to change.
///
/// # Errors
/// [`BadBase64`].
pub fn decode_initial(argument: &[u8]) -> Result<Secret, BadBase64> {
    let mut copy = Zeroizing::new(argument.to_vec());
    decode_initial_in_place(&mut copy).map(Secret::from)
}

/// Reads base64 where it lies: the message takes the place of its beginning, so that there is no second copy of what may
/// be as long as a line can be. What is left behind it means nothing.
fn decode_in_place(base64: &mut [u8]) -> Result<&[u8], BadBase64> {
    let mut piece = Zeroizing::new([0; 3 * GROUPS]);
    let (mut read, mut written) = (0, 0);
    while read < base64.len() {
        let end = base64.len().min(read + 4 * GROUPS);
        let octets = STANDARD.decode_slice(&base64[read..end], &mut piece[..]).map_err(|_| BadBase64)?;
        if octets < piece.len() && end < base64.len() {
            // Padding, and more behind it.
            return Err(BadBase64);
        }
        base64[written..written + octets].copy_from_slice(&piece[..octets]);
        (read, written) = (end, written + octets);
    }
    Ok(&base64[..written])
}

/// Reads base64.
///
/// # Errors
/// [`BadBase64`].
pub fn decode(base64: &[u8]) -> Result<Secret, BadBase64> {
    STANDARD.decode(base64).map(Secret::new).map_err(|_| BadBase64)
}

/// Writes the initial response as it stands in a command.
pub fn encode_initial(message: &[u8]) -> String {
    if message.is_empty() { "=".into() } else { encode(message) }
}

/// Writes base64.
pub fn encode(message: &[u8]) -> String {
    STANDARD.encode(message)
}

/// Writes the base64 of a secret straight into the output, so that no other copy of it comes to be.
pub fn write(message: &Secret, output: &mut OutBuf) {
    let message = message.expose();
    output.reserve(encoded_bytes(message.len()));
    let mut text = Zeroizing::new([0; 4 * GROUPS]);
    for piece in message.chunks(3 * GROUPS) {
        let bytes = STANDARD.encode_slice(piece, &mut text[..]).expect("invariant: four octets for three");
        output.extend_secret(&text[..bytes]);
    }
}

/// Writes the initial response as it stands in a command, as [`write()`].
pub fn write_initial(message: &Secret, output: &mut OutBuf) {
    if message.expose().is_empty() {
        output.extend(b"=");
    } else {
        write(message, output);
    }
}

/// The length of a message in base64, padded.
pub const fn encoded_bytes(message_bytes: usize) -> usize {
    message_bytes.div_ceil(3) * 4
}

/// How many groups of three octets are written, or read, at once.
const GROUPS: usize = 32;
