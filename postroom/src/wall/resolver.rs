//! What the DNS says.

use super::Later;
use proto_core::Backend;
use relay_policy::{Record, RecordKind};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Knows the DNS.
///
/// It is asked as often as a policy has a question; who stands [`Cached`](crate::dns::Cached) before it is asked less.
pub trait Resolver: Send + Sync + fmt::Debug {
    /// The records of one kind that a name has; none where the name does not exist, or has none of the kind. Aliases
    /// (CNAME) are followed: the records are those of the name at the end.
    ///
    /// `name` is whole, with or without a dot at its end: no domain is appended to it. What cannot be a name, because it
    /// is too long or has an empty part, does not exist.
    ///
    /// # Errors
    /// When it cannot be found out now: no server answers, or those that do have failed.
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>>;
}

/// The records of a name, and how long they may be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// The records; may be none.
    pub records: Vec<Record>,
    /// For how long they hold, and that there are none holds; zero: they are for whoever asked, and not to be kept.
    pub ttl: Duration,
}

impl Records {
    /// Records that hold so long.
    pub fn new(records: Vec<Record>, ttl: Duration) -> Self {
        Self { records, ttl }
    }
}

/// One resolver for several holders.
impl<R: Resolver + ?Sized> Resolver for Arc<R> {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        (**self).records(name, kind)
    }
}
