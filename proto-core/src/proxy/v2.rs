//! Version 2: the binary header (proxy-protocol.txt section 2.2).

use super::crc32c::Crc32c;
use super::{ProxyFault, ProxyHeader};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 2 that is taken, in octets, with its TLVs.
pub const HEADER_OCTETS_MAX: usize = 16 * 1024;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length.
const FIXED_OCTETS: usize = 16;

/// Two IPv6 addresses and two ports: the longest addresses that are understood.
const ADDRESSES_OCTETS_MAX: usize = 36;

/// The type of the TLV with the checksum of the whole header.
const TYPE_CRC32C: u8 = 0x03;

/// A header so far, the first octet of its signature taken.
#[derive(Debug, Clone)]
pub(super) struct Binary {
    /// The fixed part and the addresses.
    held: [u8; FIXED_OCTETS + ADDRESSES_OCTETS_MAX],
    taken: usize,
    crc: Crc32c,
    body: Body,
    tlv: Tlv,
    /// The checksum that the header brings, as far as it has come.
    checksum: Option<u32>,
}

/// What follows the fixed part.
#[derive(Debug, Clone, Copy)]
struct Body {
    octets: usize,
    /// How many of them are addresses; all of them where nothing is understood.
    addresses: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local,
    Unknown,
    Tcp4,
    Tcp6,
}

/// Where in a TLV we are.
#[derive(Debug, Clone, Copy)]
enum Tlv {
    Type,
    LengthHigh { kind: u8 },
    LengthLow { kind: u8, high: u8 },
    Value { kind: u8, left: usize },
}

impl Binary {
    pub(super) fn new() -> Self {
        let mut binary = Self {
            held: [0; FIXED_OCTETS + ADDRESSES_OCTETS_MAX],
            taken: 1,
            crc: Crc32c::new(),
            body: Body { octets: 0, addresses: 0, kind: Kind::Unknown },
            tlv: Tlv::Type,
            checksum: None,
        };
        binary.held[0] = SIGNATURE[0];
        binary.crc.update(SIGNATURE[0]);
        binary
    }

    /// Takes one octet; what the header says when it was the last.
    pub(super) fn take(&mut self, octet: u8) -> Option<Result<ProxyHeader, ProxyFault>> {
        let at = self.taken;
        self.taken += 1;
        if let Some(held) = self.held.get_mut(at) {
            *held = octet;
        }
        let summed = match self.step(at, octet) {
            Ok(summed) => summed,
            Err(fault) => return Some(Err(fault)),
        };
        self.crc.update(summed);
        let complete = self.taken >= FIXED_OCTETS && self.taken == FIXED_OCTETS + self.body.octets;
        complete.then(|| self.finish())
    }

    pub(super) fn octets_wanted(&self) -> usize {
        let end = if self.taken < FIXED_OCTETS { FIXED_OCTETS } else { FIXED_OCTETS + self.body.octets };
        end - self.taken
    }

    /// Looks at the octet at this place. Returns what the checksum counts for it.
    fn step(&mut self, at: usize, octet: u8) -> Result<u8, ProxyFault> {
        match at {
            0..12 if octet != SIGNATURE[at] => return Err(ProxyFault::NoHeader),
            // Version 2; commands LOCAL and PROXY.
            12 if octet != 0x20 && octet != 0x21 => return Err(ProxyFault::Malformed),
            13 if octet >> 4 > 3 || octet & 0x0f > 2 => return Err(ProxyFault::Malformed),
            15 => self.body = Body::new(&self.held)?,
            _ => {}
        }
        if at < FIXED_OCTETS + self.body.addresses || at < FIXED_OCTETS {
            return Ok(octet);
        }
        self.tlv(octet)
    }

    /// One octet of the TLVs.
    fn tlv(&mut self, octet: u8) -> Result<u8, ProxyFault> {
        let left_in_header = FIXED_OCTETS + self.body.octets - self.taken;
        let mut summed = octet;
        self.tlv = match self.tlv {
            Tlv::Type => Tlv::LengthHigh { kind: octet },
            Tlv::LengthHigh { kind } => Tlv::LengthLow { kind, high: octet },
            Tlv::LengthLow { kind, high } => {
                let left = usize::from(u16::from_be_bytes([high, octet]));
                if kind == TYPE_CRC32C && (left != 4 || self.checksum.is_some()) {
                    return Err(ProxyFault::Malformed);
                }
                if left > left_in_header {
                    return Err(ProxyFault::Malformed);
                }
                if left == 0 { Tlv::Type } else { Tlv::Value { kind, left } }
            }
            Tlv::Value { kind, left } => {
                if kind == TYPE_CRC32C {
                    // Section 2.2.3: in the sum the checksum itself counts as zeros.
                    summed = 0;
                    self.checksum = Some(self.checksum.unwrap_or(0) << 8 | u32::from(octet));
                }
                if left == 1 { Tlv::Type } else { Tlv::Value { kind, left: left - 1 } }
            }
        };
        Ok(summed)
    }

    fn finish(&self) -> Result<ProxyHeader, ProxyFault> {
        if !matches!(self.tlv, Tlv::Type) {
            return Err(ProxyFault::Malformed);
        }
        if self.checksum.is_some_and(|checksum| checksum != self.crc.value()) {
            return Err(ProxyFault::Checksum);
        }
        let octets = &self.held[FIXED_OCTETS..];
        Ok(match self.body.kind {
            Kind::Local => ProxyHeader::Local,
            Kind::Unknown => ProxyHeader::Unknown,
            Kind::Tcp4 => tcp(
                IpAddr::V4(Ipv4Addr::from(array::<4>(octets, 0))),
                IpAddr::V4(Ipv4Addr::from(array::<4>(octets, 4))),
                &octets[8..],
            ),
            Kind::Tcp6 => tcp(
                IpAddr::V6(Ipv6Addr::from(array::<16>(octets, 0))),
                IpAddr::V6(Ipv6Addr::from(array::<16>(octets, 16))),
                &octets[32..],
            ),
        })
    }
}

impl Body {
    /// What the fixed part announces.
    fn new(fixed: &[u8]) -> Result<Self, ProxyFault> {
        let octets = usize::from(u16::from_be_bytes(array(fixed, 14)));
        if FIXED_OCTETS + octets > HEADER_OCTETS_MAX {
            return Err(ProxyFault::TooLong);
        }
        let local = fixed[12] == 0x20;
        let (kind, addresses) = match fixed[13] {
            _ if local => (Kind::Local, octets),
            0x11 => (Kind::Tcp4, 12),
            0x12 => (Kind::Unknown, 12),
            0x21 => (Kind::Tcp6, 36),
            0x22 => (Kind::Unknown, 36),
            0x31 | 0x32 => (Kind::Unknown, 216),
            // Without a family or a transport nobody knows where addresses end.
            _ => (Kind::Unknown, octets),
        };
        if addresses > octets {
            return Err(ProxyFault::Malformed);
        }
        Ok(Self { octets, addresses, kind })
    }
}

fn tcp(source: IpAddr, destination: IpAddr, ports: &[u8]) -> ProxyHeader {
    ProxyHeader::Tcp {
        source: SocketAddr::new(source, u16::from_be_bytes(array(ports, 0))),
        destination: SocketAddr::new(destination, u16::from_be_bytes(array(ports, 2))),
    }
}

/// `N` octets from `at`, all of which are there.
fn array<const N: usize>(octets: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&octets[at..at + N]);
    array
}
