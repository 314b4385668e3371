//! Who has connected, as a milter is told.

use super::wire::{Data, PacketFault, push_string};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

/// A client of the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MilterPeer {
    /// Its name, if it is known and verified. Without one a milter is told the address in square brackets.
    pub hostname: Option<String>,
    /// Where it comes from.
    pub address: PeerAddress,
}

/// Where a client comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerAddress {
    /// Not known.
    Unknown,
    /// A socket in the file system: its path.
    Unix(String),
    /// An address and the client's port; port 0 is not known.
    Inet(IpAddr, u16),
}

/// The address alone, as it stands in the macro `client_addr`.
impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Unix(path) => f.write_str(path),
            Self::Inet(address, _) => address.fmt(f),
        }
    }
}

impl MilterPeer {
    /// The name that a milter is told: that of the client, or `[address]`, or `unknown`.
    pub fn told_name(&self) -> String {
        match (&self.hostname, &self.address) {
            (Some(name), _) => name.clone(),
            (None, PeerAddress::Unknown) => self.address.to_string(),
            (None, address) => alloc::format!("[{address}]"),
        }
    }

    pub(super) fn write(&self, data: &mut Vec<u8>) {
        push_string(data, self.told_name().as_bytes());
        let (family, port) = match self.address {
            PeerAddress::Unknown => return data.push(b'U'),
            PeerAddress::Unix(_) => (b'L', 0),
            PeerAddress::Inet(IpAddr::V4(_), port) => (b'4', port),
            PeerAddress::Inet(IpAddr::V6(_), port) => (b'6', port),
        };
        data.push(family);
        data.extend_from_slice(&port.to_be_bytes());
        push_string(data, self.address.to_string().as_bytes());
    }

    pub(super) fn read(kind: u8, data: &mut Data<'_>) -> Result<Self, PacketFault> {
        let hostname = data.text()?;
        let family = data.octet()?;
        let address = if family == b'U' {
            PeerAddress::Unknown
        } else {
            let port = data.short()?;
            let text = data.text()?;
            // Sendmail writes `IPv6:` before an address of six octet pairs and more, Postfix does not.
            let plain = text.strip_prefix("IPv6:").unwrap_or(&text);
            let parsed = match family {
                b'L' => return Ok(Self::named(hostname, PeerAddress::Unix(text))),
                b'4' => plain.parse().ok().map(IpAddr::V4),
                b'6' => plain.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
                other => return Err(PacketFault::Unknown(other)),
            };
            PeerAddress::Inet(parsed.ok_or(PacketFault::Short(kind))?, port)
        };
        Ok(Self::named(hostname, address))
    }

    /// What was told, with the name that stands for none taken away.
    fn named(hostname: String, address: PeerAddress) -> Self {
        let nameless = Self { hostname: None, address };
        if nameless.told_name() == hostname {
            nameless
        } else {
            Self { hostname: Some(hostname), ..nameless }
        }
    }
}
