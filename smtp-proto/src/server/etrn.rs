//! ETRN: a client asks that the mail waiting for it be sent.
//!
//! RFC 1985. Offered where [`Offer::etrn`](super::Offer::etrn) is on; who may ask for which node, and what then
//! happens, is the application's business. It may come after HELO as after EHLO: section 4 speaks of "an SMTP or ESMTP
//! connection". No refusal needs a type of its own: 458 and 459 are codes like others.
//!
//! # Departures
//! A missing argument is `501` like a wrong one; RFC 1985 section 7 shows `500`. A node without a dot is no fully
//! qualified domain name (section 5) and refused.

use super::event::Event;
use super::question::{Etrn, EtrnStarted, EtrnTarget, Verdict};
use super::session::Server;
use crate::reply::{Reply, write_line};
use alloc::format;
use proto_core::address::AddressSyntax;
use proto_core::{DomainName, Now};

impl Server {
    pub(super) fn etrn(&mut self, now: Now, arguments: &[u8]) {
        match target(arguments) {
            Some(target) => self.ask(now, Etrn { target }, Event::Etrn),
            None => self.refuse(now, &SYNTAX_ETRN),
        }
    }

    pub(super) fn settle_etrn(&mut self, now: Now, etrn: Etrn, verdict: Verdict<EtrnStarted>) {
        let (started, own) = match verdict.into_parts() {
            Ok((started, extras)) => (started, extras.and_then(|extras| extras.reply)),
            Err(refusal) => return self.refuse_by_verdict(now, &refusal),
        };
        let node = etrn.target;
        let (standard, text) = match started {
            EtrnStarted::Started => (&STARTED, STARTED.text().into()),
            EtrnStarted::NothingWaits => (&NOTHING, format!("No messages waiting for node {node}")),
            EtrnStarted::Pending => (&PENDING, format!("Pending messages for node {node} started")),
            EtrnStarted::PendingCount(n) => {
                (&COUNTED, format!("{n} pending messages for node {node} started"))
            }
        };
        match own {
            Some(own) => self.approve(Some(&own), standard),
            None => write_line(&mut self.output, standard.code(), standard.enhanced(), true, &text),
        }
    }
}

/// RFC 1985 sections 5 and 5.3: a domain name, or `@` and one, or `#` and any name.
fn target(arguments: &[u8]) -> Option<EtrnTarget> {
    let domain = |name: &[u8]| {
        let name = DomainName::parse(name, AddressSyntax { lenient: true, ..AddressSyntax::STRICT }).ok()?;
        name.as_str().contains('.').then_some(name)
    };
    match arguments {
        [b'#', queue @ ..] if matches!(queue.len(), 1..=255) && queue.iter().all(u8::is_ascii_graphic) => {
            Some(EtrnTarget::Queue(core::str::from_utf8(queue).ok()?.into()))
        }
        [b'#', ..] => None,
        [b'@', name @ ..] => domain(name).map(EtrnTarget::Subdomains),
        name => domain(name).map(EtrnTarget::Node),
    }
}

static SYNTAX_ETRN: Reply = Reply::fixed(501, (5, 4), "Syntax: ETRN [@]domain or #queue");
static STARTED: Reply = Reply::fixed(250, (0, 0), "Queuing started");
static NOTHING: Reply = Reply::fixed(251, (0, 0), "");
static PENDING: Reply = Reply::fixed(252, (0, 0), "");
static COUNTED: Reply = Reply::fixed(253, (0, 0), "");

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn three_kinds_of_argument_and_no_other() {
        for good in ["foo.test", "@foo.test", "#uucp", "#a.b@c#"] {
            assert_eq!(target(good.as_bytes()).map(|target| target.to_string()).as_deref(), Some(good));
        }
        assert!(matches!(target(b"@foo.test"), Some(EtrnTarget::Subdomains(_))));
        for bad in
            ["", "localname", "@", "@com", "#", "#a b", "foo.test x", "-.-", "[192.0.2.1]", "a..b", "#\u{e9}"]
        {
            assert_eq!(target(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
