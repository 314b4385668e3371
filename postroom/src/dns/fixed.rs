//! Records that were given beforehand.

use super::normal;
use crate::wall::{Later, Records, Resolver};
use proto_core::Backend;
use relay_policy::{Record, RecordKind};
use std::collections::BTreeMap;
use std::time::Duration;

/// A resolver that knows what it was told and nothing else: for tests, and for trying a policy out.
///
/// ```
/// use postroom::dns::FixedResolver;
/// use postroom::relay_policy::{Record, RecordKind};
/// use postroom::wall::Resolver as _;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let resolver = FixedResolver::new()
///     .with("2.0.0.127.list.test", RecordKind::A, [Record::Address("127.0.0.2".parse()?)])
///     .failing("broken.test");
/// assert_eq!(resolver.records("2.0.0.127.List.test.", RecordKind::A).await?.records.len(), 1);
/// assert!(resolver.records("3.0.0.127.list.test", RecordKind::A).await?.records.is_empty());
/// assert!(resolver.records("broken.test", RecordKind::Mx).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FixedResolver {
    names: BTreeMap<String, Option<BTreeMap<RecordKind, Vec<Record>>>>,
}

/// How long what was given holds: as long as anybody keeps it.
const TTL: Duration = Duration::from_secs(3600);

impl FixedResolver {
    /// Nothing exists.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with these records besides.
    #[must_use]
    pub fn with(mut self, name: &str, kind: RecordKind, records: impl IntoIterator<Item = Record>) -> Self {
        let kinds = self.names.entry(normal(name)).or_default().get_or_insert_default();
        kinds.entry(kind).or_default().extend(records);
        self
    }

    /// The same, but for this name, of which nothing can be found out.
    #[must_use]
    pub fn failing(mut self, name: &str) -> Self {
        self.names.insert(normal(name), None);
        self
    }
}

impl Resolver for FixedResolver {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        let told = match self.names.get(&normal(name)) {
            Some(None) => Err(Backend::TEMPORARY),
            Some(Some(kinds)) => Ok(kinds.get(&kind).cloned().unwrap_or_default()),
            None => Ok(Vec::new()),
        };
        Box::pin(std::future::ready(told.map(|records| Records::new(records, TTL))))
    }
}
