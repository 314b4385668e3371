//! What stands behind refusals, in the application's words: where somebody finds help, say.
//!
//! # Limits
//! Each line is cut to what a reply line holds (RFC 5321 section 4.5.3.1.5).

use super::Server;
use crate::reply::{REPLY_TEXT_BYTES_MAX, Reply};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Words behind refusals. See [`Server::set_reject_footer`].
///
/// The function is given each reply of 4yz or 5yz before it is written, and gives its text with what stands behind it, in
/// lines, or nothing. What it gives that cannot stand in a reply is left out.
#[derive(Clone)]
pub struct RejectFooter(Arc<Find>);

type Find = dyn Fn(&Reply) -> Option<String> + Send + Sync;

impl RejectFooter {
    /// Words that a function finds. It must neither block nor panic.
    pub fn new(find: impl Fn(&Reply) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }
}

impl fmt::Debug for RejectFooter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectFooter").finish_non_exhaustive()
    }
}

impl Server {
    /// Sets what stands behind the refusals of this session from now on, its own and the application's, but not behind the
    /// mailboxes that VRFY may be answered with (551 and 553 are lists); `None`: nothing. At
    /// first nothing does.
    ///
    /// ```
    /// use proto_core::{Instant, Machine as _, Now, UnixTime};
    /// use smtp_proto::server::{Config, Peer, RejectFooter, Server};
    ///
    /// let now = Now::new(Instant::ORIGIN, UnixTime(0));
    /// let config = Config::new("mx.example.test")?.into();
    /// let mut server = Server::new(now, config, Peer::default());
    /// server.set_reject_footer(Some(RejectFooter::new(|refusal| Some(format!("{}\nAsk us", refusal.text())))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_reject_footer(&mut self, footer: Option<RejectFooter>) {
        self.reject_footer = footer;
    }

    /// Writes a reply as [`Config::soft_refusals`](super::Config::soft_refusals) has it, with what stands behind it; `enhanced` is false
    /// where RFC 2034 forbids the enhanced code.
    pub(super) fn write(&mut self, reply: &Reply, enhanced: bool) {
        let softened = if self.config.soft_refusals { reply.softened() } else { None };
        let reply = softened.as_ref().unwrap_or(reply);
        match self.with_footer(reply) {
            Some(longer) => longer.write(&mut self.output, enhanced),
            None => reply.write(&mut self.output, enhanced),
        }
    }

    fn with_footer(&self, reply: &Reply) -> Option<Reply> {
        let RejectFooter(find) =
            self.reject_footer.as_ref().filter(|_| reply.is_temporary() || reply.is_permanent())?;
        let text = find(reply)?;
        let lines: Vec<&str> = text.split('\n').map(cut).collect();
        Reply::new(reply.code(), reply.enhanced(), lines.join("\n")).ok()
    }
}

/// As much of a line as a reply line holds.
fn cut(line: &str) -> &str {
    let end = (0..=line.len().min(REPLY_TEXT_BYTES_MAX)).rev().find(|end| line.is_char_boundary(*end));
    &line[..end.unwrap_or(0)]
}
