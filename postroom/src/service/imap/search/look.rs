//! What a search has to open a message for: its header, then its body.
//!
//! Structure and common fields come from the message's summary, which the store may remember. Of the message itself only
//! the texts that are searched are read: headers, and parts that are text. Texts that lie near to one another are read in
//! one go, where blocking is allowed.

use super::plan::{Facts, Plan};
use crate::wall::Mailbox;
use mail_message::search::{Search, Target};
use mailstore::StoreError;
use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Octets between two texts that are rather read than skipped.
const GAP_BYTES: u64 = 64 * 1024;

/// Whether a message meets the condition that flags, date and size did not decide.
pub(super) async fn meets(
    plan: &Arc<Plan>,
    mut facts: Facts,
    mailbox: &dyn Mailbox,
) -> Result<bool, StoreError> {
    let uid = facts.uid;
    // One that is not among them is gone, and meets nothing.
    let Some((_, summary)) = mailbox.summaries(vec![uid]).await?.pop() else { return Ok(false) };
    facts.date = Some(summary.message.envelope.date.clone());
    let mut search = Search::new(Arc::clone(plan.query()));
    if let Some(fields) = plan.fields_in(&summary) {
        search.begin_header();
        search.feed(fields);
        search.end();
    }
    let targets = search.targets(&summary.message);
    drop(summary);
    facts.search = Some(search);
    if let Some(meets) = plan.meets(&facts) {
        return Ok(meets);
    }
    let reader = mailbox.message(uid).await?;
    let ranges = ranges(&targets);
    let walk = Walk { plan: Arc::clone(plan), facts, targets: targets.into(), is_begun: false, at: 0 };
    let walk = Arc::new(Mutex::new(walk));
    for range in ranges {
        lock(&walk).at = range.start;
        let feeding = Arc::clone(&walk);
        reader.visit(range, Box::new(move |octets: &[u8]| lock(&feeding).feed(octets))).await?;
        if let Some(meets) = lock(&walk).meets() {
            return Ok(meets);
        }
    }
    Ok(lock(&walk).finish())
}

/// What has to be read for these texts, those near to one another in one range.
fn ranges(targets: &[Target]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for range in targets.iter().map(Target::range) {
        match ranges.last_mut() {
            Some(last) if range.start - last.end <= GAP_BYTES => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    ranges
}

/// The walk through a message from text to text.
struct Walk {
    plan: Arc<Plan>,
    facts: Facts,
    /// What is still to be searched.
    targets: VecDeque<Target>,
    /// The search is in the first of them.
    is_begun: bool,
    /// Where in the message the next octets lie.
    at: u64,
}

fn lock(walk: &Mutex<Walk>) -> MutexGuard<'_, Walk> {
    walk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Walk {
    /// The next octets of the message; breaks off when the condition is decided.
    fn feed(&mut self, octets: &[u8]) -> ControlFlow<()> {
        let Some(search) = &mut self.facts.search else { return ControlFlow::Break(()) };
        let start = self.at;
        let end = start + octets.len() as u64;
        self.at = end;
        let mut has_ended = false;
        while let Some(range) = self.targets.front().map(Target::range).filter(|range| range.start < end) {
            if !std::mem::replace(&mut self.is_begun, true) {
                search.begin(&self.targets[0]);
            }
            let place = |at: u64| usize::try_from(at.clamp(start, end) - start).unwrap_or(octets.len());
            let has_enough = search.feed(&octets[place(range.start)..place(range.end)]);
            if !has_enough && range.end > end {
                break;
            }
            search.end();
            self.targets.pop_front();
            (self.is_begun, has_ended) = (false, true);
        }
        if has_ended && self.meets().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn meets(&self) -> Option<bool> {
        self.plan.meets(&self.facts)
    }

    /// There is no more to be searched.
    fn finish(&mut self) -> bool {
        self.facts.search.iter_mut().for_each(Search::finish);
        self.meets().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imap_proto::types::SearchKey;
    use mail_message::mime::{Limits, Scanner};
    use mail_message::search::{Query, Scope};
    use mail_message::{FlagSet, Uid};

    const MESSAGE: &[u8] = b"Subject: one\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\n\r\ntwo\r\n--x\r\nContent-Type: image/png\r\n\r\n0123456789\r\n--x\r\n\r\nthree\r\n--x--\r\n";

    /// The walk over the whole message in pieces: whether it meets `key`, and how many octets it wanted.
    fn walk(key: &SearchKey, piece_bytes: usize) -> (bool, u64) {
        let mut scanner = Scanner::new(Limits::default());
        scanner.feed(MESSAGE);
        let plan = Arc::new(Plan::new(key));
        let mut facts = Facts::new(Uid::MIN, FlagSet::default());
        let search = Search::new(Arc::clone(plan.query()));
        let targets = search.targets(&scanner.finish()).into();
        facts.search = Some(search);
        let mut walk = Walk { plan, facts, targets, is_begun: false, at: 0 };
        for piece in MESSAGE.chunks(piece_bytes) {
            if walk.feed(piece).is_break() {
                return (walk.meets().unwrap(), walk.at);
            }
        }
        (walk.finish(), walk.at)
    }

    #[test]
    fn however_it_is_cut_the_walk_finds_the_same() {
        let body = |text: &str| SearchKey::Body(text.into());
        for piece_bytes in [1, 2, 3, 10, 1000] {
            assert!(walk(&body("TWO"), piece_bytes).0);
            assert!(walk(&SearchKey::And(vec![body("three"), body("two")]), piece_bytes).0);
            assert!(!walk(&body("345"), piece_bytes).0);
            assert!(!walk(&body("one"), piece_bytes).0);
            assert!(walk(&SearchKey::Text("one".into()), piece_bytes).0);
            assert!(walk(&SearchKey::Text("image/png".into()), piece_bytes).0);
            assert!(walk(&SearchKey::Not(Box::new(body("four"))), piece_bytes).0);
        }
    }

    #[test]
    fn what_is_decided_early_is_not_read_on() {
        let (meets, at) = walk(&SearchKey::Body("two".into()), 1);
        assert!(meets && at < 75, "{at}");
        let (meets, at) = walk(&SearchKey::Subject("nosuch".into()), 1);
        assert!(!meets && at < 75, "{at}");
    }

    #[test]
    fn texts_near_to_one_another_are_one_range() {
        let targets = |filler: usize| {
            let (before, behind) = MESSAGE.split_at(MESSAGE.len() - 30);
            let mut scanner = Scanner::new(Limits::default());
            [before, &vec![b'x'; filler], behind].iter().for_each(|piece| scanner.feed(piece));
            Search::new(Query::new([(Scope::Body, "x")])).targets(&scanner.finish())
        };
        let (near, far) = (targets(0), targets(100_000));
        assert_eq!((near.len(), ranges(&near).len()), (2, 1));
        assert_eq!((far.len(), ranges(&far).len()), (2, 2));
    }
}
