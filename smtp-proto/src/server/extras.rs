//! What a yes may bring besides the yes: words of its own, header fields, and where the message goes.
//!
//! What the stages of a session bring (connect, TLS, hello) is for every message of it, what those of a transaction
//! bring (MAIL, RCPT, DATA) for its message alone. A new hello takes the place of the last one with all it brought.
//! [`Server::trace_header`] and [`Server::disposition`] hand the sum to the application, as does
//! [`EndOfData`](super::EndOfData).
//!
//! # Limits
//! [`Limits::added_octets_max`](super::Limits::added_octets_max).

use super::header::HeaderField;
use super::question::Verdict;
use super::session::Server;
use crate::reply::{Approval, EnhancedCode, Refusal, Reply, write_line};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What becomes of a message that is accepted. Of several verdicts the strongest counts, whichever stage gave it, and
/// for all recipients alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Disposition {
    /// It goes where it was sent.
    #[default]
    Deliver,
    /// It is kept until somebody lets it go.
    Hold,
    /// It is thrown away; the client hears that it was accepted.
    Discard,
}

/// What goes with an acceptance, in [`Verdict::AcceptWith`].
///
/// ```
/// use smtp_proto::server::{Disposition, Extras, HeaderField, Verdict};
///
/// let field = HeaderField::new("Received-SPF", "softfail")?;
/// let verdict: Verdict = Extras::new().field(field).disposition(Disposition::Hold).into();
/// # Ok::<(), smtp_proto::server::HeaderFault>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras {
    pub(super) reply: Option<Approval>,
    pub(super) fields: Vec<HeaderField>,
    pub(super) disposition: Disposition,
}

impl Extras {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { reply: None, fields: Vec::new(), disposition: Disposition::Deliver }
    }

    /// What is said instead of the standard reply.
    ///
    /// A code that is of another class than the stage's own (354 at DATA, 2yz elsewhere) gives way to that, and a
    /// missing enhanced code to the standard one. At connect and hello the code is always the standard one and the
    /// text stands behind the host name, where RFC 5321 section 4.2 wants that first; there a text of several lines, or
    /// one that is too long to stand beside the name, gives way to the standard text. A TLS question has no reply,
    /// and that to the first BDAT says how much was taken. Where VRFY or EXPN is answered with mailboxes these stand in
    /// place of the text, for the client reads them there (RFC 5321 sections 3.5.1 and 3.5.2); only the codes count then.
    #[must_use]
    pub fn reply(mut self, reply: Approval) -> Self {
        self.reply = Some(reply);
        self
    }

    /// Adds a field to the header, above all that are there: what was added last stands on top, as trace fields do
    /// (RFC 5321 section 4.4). In the verdict on a complete message it comes too late and means nothing: who gives
    /// that has the message in hand.
    #[must_use]
    pub fn field(mut self, field: HeaderField) -> Self {
        self.fields.push(field);
        self
    }

    /// What becomes of the message. In the verdict on a complete message it means nothing, like a field.
    #[must_use]
    pub fn disposition(mut self, disposition: Disposition) -> Self {
        self.disposition = disposition;
        self
    }
}

impl From<Extras> for Verdict {
    fn from(extras: Extras) -> Self {
        Verdict::AcceptWith((), Box::new(extras))
    }
}

impl<A> Verdict<A> {
    /// The answer with what came beside it, or the refusal.
    pub(super) fn into_parts(self) -> Result<(A, Option<Box<Extras>>), Refusal> {
        match self {
            Verdict::Accept(answer) => Ok((answer, None)),
            Verdict::AcceptWith(answer, extras) => Ok((answer, Some(extras))),
            Verdict::Refuse(refusal) => Err(refusal),
        }
    }
}

/// What the verdicts of a stage, or of a transaction, brought.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) fields: Vec<HeaderField>,
    pub(super) disposition: Disposition,
}

impl Collected {
    /// Takes in what a verdict brought, and gives back what it wants said.
    pub(super) fn take(&mut self, extras: Option<Box<Extras>>) -> Option<Approval> {
        let Extras { reply, fields, disposition } = *extras?;
        self.fields.extend(fields);
        self.disposition = self.disposition.max(disposition);
        reply
    }
}

/// What the stages of a session brought: each replaces its own.
#[derive(Debug, Default)]
pub(super) struct SessionCollected {
    pub(super) connect: Collected,
    pub(super) tls: Collected,
    pub(super) hello: Collected,
}

impl Server {
    /// What becomes of the message of this transaction, as the verdicts so far have it.
    pub fn disposition(&self) -> Disposition {
        self.collected().map(|collected| collected.disposition).max().unwrap_or_default()
    }

    /// All that verdicts brought for the next message, the latest first.
    pub(super) fn collected(&self) -> impl Iterator<Item = &Collected> {
        let SessionCollected { connect, tls, hello } = &self.session_collected;
        self.transaction.iter().map(|transaction| &transaction.collected).chain([hello, tls, connect])
    }

    /// Takes a verdict apart; an acceptance that brings more than may be added is a refusal.
    pub(super) fn weigh(&self, verdict: Verdict) -> Result<Option<Box<Extras>>, Refusal> {
        self.weigh_beside(verdict, self.collected())
    }

    /// Likewise the verdict on a hello, which takes the place of the one before and ends the transaction.
    pub(super) fn weigh_hello(&self, verdict: Verdict) -> Result<Option<Box<Extras>>, Refusal> {
        let SessionCollected { connect, tls, .. } = &self.session_collected;
        self.weigh_beside(verdict, [connect, tls].into_iter())
    }

    fn weigh_beside<'a>(
        &self,
        verdict: Verdict,
        before: impl Iterator<Item = &'a Collected>,
    ) -> Result<Option<Box<Extras>>, Refusal> {
        let ((), extras) = verdict.into_parts()?;
        if let Some(extras) = extras.as_deref().filter(|extras| !extras.fields.is_empty()) {
            let fields = before.flat_map(|collected| &collected.fields).chain(&extras.fields);
            let octets: usize = fields.map(|field| field.as_str().len()).sum();
            if octets > self.config.limits.added_octets_max {
                return Err(TOO_MUCH_ADDED.clone());
            }
        }
        Ok(extras)
    }

    /// Says yes, in the application's words if it has some.
    pub(super) fn approve(&mut self, own: Option<&Approval>, standard: &Reply) {
        let (code, enhanced) = codes(own, standard);
        let Some(own) = own.map(Approval::reply) else { return self.reply(standard) };
        let mut lines = own.text().split('\n').peekable();
        while let Some(line) = lines.next() {
            write_line(&mut self.output, code, enhanced, lines.peek().is_none(), line);
        }
    }
}

/// The codes of a yes: the application's as far as it has some that fit.
pub(super) fn codes(own: Option<&Approval>, standard: &Reply) -> (u16, Option<EnhancedCode>) {
    match own.map(Approval::reply) {
        Some(own) if own.code() / 100 == standard.code() / 100 => {
            (own.code(), own.enhanced().or(standard.enhanced()))
        }
        _ => (standard.code(), standard.enhanced()),
    }
}

static TOO_MUCH_ADDED: Refusal = Refusal::fixed(451, (3, 0), "Error: too many header fields added");

/// What may stand behind the host name in a reply line: the application's words, if they fit there.
pub(super) fn beside_hostname(own: Option<&Approval>) -> Option<&str> {
    let text = own?.reply().text();
    (!text.contains('\n') && text.len() <= super::config::GREETING_OCTETS_MAX).then_some(text)
}
