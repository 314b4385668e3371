//! Deliveries in two steps, so that many share the flushes: [`Store::stage`](crate::Store::stage) writes a message
//! where no reader sees it, [`commit`] makes all that were staged durable, shows them, and makes that durable.
//!
//! # Order of operations
//! For all deliveries that are committed together, and with everybody else who needs something durable at that moment
//! ([`sync`](crate::sync)):
//! 1. What was written is flushed.
//! 2. What is durable is published: it gets its name in the mailbox. Nobody ever sees a message of which a part may be
//!    lost.
//! 3. The directories are flushed. Only then is anything reported.
//!
//! What a crash can leave of each, and what the next attempt makes of it, is the store's to tell
//! (`maildir/deliver.rs`). A store whose mailboxes are locked while they are written to delivers in one step, together what
//! comes to one of them at the same time ([`Store::stage_all`](crate::Store::stage_all), `mbox/deliver.rs`). Between the
//! deliveries of a batch there is no order: any of them may be there, others not.

use crate::error::Result;
use crate::name::MailboxName;
use crate::store::{Delivered, Delivery, MessageReader};
use crate::sync::{Flushed, Ticket};

/// One of several deliveries that come at the same time ([`Store::stage_all`](crate::Store::stage_all)).
pub struct Arrival<'a> {
    /// Where it goes.
    pub mailbox: &'a MailboxName,
    /// Which one it is.
    pub delivery: Delivery<'a>,
    /// What comes.
    pub body: &'a mut dyn MessageReader,
}

impl std::fmt::Debug for Arrival<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival")
            .field("mailbox", self.mailbox)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

/// A delivery that is not reported yet. Dropped, it is taken back.
#[derive(Debug)]
pub struct Staged(State);

#[derive(Debug)]
enum State {
    Done(Delivered),
    Pending(Box<dyn StagedDelivery>),
}

/// What a store that delivers in two steps does, in this order. Dropped before [`finish`](Self::finish), it is taken
/// back as far as it was not published.
pub trait StagedDelivery: Send + std::fmt::Debug {
    /// Submits what was written to be made durable.
    fn flush(&mut self) -> Ticket;

    /// Shows the message in its mailbox, if what was written is durable, and submits that to be made durable.
    ///
    /// # Errors
    /// What is wrong with what was written, or why it cannot be shown; nobody has seen the message then.
    fn publish(&mut self, written: Flushed) -> Result<Ticket>;

    /// Reports how the delivery ended.
    ///
    /// # Errors
    /// When it is not known to be durable that the message is shown; the next attempt finds it, or does not.
    fn finish(self: Box<Self>, published: Flushed) -> Result<Delivered>;
}

impl Staged {
    /// A delivery that has been made already, durably: that of a store that delivers in one step.
    pub fn done(delivered: Delivered) -> Self {
        Self(State::Done(delivered))
    }

    /// A delivery that waits for its flushes.
    pub fn pending(delivery: Box<dyn StagedDelivery>) -> Self {
        Self(State::Pending(delivery))
    }
}

/// Makes staged deliveries, of one store or several, and tells how each ended, in their order. It blocks for two
/// flushes, whatever their number.
pub fn commit(batch: impl IntoIterator<Item = Staged>) -> Vec<Result<Delivered>> {
    enum Stage {
        Ended(Result<Delivered>),
        Waits(Box<dyn StagedDelivery>, Ticket),
    }
    let write = |Staged(state)| match state {
        State::Done(delivered) => Stage::Ended(Ok(delivered)),
        State::Pending(mut delivery) => {
            let ticket = delivery.flush();
            Stage::Waits(delivery, ticket)
        }
    };
    let publish = |stage| match stage {
        Stage::Ended(result) => Stage::Ended(result),
        Stage::Waits(mut delivery, ticket) => match delivery.publish(ticket.wait()) {
            Ok(ticket) => Stage::Waits(delivery, ticket),
            Err(error) => Stage::Ended(Err(error)),
        },
    };
    let finish = |stage| match stage {
        Stage::Ended(result) => result,
        Stage::Waits(delivery, ticket) => delivery.finish(ticket.wait()),
    };
    // Each step is done for all before the next begins: what one waits for is flushed with what all others wait for.
    let written: Vec<Stage> = batch.into_iter().map(write).collect();
    let published: Vec<Stage> = written.into_iter().map(publish).collect();
    published.into_iter().map(finish).collect()
}
