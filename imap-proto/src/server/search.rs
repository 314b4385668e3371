//! SEARCH and UID SEARCH.
//!
//! RFC 3501 section 6.4.4. What only the session knows is resolved before the store is asked: sequence numbers, `*`
//! and `\Recent` all become UIDs.
//!
//! # Limits
//! 1,048,576 ranges in all that the keys of one command resolve to. Over it: `NO [LIMIT]`.

use super::answer::Answer;
use super::ask::{Search, Verdict};
use super::output::completed;
use super::phase::{Doing, Found, Progress};
use super::refusal::Refusal;
use super::{Event, Server};
use crate::types::SearchKey;
use crate::view::View;
use alloc::boxed::Box;
use alloc::vec::Vec;
use mail_message::{Flag, SequenceSet, SetBound, UidSet};
use proto_core::Now;

impl Server {
    pub(super) fn start_search(&mut self, now: Now, mut doing: Doing, by_uid: bool, key: SearchKey) {
        let Some(selection) = &self.session.selected else { return self.done(now, doing) };
        let mut room = RANGES_MAX;
        let Some(key) = resolved(key, &selection.view, &mut room) else {
            return self.refuse(now, doing, Refusal::Limit("Too many messages are named.".into()));
        };
        doing.progress = Progress::Search { by_uid };
        self.ask(now, doing, Search { key }, Event::Search);
    }
}

impl Answer for Search {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict<UidSet>) {
        match verdict {
            Ok(uids) => {
                let known = server.session.selected.as_ref().map(|s| s.view.messages(&uids));
                let found = known.map(|messages| Found {
                    messages,
                    by_uid: matches!(doing.progress, Progress::Search { by_uid: true }),
                    begun: false,
                });
                let reply = completed(doing.name);
                server.finish_with(now, doing.tag, reply, doing.moment, found);
            }
            Err(refusal) => server.refuse(now, doing, refusal),
        }
    }
}

/// The key without anything that only the session knows; `None` when that is more than `room` ranges. It is as deep as
/// the parser lets a key be.
fn resolved(key: SearchKey, view: &View, room: &mut usize) -> Option<SearchKey> {
    Some(match key {
        SearchKey::Sequence(set) => these(&view.matching_seq(&set), room)?,
        SearchKey::Uid(set) => these(&view.matching_uid(&set), room)?,
        SearchKey::Recent => these(view.recent_uids(), room)?,
        SearchKey::Old => SearchKey::Not(Box::new(these(view.recent_uids(), room)?)),
        SearchKey::New => {
            SearchKey::And([these(view.recent_uids(), room)?, SearchKey::Unflag(Flag::Seen)].into())
        }
        SearchKey::And(keys) => {
            let keys: Option<Vec<_>> = keys.into_iter().map(|key| resolved(key, view, room)).collect();
            SearchKey::And(keys?)
        }
        SearchKey::Or(keys) => {
            let (one, other) = *keys;
            SearchKey::Or(Box::new((resolved(one, view, room)?, resolved(other, view, room)?)))
        }
        SearchKey::Not(key) => SearchKey::Not(Box::new(resolved(*key, view, room)?)),
        plain => plain,
    })
}

/// A key that these messages meet.
fn these(uids: &UidSet, room: &mut usize) -> Option<SearchKey> {
    *room = room.checked_sub(uids.ranges().len())?;
    let mut ranges =
        uids.ranges().map(|range| (SetBound::Number(range.start().0), SetBound::Number(range.end().0)));
    let Some((low, high)) = ranges.next() else {
        // A set cannot be empty; a condition that nothing meets can.
        return Some(SearchKey::Not(Box::new(SearchKey::All)));
    };
    let mut set = SequenceSet::from_range(low, high);
    for (low, high) in ranges {
        set.push(low, high);
    }
    Some(SearchKey::Uid(set))
}

/// What the client wrote is bounded by its line; RECENT, which is short, may stand for one range a message, every time
/// that it is written.
const RANGES_MAX: usize = 1 << 20;
