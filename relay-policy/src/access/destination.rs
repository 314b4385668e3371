//! Whether a recipient is one of ours, so that mail for it may come from anybody.

use super::keys;
use super::lookup::Unknown;
use super::probe::{Checked, Probe, Said};
use crate::decision::{Class, Reply};
use crate::resolve::{Resolved, resolve};
use crate::words::is_table;
use proto_core::address::Mailbox;

impl Probe<'_> {
    /// What an address really means; none for what cannot be anybody's.
    pub(crate) fn resolved(&self, mailbox: &Mailbox) -> Option<Resolved> {
        resolve(mailbox, &self.policy.ours).ok()
    }

    /// The form in which tables have an address: resolved, without quotes, in lower case.
    pub(crate) fn lookup_form(&self, mailbox: &Mailbox) -> (String, String) {
        let resolved = self.resolved(mailbox).map(|resolved| resolved.destination.address);
        let mailbox = resolved.as_ref().unwrap_or(mailbox);
        (mailbox.local_part().as_str().to_lowercase(), mailbox.domain().to_string().to_lowercase())
    }

    /// What kind of domain an address is in; `written` is the address as replies have it.
    pub(crate) fn class(&mut self, resolved: &Resolved, written: &str) -> Checked<Class> {
        if resolved.destination.class == Class::Local {
            return Ok(Class::Local);
        }
        let parameters = self.parameters();
        let domain = resolved.destination.address.domain().to_string();
        for (class, feature, entries) in [
            (Class::VirtualAlias, "virtual_alias_domains", &parameters.virtual_alias_domains),
            (Class::VirtualMailbox, "virtual_mailbox_domains", &parameters.virtual_mailbox_domains),
            (Class::Relay, "relay_domains", &parameters.relay_domains),
        ] {
            match self.is_in(feature, entries, &domain)? {
                Ok(true) => return Ok(class),
                Ok(false) => {}
                Err(unknown) => return self.temporary(written, unknown.warning()),
            }
        }
        Ok(Class::Default)
    }

    /// Whether a domain is in a list; the first entry that has it decides.
    fn is_in(&mut self, feature: &str, entries: &[String], domain: &str) -> Checked<Result<bool, Unknown>> {
        let parents_match = self.parameters().parents_match(feature);
        let mut names = Vec::new();
        keys::domain(domain, parents_match, &mut names);
        for entry in entries {
            let (entry, is_in) = entry.strip_prefix('!').map_or((entry.as_str(), true), |rest| (rest, false));
            let has = if is_table(entry) {
                match self.first(entry, &names)? {
                    Ok(found) => found.is_some(),
                    Err(unknown) => return Ok(Err(unknown)),
                }
            } else {
                names.iter().any(|name| name.eq_ignore_ascii_case(entry))
            };
            if has {
                return Ok(Ok(is_in));
            }
        }
        Ok(Ok(false))
    }

    /// Whether another mailer may find another address in the recipient's.
    pub(crate) fn is_routed(&self) -> Checked<bool> {
        let routed = self
            .recipient()
            .is_none_or(|mailbox| self.resolved(mailbox).is_none_or(|resolved| resolved.routed));
        Ok(routed && self.recipient().is_some() && !self.parameters().allow_untrusted_routing)
    }

    /// Whether mail for the recipient may come from anybody; none when there is no recipient.
    fn is_authorised(&mut self) -> Checked<Option<bool>> {
        let Some(mailbox) = self.recipient() else { return Ok(None) };
        let Some(resolved) = self.resolved(mailbox) else {
            self.why = format!("<{mailbox}> cannot be anybody's");
            return Ok(Some(false));
        };
        if self.is_routed()? {
            self.why = format!("{} might be sent on", resolved.destination.address);
            return Ok(Some(false));
        }
        let class = self.class(&resolved, &mailbox.to_string())?;
        let is_ours = class != Class::Default;
        let not = if is_ours { "" } else { "not " };
        self.why = format!("{} is {not}ours, class {class}", resolved.destination.address);
        Ok(Some(is_ours))
    }

    /// Whether a list of good clients may excuse the one that is there: never for a recipient that is not ours.
    pub(crate) fn may_excuse(&mut self) -> Checked<bool> {
        Ok(self.is_authorised()?.unwrap_or(true))
    }

    pub(crate) fn permit_auth_destination(&mut self) -> Checked {
        Ok(if self.is_authorised()? == Some(true) { Said::Permit } else { Said::Dunno })
    }

    pub(crate) fn unauth_destination(&mut self, code: u16) -> Checked {
        if self.is_authorised()? != Some(false) {
            return Ok(Said::Dunno);
        }
        let context = self.context_of(super::subject::Subject::Recipient);
        let text = format!("<{}>: Relay access denied", context.what);
        Ok(Said::Refuse(Reply::new(code, (5, 7, 1), text)))
    }
}
