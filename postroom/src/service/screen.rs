//! Answers the SMTP session of a client that has not passed the tests before its greeting, or has those after it before it.
//!
//! It is a session that leads nowhere ([`Screen::config`](crate::settings::Screen)): policy is not asked, nothing is looked up
//! and nothing counted, every sender is taken and no recipient. Each command is shown to the [`Watch`], which judges how the
//! client speaks; what it has learned is remembered when the client has gone.
//!
//! # Limits
//! `postscreen_command_count_limit` commands, `postscreen_command_time_limit` for each.

use super::{Backends, told, worded};
use crate::clock::Clock;
use crate::policy::{self, Walls};
use proto_core::address::ReversePath;
use proto_core::{CloseReason, Instant, Now};
use relay_policy::early::{Attempt, Heard, Leaving, Watch};
use smtp_proto::server::{Event, Server, Verdict};
use std::future::pending;
use std::sync::Arc;

/// One session's answers.
pub(crate) struct ScreenService {
    watch: Box<Watch>,
    walls: Arc<Walls>,
    clock: Clock,
    greeted: Instant,
    esmtp: bool,
    sender: ReversePath,
}

impl ScreenService {
    pub(crate) fn new(watch: Box<Watch>, backends: Backends) -> Self {
        let Backends { walls, clock, .. } = backends;
        let greeted = clock.now().instant;
        Self { watch, walls, clock, greeted, esmtp: false, sender: ReversePath::Null }
    }
}

impl crate::driver::Service<Server> for ScreenService {
    fn event(&mut self, server: &mut Server, now: Now, event: Event) {
        match event {
            Event::Connect(ask) => told(server.answer(now, ask, Verdict::Accept(()))),
            Event::Tls(ask) => told(server.answer(now, ask, Verdict::Accept(()))),
            Event::Command(ask) => {
                let (line, is_bare) = (&ask.detail.line, ask.detail.bare_newline);
                let verdict = match self.watch.command(line, is_bare, server.sent_ahead()) {
                    Heard::Serve => Ok(()),
                    Heard::Refuse(reply) => Err(worded(reply)),
                };
                told(server.answer(now, ask, verdict));
            }
            Event::Hello(ask) => {
                self.esmtp = ask.detail.extended;
                told(server.answer(now, ask, Verdict::Accept(())));
            }
            Event::Mail(ask) => {
                self.sender.clone_from(&ask.detail.reverse_path);
                told(server.answer(now, ask, Verdict::Accept(())));
            }
            Event::Rcpt(ask) => {
                let refused = self.watch.recipient(Attempt {
                    helo: server.hello_name(),
                    esmtp: self.esmtp,
                    sender: &self.sender,
                    recipient: &ask.detail.forward_path,
                });
                told(server.answer(now, ask, worded(refused).into()));
            }
            // What is odd about it the watch says in its own words.
            Event::Violation(_) | Event::TransactionReset | Event::Cancelled(_) => {}
            unknown => tracing::error!(event = ?unknown, "an event that has no place in this session"),
        }
        policy::write(&self.watch.log());
    }

    async fn wait(&mut self) {
        pending().await
    }

    fn resume(&mut self, _: &mut Server, _: Now) {}

    fn ended(&mut self, reason: &CloseReason) {
        let leaving = match reason {
            CloseReason::PeerClosed => Leaving::HungUp,
            CloseReason::Timeout("command") => Leaving::TimedOut,
            _ => Leaving::Ended,
        };
        let now = self.clock.now();
        let after = now.instant.saturating_since(self.greeted);
        let (learned, log) = self.watch.end(leaving, after, now.utc);
        policy::write(&log);
        if let Some(entry) = learned {
            self.walls.memory.remember(entry, self.watch.retention(), now.utc);
        }
        tracing::info!(%reason, "session ended");
    }
}
