//! The messages of SCRAM, read to the letter of RFC 5802 section 7.
//!
//! Attributes stand in a fixed order; optional extensions that nobody knows are passed over, and `m=`, which says that
//! an extension must be known, ends the exchange (section 5.1).

use crate::sasl::context::{ChannelBinding, is_nonce};
use crate::sasl::saslprep::TEXT_BYTES_MAX;
use crate::sasl::{SaslFault, identity};
use crate::secret::Secret;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::SALT_BYTES_MAX;

/// The longest message, in octets, of either side: room for two names of 1,024 octets, nonces and salt, and for some
/// extensions.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// What a client says about binding to the TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// `n`: it cannot.
    Unsupported,
    /// `y`: it could, and holds that the server cannot.
    NotOffered,
    /// `p=`: it does; `None` to data that we do not know.
    Bound(Option<ChannelBinding>),
}

/// `client-first-message`.
#[derive(Debug)]
pub(super) struct ClientFirst<'a> {
    pub(super) flag: Flag,
    pub(super) authzid: Option<String>,
    /// As SASLprep makes it.
    pub(super) authcid: String,
    pub(super) nonce: &'a str,
    /// `gs2-header`, as it was sent.
    pub(super) gs2_header: &'a str,
    /// `client-first-message-bare`, as it was sent.
    pub(super) bare: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, SaslFault> {
        let text = text(message)?;
        let (flag, rest) = text.split_once(',').ok_or(SaslFault::Malformed)?;
        let flag = match flag {
            "n" => Flag::Unsupported,
            "y" => Flag::NotOffered,
            _ => match flag.strip_prefix("p=") {
                Some(name) if is_binding_name(name) => Flag::Bound(ChannelBinding::from_name(name)),
                _ => return Err(SaslFault::Malformed),
            },
        };
        let (authzid, bare) = rest.split_once(',').ok_or(SaslFault::Malformed)?;
        let authzid = gs2_authzid(authzid)?;
        let mut attributes = bare.split(',');
        let authcid = identity(unescaped(value(attributes.next(), "n=")?)?.as_bytes())?;
        let nonce = nonce(attributes.next())?;
        extensions(attributes)?;
        Ok(Self { flag, authzid, authcid, nonce, gs2_header: &text[..text.len() - bare.len()], bare })
    }
}

/// `server-first-message`.
#[derive(Debug)]
pub(super) struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    /// As it was sent.
    pub(super) text: &'a str,
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, SaslFault> {
        let text = text(message)?;
        let mut attributes = text.split(',');
        let nonce = nonce(attributes.next())?;
        let salt = base64(value(attributes.next(), "s=")?)?;
        let iterations = value(attributes.next(), "i=")?;
        extensions(attributes)?;
        let positive = !iterations.starts_with('0') && iterations.bytes().all(|octet| octet.is_ascii_digit());
        // A number that is too large to be read is too large.
        let iterations = iterations.parse().unwrap_or(u32::MAX);
        if !positive || !matches!(salt.len(), 1..=SALT_BYTES_MAX) {
            return Err(SaslFault::Malformed);
        }
        Ok(Self { nonce, salt, iterations, text })
    }
}

/// `client-final-message`.
#[derive(Debug)]
pub(super) struct ClientFinal<'a> {
    /// The GS2 header and the data of the TLS session.
    pub(super) channel_binding: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: Secret,
    /// `client-final-message-without-proof`, as it was sent.
    pub(super) without_proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, SaslFault> {
        let (without_proof, proof) = text(message)?.rsplit_once(',').ok_or(SaslFault::Malformed)?;
        let mut attributes = without_proof.split(',');
        let channel_binding = base64(value(attributes.next(), "c=")?)?;
        let nonce = nonce(attributes.next())?;
        extensions(attributes)?;
        let proof = Secret::new(base64(value(Some(proof), "p=")?)?);
        Ok(Self { channel_binding, nonce, proof, without_proof })
    }
}

/// `server-final-message`: the server's signature, or its refusal.
pub(super) fn server_final(message: &[u8]) -> Result<Secret, SaslFault> {
    let mut attributes = text(message)?.split(',');
    let first = attributes.next();
    if first.is_some_and(|first| first.starts_with("e=")) {
        return Err(SaslFault::Rejected);
    }
    let signature = base64(value(first, "v=")?)?;
    extensions(attributes)?;
    Ok(Secret::new(signature))
}

/// `[ authzid ]` of a GS2 header.
pub(in crate::sasl) fn gs2_authzid(text: &str) -> Result<Option<String>, SaslFault> {
    match text.strip_prefix("a=") {
        Some(name) => identity(unescaped(name)?.as_bytes()).map(Some),
        None if text.is_empty() => Ok(None),
        None => Err(SaslFault::Malformed),
    }
}

/// Reads a `saslname`.
pub(super) fn unescaped(name: &str) -> Result<String, SaslFault> {
    if name.len() > "=2C".len() * TEXT_BYTES_MAX {
        return Err(SaslFault::Malformed);
    }
    let mut pieces = name.split('=');
    let mut found = String::with_capacity(name.len());
    found.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (octet, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(SaslFault::Malformed),
        };
        found.push(octet);
        found.push_str(rest);
    }
    Ok(found)
}

/// Writes a `saslname`.
pub(in crate::sasl) fn escaped(name: &str) -> Result<String, SaslFault> {
    let name = identity(name.as_bytes())?;
    Ok(name.replace('=', "=3D").replace(',', "=2C"))
}

fn text(message: &[u8]) -> Result<&str, SaslFault> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(SaslFault::Malformed);
    }
    let text = core::str::from_utf8(message).map_err(|_| SaslFault::Malformed)?;
    if text.contains('\0') { Err(SaslFault::Malformed) } else { Ok(text) }
}

fn value<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, SaslFault> {
    let value = attribute.and_then(|attribute| attribute.strip_prefix(name));
    value.filter(|value| !value.is_empty()).ok_or(SaslFault::Malformed)
}

fn nonce(attribute: Option<&str>) -> Result<&str, SaslFault> {
    let nonce = value(attribute, "r=")?;
    if is_nonce(nonce.as_bytes()) { Ok(nonce) } else { Err(SaslFault::Malformed) }
}

fn base64(text: &str) -> Result<Vec<u8>, SaslFault> {
    STANDARD.decode(text).map_err(|_| SaslFault::Malformed)
}

/// `["," extensions]`.
fn extensions<'a>(attributes: impl Iterator<Item = &'a str>) -> Result<(), SaslFault> {
    for attribute in attributes {
        let known = attribute.split_once('=').filter(|(name, value)| {
            let letter = name.len() == 1 && name.bytes().all(|octet| octet.is_ascii_alphabetic());
            letter && *name != "m" && !value.is_empty()
        });
        known.ok_or(SaslFault::Malformed)?;
    }
    Ok(())
}

fn is_binding_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-'))
}
