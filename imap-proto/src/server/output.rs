//! What goes out: tagged and untagged responses, and the end of a command with what has to be told before it.

use super::phase::{Doing, Finish, Found, Phase};
use super::refusal::Refusal;
use super::{Server, Timer};
use crate::encode;
use crate::types::{FetchData, ResponseCode, StatusResponse, Tag, UntaggedResponse};
use crate::view::{Moment, Telling, Told};
use core::fmt::Write as _;
use mail_message::Uid;
use proto_core::Now;

impl Server {
    pub(super) fn tagged(&mut self, tag: &Tag, reply: &StatusResponse) {
        encode::tagged(tag, reply, &mut self.out);
    }

    pub(super) fn untagged(&mut self, response: &UntaggedResponse) {
        encode::untagged(response, &mut self.out);
    }

    pub(super) fn untagged_status(&mut self, reply: StatusResponse) {
        self.untagged(&UntaggedResponse::Status(reply));
    }

    pub(super) fn continuation(&mut self, text: &str) {
        encode::continuation(text, &mut self.out);
    }

    /// Ends a command whose answer was yes.
    pub(super) fn done(&mut self, now: Now, doing: Doing) {
        let reply = completed(doing.name);
        self.finish(now, doing.tag, reply, doing.moment);
    }

    /// Ends a command whose answer was no.
    pub(super) fn refuse(&mut self, now: Now, doing: Doing, refusal: Refusal) {
        self.finish(now, doing.tag, refusal.reply(false), doing.moment);
    }

    /// Ends a command: tells what the moment allows, then the tagged response.
    pub(super) fn finish(&mut self, now: Now, tag: Tag, reply: StatusResponse, moment: Moment) {
        self.finish_with(now, tag, reply, moment, None);
    }

    pub(super) fn finish_with(
        &mut self,
        now: Now,
        tag: Tag,
        reply: StatusResponse,
        moment: Moment,
        found: Option<Found>,
    ) {
        if reply.status != crate::types::Status::Bad {
            self.was_understood();
        }
        // What was found is told by the numbers from before the telling.
        let telling = match (&found, &mut self.session.selected) {
            (None, Some(selection)) => selection.view.tell(moment),
            _ => Telling::default(),
        };
        let moment = if found.is_some() { moment } else { Moment::Silent };
        // A client that does not read what it asked for is as idle as one that asks for nothing.
        if self.session.authenticated {
            self.timers.set(Timer::Autologout, now.instant + self.config.timeouts.autologout);
        }
        self.phase = Phase::Finish(Finish { tag, reply, found, moment, telling });
        self.finish_on(now);
    }

    /// Goes on with the end of a command; false when the output is full first.
    pub(super) fn finish_on(&mut self, now: Now) -> bool {
        let Phase::Finish(mut finish) = core::mem::replace(&mut self.phase, Phase::Command) else {
            return false;
        };
        let found_all = match &mut finish.found {
            Some(found) => self.tell_found(found),
            None => true,
        };
        if found_all
            && finish.found.take().is_some()
            && let Some(selection) = &mut self.session.selected
        {
            finish.telling = selection.view.tell(finish.moment);
        }
        if !found_all || !self.tell_on(&mut finish.telling) {
            self.phase = Phase::Finish(finish);
            return false;
        }
        self.tagged(&finish.tag, &finish.reply);
        self.next_command(now);
        true
    }

    /// Tells until the output is full; true when there is no more to tell.
    pub(super) fn tell_on(&mut self, telling: &mut Telling) -> bool {
        loop {
            if self.out.is_full() {
                return telling.is_empty();
            }
            match telling.next() {
                None => return true,
                Some(Told::Expunge(seq)) => self.untagged(&UntaggedResponse::Expunge(seq)),
                Some(Told::Exists(n)) => self.untagged(&UntaggedResponse::Exists(n)),
                Some(Told::Recent(n)) => self.untagged(&UntaggedResponse::Recent(n)),
                Some(Told::Flags { seq, uid, flags }) => {
                    let flags = self.flags_data(uid, flags);
                    self.untagged(&UntaggedResponse::Fetch(seq, [flags].into()));
                }
            }
        }
    }

    /// A message's flags as this session sees them. Keywords that are new to the client are announced first.
    pub(super) fn flags_data(&mut self, uid: Uid, flags: mail_message::FlagSet) -> FetchData {
        let Some(selection) = &mut self.session.selected else {
            return FetchData::Flags { flags, recent: false };
        };
        let recent = selection.view.is_recent(uid);
        if let Some(all) = selection.announce(&flags) {
            let all = UntaggedResponse::Flags(all.clone());
            self.untagged(&all);
        }
        FetchData::Flags { flags, recent }
    }

    /// More of a SEARCH response; true when it is complete. It is one line and may be long, so it is written number
    /// by number (RFC 3501 section 7.2.5).
    fn tell_found(&mut self, found: &mut Found) -> bool {
        if !core::mem::replace(&mut found.begun, true) {
            self.out.extend(b"* SEARCH");
        }
        while !found.messages.is_empty() {
            if self.out.is_full() {
                return false;
            }
            if let Some((seq, uid)) = found.messages.pop_first() {
                let number = if found.by_uid { uid.get() } else { seq.get() };
                // Writing into the output cannot fail.
                let _ = write!(self.out, " {number}");
            }
        }
        self.out.extend(b"\r\n");
        true
    }

    /// A command that was not understood, or out of place. Too many of them end the session.
    pub(super) fn bad(&mut self, now: Now, tag: &Tag, text: impl Into<alloc::borrow::Cow<'static, str>>) {
        let reply = StatusResponse::bad(text.into());
        self.bad_reply(now, Some(tag), reply);
    }

    /// The same, of a command that may have had no tag.
    pub(super) fn bad_reply(&mut self, now: Now, tag: Option<&Tag>, reply: StatusResponse) {
        match tag {
            Some(tag) => self.tagged(tag, &reply),
            None => self.untagged_status(reply),
        }
        self.next_command(now);
        self.session.bad_commands += 1;
        let limits = &self.config.limits;
        let max = if self.session.authenticated {
            limits.bad_commands_max
        } else {
            limits.bad_commands_pre_auth_max
        };
        if self.session.bad_commands >= max {
            self.close_protocol("too many bad commands", "Too many bad commands.");
        }
    }

    /// A command made sense.
    pub(super) fn was_understood(&mut self) {
        if self.session.authenticated {
            self.session.bad_commands = 0;
        }
    }
}

/// `OK NAME completed.`
pub(super) fn completed(name: &str) -> StatusResponse {
    StatusResponse::ok(alloc::format!("{name} completed."))
}

/// `OK [EXPUNGEISSUED]`, see [`Server::gone`].
pub(super) fn expunge_issued(reply: StatusResponse) -> StatusResponse {
    reply.with_code(ResponseCode::ExpungeIssued)
}
