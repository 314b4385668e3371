//! The TRANSACTION state: STAT, LIST, UIDL, DELE, RSET.
//!
//! RFC 1939 sections 5 and 7. STAT is the sum of LIST at every moment. A listing is written as the client takes it,
//! so its length costs no memory.

use super::command;
use super::reply;
use super::session::{Phase, Server};
use super::timers::Timer;
use crate::maildrop::Maildrop;
use core::fmt::Write;
use proto_core::Now;

/// A multi-line LIST or UIDL under way.
#[derive(Debug)]
pub(super) struct Listing {
    ids: bool,
    next: usize,
}

impl Listing {
    pub(super) fn sizes() -> Self {
        Self { ids: false, next: 0 }
    }

    pub(super) fn ids() -> Self {
        Self { ids: true, next: 0 }
    }
}

impl Server {
    pub(super) fn stat(&mut self) {
        if let Some(maildrop) = &self.maildrop {
            reply::write_ok(&mut self.output, format_args!("{} {}", maildrop.count(), maildrop.octets()));
        }
    }

    pub(super) fn list_one(&mut self, number: &[u8]) {
        let Some(index) = self.index(number) else { return };
        if let Some(message) = self.maildrop.as_ref().and_then(|maildrop| maildrop.message(index)) {
            reply::write_ok(&mut self.output, format_args!("{} {}", index + 1, message.octets));
        }
    }

    pub(super) fn uidl_one(&mut self, number: &[u8]) {
        let Some(index) = self.index(number) else { return };
        if let Some(message) = self.maildrop.as_ref().and_then(|maildrop| maildrop.message(index)) {
            reply::write_ok(&mut self.output, format_args!("{} {}", index + 1, message.uidl.as_str()));
        }
    }

    pub(super) fn start_listing(&mut self, now: Now, listing: Listing) {
        if let Some(maildrop) = self.maildrop.take() {
            self.write_drop_summary(&maildrop);
            self.maildrop = Some(maildrop);
            self.timers.stop(Timer::Idle);
            self.phase = Phase::Listing(listing);
            self.step_listing(now);
        }
    }

    /// Writes lines until the output is full or the listing ends.
    pub(super) fn step_listing(&mut self, now: Now) {
        let (Phase::Listing(listing), Some(maildrop)) = (&mut self.phase, &self.maildrop) else { return };
        self.timers.set(Timer::Stream, now.instant + self.config.timeouts.stream);
        while !self.output.is_full() {
            let Some((index, message)) = maildrop.next(listing.next) else {
                self.output.extend(b".\r\n");
                self.timers.stop(Timer::Stream);
                return self.await_command(now);
            };
            listing.next = index + 1;
            // Writing into the buffer never fails.
            let _ = if listing.ids {
                write!(self.output, "{} {}\r\n", index + 1, message.uidl.as_str())
            } else {
                write!(self.output, "{} {}\r\n", index + 1, message.octets)
            };
        }
    }

    pub(super) fn dele(&mut self, number: &[u8]) {
        let Some(index) = self.index(number) else { return };
        if let Some(maildrop) = &mut self.maildrop {
            maildrop.delete(index);
            reply::write_ok(&mut self.output, format_args!("Message {} deleted", index + 1));
        }
    }

    pub(super) fn rset(&mut self) {
        if let Some(mut maildrop) = self.maildrop.take() {
            maildrop.reset();
            self.write_drop_summary(&maildrop);
            self.maildrop = Some(maildrop);
        }
    }

    pub(super) fn write_drop_summary(&mut self, maildrop: &Maildrop) {
        let (count, octets) = (maildrop.count(), maildrop.octets());
        reply::write_ok(&mut self.output, format_args!("{count} messages ({octets} octets)"));
    }

    /// The position of the message that a number means; `None` when there is none or it is marked, which has then been
    /// said.
    pub(super) fn index(&mut self, number: &[u8]) -> Option<usize> {
        let Some(number) = command::number(number) else {
            self.bad_command(&reply::BAD_ARGUMENTS);
            return None;
        };
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let found = index.filter(|index| self.maildrop.as_ref().is_some_and(|m| m.message(*index).is_some()));
        if found.is_none() {
            reply::NO_SUCH_MESSAGE.write(&mut self.output);
        }
        found
    }
}
