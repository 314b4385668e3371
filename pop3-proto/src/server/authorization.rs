//! The AUTHORIZATION state: USER, PASS, STLS, and what follows a verdict.
//!
//! RFC 1939 sections 4 and 7, RFC 2595 section 4, RFC 3206 section 5. USER tells nobody whether the user exists; the
//! reply to a wrong password is the reply to an unknown user.

use super::event::Event;
use super::question::{OpenMaildrop, OpenRefusal};
use super::reply;
use super::session::{Phase, Server};
use super::timers::Timer;
use crate::maildrop::{Maildrop, Message};
use alloc::vec::Vec;
use proto_core::sasl::{AuthVerdict, Authenticate, Credentials, LoginFailed, SaslFault};
use proto_core::{CloseReason, Now};

impl Server {
    pub(super) fn user(&mut self, name: &[u8]) {
        if !self.config.user_and_pass {
            return self.bad_command(&reply::NO_USER);
        }
        if !self.capabilities().user() {
            return reply::NEEDS_TLS.write(&mut self.output);
        }
        match core::str::from_utf8(name) {
            Ok(name) if !name.chars().any(char::is_control) => {
                self.user = Some(name.into());
                reply::write_ok(&mut self.output, format_args!("Send PASS"));
            }
            _ => self.bad_command(&reply::BAD_ARGUMENTS),
        }
    }

    /// The whole rest of the line is the password, spaces included (RFC 1939 section 7).
    pub(super) fn pass(&mut self, now: Now, rest: Option<&[u8]>) {
        if !self.config.user_and_pass {
            return self.bad_command(&reply::NO_USER);
        }
        if !self.capabilities().user() {
            return reply::NEEDS_TLS.write(&mut self.output);
        }
        let Some(authcid) = self.user.take() else {
            return self.bad_command(&reply::USER_FIRST);
        };
        match Credentials::password(b"", authcid.as_bytes(), rest.unwrap_or_default()) {
            Ok(credentials) => {
                self.ask(now, Authenticate { mechanism: None, credentials }, Event::Authenticate);
            }
            Err(SaslFault::Rejected) => self.login_failed(LoginFailed::new(None, authcid.as_bytes())),
            Err(_) => self.bad_command(&reply::BAD_ARGUMENTS),
        }
    }

    /// RFC 2595 section 4. No octet that came before the handshake is seen after it.
    pub(super) fn stls(&mut self, now: Now) {
        if !self.capabilities().stls() {
            return self.bad_command(&reply::NO_STLS);
        }
        reply::write_ok(&mut self.output, format_args!("Begin TLS"));
        self.input.clear();
        self.user = None;
        self.timers.stop_all();
        self.timers.set(Timer::Handshake, now.instant + self.config.timeouts.handshake);
        self.phase = Phase::StartTls;
    }

    /// The verdict about PASS.
    pub(super) fn pass_verdict(&mut self, now: Now, verdict: AuthVerdict) {
        match verdict {
            AuthVerdict::Accept => self.open_maildrop(now),
            AuthVerdict::Reject => self.reject_credentials(&reply::AUTH_FAILED),
            AuthVerdict::Backend(backend) => self.refuse_backend(&backend, "Authentication failed"),
            // A verdict on credentials that only a mechanism brings is no yes.
            _ => self.reject_credentials(&reply::AUTH_FAILED),
        }
    }

    /// Nobody was asked, so that somebody has to be told.
    pub(super) fn login_failed(&mut self, failed: LoginFailed) {
        self.event = Some(Event::LoginFailed(failed));
        self.reject_credentials(&reply::AUTH_FAILED);
    }

    /// Says so, and counts a failed login.
    pub(super) fn reject_credentials(&mut self, reply: &reply::Refusal) {
        self.auth_failures = self.auth_failures.saturating_add(1);
        reply.write(&mut self.output);
        if self.auth_failures >= self.config.limits.auth_failures_max {
            self.close(CloseReason::Protocol("too many failed logins".into()));
        }
    }

    pub(super) fn open_maildrop(&mut self, now: Now) {
        self.phase = Phase::Command;
        self.ask(now, OpenMaildrop, Event::OpenMaildrop);
    }

    pub(super) fn open_verdict(&mut self, verdict: Result<Vec<Message>, OpenRefusal>) {
        match verdict {
            Ok(messages) => {
                let maildrop = Maildrop::new(messages);
                self.write_drop_summary(&maildrop);
                self.maildrop = Some(maildrop);
            }
            Err(OpenRefusal::InUse) => reply::IN_USE.write(&mut self.output),
            Err(OpenRefusal::Backend(backend)) => self.refuse_backend(&backend, "Maildrop cannot be opened"),
        }
    }
}
