//! Where the mail of a recipient goes that policy has accepted.
//!
//! Mail for this machine (`local`) and for its virtual mailboxes (`virtual`) goes to the mailbox of the address that was
//! resolved, or of that address without its extension. The services `error`, `retry` and `discard` do what they do in
//! Postfix.
//!
//! # Departures
//! From Postfix: all others (`smtp`, `relay`, `lmtp`, programs) are refused, since nobody here delivers so. `postmaster` of a
//! domain of ours without such a mailbox is the configured postmaster (RFC 5321 section 4.5.1); that and `MAILER-DAEMON` must
//! be mailboxes as all others, since what is accepted must be delivered.

use super::Answerer;
use proto_core::address::{LocalPart, Mailbox};
use relay_policy::address::{Address, Resolution, RewriteContext};
use relay_policy::table::Answers;
use relay_policy::{Class, Reply};

/// Who gets the mail of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// This mailbox, which exists; the domain is in A-labels and lower case.
    Mailbox(Mailbox),
    /// Nobody: it is thrown away.
    Nobody,
}

impl Answerer<'_> {
    /// Finds who gets the mail of a recipient, whom refusals name as `written`, in brackets. What the bare `postmaster` leads
    /// to is not policy's to say, so there is no resolution.
    ///
    /// # Errors
    /// The refusal, when nobody does.
    pub(crate) async fn destination(
        &self,
        written: &str,
        resolution: Option<&Resolution>,
    ) -> Result<Destination, Reply> {
        let Some(Resolution { recipient, class, transport, .. }) = resolution else {
            return self.mailbox(written, self.profile.postmaster.clone(), Class::Local).await;
        };
        match &*transport.service {
            "local" | "virtual" => match recipient.mailbox() {
                Some(address) => self.mailbox(written, address, *class).await,
                None => Err(self.unknown(written, *class)),
            },
            "discard" => Ok(Destination::Nobody),
            "error" => Err(rejected(written, Reply::in_words(550, &transport.nexthop))),
            "retry" => Err(rejected(written, Reply::in_words(450, &transport.nexthop))),
            _ => {
                let words = "5.4.4 No route to remote domains is configured";
                Err(rejected(written, Reply::in_words(550, words)))
            }
        }
    }

    /// Finds who gets the mail of an address that a table has put in the place of recipients, or beside them.
    ///
    /// # Errors
    /// The refusal, when nobody does.
    pub(crate) async fn destination_of(&self, external: &str) -> Result<Destination, Reply> {
        let routing = self.profile.policy.routing();
        let written = format!("<{external}>");
        let address = routing.rewriting.rewrite_internal(&Address::parse(external), RewriteContext::Local);
        match routing.resolve(&address, &Address::default(), &Answers::default()) {
            Ok(resolution) => self.destination(&written, Some(&resolution)).await,
            Err(why) => {
                let text = format!("{written}: {why}");
                Err(Reply { code: 451, enhanced: (4, 3, 0), text })
            }
        }
    }

    /// The mailbox of an address, or that of the address without its extension.
    async fn mailbox(&self, written: &str, address: Mailbox, class: Class) -> Result<Destination, Reply> {
        let failed = |_| {
            let text = format!("{written}: Temporary lookup failure");
            Reply { code: 451, enhanced: (4, 3, 0), text }
        };
        let local_part = address.local_part().as_str();
        let base = self.profile.policy.routing().extensions.split(local_part).map(|(base, _)| base);
        let base = base.and_then(|base| LocalPart::new(base).ok());
        let base = base.and_then(|base| Mailbox::new(base, address.domain().clone()).ok());
        let is_postmaster = class == Class::Local && local_part.eq_ignore_ascii_case("postmaster");
        let stand_in = is_postmaster.then(|| self.profile.postmaster.clone());
        for candidate in [Some(address), base, stand_in].into_iter().flatten() {
            if self.exists(&candidate).await.map_err(failed)? {
                return Ok(Destination::Mailbox(candidate));
            }
        }
        Err(self.unknown(written, class))
    }

    fn unknown(&self, written: &str, class: Class) -> Reply {
        let parameters = self.profile.policy.parameters();
        let (code, table) = match class {
            Class::VirtualMailbox => (parameters.unknown_virtual_mailbox_reject_code, "virtual mailbox"),
            _ => (parameters.unknown_local_recipient_reject_code, "local recipient"),
        };
        // One that is no refusal would take the recipient all the same, and there is no mailbox.
        let code = if code < 400 { 550 } else { code };
        let words = match parameters.show_user_unknown_table_name {
            true => format!("5.1.1 User unknown in {table} table"),
            false => "5.1.1 User unknown".into(),
        };
        rejected(written, Reply::in_words(code, &words))
    }
}

/// The refusal with what it is about.
fn rejected(written: &str, reply: Reply) -> Reply {
    let why = if reply.text.is_empty() { "undeliverable" } else { &reply.text };
    Reply { text: format!("{written}: Recipient address rejected: {why}"), ..reply }
}
