//! [`Index`]: what is known of the messages of one mailbox, so that they need not be opened.
//!
//! This first form of it is in memory: it is made anew whenever the mailbox is opened, with mod-sequences above all
//! that were given before.

mod record;
mod state;
mod vanished;

use mail_message::ModSeq;

use crate::env::Env;
pub(crate) use record::{Facts, Name, Record, Records};
pub(crate) use state::{Row, State};

/// The index of one opened mailbox.
#[derive(Debug)]
pub(crate) struct Index {
    env: Env,
    state: State,
}

impl Index {
    /// An index without messages.
    pub(crate) fn new(env: &Env) -> Self {
        Self { env: env.clone(), state: State::new(floor(env, ModSeq::ZERO)) }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Takes records in.
    pub(crate) fn commit(&mut self, records: &Records) {
        for (record, _) in Records::read(records.octets()).map_while(Result::ok) {
            let taken = self.state.apply(&record, 0);
            debug_assert!(taken.is_ok(), "{record:?} does not follow");
        }
        self.state.settle();
    }

    /// Forgets all messages.
    pub(crate) fn reset(&mut self) {
        self.state = State::new(floor(&self.env, self.state.highest()));
    }
}

/// A mod-sequence above all that were ever given, of which `known` is one: the time in microseconds. Each change takes
/// longer than that, so numbers that go up by one with each change never overtake the clock.
fn floor(env: &Env, known: ModSeq) -> ModSeq {
    let now = u64::try_from(env.host().now().as_micros()).ok().and_then(ModSeq::new).unwrap_or(ModSeq::MAX);
    now.max(known.next().unwrap_or(ModSeq::MAX))
}
