//! XCLIENT and XFORWARD: a trusted client says for whom it speaks.
//!
//! Extensions of Postfix, described with it. XCLIENT takes the place of what is known of the client, for the rest of
//! the session: it begins again, with a greeting and a new [`Connect`](super::Connect) question. XFORWARD changes
//! nothing here; it tells the application where the next message really came from. Who may say either the
//! application has decided, in [`Peer::xclient`] and [`Peer::xforward`]; XCLIENT does not change that, so that a proxy which
//! hands on what its clients say must keep them from saying XCLIENT.
//!
//! TLS stays, and is not with the client that XCLIENT tells of: its certificate and its channel bindings prove nothing about
//! that one, so AUTH offers no mechanism that relies on them.
//!
//! # Limits
//! Those of the command line; a value has at most 255 octets, PROTO of XFORWARD 64.
//!
//! # Departures
//! * A login is for the one XCLIENT that told of it: another one that has no LOGIN ends it, and so does STARTTLS. Name
//!   and port of the connection itself go with its address. All else stays until it is told anew.
//! * NAME tells the reverse name as well, when it tells a name.
//! * XFORWARD takes an address of IPv4 or IPv6, and none of other networks.

use super::config::Peer;
use super::event::Violations;
use super::extras::SessionCollected;
use super::session::{Phase, Server};
use crate::command::attribute::{self, Value, attributes};
use crate::reply::Reply;
use crate::xforward::{Xforward, XforwardSource};
use alloc::string::String;
use alloc::sync::Arc;
use proto_core::address::AddressSyntax;
use proto_core::{DomainName, Now};

/// The attributes of XCLIENT, as EHLO shows them.
pub(super) const XCLIENT_NAMES: &[&str] =
    &["NAME", "REVERSE_NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"];

/// The attributes of XFORWARD, as EHLO shows them.
pub(super) const XFORWARD_NAMES: &[&str] = &["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"];

/// What XCLIENT has told of the client; else it is still the connection's own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    name: bool,
    port: bool,
}

impl Server {
    pub(super) fn xclient(&mut self, now: Now, arguments: &[u8]) {
        let mut peer = self.peer.clone();
        // A login that XCLIENT does not repeat is over.
        peer.login = None;
        let mut told = self.spoken_for.unwrap_or_default();
        let read = attributes(arguments, XCLIENT_NAMES).and_then(|all| {
            let has = |attribute| all.iter().any(|(name, _)| *name == attribute);
            // Name and port of who speaks for the client are not the client's.
            if has("ADDR") && !told.name {
                (peer.name, peer.name_lookup_failed) = (None, false);
            }
            if has("ADDR") && !told.port {
                peer.port = None;
            }
            told = Told { name: told.name || has("NAME"), port: told.port || has("PORT") };
            all.into_iter().try_for_each(|(name, value)| overrule(&mut peer, name, value))
        });
        if read.is_none() {
            return self.refuse(now, &SYNTAX_XCLIENT);
        }
        self.reset_transaction();
        self.hello = None;
        self.authenticated = peer.login.is_some();
        let tls = core::mem::take(&mut self.session_collected.tls);
        self.session_collected = SessionCollected { tls, ..SessionCollected::default() };
        self.xforward = None;
        self.refuse_next = false;
        self.peer = peer;
        self.spoken_for = Some(told);
        // What the proxy did wrong is no fault of its client's.
        self.violations = Violations::default();
        self.phase = Phase::Connect;
    }

    pub(super) fn xforward(&mut self, now: Now, arguments: &[u8]) {
        let mut told = self.xforward.as_deref().cloned().unwrap_or_default();
        let read = attributes(arguments, XFORWARD_NAMES)
            .and_then(|all| all.into_iter().try_for_each(|(name, value)| tell(&mut told, name, value)));
        if read.is_none() {
            return self.refuse(now, &SYNTAX_XFORWARD);
        }
        self.xforward = Some(Arc::new(told));
        self.reply(&OK);
    }
}

/// Takes in an attribute of XCLIENT; `None` when its value is wrong.
fn overrule(peer: &mut Peer, name: &str, value: Value) -> Option<()> {
    match name {
        "NAME" => {
            (peer.name, peer.name_lookup_failed) = host(value)?;
            if peer.name.is_some() {
                (peer.reverse_name, peer.reverse_name_lookup_failed) = (peer.name.clone(), false);
            }
        }
        "REVERSE_NAME" => (peer.reverse_name, peer.reverse_name_lookup_failed) = host(value)?,
        "ADDR" => peer.address = value.read(attribute::address)?,
        "PORT" => peer.port = value.read(attribute::port)?,
        "PROTO" => {
            peer.esmtp = value.read(|text| match text {
                text if text.eq_ignore_ascii_case("SMTP") => Some(false),
                text if text.eq_ignore_ascii_case("ESMTP") => Some(true),
                _ => None,
            })?;
        }
        "HELO" => peer.hello = value.read(|text| attribute::word(text, 255))?.map(Arc::from),
        "LOGIN" => peer.login = value.read(Some)?,
        "DESTADDR" => peer.destination = value.read(attribute::address)?,
        "DESTPORT" => peer.destination_port = value.read(attribute::port)?,
        _ => return None,
    }
    Some(())
}

/// A host's name, and whether it could not be found out just now; `None` when it is no name.
fn host(value: Value) -> Option<(Option<String>, bool)> {
    if value == Value::Unknown {
        return Some((None, true));
    }
    let syntax = AddressSyntax { lenient: true, ..AddressSyntax::STRICT };
    let name = value.read(|text| DomainName::parse(text.as_bytes(), syntax).is_ok().then_some(text))?;
    Some((name, false))
}

/// Takes in an attribute of XFORWARD; `None` when its value is wrong.
fn tell(told: &mut Xforward, name: &str, value: Value) -> Option<()> {
    let word = |text| attribute::word(text, 255);
    match name {
        "NAME" => told.name = value.read(word)?,
        "ADDR" => told.address = value.read(attribute::address)?,
        "PORT" => told.port = value.read(attribute::port)?,
        "PROTO" => told.protocol = value.read(|text| attribute::word(text, 64))?,
        "HELO" => told.hello = value.read(word)?,
        "IDENT" => told.ident = value.read(word)?,
        "SOURCE" => {
            told.source = value.read(|text| match text {
                text if text.eq_ignore_ascii_case("LOCAL") => Some(XforwardSource::Local),
                text if text.eq_ignore_ascii_case("REMOTE") => Some(XforwardSource::Remote),
                _ => None,
            })?;
        }
        _ => return None,
    }
    Some(())
}

static OK: Reply = Reply::fixed(250, (0, 0), "Ok");
static SYNTAX_XCLIENT: Reply = Reply::fixed(501, (5, 4), "Syntax: XCLIENT attribute=value ...");
static SYNTAX_XFORWARD: Reply = Reply::fixed(501, (5, 4), "Syntax: XFORWARD attribute=value ...");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Config, Event, Verdict, Violation};
    use proto_core::{Instant, Machine, Step, UnixTime};

    #[test]
    fn the_faults_of_a_proxy_are_not_its_clients() {
        const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));
        let mut peer = Peer::new([192, 0, 2, 7].into());
        peer.xclient = true;
        let mut server = Server::new(NOW, Arc::new(Config::new("mx.t").unwrap()), peer);
        for line in ["", "EHLO a\r\nNOOP\r\n", "XCLIENT ADDR=192.0.2.1\r\n"] {
            assert_eq!(server.violations().is_empty(), line != "XCLIENT ADDR=192.0.2.1\r\n");
            server.handle_input(NOW, line.as_bytes());
            while let Some(step) = server.poll_event(NOW) {
                match step {
                    Step::App(Event::Connect(ask)) => server.answer(NOW, ask, Verdict::Accept(())).unwrap(),
                    Step::App(Event::Hello(ask)) => server.answer(NOW, ask, Verdict::Accept(())).unwrap(),
                    Step::App(Event::Violation(Violation::PipelinedBeforeCapability)) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(server.spoken_for.is_some() && server.violations().is_empty());
    }
}
