//! CAPA: what a session offers, derived from the configuration and from whether TLS is on.
//!
//! RFC 2449 sections 5 and 6: what is announced before login is announced after it too, except STLS, which is
//! announced where it is permitted (RFC 2595 section 4). Nothing is announced that a session would then refuse.

use super::config::{Config, TlsMode};
use super::reply;
use super::session::Server;
use proto_core::OutBuf;
use proto_core::sasl::{Conditions, Mechanism};

/// What a session offers at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities<'a> {
    config: &'a Config,
    conditions: Conditions,
}

impl<'a> Capabilities<'a> {
    /// What this configuration offers, under these conditions.
    pub const fn new(config: &'a Config, conditions: Conditions) -> Self {
        Self { config, conditions }
    }

    /// Whether STLS is offered, before login.
    pub fn stls(&self) -> bool {
        !self.conditions.tls && self.config.tls == TlsMode::Offered
    }

    /// Whether USER and PASS are taken.
    pub fn user(&self) -> bool {
        self.config.user_and_pass && (self.conditions.tls || self.config.allow_plaintext_auth)
    }

    /// The mechanisms that AUTH takes: of those configured, those that the conditions permit.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> + use<'a> {
        let (conditions, in_clear) = (self.conditions, self.config.allow_plaintext_auth);
        self.config.mechanisms.iter().copied().filter(move |m| conditions.permit(*m, in_clear))
    }

    fn write(&self, out: &mut OutBuf, before_login: bool) {
        reply::write_ok(out, format_args!("Capabilities"));
        out.extend(b"TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n");
        if self.user() {
            out.extend(b"USER\r\n");
        }
        if self.mechanisms().next().is_some() {
            out.extend(b"SASL");
            for mechanism in self.mechanisms() {
                out.extend(b" ");
                out.extend(mechanism.name().as_bytes());
            }
            out.extend(b"\r\n");
        }
        if before_login && self.stls() {
            out.extend(b"STLS\r\n");
        }
        out.extend(b".\r\n");
    }
}

impl Server {
    pub(super) fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::new(&self.config, self.conditions())
    }

    pub(super) fn capa(&mut self) {
        let before_login = self.maildrop.is_none();
        Capabilities::new(&self.config, self.conditions()).write(&mut self.output, before_login);
    }
}
