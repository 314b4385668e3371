//! How answers come back: each question knows what its answer does.

use super::ask::{Check, Create, Delete, List, Rename, Subscribe, Unsubscribe, Verdict};
use super::phase::{Doing, Phase};
use super::{Server, Timer};
use proto_core::{Ask, CallerFault, Now, Question};

/// A question of this machine. It is implemented for every question that an [`Event`](super::Event) can hold, and
/// cannot be for others.
#[expect(private_bounds, reason = "only the questions of this machine have an answer")]
pub trait Answerable: Question + Answer {}

impl<Q: Question + Answer> Answerable for Q {}

/// What the answer to a question does to the machine.
pub(super) trait Answer: Question + Sized {
    /// Whether the responses that belong to the question are complete.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`]; the connection ends.
    fn check(&self, _doing: &Doing) -> Result<(), CallerFault> {
        Ok(())
    }

    /// The ask is closed; the command goes on, or ends.
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Self::Verdict);
}

impl Server {
    /// Answers an ask.
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`] when it was cancelled meanwhile, or is another session's.
    /// [`CallerFault::Misuse`] when a FETCH is answered in the middle of a message's response: the connection
    /// ends, since nothing fake can stand in its place.
    pub fn answer<Q: Answerable>(
        &mut self,
        now: Now,
        ask: Ask<Q>,
        verdict: Q::Verdict,
    ) -> Result<(), CallerFault> {
        if !self.asks.holds(&ask) {
            return Err(CallerFault::StaleAsk);
        }
        let Phase::Asking(doing) = &self.phase else { return Err(CallerFault::StaleAsk) };
        if let Err(fault) = ask.detail.check(doing) {
            self.abort("answered in the middle of a response");
            return Err(fault);
        }
        let detail = self.asks.close(ask)?;
        self.timers.stop(Timer::Verdict);
        let Phase::Asking(doing) = core::mem::replace(&mut self.phase, Phase::Command) else {
            return Err(CallerFault::StaleAsk);
        };
        detail.answer(self, now, doing, verdict);
        Ok(())
    }
}

/// The answer is yes or no and nothing else.
macro_rules! yes_or_no {
    ($($question:ty),*) => {$(
        impl Answer for $question {
            fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict) {
                match verdict {
                    Ok(()) => server.done(now, doing),
                    Err(refusal) => server.refuse(now, doing, refusal),
                }
            }
        }
    )*};
}

yes_or_no!(List, Subscribe, Unsubscribe, Create, Delete, Rename, Check);
