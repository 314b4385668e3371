//! SEARCH and UID SEARCH.
//!
//! RFC 3501 section 6.4.4. What only the session knows is resolved before the store is asked: sequence numbers, `*`
//! and `\Recent` all become UIDs.

use super::answer::Answer;
use super::ask::{Search, Verdict};
use super::output::completed;
use super::phase::{Doing, Found, Progress};
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
        let key = resolved(key, &selection.view);
        doing.progress = Progress::Search { by_uid };
        self.ask(now, doing, Search { key }, Event::Search);
    }
}

impl Answer for Search {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict<UidSet>) {
        match verdict {
            Ok(uids) => {
                let known = server.session.selected.as_ref().map(|s| s.view.messages(&uids).uids());
                let found = known.map(|uids| Found {
                    uids,
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

/// The key without anything that only the session knows. It is as deep as the parser lets a key be.
fn resolved(key: SearchKey, view: &View) -> SearchKey {
    match key {
        SearchKey::Sequence(set) => these(&view.matching_seq(&set)),
        SearchKey::Uid(set) => these(&view.by_uid(&set).uids()),
        SearchKey::Recent => these(view.recent_uids()),
        SearchKey::Old => SearchKey::Not(Box::new(these(view.recent_uids()))),
        SearchKey::New => SearchKey::And([these(view.recent_uids()), SearchKey::Unflag(Flag::Seen)].into()),
        SearchKey::And(keys) => {
            SearchKey::And(keys.into_iter().map(|key| resolved(key, view)).collect::<Vec<_>>())
        }
        SearchKey::Or(keys) => {
            let (one, other) = *keys;
            SearchKey::Or(Box::new((resolved(one, view), resolved(other, view))))
        }
        SearchKey::Not(key) => SearchKey::Not(Box::new(resolved(*key, view))),
        plain => plain,
    }
}

/// A key that these messages meet.
fn these(uids: &UidSet) -> SearchKey {
    let mut ranges =
        uids.ranges().map(|range| (SetBound::Number(range.start().0), SetBound::Number(range.end().0)));
    let Some((low, high)) = ranges.next() else {
        // A set cannot be empty; a condition that nothing meets can.
        return SearchKey::Not(Box::new(SearchKey::All));
    };
    let mut set = SequenceSet::from_range(low, high);
    for (low, high) in ranges {
        set.push(low, high);
    }
    SearchKey::Uid(set)
}
