//! The transaction and the message of an SMTP session.

use super::content::{self, Content};
use super::effects;
use super::header::Header;
use super::hops::Hops;
use super::policy::server_error;
use crate::delivery::{COMMAND, FILE, LOGIN, ORIGINAL_RECIPIENT};
use crate::milter::Draft;
use crate::policy::Answerer;
use crate::session::Session;
use crate::wall::SpoolWriter;
use bytes::Bytes;
use mailstore::spool::{Envelope, Recipient};
use mailstore::{ErrorKind, StoreError};
use proto_core::Now;
use proto_core::address::ReversePath;
use relay_policy::Request;
use relay_policy::access::Effects;
use relay_policy::address::{Address, FINAL_RECIPIENTS_MAX};
use smtp_proto::reply::{EnhancedCode, Refusal};
use smtp_proto::server::{QueueId, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// From MAIL to the end of data.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    /// What policy has said is to be done to the message.
    pub(super) effects: Effects,
    /// The null address is the null path.
    sender: Address,
    /// What MAIL said of the size, in octets.
    size: Option<u64>,
    recipients: Vec<Recipient>,
    /// The addresses of the recipients, in lower case as [`AccountId`](crate::wall::AccountId) has it: of ASCII. Of files and commands,
    /// what they are behind a word and a blank, so that none is an address.
    there: BTreeSet<String>,
    /// Recipients that were there when they came once more, by another way, by what tells them and by whom they were sent to:
    /// where a milter deletes one of those, mail that was sent to the other still goes to them. At most
    /// [`FINAL_RECIPIENTS_MAX`].
    again: BTreeMap<(String, String), Recipient>,
    /// Those that came once more were too many to be remembered.
    is_forgetful: bool,
    /// The recipients that copies are looked up for.
    canonical: Vec<Address>,
}

impl Transaction {
    pub(super) fn new(reverse_path: &ReversePath, size: Option<u64>, effects: Effects) -> Self {
        Self {
            effects,
            sender: reverse_path.mailbox().map(Address::from).unwrap_or_default(),
            size,
            recipients: Vec::new(),
            there: BTreeSet::new(),
            again: BTreeMap::new(),
            is_forgetful: false,
            canonical: Vec::new(),
        }
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    pub(super) fn sender(&self) -> &Address {
        &self.sender
    }

    pub(super) fn set_sender(&mut self, sender: Address) {
        self.sender = sender;
    }

    pub(super) fn canonical(&self) -> &[Address] {
        &self.canonical
    }

    /// Remembers a recipient that copies are looked up for.
    pub(super) fn copies_for(&mut self, canonical: Address) {
        self.canonical.push(canonical);
    }

    /// Adds recipients, but those that are there.
    ///
    /// # Errors
    /// When they are too many: then none is added (RFC 5321 section 4.5.3.1.10).
    pub(super) fn add(&mut self, mut recipients: Vec<Recipient>) -> Result<(), Refusal> {
        let (mut added, mut again) = (BTreeSet::new(), Vec::new());
        recipients.retain(|recipient| {
            let key = key(recipient);
            let is_new = !self.there.contains(&key) && added.insert(key.clone());
            if !is_new {
                again.push(((key, sent_to(recipient).to_ascii_lowercase()), recipient.clone()));
            }
            is_new
        });
        if self.recipients.len() + recipients.len() > FINAL_RECIPIENTS_MAX {
            tracing::info!("refused: the recipients stand for more than {FINAL_RECIPIENTS_MAX} others");
            return Err(too_many_recipients());
        }
        self.there.append(&mut added);
        self.recipients.append(&mut recipients);
        for (key, recipient) in again {
            if self.again.len() < FINAL_RECIPIENTS_MAX {
                self.again.insert(key, recipient);
            } else {
                self.is_forgetful |= !self.again.contains_key(&key);
            }
        }
        Ok(())
    }

    /// Removes those who get the message because it was sent to this address, and because of no other.
    ///
    /// # Errors
    /// When it is not known any more who that is: there were too many.
    pub(super) fn remove(&mut self, address: &str) -> Result<(), Refusal> {
        if self.is_forgetful {
            return Err(too_many_recipients());
        }
        let stays = |recipient: &Recipient| !sent_to(recipient).eq_ignore_ascii_case(address);
        self.recipients.retain(stays);
        self.again.retain(|_, recipient| stays(recipient));
        self.there = self.recipients.iter().map(key).collect();
        let others = std::mem::take(&mut self.again);
        self.add(others.into_values().collect())
    }

    /// Who gets the message.
    pub(super) fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    pub(super) fn clear_recipients(&mut self) {
        self.recipients.clear();
        self.there.clear();
        self.again.clear();
    }

    /// Whether an address is among the recipients.
    pub(super) fn delivers_to(&self, address: &str) -> bool {
        self.there.contains(&address.to_ascii_lowercase())
    }

    /// What the spool is told.
    pub(super) fn envelope(&self, mut facts: Vec<(String, String)>, now: Now) -> Envelope {
        let mut envelope = Envelope::new(String::new(), now.utc);
        self.tell(&mut envelope);
        envelope.facts.append(&mut facts);
        envelope
    }

    /// Tells the spool who sends and who gets the message.
    pub(super) fn tell(&self, envelope: &mut Envelope) {
        envelope.reverse_path = self.sender.external().into_owned();
        envelope.recipients.clone_from(&self.recipients);
    }

    /// Does to a message that is complete what its content and its last decisions want. Whether its content wants milters
    /// not to look at it.
    ///
    /// # Errors
    /// What cannot be done refuses the message, and so may its content.
    pub(super) async fn end(
        &mut self,
        answerer: &Answerer<'_>,
        message: &mut Message,
        origin: Option<&str>,
    ) -> Result<bool, Refusal> {
        let mut effects = std::mem::take(&mut self.effects);
        let mut is_passed = false;
        if let Some(origin) = origin {
            let outcome = message.looked_at(origin).await;
            content::absorb(&mut effects, &outcome)?;
            is_passed = outcome.is_passed;
        }
        if effects.discard {
            message.discard();
            return Ok(is_passed);
        }
        message.end_header().await?;
        if effects.filter.is_some() || effects.redirect.is_some() || !effects.bcc.is_empty() {
            effects::readdress(answerer, &effects, self).await?;
            message.set_recipients(self.recipients.clone())?;
        }
        if effects.hold {
            message.hold()?;
        }
        Ok(is_passed)
    }

    /// The message has begun, and what these want is done: what comes of its last decisions comes besides.
    pub(super) fn begun(&mut self, effects: &Effects) {
        self.effects = Effects::default();
        (self.effects.hold, self.effects.discard) = (effects.hold, effects.discard);
    }

    /// Sender and recipients, for the log.
    pub(super) fn story(&self) -> String {
        let shown = self.recipients.iter().take(STORY_RECIPIENTS_MAX);
        let shown = shown.map(|recipient| match recipient.fact(ORIGINAL_RECIPIENT) {
            Some(original) => format!("{} (orig_to={original})", recipient.address),
            None => recipient.address.to_string(),
        });
        let more = match self.recipients.len().saturating_sub(STORY_RECIPIENTS_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("<{}> -> {}{more}", self.sender, shown.collect::<Vec<_>>().join(", "))
    }
}

/// Whom the client wrote to when it meant this recipient.
fn sent_to(recipient: &Recipient) -> &str {
    recipient.fact(ORIGINAL_RECIPIENT).unwrap_or(&recipient.address)
}

/// What tells a recipient from others.
fn key(recipient: &Recipient) -> String {
    let address = recipient.address.to_ascii_lowercase();
    match (recipient.fact(FILE), recipient.fact(COMMAND)) {
        (Some(path), _) => format!("file {path}"),
        // It may do another thing for another recipient.
        (_, Some(command)) => format!("command {address} {command}"),
        _ => address,
    }
}

/// How many recipients the log names.
const STORY_RECIPIENTS_MAX: usize = 50;

/// What is known of a message when it begins, for later stages; more where one of them may be a command, which is told.
pub(super) fn facts(session: &Session, request: &Request, commands: bool) -> Vec<(String, String)> {
    let told = |value: Option<&str>| value.filter(|_| commands).map(str::to_owned);
    let facts = [
        ("session", Some(session.id.to_string())),
        ("client_address", Some(request.client.to_string())),
        (LOGIN, request.login.clone()),
        ("client_name", told(Some(&request.client_name))),
        ("helo_name", told(request.helo.as_deref())),
        ("protocol_name", told(Some(if request.esmtp { "ESMTP" } else { "SMTP" }))),
        ("sasl_method", told(request.sasl_method)),
        ("sasl_sender", told(request.sasl_sender.as_deref())),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A message on its way into the intake. Dropping it takes it back.
pub(super) struct Message {
    id: QueueId,
    /// `None` for a message that nobody gets.
    writer: Result<Option<Box<dyn SpoolWriter>>, StoreError>,
    hops: Hops,
    /// Where there is something to look for.
    content: Option<Box<Content>>,
    /// Where there is something to do to it.
    header: Option<Box<Header>>,
    /// What there is of it, where milters look at it before it goes into the intake.
    draft: Option<Box<Draft>>,
}

impl Message {
    /// A message that the intake has begun.
    ///
    /// # Errors
    /// When its id cannot stand in a reply.
    pub(super) fn new(
        writer: Box<dyn SpoolWriter>,
        content: Option<Box<Content>>,
        header: Option<Box<Header>>,
        draft: Option<Box<Draft>>,
    ) -> Result<Self, StoreError> {
        let id = QueueId::new(writer.id().as_str()).ok_or_else(|| {
            StoreError::new(ErrorKind::NoSuchQueueId, "beginning a message", "its id cannot stand in a reply")
        })?;
        Ok(Self { id, writer: Ok(Some(writer)), hops: Hops::default(), content, header, draft })
    }

    /// A message that nobody gets, under this name.
    pub(super) fn for_nobody(id: QueueId) -> Self {
        Self { id, writer: Ok(None), hops: Hops::default(), content: None, header: None, draft: None }
    }

    pub(super) fn id(&self) -> &QueueId {
        &self.id
    }

    /// Looks at octets that came from the client.
    pub(super) fn look(&mut self, octets: &[u8], transaction: Option<&Transaction>) {
        self.hops.look(octets, transaction);
    }

    /// Writes what content checks leave of the next octets, its header rewritten. After a failure they are swallowed: the
    /// client hears of it at the end.
    pub(super) async fn write(mut self, octets: Bytes) -> Self {
        let octets = match &mut self.content {
            Some(content) => content.feed(&octets),
            None => octets,
        };
        self.pass(octets).await;
        self
    }

    async fn pass(&mut self, octets: Bytes) {
        let octets = match &mut self.header {
            Some(header) => header.pass(octets).await,
            None => octets,
        };
        self.write_kept(octets).await;
    }

    async fn write_kept(&mut self, octets: Bytes) {
        match &mut self.draft {
            Some(draft) if matches!(self.writer, Ok(Some(_))) => {
                if let Err(error) = draft.push(&octets).await {
                    self.writer = Err(error);
                }
            }
            _ => self.take_in(octets).await,
        }
    }

    /// What milters look at, while the message can still be taken.
    pub(super) fn draft(&mut self) -> Option<&mut Draft> {
        self.draft.as_deref_mut().filter(|_| matches!(self.writer, Ok(Some(_))))
    }

    /// The message is complete, and milters may look at it.
    pub(super) async fn end_draft(&mut self) {
        if let (Some(draft), Ok(Some(_))) = (&mut self.draft, &self.writer)
            && let Err(error) = draft.end(self.id.as_str()).await
        {
            self.writer = Err(error);
        }
    }

    /// Milters have looked at the message: it goes into the intake as they have left it. How many octets that are, where there are
    /// milters.
    pub(super) async fn write_draft(&mut self) -> Option<u64> {
        let draft = self.draft.take()?;
        let header = draft.header();
        let header_octets = header.len() as u64;
        self.take_in(header).await;
        let mut at = 0;
        while let Ok(Some(_)) = &self.writer {
            match draft.body(at).await {
                Ok(octets) if octets.is_empty() => break,
                Ok(octets) => {
                    at += octets.len() as u64;
                    self.take_in(octets).await;
                }
                Err(error) => self.writer = Err(error),
            }
        }
        Some(header_octets + at)
    }

    async fn take_in(&mut self, octets: Bytes) {
        if let Ok(Some(writer)) = &mut self.writer
            && !octets.is_empty()
            && let Err(error) = writer.write(octets).await
        {
            self.writer = Err(error);
        }
    }

    /// Whether content checks look at it.
    pub(super) fn is_looked_at(&self) -> bool {
        self.content.is_some()
    }

    /// What content checks have found in a message that came from `origin` and is complete.
    async fn looked_at(&mut self, origin: &str) -> relay_policy::checks::Outcome {
        let Some(content) = self.content.take() else { return relay_policy::checks::Outcome::default() };
        let (kept, outcome) = content.finish();
        self.pass(kept).await;
        content::log(&outcome, origin, self.id.as_str());
        outcome
    }

    /// The message is complete: writes what its header has kept back.
    ///
    /// # Errors
    /// The refusal of the message, when its header could not be rewritten.
    async fn end_header(&mut self) -> Result<(), Refusal> {
        let Some(header) = self.header.take() else { return Ok(()) };
        let kept = header.end(self.id.as_str()).await?;
        self.write_kept(kept).await;
        Ok(())
    }

    /// The message goes to these in place of those that it began with; nobody gets it where there is none.
    ///
    /// # Errors
    /// What the client is told when that cannot be done: by the intake, or because nothing was kept of a message that nobody
    /// was to get.
    pub(super) fn set_recipients(&mut self, recipients: Vec<Recipient>) -> Result<(), Refusal> {
        if recipients.is_empty() {
            self.discard();
            return Ok(());
        }
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

    /// The message comes from this sender in place of the one that it began with.
    ///
    /// # Errors
    /// As of [`Self::set_recipients`].
    pub(super) fn set_sender(&mut self, sender: &Address) -> Result<(), Refusal> {
        // As above.
        let Ok(Some(writer)) = &mut self.writer else { return Ok(()) };
        writer.set_sender(sender.external().into_owned()).map_err(|error| {
            tracing::error!(queue_id = %self.id, %error, "not accepted: its sender cannot be changed");
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
        let Self { id, writer, hops, content: _, header: _, draft: _ } = self;
        if hops.is_loop() {
            tracing::info!(queue_id = %id, octets, story, "refused: too many hops");
            return Verdict::Refuse(routing_loop("Error: too many hops"));
        }
        if let Some(address) = hops.again() {
            tracing::info!(queue_id = %id, octets, story, address, "refused: it was delivered there before");
            return Verdict::Refuse(routing_loop(&format!("mail forwarding loop for {address}")));
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

/// RFC 5321 section 6.3; 5.4.6 is a routing loop (RFC 3463 section 3.5). What cannot stand in a reply is left out.
fn routing_loop(text: &str) -> Refusal {
    EnhancedCode::new(5, 4, 6)
        .and_then(|code| Refusal::new(554, code, text.to_owned()).ok())
        .unwrap_or(Refusal::PERMANENT)
}

/// RFC 5321 section 4.5.3.1.10; 4.5.3 are too many recipients (RFC 3463 section 3.6).
fn too_many_recipients() -> Refusal {
    EnhancedCode::new(4, 5, 3)
        .and_then(|code| Refusal::new(452, code, "Error: too many recipients").ok())
        .unwrap_or(Refusal::TEMPORARY)
}

/// 452 when there is no room, 451 or 554 otherwise (RFC 5321 section 4.2.2).
pub(super) fn refusal(error: &StoreError) -> Refusal {
    match error.kind() {
        ErrorKind::Backlog | ErrorKind::DiskFull => Refusal::STORAGE_FULL,
        _ => error.to_backend().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipients(range: std::ops::Range<usize>) -> Vec<Recipient> {
        range.map(|number| Recipient::new(format!("{number}@example.test"))).collect()
    }

    #[test]
    fn those_who_are_there_are_not_counted_again() {
        let mut transaction = Transaction::new(&ReversePath::Null, None, Effects::default());
        let most = FINAL_RECIPIENTS_MAX / 2 + 1;
        for _ in 0..2 {
            assert!(transaction.add(recipients(0..most)).is_ok());
        }
        assert_eq!(transaction.recipients.len(), most);
        let refused = transaction.add(recipients(1..FINAL_RECIPIENTS_MAX + 1)).unwrap_err();
        assert_eq!(refused, too_many_recipients());
        assert_eq!(transaction.recipients.len(), most, "none of them is added");
        assert!(transaction.add(recipients(0..FINAL_RECIPIENTS_MAX)).is_ok());
        assert!(transaction.story().ends_with(" and 19950 more"));
    }

    #[test]
    fn who_was_written_to_twice_stays_when_one_of_them_is_removed() {
        let info = || {
            let mut bob = Recipient::new("bob@example.test");
            bob.facts.push((ORIGINAL_RECIPIENT.into(), "Info@example.test".into()));
            bob
        };
        let bob = || Recipient::new("Bob@example.test");
        for both in [[info(), bob()], [bob(), info()]] {
            let mut transaction = Transaction::new(&ReversePath::Null, None, Effects::default());
            for recipient in both {
                transaction.add(vec![recipient]).unwrap();
            }
            assert_eq!(transaction.recipients.len(), 1);
            let mut other = transaction.clone();
            transaction.remove("info@example.test").unwrap();
            assert_eq!(transaction.recipients, [bob()]);
            transaction.remove("bob@example.test").unwrap();
            assert_eq!(transaction.recipients, []);
            other.remove("bob@example.test").unwrap();
            assert_eq!(other.recipients, [info()]);
        }
        // More than can be remembered: then nobody is removed who might be another's, too.
        let mut transaction = Transaction::new(&ReversePath::Null, None, Effects::default());
        let list = |nth: usize| {
            let mut member = info();
            member.facts[0].1 = format!("list+{nth}@example.test");
            member
        };
        transaction.add(vec![bob()]).unwrap();
        transaction.add((0..FINAL_RECIPIENTS_MAX).map(list).collect()).unwrap();
        transaction.add(vec![list(0)]).unwrap();
        assert!(transaction.clone().remove("bob@example.test").is_ok());
        transaction.add(vec![list(FINAL_RECIPIENTS_MAX)]).unwrap();
        assert_eq!(transaction.remove("bob@example.test").unwrap_err(), too_many_recipients());
    }

    #[test]
    fn the_log_has_whom_the_client_wrote_to() {
        let mut transaction = Transaction::new(&ReversePath::Null, None, Effects::default());
        let mut ann = Recipient::new("ann@example.test");
        ann.facts.push((ORIGINAL_RECIPIENT.into(), "support@example.test".into()));
        transaction.add(vec![ann, Recipient::new("bill@example.test")]).unwrap();
        let told = "<> -> ann@example.test (orig_to=support@example.test), bill@example.test";
        assert_eq!(transaction.story(), told);
    }

    #[test]
    fn who_are_two_accounts_are_two_recipients() {
        let mut transaction = Transaction::new(&ReversePath::Null, None, Effects::default());
        let named = |name: &str| Recipient::new(format!("{name}@example.test"));
        transaction.add(vec![named("\u{d6}zi"), named("\u{f6}zi"), named("Bob"), named("bob")]).unwrap();
        assert_eq!(transaction.recipients.len(), 3);
    }
}
