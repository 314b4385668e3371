//! A pause for a decision, as a value.
//!
//! Where the law of a protocol ends, a machine asks: may this recipient be accepted? is this password right?
//! It emits an event that holds an [`Ask`] and does nothing more until the ask comes back with its verdict.
//! The ask is typed by its question, so a wrong kind of answer does not compile, and it is consumed by the
//! answer, so it cannot be given twice. It holds no reference: it may cross threads and be answered much later.
//!
//! Only one ask is out at a time, and so replies are in order by construction.
//!
//! An ask goes back to the machine that put it; the driver that has both in hand sees to that. Ids are counted by each
//! machine for itself (there is no randomness and nothing global here to make them unique), so an ask of another machine
//! is refused when its number or the moment is wrong, and else taken for one's own.

use crate::fault::CallerFault;

/// Names one ask of one machine; never used twice by the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(u64);

/// A question a machine can put, and the verdict that answers it.
pub trait Question {
    /// What the application answers with.
    type Verdict;
}

/// A decision the machine cannot take; it waits until `answer(now, ask, verdict)` consumes this value.
///
/// Dropping it unanswered leaves the machine waiting until its deadline.
#[must_use = "the machine waits until this is answered"]
#[derive(Debug)]
pub struct Ask<Q> {
    /// What is asked.
    pub detail: Q,
    id: AskId,
}

impl<Q> Ask<Q> {
    /// Which ask this is, to compare with a cancellation.
    pub fn id(&self) -> AskId {
        self.id
    }

    /// The question alone; the ask is over and its machine must be told by other means.
    pub fn into_detail(self) -> Q {
        self.detail
    }
}

/// The machine's side of asks: at most one is out.
#[derive(Debug, Default)]
pub struct AskSlot {
    issued: u64,
    open: Option<AskId>,
}

impl AskSlot {
    /// A slot with no ask out.
    pub const fn new() -> Self {
        Self { issued: 0, open: None }
    }

    /// Puts a question. The caller (a machine) has made sure that none is out.
    pub fn open<Q>(&mut self, detail: Q) -> Ask<Q> {
        debug_assert!(self.open.is_none(), "one ask at a time");
        self.issued += 1;
        let id = AskId(self.issued);
        self.open = Some(id);
        Ask { detail, id }
    }

    /// Whether an ask is out.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether this ask is the one that is out.
    pub fn holds<Q>(&self, ask: &Ask<Q>) -> bool {
        self.open == Some(ask.id)
    }

    /// Takes an ask back; afterwards none is out.
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`] when its id is not that of the one that is out: it was cancelled.
    pub fn close<Q>(&mut self, ask: Ask<Q>) -> Result<Q, CallerFault> {
        if self.open != Some(ask.id) {
            return Err(CallerFault::StaleAsk);
        }
        self.open = None;
        Ok(ask.detail)
    }

    /// Gives up waiting: the ask that was out, if one was. Its answer will be stale.
    pub fn cancel(&mut self) -> Option<AskId> {
        self.open.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_after_cancel_is_stale() {
        let mut slot = AskSlot::new();
        let first = slot.open("first");
        assert!(slot.is_open());
        assert_eq!(slot.cancel(), Some(first.id()));
        let second = slot.open("second");
        assert!(slot.holds(&second) && !slot.holds(&first));
        assert_eq!(slot.close(first), Err(CallerFault::StaleAsk));
        assert_eq!(slot.close(second), Ok("second"));
        assert!(!slot.is_open());
    }
}
