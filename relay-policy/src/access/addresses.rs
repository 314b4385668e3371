//! Senders' and recipients' addresses, looked at: their domains, and whether there is such a user.

use super::helo;
use super::probe::{Checked, Probe, Said};
use super::subject::{Context, Subject};
use crate::address::{Address, Resolution};
use crate::decision::Class;
use crate::domain;
use crate::parameters::TempfailAction;
use crate::question::{Answer, Question, Record, RecordKind, Verification};
use crate::table::Found;
use crate::trail::Why;
use proto_core::address::{Domain, Mailbox};
use std::net::IpAddr;

/// Local users that there are whatever the tables say, besides `double_bounce_sender`.
const ALWAYS: [&str; 2] = ["postmaster", "mailer-daemon"];

impl<'p> Probe<'p> {
    pub(crate) fn non_fqdn_address(&self, subject: Subject) -> Said {
        let Some(mailbox) = self.address(subject) else { return Said::Dunno };
        match mailbox.domain() {
            Domain::Name(name)
                if mailbox.is_completed()
                    || !domain::in_ascii(name.as_str())
                        .is_some_and(|name| helo::is_fully_qualified(&name)) =>
            {
                let code = self.parameters().non_fqdn_reject_code;
                let text = "need fully-qualified address";
                Said::Refuse(self.rejected(&Context::of(subject), code, (5, 5, 2), text))
            }
            _ => Said::Dunno,
        }
    }

    pub(crate) fn unknown_domain(&mut self, subject: Subject) -> Checked {
        let Some(mailbox) = self.address(subject) else { return Ok(Said::Dunno) };
        let Some(resolution) = self.resolved(subject, mailbox)? else { return Ok(Said::Dunno) };
        let class = resolution.class;
        if matches!(class, Class::Local | Class::VirtualAlias | Class::VirtualMailbox) {
            self.note(format_args!("class {class}"));
            return Ok(Said::Dunno);
        }
        let name = resolution.recipient.domain().unwrap_or_default();
        if name.starts_with('[') {
            return Ok(Said::Dunno);
        }
        let question = |kind| Question::Dns { name: name.into(), kind };
        let context = Context::of(subject);
        let parameters = self.parameters();
        let failed = match self.ask(question(RecordKind::Mx))? {
            Answer::Records(records) if has_null_mx(records) => {
                let (code, enhanced) =
                    if subject == Subject::Sender { (550, (5, 7, 27)) } else { (556, (5, 1, 10)) };
                let text = format!("Domain {name} does not accept mail (nullMX)");
                return Ok(Said::Refuse(self.rejected(&context, code, enhanced, &text)));
            }
            Answer::Records(records) if records.iter().any(is_server) => return Ok(Said::Dunno),
            // Records that all are malformed are no servers, and no word that there are none either.
            Answer::Records(records) if !records.is_empty() => {
                self.note(format_args!("no MX record of {name} names a host"));
                false
            }
            Answer::Records(_) => {
                let answers = self.ask_all(&[RecordKind::A, RecordKind::Aaaa].map(question))?;
                let is_there =
                    |answer: &&Answer| matches!(answer, Answer::Records(records) if !records.is_empty());
                if answers.iter().any(is_there) {
                    return Ok(Said::Dunno);
                }
                answers.iter().any(|answer| !matches!(answer, Answer::Records(_)))
            }
            _ => true,
        };
        let code = if failed { 450 } else { parameters.unknown_address_reject_code };
        let enhanced = if subject == Subject::Sender { (4, 1, 8) } else { (4, 1, 2) };
        let reply = self.rejected(&context, code, enhanced, "Domain not found");
        Ok(match parameters.tempfail_action(parameters.unknown_address_tempfail_action) {
            TempfailAction::DeferIfPermit if failed => Said::DeferIfPermit(reply),
            _ => Said::Refuse(reply),
        })
    }

    /// `reject_unlisted_sender` and `reject_unlisted_recipient`.
    pub(crate) fn unlisted(&mut self, subject: Subject) -> Checked {
        let Some(mailbox) = self.address(subject) else { return Ok(Said::Dunno) };
        let Some(resolution) = self.resolved(subject, mailbox)? else { return Ok(Said::Dunno) };
        let Resolution { recipient: address, class, transport, .. } = &*resolution;
        let (parameters, maps) = (self.parameters(), &self.policy.maps);
        let aliases = [&maps.recipient_canonical, &maps.canonical, &maps.virtual_alias];
        let of_senders = (subject == Subject::Sender).then_some(&maps.sender_canonical);
        for maps in aliases.into_iter().chain(of_senders) {
            if let Some(found) = self.find(maps, address, mailbox)? {
                self.note(format_args!("{}", found.place));
                return Ok(Said::Dunno);
            }
        }
        if transport.service == "error" {
            let code = match class {
                Class::VirtualAlias => parameters.unknown_virtual_alias_reject_code,
                _ => 550,
            };
            let context = Context::of(subject);
            let reply = self.rejected_in_words(&context, code, &transport.nexthop, "undeliverable");
            return Ok(Said::Refuse(reply));
        }
        let (code, maps, table) = match class {
            Class::Local => {
                (parameters.unknown_local_recipient_reject_code, &maps.local_recipient, "local recipient")
            }
            Class::VirtualMailbox => {
                (parameters.unknown_virtual_mailbox_reject_code, &maps.virtual_mailbox, "virtual mailbox")
            }
            Class::Relay => {
                (parameters.unknown_relay_recipient_reject_code, &maps.relay_recipient, "relay recipient")
            }
            Class::VirtualAlias | Class::Default => {
                self.why = Why::Words("not ours to know");
                return Ok(Said::Dunno);
            }
        };
        let always = *class == Class::Local
            && ALWAYS
                .into_iter()
                .chain([&*parameters.double_bounce_sender])
                .any(|name| address.local_part().eq_ignore_ascii_case(name));
        if maps.is_empty() || always {
            self.note(format_args!("class {class}: known without being looked for"));
            return Ok(Said::Dunno);
        }
        if let Some(found) = self.find(maps, address, mailbox)? {
            self.note(format_args!("{}", found.place));
            return Ok(Said::Dunno);
        }
        let text = if parameters.show_user_unknown_table_name {
            format!("User unknown in {table} table")
        } else {
            "User unknown".into()
        };
        let detail = if subject == Subject::Sender { 0 } else { 1 };
        Ok(Said::Refuse(self.rejected(&Context::of(subject), code, (5, 1, detail), &text)))
    }

    /// `reject_unverified_sender` and `reject_unverified_recipient`.
    pub(crate) fn unverified(&mut self, subject: Subject) -> Checked {
        let Some(mailbox) = self.address(subject) else { return Ok(Said::Dunno) };
        let p = self.parameters();
        let (reject_code, defer_code, tempfail_action, enhanced) = match subject {
            Subject::Sender => (
                p.unverified_sender_reject_code,
                p.unverified_sender_defer_code,
                p.unverified_sender_tempfail_action,
                (4, 1, 7),
            ),
            _ => (
                p.unverified_recipient_reject_code,
                p.unverified_recipient_defer_code,
                p.unverified_recipient_tempfail_action,
                (4, 1, 1),
            ),
        };
        let (code, text, failed) = match self.ask(Question::Verify { address: mailbox.to_string() })? {
            Answer::Verified(Verification::Deliverable) => return Ok(Said::Dunno),
            Answer::Verified(Verification::Undeliverable(why)) => {
                (reject_code, format!("undeliverable address: {why}"), false)
            }
            Answer::Verified(Verification::Unknown(why)) => {
                (defer_code, format!("unverified address: {why}"), true)
            }
            _ => (450, "address verification problem".into(), true),
        };
        if code < 400 {
            self.note(format_args!("{text}; a code of {code} takes it all the same"));
            return Ok(Said::Dunno);
        }
        let reply = self.rejected(&Context::of(subject), code, enhanced, &text);
        Ok(match p.tempfail_action(tempfail_action) {
            TempfailAction::DeferIfPermit if failed => Said::DeferIfPermit(reply),
            _ => Said::Refuse(reply),
        })
    }

    /// The logins that own a sender's address, if anybody does.
    pub(crate) fn owners(&mut self, sender: &Mailbox) -> Checked<Option<Found<'p>>> {
        let resolution = self.resolved(Subject::Sender, sender)?;
        let address =
            resolution.map_or_else(|| Address::from(sender), |resolution| resolution.recipient.clone());
        self.find(&self.policy.maps.sender_login, &address, sender)
    }
}

/// Whether a record names a mail server: a host name, or an address as some write it.
fn is_server(record: &Record) -> bool {
    let Record::Mx { exchange, .. } = record else { return true };
    let exchange = exchange.strip_suffix('.').unwrap_or(exchange);
    helo::is_hostname(exchange) || exchange.parse::<IpAddr>().is_ok()
}

/// The record of a domain that takes no mail (RFC 7505 section 3).
pub(crate) fn has_null_mx(records: &[Record]) -> bool {
    records
        .iter()
        .any(|record| matches!(record, Record::Mx { exchange, .. } if exchange.is_empty() || exchange == "."))
}
