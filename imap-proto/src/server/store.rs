//! STORE, UID STORE, COPY, UID COPY.
//!
//! RFC 3501 sections 6.4.6–6.4.8, RFC 4315 section 3 (COPYUID), RFC 2180 section 4.2 (messages that are gone).

use super::answer::Answer;
use super::ask::{Copied, CopyMessages, Store, Verdict};
use super::fetch::{Gone, NO_SUCH_MESSAGE};
use super::output::{completed, expunge_issued};
use super::phase::{Doing, Phase, Progress};
use super::{Event, Server};
use crate::types::{FetchData, MailboxName, ResponseCode, StatusResponse, StoreAction, UntaggedResponse};
use mail_message::{FlagSet, SequenceSet, Uid};
use proto_core::{Ask, CallerFault, Now};

/// How far the answer to a STORE has come.
#[derive(Debug, Default)]
pub(super) struct StoreProgress {
    last: Option<Uid>,
    /// A message was gone.
    gone: bool,
}

/// What STORE says, besides of which messages.
#[derive(Debug)]
pub(super) struct FlagChange {
    pub(super) action: StoreAction,
    pub(super) flags: FlagSet,
    pub(super) silent: bool,
}

impl Server {
    pub(super) fn start_store(
        &mut self,
        now: Now,
        mut doing: Doing,
        by_uid: bool,
        set: &SequenceSet,
        change: FlagChange,
    ) {
        let Some(messages) = self.named(by_uid, set) else {
            return self.bad(now, &doing.tag, NO_SUCH_MESSAGE);
        };
        if self.session.selected.as_ref().is_some_and(|selection| selection.read_only) {
            return self.refuse_read_only(now, doing);
        }
        if messages.is_empty() {
            return self.done(now, doing);
        }
        doing.progress = Progress::Store(StoreProgress::default());
        let FlagChange { action, flags, silent } = change;
        self.ask(now, doing, Store { messages, action, flags, silent, by_uid }, Event::Store);
    }

    /// Tells of one message in answer to STORE which flags it now has; no older than any change of them that was
    /// handed in before. The client hears of it at once, or, with [`Store::silent`], only if others have changed them
    /// too (RFC 3501 section 6.4.6).
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`]; [`CallerFault::Misuse`] when the message was not asked for or does not ascend.
    /// Nothing has happened then.
    pub fn stored(
        &mut self,
        now: Now,
        ask: &Ask<Store>,
        uid: Uid,
        flags: FlagSet,
    ) -> Result<(), CallerFault> {
        let store = &ask.detail;
        let seq = store.messages.seq_of(uid);
        let progress = self.store_progress(ask)?;
        let Some(seq) = seq.filter(|_| progress.last < Some(uid)) else {
            return Err(CallerFault::Misuse("the message was not asked for, or does not ascend"));
        };
        progress.last = Some(uid);
        self.sign_of_life(now);
        if let Some(selection) = &mut self.session.selected {
            if store.silent {
                selection.view.flags_overtaken(uid, &flags);
            } else {
                selection.view.flags_told(uid);
            }
        }
        if !store.silent {
            let flags = self.flags_data(uid, flags);
            let mut data = alloc::vec::Vec::from([flags]);
            if store.by_uid {
                // RFC 3501 section 6.4.8: responses to UID commands name the UID.
                data.push(FetchData::Uid(uid));
            }
            self.untagged(&UntaggedResponse::Fetch(seq, data));
        }
        Ok(())
    }

    fn store_progress(&mut self, ask: &Ask<Store>) -> Result<&mut StoreProgress, CallerFault> {
        if !self.asks.holds(ask) {
            return Err(CallerFault::StaleAsk);
        }
        match &mut self.phase {
            Phase::Asking(Doing { progress: Progress::Store(progress), .. }) => Ok(progress),
            _ => Err(CallerFault::StaleAsk),
        }
    }

    pub(super) fn start_copy(
        &mut self,
        now: Now,
        mut doing: Doing,
        by_uid: bool,
        set: &SequenceSet,
        mailbox: MailboxName,
    ) {
        let Some(messages) = self.named(by_uid, set) else {
            return self.bad(now, &doing.tag, NO_SUCH_MESSAGE);
        };
        if messages.is_empty() {
            return self.done(now, doing);
        }
        doing.progress = Progress::Copy;
        self.ask(now, doing, CopyMessages { messages, mailbox }, Event::Copy);
    }
}

impl Gone for Store {
    fn gone(&self, server: &mut Server, now: Now, ask: &Ask<Self>, uid: Uid) -> Result<(), CallerFault> {
        let asked = self.messages.seq_of(uid).is_some();
        let progress = server.store_progress(ask)?;
        if !asked || progress.last >= Some(uid) {
            return Err(CallerFault::Misuse("the message was not asked for, or does not ascend"));
        }
        progress.last = Some(uid);
        progress.gone = true;
        server.sign_of_life(now);
        Ok(())
    }
}

impl Answer for Store {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict) {
        let gone = matches!(&doing.progress, Progress::Store(progress) if progress.gone);
        match verdict {
            // RFC 2180 section 4.2: who wants to hear of the flags hears NO when some messages are gone; who does
            // not, or named them by UID, hears OK.
            Ok(()) if gone && !self.silent && !self.by_uid => {
                let reply = expunge_issued(StatusResponse::no("Some of the messages no longer exist."));
                server.finish(now, doing.tag, reply, doing.moment);
            }
            Ok(()) if gone => {
                let reply = expunge_issued(completed(doing.name));
                server.finish(now, doing.tag, reply, doing.moment);
            }
            Ok(()) => server.done(now, doing),
            Err(refusal) => server.refuse(now, doing, refusal),
        }
    }
}

impl Answer for CopyMessages {
    fn answer(self, server: &mut Server, now: Now, doing: Doing, verdict: Verdict<Option<Copied>>) {
        let mut reply = completed(doing.name);
        match verdict {
            Ok(Some(Copied { uid_validity, from, to })) if !from.is_empty() && from.len() == to.len() => {
                reply.code = Some(ResponseCode::CopyUid { uid_validity, source: from, target: to });
            }
            Ok(_) => {}
            Err(refusal) => reply = refusal.reply(true),
        }
        server.finish(now, doing.tag, reply, doing.moment);
    }
}
