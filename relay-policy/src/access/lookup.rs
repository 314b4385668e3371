//! Looking things up in tables.

use super::action::Entry;
use super::keys::{self, Partial};
use super::log::Log;
use super::probe::{Checked, Halt, Probe, Said};
use super::rule::Digest;
use super::subject::{Context, Subject};
use crate::address::{Address, Extensions};
use crate::domain;
use crate::question::Question;
use crate::request::{Stage, UNKNOWN};
use crate::table::{self, Found, LookupError, Maps, Table, fold};
use crate::trail::{Notes, Why};
use proto_core::address::Mailbox;
use std::borrow::Cow;
use std::ops::ControlFlow;

/// What was found, and where.
pub(crate) struct Hit<'p> {
    pub(crate) key: String,
    pub(crate) found: Found<'p>,
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

/// A table that is asked for one key after another. The keys are noted as they come, so that they need not be made again for
/// whoever reads the trail.
pub(crate) struct Search<'s, 'p> {
    table: &'p dyn Table,
    answers: &'p table::Answers,
    partial: Partial,
    notes: &'s mut Notes,
    begin: usize,
    log: &'s mut Log,
}

/// Goes on while nothing was found.
pub(crate) type Searched<'p> = ControlFlow<Result<Hit<'p>, (LookupError, String)>>;

impl<'p> Search<'_, 'p> {
    /// Asks for a key, of which these are the pieces.
    pub(crate) fn ask(&mut self, pieces: &[&str]) -> Searched<'p> {
        let begin = self.write(pieces);
        self.ask_written(begin)
    }

    /// Asks for a key that ends with a domain, in both spellings of that.
    fn ask_both(&mut self, pieces: &[&str]) -> Searched<'p> {
        let begin = self.write(pieces);
        let other = domain::respelt(self.notes.words_since(begin));
        self.ask_written(begin)?;
        other.map_or(ControlFlow::Continue(()), |other| self.ask(&[&other]))
    }

    /// Notes a key, and tells where it begins.
    fn write(&mut self, pieces: &[&str]) -> usize {
        if self.notes.end() > self.begin {
            self.notes.push_str(", ");
        }
        let begin = self.notes.end();
        pieces.iter().for_each(|piece| self.notes.push_str(piece));
        begin
    }

    /// Asks for the key that begins there.
    fn ask_written(&mut self, begin: usize) -> Searched<'p> {
        let key = self.notes.words_since(begin);
        match self.answers.look_up(self.table, key) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(found)) if found.text.trim().is_empty() => {
                let place = found.place;
                self.log.warn(format!("{place}: nothing stands beside \"{key}\", so it is not found"));
                ControlFlow::Continue(())
            }
            Ok(Some(found)) => ControlFlow::Break(Ok(Hit { key: key.into(), found })),
            Err(error) => ControlFlow::Break(Err((error, key.into()))),
        }
    }

    fn domain(&mut self, name: &str) -> Searched<'p> {
        // Patterns see it as it was written.
        let name = if self.partial.are_tried { fold(name) } else { Cow::Borrowed(name) };
        keys::domain(&name, self.partial, &mut |pieces| self.ask_both(pieces))
    }

    fn address(&mut self, address: &str) -> Searched<'p> {
        keys::address(address, self.partial, &mut |pieces| self.ask(pieces))
    }

    fn mail_address(&mut self, address: &Address, extensions: &Extensions) -> Searched<'p> {
        let address = fold(address.as_str());
        let (local_part, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
        let user = extensions.split(local_part).map(|(user, _)| user);
        keys::mail_address(local_part, user, domain, self.partial, &mut |pieces| self.ask_both(pieces))
    }
}

impl<'p> Probe<'p> {
    /// What an address has in the tables of a parameter, by its own keys; `fact` is what it was made of.
    pub(crate) fn find(
        &mut self,
        maps: &'p Maps,
        address: &Address,
        fact: &Mailbox,
    ) -> Checked<Option<Found<'p>>> {
        match self.policy.routing.mapper(self.tables).find(maps, address) {
            Ok(hit) => Ok(hit.map(|hit| hit.found)),
            Err(error) => self.unavailable(error, address, fact),
        }
    }

    /// Asks, or gives up for now.
    pub(crate) fn unavailable<T>(&mut self, error: LookupError, key: &Address, fact: &Mailbox) -> Checked<T> {
        match error {
            LookupError::Elsewhere { table, key } => Err(elsewhere(table, key)),
            LookupError::Failed { table, .. } => {
                let warning = Unknown { table, key: key.to_string() }.warning();
                self.temporary(&fact.as_written(), warning)
            }
        }
    }

    /// What the first of these keys that is there has beside it.
    pub(crate) fn first(
        &mut self,
        table: &str,
        keys: impl FnOnce(&mut Search<'_, 'p>) -> Searched<'p>,
    ) -> Checked<Result<Option<Hit<'p>>, Unknown>> {
        let Some(opened) = self.policy.tables.get(table) else {
            return self.broken(&[format!("{table} is not open")]);
        };
        let mut search = Search {
            table: &**opened,
            answers: self.tables,
            partial: Partial {
                are_tried: opened.family().tries_partial_keys(),
                parents_match: self.policy.access_parents_match,
            },
            begin: self.notes.end(),
            notes: &mut *self.notes,
            log: &mut self.log,
        };
        match keys(&mut search) {
            ControlFlow::Continue(()) => Ok(Ok(None)),
            ControlFlow::Break(Ok(hit)) => Ok(Ok(Some(hit))),
            ControlFlow::Break(Err((LookupError::Elsewhere { table, key }, _))) => Err(elsewhere(table, key)),
            ControlFlow::Break(Err((LookupError::Failed { .. }, key))) => {
                Ok(Err(Unknown { table: table.into(), key }))
            }
        }
    }

    /// `check_*_access`.
    pub(crate) fn access(&mut self, subject: Subject, table: &str) -> Checked {
        let (context, request) = (Context::of(subject), self.request);
        let said = match subject {
            Subject::Client | Subject::ReverseClient => {
                let name = match subject {
                    Subject::Client => &request.client_name,
                    _ => &request.reverse_client_name,
                };
                let address = request.client.to_canonical().to_string();
                self.access_by_keys(table, &context, |search| {
                    search.domain(name)?;
                    search.address(&address)
                })?
            }
            Subject::Helo | Subject::Etrn => {
                let name = match (subject, self.stage) {
                    (Subject::Helo, _) => request.helo.as_deref().unwrap_or_default(),
                    (_, Stage::Etrn(node)) => node,
                    _ => "",
                };
                if name.is_empty() {
                    return Ok(Said::Dunno);
                }
                self.access_by_keys(table, &context, |search| search.domain(name))?
            }
            Subject::Sender | Subject::Recipient => match self.address(subject) {
                Some(mailbox) => self.access_by_address(subject, mailbox, table)?,
                None if subject == Subject::Sender && request.sender.is_some() => {
                    let key = &*self.parameters().smtpd_null_access_lookup_key;
                    if key.is_empty() {
                        return Ok(Said::Dunno);
                    }
                    self.access_by_keys(table, &context, |search| search.ask(&[key]))?
                }
                None => return Ok(Said::Dunno),
            },
            Subject::Login => {
                let Some(login) = request.login.as_deref() else { return Ok(Said::Dunno) };
                let mut names = self.login_names(login);
                self.access_by_keys(table, &context, |search| names.try_for_each(|name| search.ask(&[name])))?
            }
            Subject::Certificate => return self.certificate_access(table, &Digest::ALL),
            Subject::Data | Subject::EndOfData => return Ok(Said::Dunno),
        };
        let said = said.unwrap_or(Said::Dunno);
        match subject {
            Subject::ReverseClient => self.forbidding(said, "check_reverse_client_hostname_access", &context),
            // Who may write to an address that another mailer opens is not for this table to say.
            Subject::Recipient if self.is_routed()? => Ok(Self::without_permit(said)),
            _ => Ok(said),
        }
    }

    /// `check_ccert_access`, by these digests in their order.
    pub(crate) fn certificate_access(&mut self, table: &str, search_order: &[Digest]) -> Checked {
        let Some(certificate) = &self.request.client_certificate else { return Ok(Said::Dunno) };
        let key = |digest: &Digest| match digest {
            Digest::Certificate => &*certificate.fingerprint,
            Digest::PublicKey => &*certificate.public_key_fingerprint,
        };
        let mut known = search_order.iter().map(key).filter(|digest| !digest.is_empty());
        let context = Context::of(Subject::Certificate);
        let said =
            self.access_by_keys(table, &context, |search| known.try_for_each(|key| search.ask(&[key])))?;
        Ok(said.unwrap_or(Said::Dunno))
    }

    /// What a table says about an address: as it was resolved, without quotes, in lower case.
    fn access_by_address(
        &mut self,
        subject: Subject,
        mailbox: &Mailbox,
        table: &str,
    ) -> Checked<Option<Said>> {
        let resolution = self.resolved(subject, mailbox)?;
        let as_written;
        let address = match &resolution {
            Some(resolution) => &resolution.recipient,
            None => {
                as_written = Address::from(mailbox);
                &as_written
            }
        };
        let extensions = &self.policy.routing.extensions;
        self.access_by_keys(table, &Context::of(subject), |search| search.mail_address(address, extensions))
    }

    /// What a table says by the first of these keys; none when it has none of them.
    fn access_by_keys(
        &mut self,
        table: &str,
        context: &Context,
        keys: impl FnOnce(&mut Search<'_, 'p>) -> Searched<'p>,
    ) -> Checked<Option<Said>> {
        let begin = self.notes.end();
        match self.first(table, keys)? {
            Ok(None) => {
                self.why = Why::NoneOf(self.notes.since(begin));
                Ok(None)
            }
            Ok(Some(Hit { key, found })) => {
                self.note(format_args!("{}: {key}: {}", found.place, found.text));
                let entry = Entry { table, key: &key, text: found.text.trim() };
                self.act(&entry, context).map(Some)
            }
            Err(unknown) => {
                self.log.warn(unknown.warning());
                self.note(format_args!("{}", unknown.warning()));
                let text = "Server configuration error";
                Ok(Some(Said::Refuse(self.rejected(context, 451, (4, 3, 5), text))))
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
        self.access_by_keys(table, context, |search| {
            if let Some(name) = name.filter(|name| *name != UNKNOWN) {
                search.domain(name)?;
            }
            addresses.iter().try_for_each(|address| search.address(address))
        })
    }
}
