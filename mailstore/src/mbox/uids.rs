//! Giving UIDs, and believing those that are there.
//!
//! # Which are believed
//! UIDVALIDITY and the last UID stand in the first message (`X-IMAPbase`, or `X-IMAP` in a message that is none), and
//! what must never be forgotten besides in [`control`](super::control). A UID in a header is believed when it is
//! greater than the one before it and not greater than the last, and is not that of a message of which clients were told
//! that it is gone, as far as the index remembers; every other message gets a new one, above all that were ever given. So
//! a UID is never given twice, whatever somebody wrote into a header.
//!
//! | `X-IMAPbase` | `NAME.base` | then |
//! | --- | --- | --- |
//! | there | of the same UIDVALIDITY, or missing | it holds |
//! | there | of another | forged, or copied with its message: passed over. The UIDVALIDITY that clients know stays, and all messages get new UIDs |
//! | missing | there | another program deleted the first message: the UIDVALIDITY stays, UIDs up to the ceiling are believed, and go on above it |
//! | missing | missing | a new UIDVALIDITY, greater than all that this user's mailboxes ever had, and new UIDs |

use mail_message::{Uid, UidSet, UidValidity};

use super::control::{self, Control};
use super::fields::Base;
use super::lock::MboxLock;
use super::place::Place;
use super::rewrite::{Change, marks_of, rewrite};
use super::snapshot::Snapshot;
use crate::error::Result;

/// The UIDs of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UidState {
    pub(super) uid_validity: UidValidity,
    /// The last that was given; 0 when none was.
    pub(super) last_uid: u32,
}

impl UidState {
    /// Of a mailbox that was not looked at.
    pub(super) const NONE: Self = Self { uid_validity: UidValidity::MIN, last_uid: 0 };

    /// A UID above all that were given; 2³²−1 is never given.
    pub(super) fn next(&self) -> Uid {
        Uid::new(self.last_uid.saturating_add(1)).unwrap_or(Uid::MAX)
    }
}

/// What has to be done so that every message has a UID.
struct Plan {
    state: UidState,
    /// The UID of each message; `None` for the one that is none.
    uids: Vec<Option<Uid>>,
    /// Whether the file says otherwise.
    differs: bool,
}

/// Whether all messages have UIDs, and which; nothing is written. Those that are `gone` are not believed.
pub(super) fn state(place: &Place, snapshot: &Snapshot, gone: &UidSet) -> Result<Option<UidState>> {
    let control = Control::load(place)?;
    let Some(control) = control else { return Ok(None) };
    let plan = plan(snapshot, Some(control), control.uid_validity, gone);
    Ok(Some(plan.state).filter(|_| !plan.differs))
}

/// Gives every message a UID, durably. The snapshot is up to date.
pub(super) fn give(
    place: &Place,
    lock: &mut MboxLock,
    snapshot: &mut Snapshot,
    gone: &UidSet,
    mark_old: bool,
) -> Result<UidState> {
    let control = Control::load(place)?;
    let uid_validity = match (control, &snapshot.base) {
        (Some(control), _) => control.uid_validity,
        (None, Some(base)) => base.uid_validity,
        (None, None) => control::next_uid_validity(place)?,
    };
    let plan = plan(snapshot, control, uid_validity, gone);
    let state = plan.state;
    if snapshot.messages.is_empty() {
        if control.is_none() {
            Control { uid_validity, ceiling: state.last_uid }.save(place)?;
        }
        return Ok(state);
    }
    Control::cover(place, uid_validity, state.last_uid)?;
    if !plan.differs {
        return Ok(state);
    }
    let keywords = snapshot.base.as_ref().map_or_else(String::new, |base| base.keywords.clone());
    let base = Base { uid_validity, last_uid: state.last_uid, keywords };
    let is_based = snapshot.base.as_ref() == Some(&base);
    // Marks are read while the file is not written yet.
    let reader = place.open(crate::fs::OpenMode::Read)?;
    rewrite(place, lock, snapshot, |index, known| {
        let uid = plan.uids[index];
        if known.message.uid == uid && (index > 0 || is_based) {
            return Ok(Change::Keep);
        }
        let mut marks = marks_of(place, &*reader, &known.message)?;
        marks.uid = uid;
        marks.is_old |= mark_old;
        marks.base = if index == 0 { Some(base.clone()) } else { None };
        marks.is_pseudo &= index == 0;
        Ok(Change::Mark(Box::new(marks)))
    })?;
    Ok(state)
}

fn plan(snapshot: &Snapshot, control: Option<Control>, uid_validity: UidValidity, gone: &UidSet) -> Plan {
    let base = snapshot.base.as_ref().filter(|base| base.uid_validity == uid_validity);
    // Nothing above it was ever given, so nothing above it can be true.
    let ceiling = control.map_or(base.map_or(0, |base| base.last_uid), |control| control.ceiling);
    let believed_max = match (base, control) {
        (Some(base), _) => base.last_uid,
        (None, Some(_)) if snapshot.base.is_none() => ceiling,
        (None, _) => 0,
    };
    let told = |known: &super::snapshot::Known| known.message.uid.map_or(0, Uid::get);
    // A UID above the last that may have been given all the same: the last was not durable when the power went.
    let seen = snapshot.messages.iter().map(told).filter(|uid| *uid <= ceiling).max().unwrap_or(0);
    let floor = match base {
        Some(base) => base.last_uid.max(seen),
        None => ceiling,
    };
    let mut last_uid = floor;
    let mut before = 0;
    let mut differs = false;
    let uids = snapshot.messages.iter().enumerate().map(|(index, known)| {
        if index == 0 && known.message.is_pseudo() {
            return None;
        }
        let uid = told(known);
        let known = Uid::new(uid).filter(|known| !gone.contains(*known));
        if uid > before && uid <= believed_max && known.is_some() {
            before = uid;
            return known;
        }
        differs = true;
        last_uid = last_uid.saturating_add(1);
        before = last_uid;
        Uid::new(last_uid)
    });
    let uids = uids.collect();
    let has_base = base.is_some_and(|base| base.last_uid == last_uid);
    differs |= !snapshot.messages.is_empty() && !has_base;
    Plan { state: UidState { uid_validity, last_uid }, uids, differs }
}
