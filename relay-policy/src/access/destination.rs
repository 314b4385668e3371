//! Whether a recipient is one of ours, so that mail for it may come from anybody.

use super::probe::{Checked, Probe, Said};
use super::subject::{Context, Subject};
use crate::address::{Address, Resolution, ResolveError, RewriteContext};
use crate::decision::{Class, Reply};
use crate::trail::Why;
use proto_core::address::Mailbox;
use std::sync::Arc;

/// Where the sender and the recipient lead, once that was found out: for one decision that does not change, and finding out is
/// dear.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    sender: Option<Result<Arc<Resolution>, &'static str>>,
    recipient: Option<Result<Arc<Resolution>, &'static str>>,
}

impl Probe<'_> {
    /// Where the sender's or the recipient's address leads; none for what cannot be anybody's.
    pub(crate) fn resolved(
        &mut self,
        subject: Subject,
        mailbox: &Mailbox,
    ) -> Checked<Option<Arc<Resolution>>> {
        let known = match subject {
            Subject::Sender => &self.resolved.sender,
            _ => &self.resolved.recipient,
        };
        let found = match known {
            Some(known) => known.clone(),
            None => {
                let found = self.resolve(subject, mailbox)?;
                match subject {
                    Subject::Sender => self.resolved.sender = Some(found.clone()),
                    _ => self.resolved.recipient = Some(found.clone()),
                }
                found
            }
        };
        Ok(found.map_err(|why| self.note(format_args!("<{mailbox}>: {why}"))).ok())
    }

    fn resolve(
        &mut self,
        subject: Subject,
        mailbox: &Mailbox,
    ) -> Checked<Result<Arc<Resolution>, &'static str>> {
        let routing = &self.policy.routing;
        let address = Address::from(mailbox);
        let address = routing.rewriting.rewrite_internal(&address, RewriteContext::Local);
        // Where a recipient's mail goes may depend on its sender.
        let depends = subject != Subject::Sender && routing.depends_on_sender();
        let sender = self.sender().filter(|_| depends).map(Address::from).unwrap_or_default();
        match routing.resolve(&address, &sender, self.tables) {
            Ok(resolution) => Ok(Ok(Arc::new(resolution))),
            Err(ResolveError::BadAddress { why, .. }) => Ok(Err(why)),
            Err(ResolveError::Lookup(error)) => self.unavailable(error, &address, mailbox),
        }
    }

    /// Refuses an address that cannot be anybody's.
    pub(crate) fn bad_address(&mut self, subject: Subject) -> Checked {
        let Some(mailbox) = self.address(subject) else { return Ok(Said::Dunno) };
        Ok(match self.resolved(subject, mailbox)? {
            Some(resolution) => {
                let address = self.notes.write(format_args!("{mailbox}"));
                if subject == Subject::Recipient {
                    self.resolution = Some(Arc::clone(&resolution));
                }
                self.why = Why::LeadsTo(address, resolution);
                Said::Dunno
            }
            None if subject == Subject::Sender => {
                Said::Refuse(Reply::new(501, (5, 1, 7), "Bad sender address syntax".into()))
            }
            None => Said::Refuse(Reply::new(501, (5, 1, 3), "Bad recipient address syntax".into())),
        })
    }

    /// Whether another mailer may find another address in the recipient's.
    pub(crate) fn is_routed(&mut self) -> Checked<bool> {
        let Some(mailbox) = self.recipient() else { return Ok(false) };
        let is_routed =
            self.resolved(Subject::Recipient, mailbox)?.is_none_or(|resolution| resolution.is_routed);
        Ok(is_routed && !self.parameters().allow_untrusted_routing)
    }

    /// Whether mail for the recipient may come from anybody; none when there is no recipient.
    fn is_authorised(&mut self) -> Checked<Option<bool>> {
        let Some(mailbox) = self.recipient() else { return Ok(None) };
        let Some(resolution) = self.resolved(Subject::Recipient, mailbox)? else { return Ok(Some(false)) };
        if resolution.is_routed && !self.parameters().allow_untrusted_routing {
            self.note(format_args!("{} might be sent on", resolution.recipient));
            return Ok(Some(false));
        }
        let is_ours = resolution.class != Class::Default;
        self.why = Why::Destination(resolution);
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
        let text = format!("<{}>: Relay access denied", self.what(&Context::of(Subject::Recipient)));
        Ok(Said::Refuse(Reply::new(code, (5, 7, 1), text)))
    }
}
