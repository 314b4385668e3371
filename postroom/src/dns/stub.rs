//! A stub resolver: it asks servers that do the work (RFC 1034 section 5.3.1).
//!
//! # Limits
//! An answer is 64 KiB at most, as DNS has it; an alias leads to another one no more than [`ALIASES_MAX`] times.
//!
//! # Departures
//! From what programs of the system see: `/etc/hosts` is not looked at, since what a mail server asks of a name is what the
//! world sees (for the names of clients there is [`HostsFile`](super::HostsFile)); and no domain of `search` in `/etc/resolv.conf` is appended. `localhost`, names below it and loopback addresses
//! are known without a question (RFC 6761).

use crate::wall::{Later, Records, Resolver};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{self, DNSClass, Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use proto_core::Backend;
use relay_policy::{Record, RecordKind};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How many aliases (CNAME) are followed from one name.
pub const ALIASES_MAX: usize = 8;

/// How the servers are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StubOptions {
    /// How long a server may take. Default 5 seconds.
    pub timeout: Duration,
    /// How often all servers are asked before it has failed. Default 2.
    pub attempts: usize,
}

impl Default for StubOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), attempts: 2 }
    }
}

/// A resolver that asks servers, and remembers nothing.
#[derive(Debug)]
pub struct StubResolver {
    source: Source,
    current: Mutex<Option<Current>>,
}

/// Where it is said which servers there are.
#[derive(Debug)]
enum Source {
    System,
    Given(Vec<SocketAddr>, StubOptions),
}

/// The servers as they were found.
#[derive(Debug)]
struct Current {
    resolver: TokioResolver,
    looked: Instant,
    modified: Option<SystemTime>,
}

/// How often it is seen whether the system has other servers now.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Where a Unix system says which servers there are.
const RESOLV_CONF: &str = "/etc/resolv.conf";

impl StubResolver {
    /// Asks the servers of this system, `/etc/resolv.conf`, and with the options that stand there. It is read at the first
    /// lookup, and again when it has changed. While it cannot be read, every lookup fails.
    pub fn system() -> Self {
        Self { source: Source::System, current: Mutex::new(None) }
    }

    /// Asks these servers, by UDP, and by TCP when an answer is too long for that.
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>, options: StubOptions) -> Self {
        let servers = servers.into_iter().collect();
        Self { source: Source::Given(servers, options), current: Mutex::new(None) }
    }

    async fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut current = self.current.lock().await;
        let now = Instant::now();
        if let Some(current) = &mut *current {
            let is_settled = matches!(self.source, Source::Given(..));
            if is_settled || now.saturating_duration_since(current.looked) < LOOK_AGAIN {
                return Ok(current.resolver.clone());
            }
            current.looked = now;
        }
        let known = current.as_ref().map(|current| current.modified);
        let found = match &self.source {
            Source::Given(servers, options) => Some((given(servers, options)?, None)),
            // It is a file: the reactor does not wait for it.
            Source::System => {
                let read = tokio::task::spawn_blocking(move || system_unless(known)).await;
                match read.unwrap_or(Err(NetError::Message("reading the system's configuration panicked"))) {
                    // What was read before is better than nothing.
                    Err(error) if known.is_some() => {
                        tracing::warn!(%error, "{RESOLV_CONF} cannot be read again");
                        None
                    }
                    read => read?,
                }
            }
        };
        match (found, &*current) {
            (Some((resolver, modified)), _) => {
                *current = Some(Current { resolver: resolver.clone(), looked: now, modified });
                Ok(resolver)
            }
            (None, Some(current)) => Ok(current.resolver.clone()),
            (None, None) => Err(NetError::NoConnections),
        }
    }

    async fn ask(&self, name: Name, kind: RecordKind) -> Result<Records, NetError> {
        match self.resolver().await?.lookup(name.clone(), record_type(kind)?).await {
            Ok(lookup) => Ok(select(&name, kind, lookup.answers())),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                // What no zone vouches for is not to be remembered (RFC 2308).
                let ttl = Duration::from_secs(none.negative_ttl.unwrap_or(0).into());
                Ok(Records::new(Vec::new(), ttl))
            }
            Err(error) => Err(error),
        }
    }
}

impl Resolver for StubResolver {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        Box::pin(async move {
            // What cannot be a name does not exist, and never will.
            let Some(asked) = name_of(name) else { return Ok(Records::new(Vec::new(), Duration::MAX)) };
            self.ask(asked, kind).await.map_err(|error| {
                tracing::debug!(name, ?kind, %error, "DNS lookup failed");
                Backend::Temporary(Cow::Borrowed("DNS lookup failed"))
            })
        })
    }
}

/// The system's servers, unless the file is as it was.
fn system_unless(
    known: Option<Option<SystemTime>>,
) -> Result<Option<(TokioResolver, Option<SystemTime>)>, NetError> {
    let modified = std::fs::metadata(RESOLV_CONF).and_then(|metadata| metadata.modified()).ok();
    if known == Some(modified) {
        return Ok(None);
    }
    let (config, options) = read_system_conf()?;
    Ok(Some((build(config, options)?, modified)))
}

fn given(servers: &[SocketAddr], given: &StubOptions) -> Result<TokioResolver, NetError> {
    let server = |server: &SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.into())
    };
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
    let mut options = ResolverOpts::default();
    options.timeout = given.timeout;
    options.attempts = given.attempts;
    build(config, options)
}

fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    options.cache_size = 0;
    // Else a TTL that counts as none would be made a day.
    options.positive_max_ttl = Some(Duration::from_secs(u32::MAX.into()));
    options.use_hosts_file = ResolveHosts::Never;
    // The way from the name to its records is looked through in `select`.
    options.preserve_intermediates = true;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()
}

fn record_type(kind: RecordKind) -> Result<RecordType, NetError> {
    Ok(match kind {
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        RecordKind::Mx => RecordType::MX,
        RecordKind::Ns => RecordType::NS,
        RecordKind::Ptr => RecordType::PTR,
        RecordKind::Txt => RecordType::TXT,
        _ => return Err(NetError::Message("a kind of record that this resolver does not know")),
    })
}

/// The name, whole; `None` when it cannot be one (RFC 1035 section 2.3.4).
fn name_of(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    Name::from_labels(text.split('.').map(str::as_bytes)).ok()
}

/// The records that the name really has: those at the end of its aliases. Whatever else an answer has was not asked for.
fn select(name: &Name, kind: RecordKind, answers: &[rr::Record]) -> Records {
    let mut owner = name;
    let mut ttl = u32::MAX;
    for _ in 0..=ALIASES_MAX {
        let of_owner =
            || answers.iter().filter(|answer| answer.dns_class == DNSClass::IN && answer.name == *owner);
        let mut records = Vec::new();
        for answer in of_owner() {
            if let Some(record) = record(kind, &answer.data) {
                ttl = ttl.min(valid(answer.ttl));
                records.push(record);
            }
        }
        if !records.is_empty() {
            return Records::new(records, Duration::from_secs(ttl.into()));
        }
        let alias = of_owner().find_map(|answer| match &answer.data {
            RData::CNAME(alias) => Some((&alias.0, answer.ttl)),
            _ => None,
        });
        let Some((target, alias_ttl)) = alias else { break };
        ttl = ttl.min(valid(alias_ttl));
        owner = target;
    }
    Records::default()
}

/// RFC 2181 section 8: a TTL with the highest bit set is none.
fn valid(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

fn record(kind: RecordKind, data: &RData) -> Option<Record> {
    Some(match (kind, data) {
        (RecordKind::A, RData::A(address)) => Record::Address(IpAddr::V4(address.0)),
        (RecordKind::Aaaa, RData::AAAA(address)) => Record::Address(IpAddr::V6(address.0)),
        (RecordKind::Mx, RData::MX(mx)) => {
            Record::Mx { preference: mx.preference, exchange: text_of(&mx.exchange) }
        }
        (RecordKind::Ns, RData::NS(server)) => Record::Name(text_of(&server.0)),
        (RecordKind::Ptr, RData::PTR(name)) => Record::Name(text_of(&name.0)),
        (RecordKind::Txt, RData::TXT(text)) => {
            let octets: Vec<u8> = text.txt_data.iter().flat_map(|part| part.iter().copied()).collect();
            Record::Text(String::from_utf8_lossy(&octets).into_owned())
        }
        _ => return None,
    })
}

/// A name without the dot at its end; octets that are no plain letters are escaped, so that no part ends within another.
fn text_of(name: &Name) -> String {
    let mut text = name.to_ascii();
    if text.ends_with('.') {
        text.pop();
    }
    text
}
