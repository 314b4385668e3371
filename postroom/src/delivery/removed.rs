//! Accounts that were removed while mail waited for them: a store would make their mailboxes anew, and nobody could read them.

use super::deliverer::Deliverer;
use crate::policy::{Answerer, NoRoute};
use crate::wall::AccountId;
use mailstore::spool::RecipientState;
use relay_policy::address::Address;
use std::net::Ipv4Addr;

impl Deliverer {
    /// Whether a recipient's account is gone: the directory does not have it, and a RCPT for the address would be refused now. That is
    /// asked before another attempt alone, since a RCPT has just been answered before the first. Who does not answer has not said so.
    pub(super) async fn is_removed(&self, place: usize, account: &AccountId) -> bool {
        let is_first = self.job.statuses[place].state == RecipientState::Pending && !self.job.maybe_delivered;
        let shared = &self.context.shared;
        let walls = &shared.backends.walls;
        if is_first || !matches!(walls.directory.contains(account).await, Ok(false)) {
            return false;
        }
        let snapshot = shared.snapshot.load_full();
        let answerer = Answerer::new(&snapshot.own, walls, Ipv4Addr::LOCALHOST.into());
        let address = &self.job.envelope.recipients[place].address;
        let found = answerer.own_recipients(address, Address::default()).await;
        matches!(found, Err(NoRoute::Never(_)))
    }
}
