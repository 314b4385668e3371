//! The name of a client's address, and whether it is one.
//!
//! Anybody can let his addresses have any name. So a name counts only when it has that address, too; the one that was told
//! is kept besides, as `reverse_client_name`, for rules that want no more than that there is one.
//!
//! # Limits
//! [`NAMES_MAX`] names of one address are looked at.
//!
//! # Departures
//! From Postfix: of several names the first that has the address counts, not the first alone.

use crate::wall::Resolver;
use hickory_resolver::proto::rr::Name;
use relay_policy::{NameStatus, Record, RecordKind, Request};
use std::net::IpAddr;

/// How many names of one address are looked at.
pub const NAMES_MAX: usize = 4;

/// What came of looking for the name of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientName {
    /// The name that has the client's address; `unknown` where there is none.
    pub name: String,
    /// Why there is none, if there is none.
    pub status: NameStatus,
    /// The name that the client's address is said to have; `unknown` where there is none.
    pub reverse_name: String,
    /// Why there is none, if there is none.
    pub reverse_status: NameStatus,
}

/// The name of what has none.
const UNKNOWN: &str = "unknown";

impl ClientName {
    /// Of a client without a name.
    pub fn unknown(status: NameStatus) -> Self {
        Self { name: UNKNOWN.into(), status, reverse_name: UNKNOWN.into(), reverse_status: status }
    }

    /// Looks for the name of an address. What is odd about it is logged, in Postfix's words.
    ///
    /// ```
    /// use postroom::dns::{ClientName, FixedResolver};
    /// use postroom::relay_policy::{NameStatus, Record, RecordKind};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let resolver = FixedResolver::new()
    ///     .with("9.113.0.203.in-addr.arpa", RecordKind::Ptr, [Record::Name("mail.example.org".into())])
    ///     .with("mail.example.org", RecordKind::A, [Record::Address("203.0.113.9".parse()?)])
    ///     .with("8.113.0.203.in-addr.arpa", RecordKind::Ptr, [Record::Name("mail.example.org".into())]);
    /// let client = ClientName::look_up(&resolver, "203.0.113.9".parse()?).await;
    /// assert_eq!((&*client.name, client.status), ("mail.example.org", NameStatus::Ok));
    /// let liar = ClientName::look_up(&resolver, "203.0.113.8".parse()?).await;
    /// assert_eq!((&*liar.name, liar.status), ("unknown", NameStatus::Forged));
    /// assert_eq!((&*liar.reverse_name, liar.reverse_status), ("mail.example.org", NameStatus::Ok));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn look_up(resolver: &dyn Resolver, client: IpAddr) -> Self {
        let client = client.to_canonical();
        let reverse = Name::from(client).to_ascii();
        let Ok(found) = resolver.records(&reverse, RecordKind::Ptr).await else {
            return Self::unknown(NameStatus::Temporary);
        };
        let names = found.records.into_iter().filter_map(|record| match record {
            Record::Name(name) if relay_policy::access::is_hostname(&name) => Some(name),
            _ => None,
        });
        let mut best: Option<Self> = None;
        for name in names.take(NAMES_MAX) {
            let status = confirm(resolver, &name, client).await;
            if status == NameStatus::Ok {
                let reverse_name = name.clone();
                return Self { name, status, reverse_name, reverse_status: NameStatus::Ok };
            }
            let unconfirmed =
                Self { status, reverse_name: name, reverse_status: NameStatus::Ok, ..Self::unknown(status) };
            best.get_or_insert(unconfirmed);
        }
        best.unwrap_or_else(|| Self::unknown(NameStatus::Permanent))
    }

    /// Tells a request.
    pub fn tell(self, request: &mut Request) {
        request.client_name = self.name;
        request.client_name_status = self.status;
        request.reverse_client_name = self.reverse_name;
        request.reverse_client_name_status = self.reverse_status;
    }
}

/// Whether a name has this address, or why it cannot be said.
async fn confirm(resolver: &dyn Resolver, name: &str, client: IpAddr) -> NameStatus {
    let kind = if client.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa };
    let (status, why) = match resolver.records(name, kind).await {
        Err(_) => (NameStatus::Temporary, ": Temporary failure in name resolution"),
        Ok(found) if found.records.is_empty() => (NameStatus::Permanent, ": Name or service not known"),
        Ok(found) if found.records.contains(&Record::Address(client)) => return NameStatus::Ok,
        Ok(_) => (NameStatus::Forged, ""),
    };
    tracing::warn!("hostname {name} does not resolve to address {client}{why}");
    status
}
