//! CAPABILITY, NOOP, LOGOUT, ID, NAMESPACE, CHECK.
//!
//! RFC 3501 sections 6.1 and 6.4.1, RFC 2971, RFC 2342.

use super::ask::Check;
use super::capability::capabilities;
use super::phase::Doing;
use super::{Event, Server};
use crate::types::{StatusResponse, Tag, UntaggedResponse};
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::{CloseReason, Now};

impl Server {
    pub(super) fn capability(&mut self, now: Now, doing: Doing) {
        let list = capabilities(&self.config, &self.session);
        self.untagged(&UntaggedResponse::Capability(list));
        self.done(now, doing);
    }

    pub(super) fn logout(&mut self, tag: &Tag) {
        self.untagged_status(StatusResponse::bye("Logging out."));
        self.tagged(tag, &StatusResponse::ok("LOGOUT completed."));
        self.close(CloseReason::Quit, None);
    }

    /// What the client says of itself is nobody's business here.
    pub(super) fn id(&mut self, now: Now, doing: Doing) {
        let fields = Vec::from([("name", Bytes::from_static(b"Postroom"))]);
        self.untagged(&UntaggedResponse::Id(fields));
        self.done(now, doing);
    }

    pub(super) fn namespace(&mut self, now: Now, doing: Doing) {
        self.untagged(&UntaggedResponse::Namespace);
        self.done(now, doing);
    }

    /// RFC 3501 section 6.1.2: a way to poll for news, so with a mailbox selected somebody has to look for them.
    pub(super) fn noop(&mut self, now: Now, doing: Doing) {
        if self.session.selected.is_some() { self.check(now, doing) } else { self.done(now, doing) }
    }

    pub(super) fn check(&mut self, now: Now, doing: Doing) {
        self.ask(now, doing, Check, Event::Check);
    }
}
