//! Whether a DNS list is alive: one that is dead may list nobody, or the whole world (RFC 5782 section 5).

use crate::wall::Resolver;
use relay_policy::{Record, RecordKind};
use std::fmt::{self, Display};

/// What came of testing a DNS list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListHealth {
    /// It lists what every list must, and not what none may.
    Alive,
    /// It does not list what every list must: nobody is kept out by it.
    ListsNothing,
    /// It lists what no list may: everybody is kept out by it.
    ListsEverything,
    /// It did not answer.
    Silent,
}

impl Display for ListHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alive => "alive",
            Self::ListsNothing => "dead: it does not list what every list must",
            Self::ListsEverything => "dead: it lists what no list may, and so perhaps the whole world",
            Self::Silent => "it does not answer",
        })
    }
}

/// Tests a list by the entries that RFC 5782 section 5 wants in it: of addresses, 127.0.0.2 and not 127.0.0.1; of names
/// (`by_name`), `test` and not `invalid`.
///
/// ```
/// use postroom::dns::{FixedResolver, ListHealth, test_list};
/// use postroom::relay_policy::{Record, RecordKind};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let listed = || [Record::Address([127, 0, 0, 2].into())];
/// let resolver = FixedResolver::new()
///     .with("2.0.0.127.good.test", RecordKind::A, listed())
///     .with("2.0.0.127.world.test", RecordKind::A, listed())
///     .with("1.0.0.127.world.test", RecordKind::A, listed())
///     .with("test.names.test", RecordKind::A, listed())
///     .failing("1.0.0.127.silent.test");
/// assert_eq!(test_list(&resolver, "good.test", false).await, ListHealth::Alive);
/// assert_eq!(test_list(&resolver, "names.test", true).await, ListHealth::Alive);
/// assert_eq!(test_list(&resolver, "gone.test", false).await, ListHealth::ListsNothing);
/// assert_eq!(test_list(&resolver, "world.test", false).await, ListHealth::ListsEverything);
/// assert_eq!(test_list(&resolver, "silent.test", false).await, ListHealth::Silent);
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn test_list(resolver: &dyn Resolver, zone: &str, by_name: bool) -> ListHealth {
    let (never, always) = if by_name { ("invalid", "test") } else { ("1.0.0.127", "2.0.0.127") };
    let lists = async |entry: &str| {
        let name = format!("{entry}.{zone}");
        let found = resolver.records(&name, RecordKind::A).await.ok()?;
        Some(found.records.iter().any(|record| matches!(record, Record::Address(_))))
    };
    match (lists(never).await, lists(always).await) {
        (Some(true), _) => ListHealth::ListsEverything,
        (Some(false), Some(true)) => ListHealth::Alive,
        (Some(false), Some(false)) => ListHealth::ListsNothing,
        _ => ListHealth::Silent,
    }
}
