//! What one session knows of its mailbox: sequence numbers, and changes it has not been told.
//!
//! RFC 3501 sections 2.3.1, 5.2, 5.5 and 7.3–7.4.1. Several sessions see one mailbox, each at its own pace. A
//! [`View`] is the mailbox as *one client* has been told it: its sequence numbers move only when an untagged
//! response moves them on the client's side too. What the store reports in between waits, merged, for a
//! [`Moment`] at which it may be told.
//!
//! * A number never comes to mean another message behind the client's back: a message that is gone keeps its
//!   number until its EXPUNGE is told.
//! * EXISTS never shrinks except by EXPUNGE: what came and went in between is never mentioned.
//! * One telling is EXPUNGE from the highest number down (so that each number is the one the client still has),
//!   then EXISTS, RECENT, FETCH with flags.
//!
//! The view holds no flags, dates or sizes: the store has them. It holds which messages are `\Recent`, because
//! that belongs to the session.
//!
//! ```
//! use imap_proto::view::{Change, Moment, Told, View};
//! use mail_message::{SeqNo, SequenceSet, Uid, UidSet};
//!
//! let uids = |raw: &[u32]| raw.iter().filter_map(|&n| Uid::new(n)).collect::<UidSet>();
//! let mut view = View::new(&uids(&[2, 4, 5]), UidSet::new(), 1000);
//! view.apply(Change::Vanished { uids: uids(&[2]) }).unwrap();
//! // A FETCH by sequence number is being answered: number 1 is still UID 2.
//! assert_eq!(view.tell(Moment::KeepNumbers).count(), 0);
//! assert_eq!(view.uid_of(SeqNo::MIN), Uid::new(2));
//! // A NOOP: now it may be told.
//! assert_eq!(view.tell(Moment::Free).collect::<Vec<_>>(), [Told::Expunge(SeqNo::MIN)]);
//! assert_eq!(view.uid_of(SeqNo::MIN), Uid::new(4));
//! ```
//!
//! # Limits
//! See [`map`] for the memory of a mailbox, and [`pending`] for that of changes.

pub mod map;
pub mod messages;
pub mod moment;
pub mod pending;
mod telling;

pub use map::{Run, SeqMap};
pub use messages::Messages;
pub use moment::Moment;
pub use pending::{Change, ChangeFault};
pub use telling::{Telling, Told};

use mail_message::{FlagSet, SeqNo, SeqSet, SequenceSet, SetBound, Uid, UidSet};
use pending::Pending;

/// The mailbox as one client has been told it. See the [module](self).
#[derive(Debug)]
pub struct View {
    map: SeqMap,
    /// `\Recent` in this session, of the messages in `map`.
    recent: UidSet,
    /// What the last RECENT response said.
    recent_told: u32,
    pending: Pending,
    /// The highest UID ever known here, gone or not.
    highest: Option<Uid>,
    flag_changes_max: usize,
}

/// A sequence number that no message has: the command is BAD (RFC 3501 section 2.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no message has that sequence number")]
pub struct NoSuchMessage;

impl View {
    /// The view right after SELECT: the client is told of all `uids`. `recent` are those that this session sees
    /// as `\Recent`; others than `uids` do not count.
    pub fn new(uids: &UidSet, recent: UidSet, flag_changes_max: usize) -> Self {
        let recent = recent.intersect(uids);
        let recent_told = recent.len();
        Self {
            map: SeqMap::from_uids(uids),
            recent,
            recent_told,
            pending: Pending::default(),
            highest: uids.last(),
            flag_changes_max,
        }
    }

    /// How many messages the client has been told of.
    pub fn exists(&self) -> u32 {
        self.map.exists()
    }

    /// How many of them are `\Recent` in this session.
    pub fn recent(&self) -> u32 {
        self.recent.len()
    }

    /// Which of them are `\Recent` in this session.
    pub fn recent_uids(&self) -> &UidSet {
        &self.recent
    }

    /// Whether a message is `\Recent` in this session.
    pub fn is_recent(&self, uid: Uid) -> bool {
        self.recent.contains(uid)
    }

    /// The UID of a message.
    pub fn uid_of(&self, seq: SeqNo) -> Option<Uid> {
        self.map.uid_of(seq)
    }

    /// The sequence number of a message.
    pub fn seq_of(&self, uid: Uid) -> Option<SeqNo> {
        self.map.seq_of(uid)
    }

    /// All messages.
    pub fn all(&self) -> Messages {
        Messages::new(self.map.runs().collect())
    }

    /// The messages that have these UIDs.
    pub fn messages(&self, uids: &UidSet) -> Messages {
        Messages::new(self.map.runs_by_uid(uids).collect())
    }

    /// What a set of UIDs in a command names. `*` is the highest UID; a UID that does not exist names nothing,
    /// which is no fault (RFC 3501 section 6.4.8).
    pub fn by_uid(&self, set: &SequenceSet) -> Messages {
        self.messages(&set.resolve(self.map.last_uid()))
    }

    /// What a set of sequence numbers in a command names. `*` is the highest number.
    ///
    /// # Errors
    /// [`NoSuchMessage`] when a number that was written out has no message, and for `*` in an empty mailbox. A
    /// range that ends in `*` cannot fail otherwise: `4000:*` is the last message.
    pub fn by_seq(&self, set: &SequenceSet) -> Result<Messages, NoSuchMessage> {
        let star = set.ranges().iter().any(|&(a, b)| a == SetBound::Star || b == SetBound::Star);
        let seqs: SeqSet = set.resolve(SeqNo::new(self.exists()));
        if seqs.last().is_none_or(|last| last.get() > self.exists()) || (star && self.exists() == 0) {
            return Err(NoSuchMessage);
        }
        Ok(Messages::new(self.map.runs_by_seq(&seqs).collect()))
    }

    /// What a set of sequence numbers means as a SEARCH key: a condition, which a number without a message simply
    /// does not meet.
    ///
    /// Of the messages that the client was told of it has those that are meant and no others; between them it may
    /// have UIDs without a message. So it is never larger than what was written, however the UIDs lie.
    pub fn matching_seq(&self, set: &SequenceSet) -> UidSet {
        let highest = SeqNo::new(self.exists());
        let seqs: SeqSet = set.resolve(highest);
        let ends = seqs.ranges().filter_map(|range| {
            let last = highest?.min(*range.end());
            Some(self.uid_of(*range.start())?..=self.uid_of(last)?)
        });
        ends.collect()
    }

    /// The same of a set of UIDs.
    pub fn matching_uid(&self, set: &SequenceSet) -> UidSet {
        set.resolve(self.map.last_uid())
    }

    /// Whether something waits to be told.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes a change in; it waits for [`View::tell`].
    ///
    /// # Errors
    /// [`ChangeFault`]; then nothing has changed here. After [`ChangeFault::TooMany`] the view is no longer
    /// right and its session must end.
    pub fn apply(&mut self, change: Change) -> Result<(), ChangeFault> {
        match change {
            Change::New { uids, recent } => self.arrived(uids, recent),
            Change::Flags { uid, flags } => {
                // The client knows no flags of a message that it was not told of.
                if self.map.seq_of(uid).is_none() || self.pending.vanished.contains(uid) {
                    return Ok(());
                }
                if self.pending.flags.len() >= self.flag_changes_max && !self.pending.flags.contains_key(&uid)
                {
                    return Err(ChangeFault::TooMany);
                }
                self.pending.flags.insert(uid, flags);
                Ok(())
            }
            Change::Vanished { uids } => {
                self.vanished(&uids);
                Ok(())
            }
        }
    }

    /// The client is told a message's flags by other means, and they are as new as any: what waited is overtaken.
    pub fn flags_told(&mut self, uid: Uid) {
        self.pending.flags.remove(&uid);
    }

    /// A message's flags changed, by the client's own doing and as it knows. When a change by others waits to be
    /// told, what will be told of it are these flags.
    pub fn flags_overtaken(&mut self, uid: Uid, flags: &FlagSet) {
        if let Some(waiting) = self.pending.flags.get_mut(&uid) {
            waiting.clone_from(flags);
        }
    }

    /// Starts to tell what waits, as far as the moment allows: the view changes at once, and the caller must
    /// send everything that the telling yields before anything else.
    pub fn tell(&mut self, moment: Moment) -> Telling {
        if moment == Moment::Silent {
            return Telling::default();
        }
        let mut telling = Telling::default();
        if moment == Moment::Free && !self.pending.vanished.is_empty() {
            let vanished = core::mem::take(&mut self.pending.vanished);
            telling.expunged = self.map.remove(&vanished);
            self.recent = self.recent.difference(&vanished);
        }
        if !self.pending.new.is_empty() {
            for range in core::mem::take(&mut self.pending.new).ranges() {
                self.map.push(range);
            }
            self.recent = self.recent.union(&core::mem::take(&mut self.pending.recent));
            telling.exists = Some(self.map.exists());
        }
        if self.recent.len() != self.recent_told {
            self.recent_told = self.recent.len();
            telling.recent = Some(self.recent_told);
        }
        for (uid, flags) in core::mem::take(&mut self.pending.flags) {
            if let Some(seq) = self.map.seq_of(uid) {
                telling.flags.push_back((seq, uid, flags));
            }
        }
        telling
    }

    fn arrived(&mut self, uids: UidSet, recent: bool) -> Result<(), ChangeFault> {
        if uids.first().is_some_and(|first| self.highest.is_some_and(|highest| first <= highest)) {
            return Err(ChangeFault::NotAscending);
        }
        self.highest = uids.last().max(self.highest);
        if recent {
            self.pending.recent = self.pending.recent.union(&uids);
        }
        self.pending.new = self.pending.new.union(&uids);
        Ok(())
    }

    fn vanished(&mut self, uids: &UidSet) {
        self.pending.new = self.pending.new.difference(uids);
        self.pending.recent = self.pending.recent.difference(uids);
        let known = self.messages(uids).uids();
        self.pending.flags.retain(|uid, _| !known.contains(*uid));
        self.pending.vanished = self.pending.vanished.union(&known);
    }
}
