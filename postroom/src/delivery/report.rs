//! Senders are told: of recipients who bounced, and of those who are still tried after a while.
//!
//! A report is a message of this server's own. It goes to whoever gets the mail of the sender's address, as a RCPT would find it,
//! but past the restriction lists and the checks of header and body; its own sender is null. It comes into the spool in one step with what
//! became of the recipients whom it tells of, so that a power cut neither loses nor doubles it: what was not recorded is tried
//! again, and told then. One report tells of all recipients that had bounced by the end of an attempt.
//!
//! # Outcomes
//! | what happens | what becomes of the recipients |
//! | --- | --- |
//! | the report is in the spool | recorded with it |
//! | the sender is null; the mail of his address is thrown away | recorded, nobody is told |
//! | nobody here gets the mail of his address | recorded, and a warning is logged |
//! | his address stands for several, and some of them get no mail here | the others are told, and a warning is logged |
//! | the message cannot be read | recorded with a report that does not return it |
//! | the report is larger than the spool takes, or the spool takes none with what it tells of | recorded, and an error is logged |
//! | a table does not answer, the spool takes no report for now | deferred, and told when it can be done, for a day beyond the time that the message has |
//!
//! # Limits
//! [`RECIPIENTS_MAX`] recipients in a report. Of the message, a chunk at a time is in memory.
//!
//! Anybody may write as a user or a list of ours where no restriction forbids it, and they get the report, lists that are closed to him
//! included. So they get no text of his choice: of a message that nobody has logged in for, its header alone is returned.

use super::body::Chunks;
use super::command;
use super::deliverer::{Deliverer, Failure};
use super::header::{LOGIN, ORIGINAL_RECIPIENT, sender};
use crate::policy::{Answerer, NoRoute};
use bytes::Bytes;
use mail_message::header::{FieldSink, FieldStream};
use mail_message::report::{
    Action, Addressee, RecipientReport, Report, Returned, Status as Code, Subject, Wanted,
};
use mailstore::spool::{Envelope, QueueId, RecipientState, Status};
use mailstore::{Class, ErrorKind, StoreError};
use proto_core::UnixTime;
use relay_policy::address::Address;
use smtp_proto::server::MailDate;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// So many recipients are told of in a report; others in another.
const RECIPIENTS_MAX: usize = 500;

/// So long beyond its time a message stays for a report that cannot be made, or a spool that is full of such would stay so.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What somebody is told of.
pub(super) struct Event {
    /// The place of the recipient in the envelope.
    place: usize,
    /// To whom; empty: to whoever hears of failed reports.
    to: String,
    /// How far it has come, not recorded yet.
    status: Status,
    action: Action,
    code: Code,
    /// Why, for people.
    reason: String,
    /// What a command has said.
    said: Option<String>,
}

/// Who is told of some recipients, or why nobody.
enum Told {
    /// This report is in the spool.
    By(QueueId),
    /// His mail is thrown away.
    Nobody,
}

/// Why no report came into the spool.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("{0}")]
    NoRoute(String),
    #[error("{0}")]
    ForNow(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The message that it should return cannot be read.
    #[error(transparent)]
    Unread(StoreError),
}

impl From<NoRoute> for Untold {
    fn from(error: NoRoute) -> Self {
        match error {
            NoRoute::ForNow(why) => Self::ForNow(why),
            NoRoute::Never(why) => Self::NoRoute(why),
        }
    }
}

impl Deliverer {
    /// What somebody is to be told of a recipient that has not got the message; `None` when nobody.
    pub(super) fn event(&self, place: usize, status: &Status, error: &Failure) -> Option<Event> {
        let how = &self.context.how;
        let recipient = &self.job.envelope.recipients[place];
        let action = match status.state {
            RecipientState::Bounced => Action::Failed,
            RecipientState::Deferred(_) if !status.delay_told && self.is_delayed() => Action::Delayed,
            _ => return None,
        };
        // No client says which reports it wants.
        let is_wanted = Wanted::unsaid(how.delay_warning_time > Duration::ZERO).has(action);
        if !is_wanted {
            return None;
        }
        let to = match self.addressee(place, action) {
            Addressee::Sender(sender) => sender.to_owned(),
            Addressee::Postmaster => String::new(),
            Addressee::Nobody => return None,
        };
        let (code, reason, said) = told(error, self.class(recipient, error));
        let status = Status { delay_told: status.delay_told || action == Action::Delayed, ..status.clone() };
        Some(Event { place, to, status, action, code, reason, said })
    }

    /// Whether the message is so old that its sender is told that it takes long.
    fn is_delayed(&self) -> bool {
        let after = self.context.how.delay_warning_time;
        let age = self.context.now().utc.0.saturating_sub(self.job.envelope.received_at.0);
        after > Duration::ZERO && u64::try_from(age).is_ok_and(|age| age >= after.as_secs())
    }

    /// Who is told of a recipient.
    fn addressee(&self, place: usize, action: Action) -> Addressee<'_> {
        let envelope = &self.job.envelope;
        // The owner of a list takes the place of a sender, not of nobody, nor of this server: reports on reports would come to him,
        // and of those that fail there would be others without end.
        let sender = match &*envelope.reverse_path {
            "" => "",
            path if path == self.double_bounce_sender() => return Addressee::Nobody,
            _ => sender(envelope, &envelope.recipients[place]),
        };
        Addressee::of(sender, action, self.context.how.double_bounce_recipient.is_some())
    }

    /// The sender of a report that a message without a sender has failed. Nobody is told when that fails, too.
    fn double_bounce_sender(&self) -> String {
        let snapshot = self.context.shared.snapshot.load();
        let parameters = snapshot.own.policy.parameters();
        format!(
            "{}@{}",
            parameters.double_bounce_sender,
            origin(&parameters.myorigin, &snapshot.settings.hostname)
        )
    }

    /// Tells whom it concerns, records what became of the recipients, and says how far each has come.
    pub(super) async fn tell(&self, events: Vec<Event>) -> Vec<(usize, Result<RecipientState, StoreError>)> {
        let mut groups: BTreeMap<(String, &str), Vec<Event>> = BTreeMap::new();
        for event in events {
            groups.entry((event.to.clone(), event.action.word())).or_default().push(event);
        }
        let mut recorded = Vec::new();
        for ((to, _), mut events) in groups {
            // In the order of the envelope, not in that in which they were done with.
            events.sort_by_key(|event| event.place);
            while !events.is_empty() {
                let rest = events.split_off(events.len().min(RECIPIENTS_MAX));
                recorded.extend(self.tell_together(&to, events).await);
                events = rest;
            }
        }
        recorded
    }

    /// Tells the sender of a message, or of reports where it has none, what was done for some recipients.
    async fn tell_together(
        &self,
        to: &str,
        mut events: Vec<Event>,
    ) -> Vec<(usize, Result<RecipientState, StoreError>)> {
        let all = |events: &[Event], error: Option<&StoreError>| {
            let state = |event: &Event| match error {
                None => Ok(event.status.state),
                Some(error) => Err(error.clone()),
            };
            events.iter().map(|event| (event.place, state(event))).collect()
        };
        let told = self.report(to, &events).await;
        let to = if to.is_empty() { "postmaster" } else { to };
        match told {
            Ok(Told::By(report)) => {
                tracing::info!(%report, to, "the sender is told");
                return all(&events, None);
            }
            Ok(Told::Nobody) => tracing::info!(to, "the sender is not told: his mail is thrown away"),
            Err(Untold::NoRoute(why)) => {
                // With its id in the line itself: a filter for warnings leaves out the span.
                tracing::warn!(queue_id = %self.job.id, to, why, "the sender is not told: nobody here gets his mail");
            }
            Err(Untold::Store(error)) if error.kind() == ErrorKind::NoSuchQueueId => {
                return all(&events, Some(&error));
            }
            Err(Untold::Store(error)) if error.kind() == ErrorKind::Refused => {
                tracing::error!(queue_id = %self.job.id, to, %error, "the sender is not told");
            }
            Err(error) => match self.tell_at() {
                Some(until) => {
                    tracing::error!(queue_id = %self.job.id, to, %error, "deferred: the sender cannot be told now");
                    for event in &mut events {
                        event.status.delay_told = self.job.statuses[event.place].delay_told;
                        event.status.state = RecipientState::Deferred(until);
                    }
                }
                None => tracing::error!(queue_id = %self.job.id, to, %error, "the sender is not told"),
            },
        }
        let statuses = events.iter().map(|event| (event.place, event.status.clone())).collect();
        match self.record(statuses).await {
            Ok(()) => all(&events, None),
            Err(error) => all(&events, Some(&error)),
        }
    }

    /// Brings a report into the spool, with what it tells of: to this sender, or to whoever hears of failed reports.
    async fn report(&self, to: &str, events: &[Event]) -> Result<Told, Untold> {
        let super::Context { shared, how, .. } = &*self.context;
        let Envelope { received_at, reverse_path, recipients, .. } = &self.job.envelope;
        let double_bounce = how.double_bounce_recipient.as_deref().filter(|_| to.is_empty());
        let own_sender = if double_bounce.is_some() { self.double_bounce_sender() } else { String::new() };
        let snapshot = shared.snapshot.load_full();
        let answerer = Answerer::new(&snapshot.own, &shared.backends.walls, Ipv4Addr::LOCALHOST.into());
        let address = double_bounce.unwrap_or(to);
        let (found, lost) = answerer.own_recipients(address, Address::parse(&own_sender)).await?;
        for (target, reply) in lost {
            tracing::warn!(recipient = address, target, why = reply.text, "gets no report");
        }
        if found.to.is_empty() {
            return Ok(Told::Nobody);
        }
        let now = self.context.now().utc;
        let mut envelope = Envelope::new(own_sender, now);
        // That of the configuration may be a local part alone.
        let address = double_bounce.map(|_| found.canonical.external());
        envelope.recipients = found.to;

        let mut boundary = [0; 16];
        shared.entropy.fill(&mut boundary);
        let date = |at: UnixTime| MailDate(at).to_string();
        let [date, arrival_date, until] = [date(now), date(*received_at), date(self.tried_until())];
        let told = events.iter().map(|event| {
            let recipient = &recipients[event.place];
            let mut told = RecipientReport::new(&recipient.address, event.action, event.code, &event.reason);
            told.expanded_from = recipient.fact(ORIGINAL_RECIPIENT);
            told.diagnostic = event.said.as_deref().map(|said| ("x-unix", said));
            told.will_retry_until = (event.action == Action::Delayed).then_some(&*until);
            told
        });
        let told: Vec<RecipientReport<'_>> = told.collect();
        let parameters = snapshot.own.policy.parameters();
        let hostname = &*snapshot.settings.hostname;
        let from = format!("MAILER-DAEMON@{}", origin(&parameters.myorigin, hostname));
        let action = events.first().map_or(Action::Failed, |event| event.action);
        let is_anybodys = double_bounce.is_none() && self.job.envelope.fact(LOGIN).is_none();
        let returned = Returned::of(action, is_anybodys, self.job.body_bytes, how.bounce_size_limit);
        let mut report = Report {
            reporting_mta: hostname,
            from: &from,
            to: address.as_deref().unwrap_or(to),
            id: "",
            date: &date,
            boundary,
            subject: Subject {
                queue_id: self.job.id.as_str(),
                sender: reverse_path,
                envelope_id: None,
                arrival_date: &arrival_date,
                returned,
                is_utf8: false,
                // It is not known, and mailboxes take it.
                is_8bit: true,
            },
            recipients: &told,
        };
        match self.write(envelope.clone(), report, events).await {
            // What keeps it from being delivered must not keep its sender from being told.
            Err(Untold::Unread(error)) => {
                tracing::error!(queue_id = %self.job.id, %error, "the report does not return the message");
                report.subject.returned = Returned::Nothing;
                self.write(envelope, report, events).await
            }
            written => written,
        }
        .map(Told::By)
    }

    /// Brings a report into the spool under a new id, with what it tells of.
    async fn write(
        &self,
        envelope: Envelope,
        report: Report<'_>,
        events: &[Event],
    ) -> Result<QueueId, Untold> {
        let super::Context { spool, how, room, .. } = &*self.context;
        // One that something is delayed ends nothing.
        let ends = events.iter().any(|event| event.action == Action::Failed);
        let mut writer =
            if ends { spool.begin_report(envelope).await? } else { spool.begin(envelope).await? };
        let id = writer.id().clone();
        let report = Report { id: id.as_str(), ..report };
        writer.record(events.iter().map(|event| self.told(event.place, event.status.clone())).collect())?;
        for piece in report.before() {
            writer.write(Bytes::from(piece)).await?;
        }
        if let Some(mut returning) = Returning::new(report.subject.returned, how.bounce_size_limit) {
            let _room = room.acquire().await.expect("invariant: it is never closed");
            let mut chunks = Chunks::of(spool.body(&self.job.id).await.map_err(unread)?);
            while let Some(octets) = returning.next(&mut chunks).await.map_err(unread)? {
                writer.write(octets).await?;
            }
        }
        writer.write(Bytes::from(report.after())).await?;
        writer.commit().await?;
        Ok(id)
    }

    /// When to try again what ends with a report that cannot be made now; `None` when it ends without.
    fn tell_at(&self) -> Option<UnixTime> {
        let mut retry = self.context.how.retry;
        retry.maximal_queue_lifetime = retry.maximal_queue_lifetime.saturating_add(PATIENCE);
        retry.bounce_queue_lifetime = retry.bounce_queue_lifetime.saturating_add(PATIENCE);
        let Envelope { received_at, reverse_path, .. } = &self.job.envelope;
        retry.after_failure(self.context.now().utc, *received_at, reverse_path.is_empty())
    }

    /// Until when the message is tried.
    fn tried_until(&self) -> UnixTime {
        let envelope = &self.job.envelope;
        let lifetime = self.context.how.retry.lifetime(envelope.reverse_path.is_empty());
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let until = UnixTime(envelope.received_at.0.saturating_add(lifetime));
        self.job.expires.map_or(until, |expires| expires.min(until))
    }
}

/// The domain of this server's own addresses.
fn origin<'a>(myorigin: &'a str, hostname: &'a str) -> &'a str {
    if myorigin.is_empty() { hostname } else { myorigin }
}

/// What comes of an error in reading the message that is returned.
fn unread(error: StoreError) -> Untold {
    match error.kind() {
        ErrorKind::NoSuchQueueId => Untold::Store(error),
        _ => Untold::Unread(error),
    }
}

/// What the sender is told of a failure: a code, why, and what a command has said. What stands in the log besides is not for him.
fn told(error: &Failure, class: Class) -> (Code, String, Option<String>) {
    let class = if class == Class::Permanent { 5 } else { 4 };
    match error {
        Failure::Command(command::Failure { text, is_said, .. }) => {
            let (code, why) = Code::split(text).unwrap_or((Code::new(class, 3, 0), text));
            match is_said {
                true => (code, why.to_owned(), Some(why.to_owned())),
                false => (code, "the program that takes this mail does not work".to_owned(), None),
            }
        }
        Failure::Store(error) => {
            let (subject, detail, why) = match error.kind() {
                ErrorKind::NoSuchMailbox | ErrorKind::BadName => (1, 1, "there is no such mailbox"),
                ErrorKind::OverQuota => (2, 2, "the mailbox is full"),
                ErrorKind::Refused => (7, 1, "the mailbox does not take this message"),
                ErrorKind::Locked => (2, 0, "the mailbox is in use"),
                ErrorKind::DiskFull => (3, 1, "the mail system has no room"),
                _ => (3, 0, "the mailbox cannot be written to"),
            };
            (Code::new(class, subject, detail), why.to_owned(), None)
        }
        Failure::Busy => (Code::new(class, 2, 0), "the mailbox is in use".to_owned(), None),
    }
}

/// What is returned of a message: all of it, or the fields of its header, of which so many octets.
enum Returning {
    All,
    Header(Box<FieldStream>, usize),
}

impl Returning {
    /// `None` where nothing is.
    fn new(returned: Returned, header_bytes_max: u64) -> Option<Self> {
        match returned {
            Returned::Message => Some(Self::All),
            Returned::Header => {
                let left = usize::try_from(header_bytes_max).unwrap_or(usize::MAX);
                Some(Self::Header(Box::default(), left))
            }
            Returned::Nothing => None,
        }
    }

    /// The next octets; `None` at the end.
    ///
    /// # Errors
    /// When the message cannot be read.
    async fn next(&mut self, chunks: &mut Chunks) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::All => {
                let chunk = chunks.next().await?;
                Ok((!chunk.is_empty()).then(|| chunk.into()))
            }
            Self::Header(stream, left) => {
                if *left == 0 || stream.has_ended() {
                    return Ok(None);
                }
                let chunk = chunks.next().await?;
                let mut fields = FieldOctets(Vec::new());
                if chunk.is_empty() {
                    stream.finish(&mut fields);
                }
                stream.feed(&chunk, &mut fields);
                fields.0.truncate(*left);
                *left -= fields.0.len();
                Ok(Some(fields.0.into()))
            }
        }
    }
}

/// The fields of a header, without what is between or behind them.
struct FieldOctets(Vec<u8>);

impl FieldSink for FieldOctets {
    fn start(&mut self, _: &[u8], _: usize) {}

    fn octets(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_told_what_a_command_says_and_not_what_the_log_says_of_it() {
        let failure = command::Failure::for_now("4.3.0 the command \"/bin/ticket --key=s\" cannot be run");
        let (code, why, said) = told(&Failure::Command(failure), Class::Temporary);
        assert_eq!((code, said), (Code::new(4, 3, 0), None));
        assert!(!why.contains("ticket"), "{why}");
        let failure = command::Failure::said("5.7.1 not you".to_owned());
        let (code, why, said) = told(&Failure::Command(failure), Class::Permanent);
        assert_eq!((code, &*why, said.as_deref()), (Code::new(5, 7, 1), "not you", Some("not you")));
    }
}
