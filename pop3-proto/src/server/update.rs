//! The UPDATE state: QUIT.
//!
//! RFC 1939 section 6. Only a QUIT after login removes anything; every other end of a session leaves the maildrop as it
//! was.

use super::event::Event;
use super::question::{Commit, CommitRefusal};
use super::reply;
use super::session::Server;
use alloc::format;
use proto_core::{CloseReason, Now};

impl Server {
    pub(super) fn quit(&mut self, now: Now) {
        let deleted = self.maildrop.as_ref().map(|maildrop| maildrop.deleted()).unwrap_or_default();
        if deleted.is_empty() {
            self.say_goodbye();
        } else {
            self.ask(now, Commit { deleted }, Event::Commit);
        }
    }

    pub(super) fn commit_verdict(&mut self, verdict: Result<(), CommitRefusal>) {
        match verdict {
            Ok(()) => self.say_goodbye(),
            Err(refusal) => {
                let count = refusal.not_removed.len();
                self.refuse_backend(&refusal.backend, &format!("{count} deleted messages not removed"));
                self.close(CloseReason::Quit);
            }
        }
    }

    fn say_goodbye(&mut self) {
        reply::write_ok(&mut self.output, format_args!("Goodbye"));
        self.close(CloseReason::Quit);
    }
}
