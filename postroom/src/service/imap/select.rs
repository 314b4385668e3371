//! SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE, CHECK, NOOP, IDLE, and the news of the selected mailbox.
//!
//! RFC 3501 sections 6.1.2, 6.3.1, 6.3.2, 6.4.1–6.4.3, RFC 3691, RFC 4315 section 2.1, RFC 2177. Of what other
//! programs do in a mailbox a session hears when it selects, by NOOP and CHECK, and while it idles; where the store tells
//! of it, soon.

use super::refusal::refused;
use super::{ImapService, UNAVAILABLE, name};
use crate::hub::{Entered, News, Over, Seat};
use crate::service::told;
use imap_proto::server::{Check, Close, Expunge, MailboxLost, Select, Selected, Server, Verdict};
use imap_proto::types::MailboxName;
use imap_proto::view::Change;
use mail_message::{FlagSet, UidSet};
use mailstore::Access;
use proto_core::{Ask, Now};
use tokio::time::Instant;

/// How much longer it is between two looks at a mailbox whose changes are told: for those that nobody can tell of.
const TOLD_POLL_FACTOR: u32 = 12;

/// The selected mailbox.
pub(super) struct Selection {
    pub(super) seat: Seat,
    pub(super) name: MailboxName,
}

impl ImapService {
    pub(super) fn select(&mut self, server: &mut Server, now: Now, ask: Ask<Select>) {
        // The mailbox selected before is left, whatever comes of this (RFC 3501 section 6.3.1).
        self.selection = None;
        self.looked_at = None;
        let Some(user) = self.user.clone() else {
            return told(server.answer(now, ask, Err(UNAVAILABLE)));
        };
        let mailbox = ask.detail.mailbox.clone();
        let access = if ask.detail.read_only { Access::ReadOnly } else { Access::ReadWrite };
        let watch = self.profile.watch;
        let entered = async move {
            let stored = name::to_store(&mailbox)?;
            let entered = user.hub.enter(&user.account, &stored, access, true).await;
            let entered = entered.map_err(refused("opening a mailbox"))?;
            if watch {
                user.hub.watch(&entered.seat);
            }
            Ok(entered)
        };
        self.begin(entered, move |service, server, now, entered| {
            let verdict = entered.map(|entered| {
                let (seat, selected) = selected(entered);
                service.selection = Some(Selection { seat, name: ask.detail.mailbox.clone() });
                selected
            });
            told(server.answer(now, ask, verdict));
        });
    }

    pub(super) fn close(&mut self, server: &mut Server, now: Now, ask: Ask<Close>) {
        self.looked_at = None;
        let Some(selection) = self.selection.take() else {
            return told(server.answer(now, ask, Ok(())));
        };
        if !ask.detail.expunge {
            return told(server.answer(now, ask, Ok(())));
        }
        let seat = selection.seat;
        let removed = async move {
            let all = seat.snapshot().uids();
            let removed = seat.room().expunge(seat.id(), all, mailstore::Expunge::Deleted).await;
            removed.map(drop).map_err(refused("removing messages"))
        };
        self.answer_with(ask, removed);
    }

    pub(super) fn expunge(&mut self, server: &mut Server, now: Now, ask: Ask<Expunge>) {
        let Some(Selection { seat, .. }) = &self.selection else {
            // Deleted or renamed by this session: there is nothing in it any more.
            return told(server.answer(now, ask, Ok(UidSet::new())));
        };
        let uids = ask.detail.uids.clone().unwrap_or_else(|| seat.snapshot().uids());
        let removing = seat.room().expunge(seat.id(), uids, mailstore::Expunge::Deleted);
        let removed = async move {
            let removed = removing.await.map_err(refused("removing messages"))?;
            tracing::info!(removed = removed.len(), "messages removed");
            Ok(removed)
        };
        self.answer_with(ask, removed);
    }

    pub(super) fn check(&mut self, server: &mut Server, now: Now, ask: Ask<Check>) {
        let Some(Selection { seat, .. }) = &self.selection else {
            return told(server.answer(now, ask, Ok(())));
        };
        let refreshing = seat.room().refresh();
        self.answer_with(ask, async move { refreshed(refreshing.await) });
    }

    /// The client waits for news.
    pub(super) fn idle(&mut self) {
        self.looked_at = None;
        if self.selection.is_some() {
            // Due at once: what has happened before is news, too.
            self.poll_at = Some(Instant::now());
        }
    }

    /// Looks for what other programs have done, when that is due. As often as all sessions here together want, the
    /// mailbox is looked at once.
    pub(super) fn poll(&mut self) {
        let due = self.poll_at.is_some_and(|at| at <= Instant::now());
        let (true, Some(Selection { seat, .. })) = (due && !self.work.is_busy(), &self.selection) else {
            return;
        };
        let room = seat.room();
        let interval = self.profile.poll.saturating_mul(if room.is_told() { TOLD_POLL_FACTOR } else { 1 });
        self.poll_at = Some(Instant::now() + interval);
        let looking = async move { room.refresh_after(interval / 2).await };
        self.begin(looking, |_, _, _, looked| {
            // A mailbox that is gone is told by its room; an error may pass until the next look.
            if let Err(error) = looked {
                tracing::warn!(%error, "mailbox not refreshed");
            }
        });
    }

    /// Hands what others have done to the machine.
    pub(super) fn tell_news(&mut self, server: &mut Server, now: Now) {
        let Some(News { new, flags, vanished, over }) =
            self.selection.as_ref().and_then(|selection| selection.seat.take_news())
        else {
            return;
        };
        let new =
            new.into_iter().map(|(uids, recent)| Change::New { uids: [uids].into_iter().collect(), recent });
        let flags = flags.into_iter().map(|(uid, flags)| Change::Flags { uid, flags });
        let vanished = (!vanished.is_empty()).then_some(Change::Vanished { uids: vanished });
        for change in new.chain(flags).chain(vanished) {
            told(server.notify(now, change));
        }
        if let Some(over) = over {
            tracing::info!(?over, "the selected mailbox is lost");
            self.selection = None;
            server.mailbox_lost(match over {
                Over::Gone => MailboxLost::Gone,
                Over::Invalidated => MailboxLost::Invalidated,
            });
        }
    }
}

/// What the machine is told of a refresh. One that fails is no reason to refuse a NOOP: the client hears of nothing
/// wrong, only of some things later.
fn refreshed(refreshed: Result<(), mailstore::StoreError>) -> Verdict {
    if let Err(error) = refreshed {
        tracing::warn!(%error, "mailbox not refreshed");
    }
    Ok(())
}

fn selected(entered: Entered) -> (Seat, Selected) {
    let Entered { seat, snapshot, recent } = entered;
    let uids: UidSet = snapshot.uids();
    let flags: FlagSet = snapshot.keywords();
    let mut selected = Selected::new(snapshot.uid_validity, snapshot.uid_next, uids);
    selected.recent = recent;
    selected.first_unseen = snapshot.first_unseen();
    selected.flags = flags;
    selected.permanent_flags = snapshot.permanent_flags.flags.clone();
    selected.new_keywords = snapshot.permanent_flags.new_keywords;
    (seat, selected)
}
