//! From the greeting to [`ClientEvent::Ready`](super::ClientEvent::Ready): hello, TLS, login.
//!
//! RFC 5321 section 3.2, RFC 2033 section 4.1 (LHLO, and nothing else), RFC 3207. Where TLS is required nothing but EHLO,
//! STARTTLS and QUIT is said without it.

use super::capabilities::ServerCapabilities;
use super::config::ClientTls;
use super::event::{ClientEvent, ClientFailure};
use super::session::{Awaited, Client, Phase};
use crate::reply::Reply;
use proto_core::CloseReason;

impl Client {
    pub(super) fn say_hello(&mut self, extended: bool) {
        self.output.extend(match extended {
            _ if self.is_lmtp() => b"LHLO ",
            true => b"EHLO ",
            false => b"HELO ",
        });
        self.output.extend(self.config.hello_name().as_bytes());
        self.say(b"\r\n", if extended { Awaited::Ehlo } else { Awaited::Helo });
    }

    pub(super) fn on_hello(&mut self, reply: Reply, extended: bool) {
        if reply.is_positive() {
            self.capabilities = match extended {
                true => ServerCapabilities::parse(reply.text()),
                false => ServerCapabilities::default(),
            };
            self.after_hello();
        } else if extended && reply.is_permanent() && !self.is_lmtp() {
            // RFC 5321 section 3.2: a server that does not know EHLO may know HELO. It has no STARTTLS then.
            match self.config.tls {
                ClientTls::Required if !self.is_tls() => {
                    self.fail(ClientFailure::TlsUnavailable(Some(reply)))
                }
                _ => self.say_hello(false),
            }
        } else {
            self.fail(ClientFailure::Hello(reply));
        }
    }

    /// TLS first, then the login, then ready.
    fn after_hello(&mut self) {
        let wanted =
            matches!(self.config.tls, ClientTls::Opportunistic | ClientTls::Required) && !self.is_tls();
        if wanted && self.capabilities.starttls {
            self.say(b"STARTTLS\r\n", Awaited::StartTls);
        } else if wanted && self.config.tls == ClientTls::Required {
            self.fail(ClientFailure::TlsUnavailable(None));
        } else {
            self.log_in();
        }
    }

    pub(super) fn on_starttls(&mut self, reply: Reply) {
        if reply.code() != 220 {
            return match self.config.tls {
                ClientTls::Required => self.fail(ClientFailure::TlsUnavailable(Some(reply))),
                _ => self.log_in(),
            };
        }
        if !self.input.is_empty() {
            self.events.push_back(ClientEvent::Failed(ClientFailure::PlaintextAfterStartTls));
            return self.close(CloseReason::Protocol("plaintext after STARTTLS".into()));
        }
        self.capabilities = ServerCapabilities::default();
        self.phase = Phase::StartTls;
    }
}
