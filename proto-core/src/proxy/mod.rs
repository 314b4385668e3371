//! The header of the PROXY protocol, versions 1 and 2: where a connection came from before a proxy took it.
//!
//! HAProxy's `proxy-protocol.txt`, section 2. The header stands before everything else on a connection, before TLS
//! too, and so it is the driver that reads it and not a machine. Only who names a proxy beforehand may believe the
//! header, and on such a connection it must come: the text forbids guessing whether one is there (section 2).
//!
//! [`ProxyParser`] takes the header octet by octet and never one behind it. It refuses at the first octet that cannot
//! be right, which a client without a proxy sends with its first one.
//!
//! ```
//! use proto_core::proxy::{ProxyHeader, ProxyParser};
//!
//! let mut parser = ProxyParser::new();
//! let octets = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO client.example\r\n";
//! let (taken, header) = parser.parse(octets);
//! let source = "192.0.2.1:56324".parse().unwrap();
//! let destination = "198.51.100.2:25".parse().unwrap();
//! assert_eq!(header, Some(Ok(ProxyHeader::Tcp { source, destination })));
//! assert_eq!(&octets[taken..], b"EHLO client.example\r\n");
//! ```
//!
//! # Limits
//! Version 1: a line of [`LINE_OCTETS_MAX`]. Version 2: [`HEADER_OCTETS_MAX`] with its TLVs, of which none is held:
//! the parser keeps at most [`LINE_OCTETS_MAX`] octets.
//!
//! # Departures
//! * Version 2 may announce 65,551 octets; we take [`HEADER_OCTETS_MAX`].
//! * TLVs are skipped (section 2.2 leaves it to us), but for the checksum: where there is one it is verified
//!   (section 2.2.3), and TLVs that do not fill the header exactly are refused.
//! * After `UNKNOWN` anything goes but a CR or an LF that stands alone.

mod crc32c;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

pub use v1::LINE_OCTETS_MAX;
pub use v2::HEADER_OCTETS_MAX;

use core::net::SocketAddr;
use v1::Line;
use v2::Binary;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeader {
    /// The proxy speaks for itself, as in a health check (version 2, `LOCAL`): the connection has no other end than its
    /// own (section 2.2).
    Local,
    /// The proxy speaks for a client whose address it cannot tell (version 1, `UNKNOWN`; version 2, `UNSPEC`, a
    /// UNIX socket or datagrams): the connection's own end is all there is (section 2.1). What the proxy may do, nobody
    /// may who comes through it so.
    Unknown,
    /// The proxy speaks for a client that came by TCP.
    Tcp {
        /// Address and port of the client.
        source: SocketAddr,
        /// Address and port that the client connected to.
        destination: SocketAddr,
    },
}

/// Why octets are no header. The connection is to be closed; nothing can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyFault {
    /// Neither signature begins the connection.
    #[error("no PROXY header")]
    NoHeader,
    /// A line of version 1 is not as section 2.1 has it.
    #[error("malformed PROXY line")]
    MalformedLine,
    /// A line of version 1 does not end within [`LINE_OCTETS_MAX`].
    #[error("PROXY line too long")]
    LineTooLong,
    /// Version, command, family, transport or lengths of version 2 are not as section 2.2 has them.
    #[error("malformed PROXY header of version 2")]
    Malformed,
    /// A header of version 2 announces more than [`HEADER_OCTETS_MAX`].
    #[error("PROXY header too long")]
    TooLong,
    /// The checksum that the header brings is not its own.
    #[error("wrong checksum in the PROXY header")]
    Checksum,
}

/// Reads one header. See the [module](self).
#[derive(Debug, Clone, Default)]
pub struct ProxyParser(State);

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Start,
    Line(Line),
    Binary(Binary),
    Done(Result<ProxyHeader, ProxyFault>),
}

impl ProxyParser {
    /// A parser at the beginning of a connection.
    pub const fn new() -> Self {
        Self(State::Start)
    }

    /// Takes octets up to the end of the header or the first that cannot be in one. Returns how many it took and,
    /// when it is done, what they say; after that it takes nothing and says the same again.
    pub fn parse(&mut self, octets: &[u8]) -> (usize, Option<Result<ProxyHeader, ProxyFault>>) {
        let mut taken = 0;
        while !matches!(self.0, State::Done(_)) {
            let Some(&octet) = octets.get(taken) else { return (taken, None) };
            taken += 1;
            let done = match &mut self.0 {
                State::Start => {
                    self.begin(octet);
                    continue;
                }
                State::Line(line) => line.take(octet),
                State::Binary(binary) => binary.take(octet),
                State::Done(_) => None,
            };
            if let Some(done) = done {
                self.0 = State::Done(done);
            }
        }
        match &self.0 {
            State::Done(done) => (taken, Some(*done)),
            _ => (taken, None),
        }
    }

    /// How many octets are still to come at least, if the header is a right one: who reads no more than these has
    /// nothing to give back when TLS follows. Zero when the parser is done.
    pub fn octets_wanted(&self) -> usize {
        match &self.0 {
            State::Start => v1::SHORTEST.len(),
            State::Line(line) => line.octets_wanted(),
            State::Binary(binary) => binary.octets_wanted(),
            State::Done(_) => 0,
        }
    }

    fn begin(&mut self, octet: u8) {
        self.0 = match octet {
            b'P' => State::Line(Line::new()),
            b'\r' => State::Binary(Binary::new()),
            _ => State::Done(Err(ProxyFault::NoHeader)),
        };
    }
}
