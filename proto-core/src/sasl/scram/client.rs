//! The client's side of SCRAM.

use super::ScramHash;
use super::hash;
use super::keys::prepared;
use super::message::{ServerFirst, escaped, server_final};
use crate::sasl::context::ChannelBinding;
use crate::sasl::{ClientContext, Mechanism, SaslFault};
use crate::secret::Secret;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A server that asks for fewer iterations makes the password cheap to guess: RFC 7677 section 4.
pub const ITERATIONS_MIN: u32 = 4096;

/// The default of [`ClientContext::scram_iterations_max`].
pub const ITERATIONS_MAX_DEFAULT: u32 = 100_000;

/// The client's side.
#[derive(Debug)]
pub(in crate::sasl) struct Client {
    hash: ScramHash,
    password: Secret,
    iterations_max: u32,
    nonce: String,
    /// The GS2 header and the data of the TLS session.
    channel_binding: Vec<u8>,
    gs2_header: String,
    client_first_bare: String,
    phase: Phase,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    First,
    Challenge,
    /// The signature that the server has to show.
    Final(Secret),
    Proved,
    Over,
}

impl Client {
    pub(in crate::sasl) fn new(
        mechanism: Mechanism,
        hash: ScramHash,
        names: (Option<&str>, &str),
        password: &Secret,
        context: ClientContext<'_>,
    ) -> Result<Self, SaslFault> {
        let (authzid, authcid) = names;
        let iterations_max = context.scram_iterations_max;
        let nonce = context.nonces.and_then(|nonces| nonces.draw()).ok_or(SaslFault::Unavailable)?;
        let binding = ChannelBinding::preferred(context.tls);
        let authzid = authzid.map(escaped).transpose()?.map(|name| format!("a={name}")).unwrap_or_default();
        let (flag, data) = match binding {
            Some(binding) if mechanism.is_plus() => {
                (format!("p={}", binding.name()), binding.data(context.tls).unwrap_or_default())
            }
            _ if mechanism.is_plus() => return Err(SaslFault::Unavailable),
            // RFC 5802 section 6: we could, the server cannot.
            Some(_) if !context.plus_offered => ("y".into(), &[][..]),
            _ => ("n".into(), &[][..]),
        };
        let gs2_header = format!("{flag},{authzid},");
        let channel_binding = [gs2_header.as_bytes(), data].concat();
        let client_first_bare = format!("n={},r={nonce}", escaped(authcid)?);
        let password = prepared(password).map_err(|_| SaslFault::Malformed)?;
        let phase = Phase::First;
        Ok(Self {
            hash,
            password,
            iterations_max,
            nonce,
            channel_binding,
            gs2_header,
            client_first_bare,
            phase,
        })
    }

    pub(in crate::sasl) fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslFault> {
        match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::First if challenge.is_empty() => {
                self.phase = Phase::Challenge;
                Ok(format!("{}{}", self.gs2_header, self.client_first_bare).into())
            }
            Phase::Challenge => self.prove(challenge),
            Phase::Final(signature) => {
                self.check(&signature, challenge)?;
                Ok(Secret::new(Vec::new()))
            }
            _ => Err(SaslFault::Malformed),
        }
    }

    pub(in crate::sasl) fn finish(mut self, server_final: Option<&[u8]>) -> Result<(), SaslFault> {
        match (core::mem::replace(&mut self.phase, Phase::Over), server_final) {
            (Phase::Proved, None | Some(b"")) => Ok(()),
            (Phase::Final(signature), Some(message)) => self.check(&signature, message),
            _ => Err(SaslFault::Unproved),
        }
    }

    fn prove(&mut self, challenge: &[u8]) -> Result<Secret, SaslFault> {
        let first = ServerFirst::parse(challenge)?;
        // RFC 5802 section 5.1: what we sent, and something of the server's own.
        if first.nonce.strip_prefix(&*self.nonce).is_none_or(str::is_empty) {
            return Err(SaslFault::Malformed);
        }
        if first.iterations < ITERATIONS_MIN {
            return Err(SaslFault::Malformed);
        }
        if first.iterations > self.iterations_max {
            return Err(SaslFault::TooManyIterations { asked: first.iterations, max: self.iterations_max });
        }
        let channel_binding = STANDARD.encode(&self.channel_binding);
        let without_proof = format!("c={channel_binding},r={}", first.nonce);
        let auth_message = format!("{},{},{without_proof}", self.client_first_bare, first.text);
        let hash = self.hash;
        let salted = hash.salted_password(self.password.expose(), &first.salt, first.iterations);
        let client_key = hash.client_key(&salted);
        let stored_key = hash.digest(client_key.expose());
        let signature = hash.hmac(stored_key.expose(), &[auth_message.as_bytes()]);
        let proof = hash::xor(client_key.expose(), signature.expose());
        let server_key = hash.server_key(&salted);
        self.phase = Phase::Final(hash.hmac(server_key.expose(), &[auth_message.as_bytes()]));
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof.expose())).into())
    }

    fn check(&mut self, signature: &Secret, message: &[u8]) -> Result<(), SaslFault> {
        if server_final(message)? != *signature {
            return Err(SaslFault::Unproved);
        }
        self.phase = Phase::Proved;
        Ok(())
    }
}
