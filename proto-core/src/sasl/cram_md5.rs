//! CRAM-MD5, RFC 2195: the server's challenge, then the client's name and the HMAC-MD5 of the challenge, keyed with the
//! password.
//!
//! The server must have the password itself. What was said about the password is found out with the dictionaries of
//! whoever listens, so it is for clients that have neither TLS nor SCRAM.

use super::scram::hmac;
use super::{
    AuthVerdict, Credentials, LoginFailed, Mechanism, SaslFault, ServerStep, StoredSecret, Wanted, identity,
};
use crate::secret::Secret;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use hmac::Hmac;
use md5::Md5;

/// The server's side, from its challenge on.
#[derive(Debug)]
pub(super) struct Server {
    challenge: Vec<u8>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Response,
    Lookup { authcid: String, digest: Secret },
    Verified,
    Over,
}

impl Server {
    /// The challenge has the form of a message id: RFC 2195 section 2.
    pub(super) fn new(nonce: &str, host_name: &str) -> Self {
        let host_name = if host_name.is_empty() { "localhost" } else { host_name };
        Self { challenge: format!("<{nonce}@{host_name}>").into_bytes(), phase: Phase::Response }
    }

    pub(super) fn challenge(&self) -> Vec<u8> {
        self.challenge.clone()
    }

    pub(super) fn respond(&mut self, message: &[u8]) -> ServerStep {
        let Phase::Response = core::mem::replace(&mut self.phase, Phase::Over) else {
            return ServerStep::Failed(SaslFault::Malformed);
        };
        match parse(message) {
            Ok((authcid, digest)) => {
                self.phase = Phase::Lookup { authcid: authcid.clone(), digest };
                ServerStep::Ask(Credentials::Lookup { authcid, wanted: Wanted::Password })
            }
            Err(fault) => ServerStep::Failed(fault),
        }
    }

    pub(super) fn verdict(&mut self, verdict: AuthVerdict) -> ServerStep {
        match (core::mem::replace(&mut self.phase, Phase::Over), verdict) {
            (Phase::Lookup { .. } | Phase::Verified, AuthVerdict::Backend(backend)) => {
                ServerStep::Failed(SaslFault::Backend(backend))
            }
            (Phase::Lookup { authcid, digest }, verdict) => {
                let known = match verdict {
                    // Who has no password could be anybody.
                    AuthVerdict::Secret(StoredSecret::Password(password))
                        if !password.expose().is_empty() =>
                    {
                        Some(password)
                    }
                    _ => None,
                };
                // For who is not known too, so that it takes the same time.
                let right = answer(known.as_ref().map_or(b"", Secret::expose), &self.challenge) == digest;
                if !right || known.is_none() {
                    let (mechanism, authcid) = (Some(Mechanism::CramMd5), Some(authcid));
                    return ServerStep::LoginFailed(LoginFailed { mechanism, authcid });
                }
                self.phase = Phase::Verified;
                ServerStep::Ask(Credentials::Verified { authzid: None, authcid })
            }
            (Phase::Verified, AuthVerdict::Accept) => ServerStep::Done { server_final: None },
            (Phase::Verified, _) => ServerStep::Failed(SaslFault::Rejected),
            _ => ServerStep::Failed(SaslFault::Malformed),
        }
    }
}

/// The client's message. The name may have spaces; the digest is 32 hexadecimal digits in lower case.
fn parse(message: &[u8]) -> Result<(String, Secret), SaslFault> {
    let space = message.iter().rposition(|octet| *octet == b' ').ok_or(SaslFault::Malformed)?;
    let (name, digest) = (&message[..space], &message[space + 1..]);
    let hexadecimal = digest.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
    if digest.len() != 32 || !hexadecimal {
        return Err(SaslFault::Malformed);
    }
    Ok((identity(name)?, digest.into()))
}

/// The client's message in answer to a challenge.
pub(super) fn message(authcid: &str, password: &Secret, challenge: &[u8]) -> Secret {
    let mut message = Vec::from(authcid);
    message.push(b' ');
    message.extend_from_slice(answer(password.expose(), challenge).expose());
    Secret::new(message)
}

fn answer(password: &[u8], challenge: &[u8]) -> Secret {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).map_or(b'0', |digit| digit as u8);
    let digest = hmac::<Hmac<Md5>>(password, &[challenge]);
    Secret::new(digest.expose().iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect())
}
