//! The server's side of SCRAM.
//!
//! A name that nobody has takes the same course as one that somebody has, with keys from
//! [`Decoys`](crate::sasl::Decoys), up to the same refusal.

use super::message::{ClientFinal, ClientFirst, Flag};
use super::{ScramHash, ScramKeys, hash};
use crate::sasl::context::ChannelBinding;
use crate::sasl::{
    AuthVerdict, Credentials, Decoys, LoginFailed, Mechanism, SaslFault, ServerStep, StoredSecret, Wanted,
};
use crate::secret::Secret;
use crate::tls::TlsInfo;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The server's side.
#[derive(Debug)]
pub(in crate::sasl) struct Server {
    pub(in crate::sasl) mechanism: Mechanism,
    pub(in crate::sasl) hash: ScramHash,
    pub(in crate::sasl) plus_offered: bool,
    pub(in crate::sasl) tls: Option<Arc<TlsInfo>>,
    pub(in crate::sasl) nonce: String,
    pub(in crate::sasl) decoys: Decoys,
    pub(in crate::sasl) phase: Phase,
}

/// How far it is.
#[derive(Debug)]
pub(in crate::sasl) enum Phase {
    First,
    Lookup(Begun),
    Final(Begun, Challenged),
    /// The proof was right; the server's signature is ready.
    Verified(Secret),
    Over,
}

/// After `client-first-message`.
#[derive(Debug)]
pub(in crate::sasl) struct Begun {
    authzid: Option<String>,
    authcid: String,
    client_first_bare: String,
    /// What `c=` has to be: the GS2 header and the data of the TLS session.
    channel_binding: Vec<u8>,
    /// Both nonces.
    nonce: String,
}

/// After `server-first-message`.
#[derive(Debug)]
pub(in crate::sasl) struct Challenged {
    server_first: String,
    keys: ScramKeys,
    /// The keys are somebody's.
    known: bool,
}

impl Server {
    pub(in crate::sasl) fn respond(&mut self, message: &[u8]) -> ServerStep {
        let step = match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::First => self.begin(message),
            Phase::Final(begun, challenged) => self.verify(begun, &challenged, message),
            _ => Err(SaslFault::Malformed),
        };
        step.unwrap_or_else(ServerStep::Failed)
    }

    pub(in crate::sasl) fn verdict(&mut self, verdict: AuthVerdict) -> ServerStep {
        match (core::mem::replace(&mut self.phase, Phase::Over), verdict) {
            (Phase::Lookup(_) | Phase::Verified(_), AuthVerdict::Backend(backend)) => {
                ServerStep::Failed(SaslFault::Backend(backend))
            }
            (Phase::Lookup(begun), verdict) => self.challenge(begun, verdict),
            (Phase::Verified(signature), AuthVerdict::Accept) => {
                let server_final = format!("v={}", STANDARD.encode(signature.expose()));
                ServerStep::Done { server_final: Some(server_final.into_bytes()) }
            }
            (Phase::Verified(_), _) => ServerStep::Failed(SaslFault::Rejected),
            _ => ServerStep::Failed(SaslFault::Malformed),
        }
    }

    fn begin(&mut self, message: &[u8]) -> Result<ServerStep, SaslFault> {
        let first = ClientFirst::parse(message)?;
        let mut channel_binding = Vec::from(first.gs2_header);
        match self.bound(first.flag) {
            Ok(data) => channel_binding.extend_from_slice(data),
            Err(SaslFault::Rejected) => return Ok(self.failed(first.authcid)),
            Err(fault) => return Err(fault),
        }
        let nonce = format!("{}{}", first.nonce, self.nonce);
        let (authcid, hash) = (first.authcid.clone(), self.hash);
        self.phase = Phase::Lookup(Begun {
            authzid: first.authzid,
            authcid: first.authcid,
            client_first_bare: first.bare.into(),
            channel_binding,
            nonce,
        });
        Ok(ServerStep::Ask(Credentials::Lookup { authcid, wanted: Wanted::ScramKeys(hash) }))
    }

    /// The data that the client binds to: RFC 5802 section 6.
    fn bound(&self, flag: Flag) -> Result<&[u8], SaslFault> {
        match (flag, self.mechanism.is_plus()) {
            (Flag::Bound(binding), true) => {
                let data = |binding: ChannelBinding| binding.data(self.tls.as_ref());
                binding.and_then(data).ok_or(SaslFault::Rejected)
            }
            // It thinks that we have no binding, having been shown one: somebody took it out of the list.
            (Flag::NotOffered, false) if self.plus_offered => Err(SaslFault::Rejected),
            (Flag::NotOffered | Flag::Unsupported, false) => Ok(b""),
            _ => Err(SaslFault::Malformed),
        }
    }

    fn challenge(&mut self, begun: Begun, verdict: AuthVerdict) -> ServerStep {
        let keys = match verdict {
            AuthVerdict::Secret(StoredSecret::ScramKeys(keys)) if keys.hash() == self.hash => Some(keys),
            _ => None,
        };
        let known = keys.is_some();
        let decoy = self.decoys.keys(self.hash, &begun.authcid);
        let keys = keys.unwrap_or(decoy);
        let salt = STANDARD.encode(keys.salt());
        let server_first = format!("r={},s={salt},i={}", begun.nonce, keys.iterations());
        let message = server_first.clone().into_bytes();
        self.phase = Phase::Final(begun, Challenged { server_first, keys, known });
        ServerStep::Challenge(message)
    }

    fn verify(
        &mut self,
        begun: Begun,
        challenged: &Challenged,
        message: &[u8],
    ) -> Result<ServerStep, SaslFault> {
        let last = ClientFinal::parse(message)?;
        if last.proof.expose().len() != self.hash.bytes() {
            return Err(SaslFault::Malformed);
        }
        let keys = &challenged.keys;
        let parts = [&*begun.client_first_bare, ",", &challenged.server_first, ",", last.without_proof];
        let auth_message = parts.map(str::as_bytes);
        let signature = self.hash.hmac(keys.stored_key().expose(), &auth_message);
        let client_key = hash::xor(last.proof.expose(), signature.expose());
        let right = self.hash.digest(client_key.expose()) == *keys.stored_key();
        let bound = last.channel_binding == begun.channel_binding && last.nonce == begun.nonce;
        if !right || !bound || !challenged.known {
            return Ok(self.failed(begun.authcid));
        }
        let signature = self.hash.hmac(keys.server_key().expose(), &auth_message);
        self.phase = Phase::Verified(signature);
        Ok(ServerStep::Ask(Credentials::Verified { authzid: begun.authzid, authcid: begun.authcid }))
    }

    fn failed(&self, authcid: String) -> ServerStep {
        ServerStep::LoginFailed(LoginFailed { mechanism: Some(self.mechanism), authcid: Some(authcid) })
    }
}
