//! FETCH and UID FETCH: one response a message, its parts in a fixed order, octets streamed.
//!
//! RFC 3501 sections 6.4.5, 6.4.8 and 7.4.2. A response has the data first (FLAGS, UID, then in the order asked for),
//! then the octets in the order asked for. UID stands in every answer to UID FETCH, and FLAGS wherever the fetch itself
//! set `\Seen`, asked for or not.
//!
//! The application says how many octets a section has before the first of them; that many must come. When it cannot
//! go on it [aborts](super::Server::abort): a literal that was announced can only be fulfilled or cut off with the
//! connection.

use super::answer::Answer;
use super::ask::{Fetch, Verdict};
use super::output::{completed, expunge_issued};
use super::phase::{Doing, Phase, Progress};
use super::{Event, Server};
use crate::encode;
use crate::types::{DateTime, FetchData, FetchItem, UntaggedResponse};
use alloc::boxed::Box;
use alloc::vec::Vec;
use mail_message::{BodyStructure, Envelope, FlagSet, SequenceSet, Uid};
use proto_core::{Ask, CallerFault, Now};

/// How far the answer to a FETCH has come.
#[derive(Debug, Default)]
pub(super) struct FetchProgress {
    last: Option<Uid>,
    /// The message whose response is not complete.
    open: Option<OpenMessage>,
    /// A message was gone.
    gone: bool,
}

#[derive(Debug)]
struct OpenMessage {
    /// Sections asked for.
    sections: usize,
    /// Sections given.
    given: usize,
    /// Nothing stands in the response yet.
    bare: bool,
    /// Octets that the section given last still lacks.
    left: u64,
}

impl FetchProgress {
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// What a store knows of a message, in answer to [`Fetch`]. Every item that was asked for must be there; others
/// are not told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageData {
    /// The flags, without `\Recent`; also when the message got `\Seen` by this fetch, asked for or not. No older than
    /// any change of them that was handed in before.
    pub flags: Option<FlagSet>,
    /// The internal date.
    pub internal_date: Option<DateTime>,
    /// Octets of the whole message.
    pub size: Option<u64>,
    /// The envelope.
    pub envelope: Option<Box<Envelope>>,
    /// The structure, for BODY and BODYSTRUCTURE.
    pub structure: Option<Box<BodyStructure>>,
}

impl Server {
    pub(super) fn start_fetch(
        &mut self,
        now: Now,
        mut doing: Doing,
        by_uid: bool,
        set: &SequenceSet,
        items: Vec<FetchItem>,
    ) {
        let Some(selection) = &self.session.selected else { return self.done(now, doing) };
        let Some(messages) = self.named(by_uid, set) else {
            return self.bad(now, &doing.tag, NO_SUCH_MESSAGE);
        };
        let set_seen = !selection.read_only && items.iter().any(FetchItem::sets_seen);
        let items = arranged(items, by_uid);
        if messages.is_empty() {
            return self.done(now, doing);
        }
        doing.progress = Progress::Fetch(FetchProgress::default());
        self.ask(now, doing, Fetch { messages, items, set_seen, by_uid }, Event::Fetch);
    }

    /// What a set in a command names; `None` when it names a sequence number that no message has.
    pub(super) fn named(&self, by_uid: bool, set: &SequenceSet) -> Option<crate::view::Messages> {
        let view = &self.session.selected.as_ref()?.view;
        if by_uid { Some(view.by_uid(set)) } else { view.by_seq(set).ok() }
    }

    /// Tells of one message in answer to FETCH. When sections were asked for, each has to follow by
    /// [`Server::section`], in the order of [`Fetch::sections`], before the next message.
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`]; [`CallerFault::Misuse`] when the message was not asked for or does not ascend,
    /// the one before is not complete, or data that was asked for is missing. Nothing has happened then.
    pub fn fetch(
        &mut self,
        now: Now,
        ask: &Ask<Fetch>,
        uid: Uid,
        data: MessageData,
    ) -> Result<(), CallerFault> {
        let fetch = &ask.detail;
        let progress = self.fetch_progress(ask)?;
        if progress.open.is_some() {
            return Err(CallerFault::Misuse("the message before is not complete"));
        }
        if progress.last >= Some(uid) {
            return Err(CallerFault::Misuse("messages ascend"));
        }
        let Some(seq) = fetch.messages.seq_of(uid) else {
            return Err(CallerFault::Misuse("the message was not asked for"));
        };
        let data = self.data_of(fetch, uid, data)?;
        self.sign_of_life(now);
        let (sections, bare) = (fetch.sections().count(), data.is_empty());
        if sections == 0 {
            self.untagged(&UntaggedResponse::Fetch(seq, data));
        } else {
            encode::fetch_begin(seq, &data, &mut self.out);
        }
        let progress = self.fetch_progress(ask)?;
        progress.last = Some(uid);
        progress.open = (sections > 0).then_some(OpenMessage { sections, given: 0, bare, left: 0 });
        Ok(())
    }

    /// Begins the next section of the message. With `Some`, exactly so many octets have to follow by
    /// [`Server::write_body`]; `None` is NIL: there is no such part.
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`]; [`CallerFault::Misuse`] when no section is due, or the one before lacks octets.
    pub fn section(&mut self, now: Now, ask: &Ask<Fetch>, octets: Option<u64>) -> Result<(), CallerFault> {
        let progress = self.fetch_progress(ask)?;
        let Some(open) = progress.open.as_mut().filter(|open| open.left == 0) else {
            return Err(CallerFault::Misuse("no section is due"));
        };
        let Some(item) = ask.detail.sections().nth(open.given) else {
            return Err(CallerFault::Misuse("no section is due"));
        };
        let first = core::mem::take(&mut open.bare);
        open.given += 1;
        open.left = octets.unwrap_or(0);
        self.sign_of_life(now);
        encode::fetch_section(item, octets, first, &mut self.out);
        self.complete_message();
        Ok(())
    }

    /// Takes octets of the section begun last; returns how many: no more than it lacks, and than there is room for
    /// under the output mark. 0 when none are due.
    pub fn write_body(&mut self, now: Now, octets: &[u8]) -> usize {
        let room = self.out.room();
        let Phase::Asking(Doing { progress: Progress::Fetch(progress), .. }) = &mut self.phase else {
            return 0;
        };
        let Some(open) = &mut progress.open else { return 0 };
        let lacking = usize::try_from(open.left).unwrap_or(usize::MAX);
        let taken = octets.len().min(lacking).min(room);
        if taken == 0 {
            return 0;
        }
        open.left -= taken as u64;
        self.out.extend(&octets[..taken]);
        self.sign_of_life(now);
        self.complete_message();
        taken
    }

    /// How many octets [`Server::write_body`] would take now.
    pub fn body_room(&self) -> usize {
        match &self.phase {
            Phase::Asking(Doing {
                progress: Progress::Fetch(FetchProgress { open: Some(open), .. }),
                ..
            }) => usize::try_from(open.left).unwrap_or(usize::MAX).min(self.out.room()),
            _ => 0,
        }
    }
}

impl Server {
    /// Says that a message is gone for good, in answer to [`Fetch`] or [`Store`](super::Store), in place of its
    /// response. Its number stays its own until its EXPUNGE can be told.
    ///
    /// RFC 2180 sections 4.1.3 and 4.2: of FETCH by number, the octets are NIL and what cannot be NIL is left out;
    /// UID commands pass over it as over any UID that does not exist. The tagged response says EXPUNGEISSUED
    /// (RFC 5530).
    ///
    /// # Errors
    /// As [`Server::fetch`].
    pub fn gone<Q: MessageResponses>(&mut self, now: Now, ask: &Ask<Q>, uid: Uid) -> Result<(), CallerFault> {
        if !self.asks.holds(ask) {
            return Err(CallerFault::StaleAsk);
        }
        ask.detail.gone(self, now, ask, uid)
    }

    fn fetch_gone(&mut self, now: Now, ask: &Ask<Fetch>, uid: Uid) -> Result<(), CallerFault> {
        let fetch = &ask.detail;
        let progress = self.fetch_progress(ask)?;
        let Some(seq) =
            fetch.messages.seq_of(uid).filter(|_| progress.open.is_none() && progress.last < Some(uid))
        else {
            return Err(CallerFault::Misuse("the message was not asked for, or not now"));
        };
        progress.last = Some(uid);
        progress.gone = true;
        self.sign_of_life(now);
        let nil: Vec<FetchData> = fetch.sections().map(|item| FetchData::Nil(item.clone())).collect();
        if !fetch.by_uid && !nil.is_empty() {
            self.untagged(&UntaggedResponse::Fetch(seq, nil));
        }
        Ok(())
    }

    fn fetch_progress(&mut self, ask: &Ask<Fetch>) -> Result<&mut FetchProgress, CallerFault> {
        if !self.asks.holds(ask) {
            return Err(CallerFault::StaleAsk);
        }
        match &mut self.phase {
            Phase::Asking(Doing { progress: Progress::Fetch(progress), .. }) => Ok(progress),
            _ => Err(CallerFault::StaleAsk),
        }
    }

    /// The data of a response in its order.
    fn data_of(
        &mut self,
        fetch: &Fetch,
        uid: Uid,
        given: MessageData,
    ) -> Result<Vec<FetchData>, CallerFault> {
        const MISSING: CallerFault = CallerFault::Misuse("data that was asked for is missing");
        let MessageData { flags, internal_date, size, mut envelope, mut structure } = given;
        let mut data = Vec::with_capacity(fetch.items.len() + 1);
        let flags = if fetch.wants(&FetchItem::Flags) {
            Some(flags.ok_or(MISSING)?)
        } else {
            flags.filter(|_| fetch.set_seen)
        };
        for item in &fetch.items {
            data.push(match item {
                FetchItem::Uid => FetchData::Uid(uid),
                FetchItem::InternalDate => FetchData::InternalDate(internal_date.ok_or(MISSING)?),
                FetchItem::Rfc822Size => FetchData::Rfc822Size(size.ok_or(MISSING)?),
                FetchItem::Envelope => FetchData::Envelope(envelope.take().ok_or(MISSING)?),
                FetchItem::Body if fetch.wants(&FetchItem::BodyStructure) => {
                    FetchData::Body(structure.clone().ok_or(MISSING)?)
                }
                FetchItem::Body => FetchData::Body(structure.take().ok_or(MISSING)?),
                FetchItem::BodyStructure => FetchData::BodyStructure(structure.take().ok_or(MISSING)?),
                // FLAGS go first, below; the octets follow on their own.
                _ => continue,
            });
        }
        if let Some(flags) = flags {
            // Last, because it may have to announce keywords: nothing may be written of what turns out a misuse.
            if let Some(selection) = &mut self.session.selected {
                selection.view.flags_told(uid);
            }
            let flags = self.flags_data(uid, flags);
            data.insert(0, flags);
        }
        Ok(data)
    }

    /// Closes the response when its last section is complete.
    fn complete_message(&mut self) {
        let Phase::Asking(Doing { progress: Progress::Fetch(progress), .. }) = &mut self.phase else {
            return;
        };
        if progress.open.as_ref().is_some_and(|open| open.sections == open.given && open.left == 0) {
            progress.open = None;
            encode::fetch_end(&mut self.out);
        }
    }
}

/// A question whose answer has a response for each message.
#[expect(private_bounds, reason = "only FETCH and STORE are such questions")]
pub trait MessageResponses: Gone {}

impl<Q: Gone> MessageResponses for Q {}

/// What becomes of a message that is gone.
pub(super) trait Gone: Sized {
    fn gone(&self, server: &mut Server, now: Now, ask: &Ask<Self>, uid: Uid) -> Result<(), CallerFault>;
}

impl Gone for Fetch {
    fn gone(&self, server: &mut Server, now: Now, ask: &Ask<Self>, uid: Uid) -> Result<(), CallerFault> {
        server.fetch_gone(now, ask, uid)
    }
}

impl Answer for Fetch {
    fn check(&self, doing: &Doing) -> Result<(), CallerFault> {
        match &doing.progress {
            Progress::Fetch(progress) if progress.is_open() => {
                Err(CallerFault::Misuse("a message's response is not complete"))
            }
            _ => Ok(()),
        }
    }

    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict) {
        let gone = matches!(&doing.progress, Progress::Fetch(progress) if progress.gone);
        match verdict {
            Ok(()) if gone => {
                let reply = expunge_issued(completed(doing.name));
                server.finish(now, doing.tag, reply, doing.moment);
            }
            Ok(()) => server.done(now, doing),
            Err(refusal) => server.refuse(now, doing, refusal),
        }
    }
}

/// Whether an item is octets of the message, to be streamed.
pub(super) fn is_octets(item: &FetchItem) -> bool {
    matches!(
        item,
        FetchItem::Rfc822 | FetchItem::Rfc822Header | FetchItem::Rfc822Text | FetchItem::Section { .. }
    )
}

/// The items, each once, data before octets; with UID where it must be.
fn arranged(items: Vec<FetchItem>, by_uid: bool) -> Vec<FetchItem> {
    let mut once: Vec<FetchItem> = Vec::with_capacity(items.len() + 1);
    if by_uid {
        once.push(FetchItem::Uid);
    }
    for item in items {
        if !once.contains(&item) {
            once.push(item);
        }
    }
    once.sort_by_key(is_octets);
    once
}

/// The text of BAD for a sequence number that no message has.
pub(super) const NO_SUCH_MESSAGE: &str = "No message has that number.";
