//! Senders' and recipients' addresses, looked at: their domains, and whether there is such a user.

use super::keys;
use super::probe::{Checked, Probe, Said};
use super::subject::Subject;
use crate::decision::Class;
use crate::parameters::TempfailAction;
use crate::question::{Answer, Question, Record, RecordKind};
use proto_core::address::{Domain, Mailbox};

/// Local users that there are whatever the tables say.
const ALWAYS: [&str; 3] = ["postmaster", "mailer-daemon", "double-bounce"];

impl Probe<'_> {
    pub(crate) fn non_fqdn_address(&self, subject: Subject) -> Said {
        let Some(mailbox) = self.address(subject) else { return Said::Dunno };
        match mailbox.domain() {
            Domain::Name(name) if !super::helo::is_fully_qualified(name.as_str()) => {
                let code = self.parameters().non_fqdn_reject_code;
                let text = "need fully-qualified address";
                Said::Refuse(self.context_of(subject).rejected(code, (5, 5, 2), text))
            }
            _ => Said::Dunno,
        }
    }

    pub(crate) fn unknown_domain(&mut self, subject: Subject) -> Checked {
        let Some(mailbox) = self.address(subject) else { return Ok(Said::Dunno) };
        let Some(resolved) = self.resolved(mailbox) else { return Ok(Said::Dunno) };
        let class = self.class(&resolved, &mailbox.to_string())?;
        if matches!(class, Class::Local | Class::VirtualAlias | Class::VirtualMailbox) {
            self.why = format!("class {class}");
            return Ok(Said::Dunno);
        }
        let Domain::Name(name) = resolved.destination.address.domain() else { return Ok(Said::Dunno) };
        let name = name.as_str();
        let question = |kind| Question::Dns { name: name.into(), kind };
        let context = self.context_of(subject);
        let parameters = self.parameters();
        let failed = match self.ask(question(RecordKind::Mx))? {
            Answer::Records(records) if has_null_mx(records) => {
                let (code, enhanced) =
                    if subject == Subject::Sender { (550, (5, 7, 27)) } else { (556, (5, 1, 10)) };
                let text = format!("Domain {name} does not accept mail (nullMX)");
                return Ok(Said::Refuse(context.rejected(code, enhanced, &text)));
            }
            Answer::Records(records) if !records.is_empty() => return Ok(Said::Dunno),
            Answer::Records(_) => {
                let answers = self.ask_all([RecordKind::A, RecordKind::Aaaa].map(question))?;
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
        let reply = context.rejected(code, enhanced, "Domain not found");
        Ok(match parameters.tempfail_action(parameters.unknown_address_tempfail_action) {
            TempfailAction::DeferIfPermit if failed => Said::DeferIfPermit(reply),
            _ => Said::Refuse(reply),
        })
    }

    /// `reject_unlisted_sender` and `reject_unlisted_recipient`.
    pub(crate) fn unlisted(&mut self, subject: Subject) -> Checked {
        let Some(mailbox) = self.address(subject) else { return Ok(Said::Dunno) };
        let Some(resolved) = self.resolved(mailbox) else { return Ok(Said::Dunno) };
        let written = mailbox.to_string();
        let class = self.class(&resolved, &written)?;
        let parameters = self.parameters();
        let (code, maps, table) = match class {
            Class::Local => (
                parameters.unknown_local_recipient_reject_code,
                &parameters.local_recipient_maps,
                "local recipient",
            ),
            Class::VirtualAlias => {
                (parameters.unknown_virtual_alias_reject_code, &Vec::new(), "virtual alias")
            }
            Class::VirtualMailbox => (
                parameters.unknown_virtual_mailbox_reject_code,
                &parameters.virtual_mailbox_maps,
                "virtual mailbox",
            ),
            Class::Relay => (
                parameters.unknown_relay_recipient_reject_code,
                &parameters.relay_recipient_maps,
                "relay recipient",
            ),
            Class::Default => {
                self.why = "not ours to know".into();
                return Ok(Said::Dunno);
            }
        };
        let (local_part, domain) = self.lookup_form(mailbox);
        let is_known = class != Class::VirtualAlias && maps.is_empty()
            || class == Class::Local && ALWAYS.contains(&local_part.as_str());
        if is_known {
            self.why = format!("every address of class {class} is known");
            return Ok(Said::Dunno);
        }
        let keys = keys::listed_address(
            &local_part,
            &domain,
            &parameters.recipient_delimiter,
            class == Class::Local,
        );
        let mut all = vec![
            &parameters.recipient_canonical_maps,
            &parameters.canonical_maps,
            &parameters.virtual_alias_maps,
            maps,
        ];
        if subject == Subject::Sender {
            all.push(&parameters.sender_canonical_maps);
        }
        for table in all.into_iter().flatten() {
            match self.first(table, &keys)? {
                Ok(None) => {}
                Ok(Some((key, hit))) => {
                    self.why = format!("{}: {key}", hit.place);
                    return Ok(Said::Dunno);
                }
                Err(unknown) => return self.temporary(&written, unknown.warning()),
            }
        }
        let text = if parameters.show_user_unknown_table_name {
            format!("User unknown in {table} table")
        } else {
            "User unknown".into()
        };
        let detail = if subject == Subject::Sender { 0 } else { 1 };
        Ok(Said::Refuse(self.context_of(subject).rejected(code, (5, 1, detail), &text)))
    }

    /// The logins that own a sender's address, if anybody does.
    pub(crate) fn owners(&mut self, sender: &Mailbox) -> Checked<Option<String>> {
        let parameters = self.parameters();
        let (local_part, domain) = self.lookup_form(sender);
        let is_local = self.policy.ours.contains(&domain) || domain == parameters.myorigin;
        let keys = keys::listed_address(&local_part, &domain, &parameters.recipient_delimiter, is_local);
        for table in &parameters.smtpd_sender_login_maps {
            match self.first(table, &keys)? {
                Ok(None) => {}
                Ok(Some((_, hit))) => return Ok(Some(hit.text)),
                Err(unknown) => return self.temporary(&sender.to_string(), unknown.warning()),
            }
        }
        Ok(None)
    }
}

/// The record of a domain that takes no mail (RFC 7505 section 3).
pub(crate) fn has_null_mx(records: &[Record]) -> bool {
    records
        .iter()
        .any(|record| matches!(record, Record::Mx { exchange, .. } if exchange.is_empty() || exchange == "."))
}
