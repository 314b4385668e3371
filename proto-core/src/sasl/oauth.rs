//! OAUTHBEARER (RFC 7628) and XOAUTH2: one message of the client with a bearer token (RFC 6750).
//!
//! A token that is refused is answered with a challenge that says why, in JSON; the client has to answer that with a
//! message without meaning before it is told the outcome (RFC 7628 section 3.2.3).

use super::scram::{escaped, gs2_authzid};
use super::{AuthVerdict, Credentials, Mechanism, SaslFault, ServerStep, identity};
use crate::secret::Secret;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The separator of fields.
const SEPARATOR: char = '\u{1}';

/// The server's side.
#[derive(Debug)]
pub(super) struct Server {
    xoauth2: bool,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    First,
    Token,
    /// The client was told why not; by a verdict, or because it asked.
    Refused {
        by_verdict: bool,
    },
    Over,
}

impl Server {
    pub(super) fn new(mechanism: Mechanism) -> Self {
        Self { xoauth2: mechanism == Mechanism::Xoauth2, phase: Phase::First }
    }

    pub(super) fn respond(&mut self, message: &[u8]) -> ServerStep {
        match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::First => {
                let read = if self.xoauth2 { parse_xoauth2(message) } else { parse(message) };
                match read {
                    Ok(Some(token)) => {
                        self.phase = Phase::Token;
                        ServerStep::Ask(token)
                    }
                    // RFC 7628 section 4.3: a client that asks what it takes.
                    Ok(None) => self.refuse(false),
                    Err(fault) => ServerStep::Failed(fault),
                }
            }
            Phase::Refused { .. } => ServerStep::Failed(SaslFault::Rejected),
            Phase::Token | Phase::Over => ServerStep::Failed(SaslFault::Malformed),
        }
    }

    pub(super) fn verdict(&mut self, verdict: AuthVerdict) -> ServerStep {
        match (core::mem::replace(&mut self.phase, Phase::Over), verdict) {
            (Phase::Token, AuthVerdict::Accept) => ServerStep::Done { server_final: None },
            (Phase::Token, AuthVerdict::Backend(backend)) => ServerStep::Failed(SaslFault::Backend(backend)),
            (Phase::Token, _) => self.refuse(true),
            _ => ServerStep::Failed(SaslFault::Malformed),
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.phase, Phase::Refused { by_verdict: true })
    }

    fn refuse(&mut self, by_verdict: bool) -> ServerStep {
        self.phase = Phase::Refused { by_verdict };
        let why: &[u8] = if self.xoauth2 {
            br#"{"status":"401","schemes":"Bearer"}"#
        } else {
            br#"{"status":"invalid_token"}"#
        };
        ServerStep::Challenge(why.to_vec())
    }
}

/// `gs2-header kvsep *kvpair kvsep`, RFC 7628 section 3.1. None: there is no token in it.
fn parse(message: &[u8]) -> Result<Option<Credentials>, SaslFault> {
    let message = core::str::from_utf8(message).map_err(|_| SaslFault::Malformed)?;
    let (header, pairs) = message.split_once(SEPARATOR).ok_or(SaslFault::Malformed)?;
    let (flag, authzid) =
        header.strip_suffix(',').and_then(|h| h.split_once(',')).ok_or(SaslFault::Malformed)?;
    if !matches!(flag, "n" | "y") {
        return Err(SaslFault::Malformed);
    }
    let authzid = gs2_authzid(authzid)?;
    let (mut auth, mut host, mut port) = (None, None, None);
    for field in fields(pairs)? {
        let (key, value) = field?;
        match key {
            _ if !is_value(value) => return Err(SaslFault::Malformed),
            "auth" if auth.is_none() => auth = Some(value),
            "host" if host.is_none() => host = Some(String::from(value)),
            "port" if port.is_none() => port = Some(value.parse().map_err(|_| SaslFault::Malformed)?),
            "auth" | "host" | "port" => return Err(SaslFault::Malformed),
            _ => {}
        }
    }
    let token = bearer(auth.ok_or(SaslFault::Malformed)?)?;
    Ok(token.map(|token| Credentials::Token { authzid, token, host, port }))
}

/// `user=` name, `auth=Bearer ` token, each with its separator, and one more.
fn parse_xoauth2(message: &[u8]) -> Result<Option<Credentials>, SaslFault> {
    let message = core::str::from_utf8(message).map_err(|_| SaslFault::Malformed)?;
    let (mut user, mut auth) = (None, None);
    for field in fields(message)? {
        let (key, value) = field?;
        match key {
            "user" if user.is_none() => user = Some(identity(value.as_bytes())?),
            "auth" if auth.is_none() => auth = Some(value),
            _ => return Err(SaslFault::Malformed),
        }
    }
    let (Some(user), Some(auth)) = (user, auth) else { return Err(SaslFault::Malformed) };
    let token = bearer(auth)?;
    Ok(token.map(|token| Credentials::Token { authzid: Some(user), token, host: None, port: None }))
}

/// `*kvpair kvsep`. One at a time: a message may be nothing but thousands of them.
fn fields(pairs: &str) -> Result<impl Iterator<Item = Result<(&str, &str), SaslFault>>, SaslFault> {
    let pairs = pairs.strip_suffix(SEPARATOR).ok_or(SaslFault::Malformed)?;
    if !pairs.is_empty() && !pairs.ends_with(SEPARATOR) {
        return Err(SaslFault::Malformed);
    }
    Ok(pairs.split_terminator(SEPARATOR).map(field))
}

fn field(pair: &str) -> Result<(&str, &str), SaslFault> {
    let (key, value) = pair.split_once('=').ok_or(SaslFault::Malformed)?;
    let named = !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_alphabetic());
    if named { Ok((key, value)) } else { Err(SaslFault::Malformed) }
}

/// Whether it may be a value of OAUTHBEARER: RFC 7628 section 3.1. The user of XOAUTH2, which no RFC has, may be any name.
fn is_value(value: &str) -> bool {
    value.bytes().all(|octet| matches!(octet, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
}

/// The token of `Bearer token`, the word in any case; None for an empty value.
fn bearer(auth: &str) -> Result<Option<Secret>, SaslFault> {
    if auth.is_empty() {
        return Ok(None);
    }
    let (scheme, token) = auth.split_once(' ').ok_or(SaslFault::Malformed)?;
    let token = token.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || !is_token(token.as_bytes()) {
        return Err(SaslFault::Malformed);
    }
    Ok(Some(token.into()))
}

fn is_token(token: &[u8]) -> bool {
    !token.is_empty() && token.iter().all(u8::is_ascii_graphic)
}

/// The client's message.
pub(super) fn message(
    mechanism: Mechanism,
    user: &str,
    token: &Secret,
    host: Option<&str>,
    port: Option<u16>,
) -> Result<Secret, SaslFault> {
    let separated = [Some(user), host].into_iter().flatten().any(|text| text.contains(SEPARATOR));
    if !is_token(token.expose()) || separated {
        return Err(SaslFault::Malformed);
    }
    let mut before = String::new();
    if mechanism == Mechanism::Xoauth2 {
        before.push_str("user=");
        before.push_str(user);
        before.push(SEPARATOR);
    } else {
        before.push_str("n,");
        if !user.is_empty() {
            before.push_str("a=");
            before.push_str(&escaped(user)?);
        }
        before.push(',');
        before.push(SEPARATOR);
        if let Some(host) = host {
            before.push_str("host=");
            before.push_str(host);
            before.push(SEPARATOR);
        }
        if let Some(port) = port {
            before.push_str(&format!("port={port}"));
            before.push(SEPARATOR);
        }
    }
    before.push_str("auth=Bearer ");
    // The final size at once: growing would leave a copy of the token behind.
    let mut message = Vec::with_capacity(before.len() + token.expose().len() + 2);
    message.extend_from_slice(before.as_bytes());
    message.extend_from_slice(token.expose());
    message.extend_from_slice(&[1, 1]);
    Ok(Secret::new(message))
}

/// The client's message after a refusal: RFC 7628 section 3.2.3; nothing in XOAUTH2.
pub(super) fn after_refusal(mechanism: Mechanism) -> Secret {
    if mechanism == Mechanism::Xoauth2 { Secret::new(Vec::new()) } else { Secret::from(&[1][..]) }
}
