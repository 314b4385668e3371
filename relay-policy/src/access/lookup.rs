//! Looking things up in tables.

use super::action::Entry;
use super::keys;
use super::probe::{Checked, Halt, Probe, Said, written};
use super::rule::Digest;
use super::subject::{Context, Subject};
use crate::address::Address;
use crate::domain;
use crate::question::Question;
use crate::request::UNKNOWN;
use crate::table::{Family, LookupError, Maps};
use proto_core::address::Mailbox;
use std::borrow::Cow;

/// What was found, and where.
pub(crate) struct Hit {
    pub(crate) text: String,
    pub(crate) place: String,
}

/// The table could not be asked for this key.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) table: String,
    pub(crate) key: String,
}

impl Unknown {
    pub(crate) fn warning(&self) -> String {
        format!("{} lookup error for \"{}\"", self.table, self.key)
    }
}

fn elsewhere(table: String, key: String) -> Halt {
    Halt::Ask(vec![Question::Lookup { table, key }])
}

impl<'p> Probe<'p> {
    /// What a table has beside one key.
    pub(crate) fn look_up(&mut self, table: &str, key: &str) -> Checked<Result<Option<Hit>, Unknown>> {
        let unknown = || Ok(Err(Unknown { table: table.into(), key: key.into() }));
        let Some(opened) = self.policy.tables.get(table) else { return unknown() };
        let hit = match self.tables.look_up(&**opened, key) {
            Ok(found) => {
                found.map(|found| Hit { place: found.place.to_string(), text: found.text.into_owned() })
            }
            Err(LookupError::Elsewhere { table, key }) => return Err(elsewhere(table, key)),
            Err(_) => return unknown(),
        };
        Ok(Ok(match hit {
            Some(hit) if hit.text.trim().is_empty() => {
                self.log.warn(format!("{}: nothing stands beside \"{key}\", so it is not found", hit.place));
                None
            }
            hit => hit,
        }))
    }

    /// What an address has in the tables of a parameter, by its own keys; `fact` is the address as replies write it.
    pub(crate) fn find(
        &mut self,
        maps: &'p Maps,
        address: &Address,
        fact: &Mailbox,
    ) -> Checked<Option<(String, String)>> {
        let found = self.policy.routing.mapper(self.tables).find(maps, address);
        match found {
            Ok(hit) => Ok(hit.map(|hit| (hit.found.place.to_string(), hit.found.text.into_owned()))),
            Err(error) => self.unavailable(error, address, fact),
        }
    }

    /// Asks, or gives up for now.
    pub(crate) fn unavailable<T>(&mut self, error: LookupError, key: &Address, fact: &Mailbox) -> Checked<T> {
        match error {
            LookupError::Elsewhere { table, key } => Err(elsewhere(table, key)),
            LookupError::Failed { table, .. } => {
                let warning = Unknown { table, key: key.to_string() }.warning();
                self.temporary(&written(fact), warning)
            }
        }
    }

    /// What the first of these keys that is there has beside it, with that key.
    pub(crate) fn first(
        &mut self,
        table: &str,
        keys: &[String],
    ) -> Checked<Result<Option<(String, Hit)>, Unknown>> {
        for key in keys {
            match self.look_up(table, key)? {
                Ok(None) => {}
                Ok(Some(hit)) => return Ok(Ok(Some((key.clone(), hit)))),
                Err(unknown) => return Ok(Err(unknown)),
            }
        }
        Ok(Ok(None))
    }

    /// The keys of one kind that this table is asked for: all, or the first, which is the whole; each in both spellings of its
    /// domain.
    fn fitting(&self, table: &str, mut keys: Vec<String>) -> Vec<String> {
        if !self.family(table).tries_partial_keys() {
            keys.truncate(1);
        }
        let both = |key: String| {
            let other = domain::respelt(&key);
            [key].into_iter().chain(other)
        };
        keys.into_iter().flat_map(both).collect()
    }

    /// A name as this table is asked for it: patterns see it as it was written.
    fn as_compared<'n>(&self, table: &str, name: &'n str) -> Cow<'n, str> {
        if self.family(table).tries_partial_keys() { name.to_lowercase().into() } else { name.into() }
    }

    fn family(&self, table: &str) -> Family {
        self.policy.tables.get(table).map_or(Family::Keyed, |table| table.family())
    }

    /// `check_*_access`.
    pub(crate) fn access(&mut self, subject: Subject, table: &str) -> Checked {
        let parents = self.parameters().parents_match("smtpd_access_maps");
        let context = self.context_of(subject);
        let mut names = Vec::new();
        let keys = match subject {
            Subject::Client | Subject::ReverseClient => {
                let name = match subject {
                    Subject::Client => &self.request.client_name,
                    _ => &self.request.reverse_client_name,
                };
                keys::domain(&self.as_compared(table, name), parents, &mut names);
                let mut all = self.fitting(table, names);
                all.extend(self.address_keys(table));
                all
            }
            Subject::Helo | Subject::Etrn if context.what.is_empty() => return Ok(Said::Dunno),
            Subject::Helo | Subject::Etrn => {
                keys::domain(&self.as_compared(table, &context.what), parents, &mut names);
                self.fitting(table, names)
            }
            Subject::Sender | Subject::Recipient => match self.address(subject) {
                Some(mailbox) => {
                    let address = self.lookup_form(subject, mailbox)?;
                    let (local_part, domain) = (address.local_part(), address.domain().unwrap_or_default());
                    let user = self.policy.routing.extensions.split(local_part).map(|(user, _)| user);
                    self.fitting(table, keys::mail_address(local_part, user, domain, parents))
                }
                None if subject == Subject::Sender && self.request.sender.is_some() => {
                    let key = &self.parameters().smtpd_null_access_lookup_key;
                    if key.is_empty() {
                        return Ok(Said::Dunno);
                    }
                    vec![key.clone()]
                }
                None => return Ok(Said::Dunno),
            },
            Subject::Login => match &self.request.login {
                Some(login) => vec![login.clone()],
                None => return Ok(Said::Dunno),
            },
            Subject::Certificate => return self.certificate_access(table, &Digest::ALL),
            Subject::Data | Subject::EndOfData => return Ok(Said::Dunno),
        };
        let said = self.access_by_keys(table, &keys, context)?.unwrap_or(Said::Dunno);
        match subject {
            Subject::ReverseClient => Ok(self.forbidding(
                said,
                "check_reverse_client_hostname_access",
                &self.request.reverse_client_name,
            )?),
            // Who may write to an address that another mailer opens is not for this table to say.
            Subject::Recipient if self.is_routed()? => Ok(Self::without_permit(said)),
            _ => Ok(said),
        }
    }

    /// `check_ccert_access`, by these digests in their order.
    pub(crate) fn certificate_access(&mut self, table: &str, search_order: &[Digest]) -> Checked {
        let Some(certificate) = &self.request.client_certificate else { return Ok(Said::Dunno) };
        let key = |digest: &Digest| match digest {
            Digest::Certificate => &certificate.fingerprint,
            Digest::PublicKey => &certificate.public_key_fingerprint,
        };
        let known = search_order.iter().map(key).filter(|digest| !digest.is_empty());
        let keys: Vec<String> = known.cloned().collect();
        let context = self.context_of(Subject::Certificate);
        Ok(self.access_by_keys(table, &keys, context)?.unwrap_or(Said::Dunno))
    }

    fn address_keys(&self, table: &str) -> Vec<String> {
        let mut keys = Vec::new();
        keys::address(&self.request.client.to_canonical().to_string(), &mut keys);
        self.fitting(table, keys)
    }

    /// What a table says by the first of these keys; none when it has none of them.
    pub(crate) fn access_by_keys(
        &mut self,
        table: &str,
        keys: &[String],
        context: Context,
    ) -> Checked<Option<Said>> {
        match self.first(table, keys)? {
            Ok(None) => {
                self.why = format!("{table} has none of {}", keys.join(", "));
                Ok(None)
            }
            Ok(Some((key, hit))) => {
                self.why = format!("{}: {key}: {}", hit.place, hit.text);
                let entry = Entry { table, key: &key, text: hit.text.trim() };
                self.act(&entry, context).map(Some)
            }
            Err(unknown) => {
                self.log.warn(unknown.warning());
                self.why = unknown.warning();
                Ok(Some(Said::Refuse(context.rejected(451, (4, 3, 5), "Server configuration error"))))
            }
        }
    }

    /// What a table says about a host: by its name, unless it has none, and by its addresses one after another.
    pub(crate) fn access_by_host(
        &mut self,
        table: &str,
        name: Option<&str>,
        addresses: &[String],
        context: &Context,
    ) -> Checked<Option<Said>> {
        let parents = self.parameters().parents_match("smtpd_access_maps");
        let mut all = Vec::new();
        if let Some(name) = name.filter(|name| *name != UNKNOWN) {
            let mut names = Vec::new();
            keys::domain(&self.as_compared(table, name), parents, &mut names);
            all.extend(self.fitting(table, names));
        }
        for address in addresses {
            let mut networks = Vec::new();
            keys::address(address, &mut networks);
            all.extend(self.fitting(table, networks));
        }
        self.access_by_keys(table, &all, context.clone())
    }
}
