//! The transaction and the message of an SMTP session.

use super::effects::readdress;
use super::hops::Hops;
use super::policy::server_error;
use crate::delivery::ORIGINAL_RECIPIENT;
use crate::policy::Answerer;
use crate::session::Session;
use crate::wall::SpoolWriter;
use bytes::Bytes;
use mailstore::spool::{Envelope, Recipient};
use mailstore::{ErrorKind, StoreError};
use proto_core::Now;
use proto_core::address::{ForwardPath, Mailbox, ReversePath};
use relay_policy::Request;
use relay_policy::access::Effects;
use smtp_proto::reply::{EnhancedCode, Refusal};
use smtp_proto::server::{QueueId, Verdict};

/// From MAIL to the end of data.
#[derive(Debug)]
pub(super) struct Transaction {
    /// What policy has said is to be done to the message.
    pub(super) effects: Effects,
    /// Without brackets; empty is the null path.
    reverse_path: String,
    /// What MAIL said of the size, in octets.
    size: Option<u64>,
    recipients: Vec<Recipient>,
}

impl Transaction {
    pub(super) fn new(reverse_path: &ReversePath, size: Option<u64>, effects: Effects) -> Self {
        let reverse_path = reverse_path.mailbox().map(ToString::to_string).unwrap_or_default();
        Self { effects, reverse_path, size, recipients: Vec::new() }
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Adds a recipient where it leads, unless it is there.
    pub(super) fn add(&mut self, written: &ForwardPath, mailbox: &Mailbox) {
        let address = mailbox.to_string();
        if self.recipients.iter().any(|recipient| recipient.address == address) {
            return;
        }
        let written = match written {
            ForwardPath::Postmaster => "postmaster".to_owned(),
            ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
        };
        let mut recipient = Recipient::new(address);
        if written != recipient.address {
            recipient.facts.push((ORIGINAL_RECIPIENT.into(), written));
        }
        self.recipients.push(recipient);
    }

    /// What the spool is told.
    pub(super) fn envelope(&self, session: &Session, request: &Request, now: Now) -> Envelope {
        let mut envelope = Envelope::new(self.reverse_path.clone(), now.utc);
        envelope.recipients = self.recipients.clone();
        envelope.facts.push(("session".into(), session.id.to_string()));
        envelope.facts.push(("client_address".into(), request.client.to_string()));
        envelope.facts.extend(request.login.clone().map(|login| ("login".into(), login)));
        envelope
    }

    /// Does to a message that is complete what its last decisions want.
    ///
    /// # Errors
    /// What cannot be done refuses the message.
    pub(super) async fn end(
        &mut self,
        answerer: &Answerer<'_>,
        message: &mut Message,
    ) -> Result<(), Refusal> {
        if self.effects.discard {
            message.discard();
            return Ok(());
        }
        if self.effects.redirect.is_some() || !self.effects.bcc.is_empty() {
            readdress(answerer, &self.effects, &mut self.recipients).await?;
            message.set_recipients(self.recipients.clone())?;
        }
        if self.effects.hold {
            message.hold()?;
        }
        Ok(())
    }

    /// The message has begun with these recipients, and this is done: what comes of its last decisions comes besides.
    pub(super) fn begun(&mut self, recipients: Vec<Recipient>) {
        let Effects { hold, discard, .. } = std::mem::take(&mut self.effects);
        (self.effects.hold, self.effects.discard) = (hold, discard);
        self.recipients = recipients;
    }

    /// Sender and recipients, for the log.
    pub(super) fn story(&self) -> String {
        let recipients: Vec<&str> = self.recipients.iter().map(|r| &*r.address).collect();
        format!("<{}> -> {}", self.reverse_path, recipients.join(", "))
    }
}

/// A message on its way into the intake. Dropping it takes it back.
pub(super) struct Message {
    id: QueueId,
    /// `None` for a message that nobody gets.
    writer: Result<Option<Box<dyn SpoolWriter>>, StoreError>,
    hops: Hops,
}

impl Message {
    /// A message that the intake has begun.
    ///
    /// # Errors
    /// When its id cannot stand in a reply.
    pub(super) fn new(writer: Box<dyn SpoolWriter>) -> Result<Self, StoreError> {
        let id = QueueId::new(writer.id().as_str()).ok_or_else(|| {
            StoreError::new(ErrorKind::NoSuchQueueId, "beginning a message", "its id cannot stand in a reply")
        })?;
        Ok(Self { id, writer: Ok(Some(writer)), hops: Hops::default() })
    }

    /// A message that nobody gets, under this name.
    pub(super) fn for_nobody(id: QueueId) -> Self {
        Self { id, writer: Ok(None), hops: Hops::default() }
    }

    pub(super) fn id(&self) -> &QueueId {
        &self.id
    }

    /// Looks at octets that came from the client.
    pub(super) fn look(&mut self, octets: &[u8]) {
        self.hops.look(octets);
    }

    /// Writes the next octets. After a failure they are swallowed: the client hears of it at the end.
    pub(super) async fn write(mut self, octets: Bytes) -> Self {
        if let Ok(Some(writer)) = &mut self.writer
            && let Err(error) = writer.write(octets).await
        {
            self.writer = Err(error);
        }
        self
    }

    /// The message goes to these.
    ///
    /// # Errors
    /// What the client is told when that cannot be done: by the intake, or because nothing was kept of a message that nobody
    /// was to get.
    fn set_recipients(&mut self, recipients: Vec<Recipient>) -> Result<(), Refusal> {
        let writer = match &mut self.writer {
            Ok(Some(writer)) => writer,
            Ok(None) => return Err(server_error()),
            // It says so when it is asked to commit.
            Err(_) => return Ok(()),
        };
        writer.set_recipients(recipients).map_err(|error| {
            tracing::error!(queue_id = %self.id, %error, "not accepted: its recipients cannot be changed");
            refusal(&error)
        })
    }

    /// Nobody gets the message after all: what of it was kept goes, when it ends.
    pub(super) fn discard(&mut self) {
        self.writer = Ok(None);
    }

    /// The message is kept, and not delivered before an administrator says so.
    ///
    /// # Errors
    /// What the client is told when the intake cannot do that: a message to be held is not to be delivered instead.
    pub(super) fn hold(&mut self) -> Result<(), Refusal> {
        // A writer that has failed says so when it is asked to commit.
        let Ok(Some(writer)) = &mut self.writer else { return Ok(()) };
        writer.hold().map_err(|error| {
            tracing::error!(queue_id = %self.id, %error, "not accepted: it cannot be held");
            refusal(&error)
        })?;
        tracing::info!(queue_id = %self.id, "on hold");
        Ok(())
    }

    /// Makes the message durable, and says what the client is told.
    pub(super) async fn commit(self, story: String, octets: u64) -> Verdict<QueueId> {
        let Self { id, writer, hops } = self;
        if hops.is_loop() {
            tracing::info!(queue_id = %id, octets, story, "refused: too many hops");
            return Verdict::Refuse(too_many_hops());
        }
        let committed = match writer {
            Ok(Some(writer)) => writer.commit().await,
            Ok(None) => {
                tracing::info!(queue_id = %id, octets, story, "discarded");
                return Verdict::Accept(id);
            }
            Err(error) => Err(error),
        };
        match committed {
            Ok(()) => {
                tracing::info!(queue_id = %id, octets, story, "accepted");
                Verdict::Accept(id)
            }
            Err(error) => {
                tracing::error!(queue_id = %id, octets, story, %error, "not accepted");
                Verdict::Refuse(refusal(&error))
            }
        }
    }
}

/// RFC 5321 section 6.3; 5.4.6 is a routing loop (RFC 3463 section 3.5).
fn too_many_hops() -> Refusal {
    EnhancedCode::new(5, 4, 6)
        .and_then(|code| Refusal::new(554, code, "Error: too many hops").ok())
        .unwrap_or(Refusal::PERMANENT)
}

/// 452 when there is no room, 451 or 554 otherwise (RFC 5321 section 4.2.2).
pub(super) fn refusal(error: &StoreError) -> Refusal {
    match error.kind() {
        ErrorKind::Backlog | ErrorKind::DiskFull => Refusal::STORAGE_FULL,
        _ => error.to_backend().into(),
    }
}
