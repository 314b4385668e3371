//! What a next hop is written as: where mail of a transport goes.
//!
//! | written | is | of |
//! | --- | --- | --- |
//! | `example.com`, `example.com:587` | the mail servers of a domain | SMTP |
//! | `[mx.example.com]`, `[mx.example.com]:587` | the addresses of a host | both |
//! | `[192.0.2.1]`, `[2001:db8::1]:587`, `[IPv6:2001:db8::1]` | an address | both |
//! | `mx.example.com`, `mx.example.com:2424`, each with `inet:` in front or not | the addresses of a host | LMTP |
//! | `unix:/run/lmtp` | a socket of this machine | LMTP |
//!
//! Several, with commas or blanks between them, are tried in their order. A port is a number or one of `smtp`, `lmtp`,
//! `submission`, `submissions` and `smtps`; where none is written it is 25, for LMTP 24 (as Postfix has it; RFC 2033 section 5 only says
//! that it is not 25).

use crate::access::{is_hostname, literal};
use crate::domain;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};

/// How many next hops may stand in one list.
pub const NEXT_HOPS_MAX: usize = 20;

/// What is spoken at the next hop, which decides what may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP (RFC 5321): a domain is asked for its mail servers.
    Smtp,
    /// LMTP (RFC 2033): nobody is asked for mail servers.
    Lmtp,
}

/// Where mail goes next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NextHop {
    /// The mail servers of a domain (RFC 5321 section 5.1).
    Domain {
        /// In A-labels, without a dot at its end.
        name: String,
        /// At which all of them are spoken to.
        port: u16,
    },
    /// A host, by its addresses; its MX records say nothing.
    Host {
        /// In A-labels, without a dot at its end.
        name: String,
        /// The port.
        port: u16,
    },
    /// An address and a port.
    Address(SocketAddr),
    /// The path of a socket of this machine, which is spoken to in LMTP.
    Unix(String),
}

/// Next hops of one protocol, at least one and at most [`NEXT_HOPS_MAX`]; they are tried in their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NextHops {
    protocol: Protocol,
    list: Vec<NextHop>,
}

/// Why something is no next hop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{written}: {expected}")]
#[non_exhaustive]
pub struct NextHopError {
    /// What was written, of a list the element.
    pub written: String,
    /// What was expected.
    pub expected: &'static str,
}

/// Ports that have names (RFC 6409 section 3.1, RFC 8314 section 3.3).
const PORTS: [(&str, u16); 5] =
    [("smtp", 25), ("lmtp", 24), ("submission", 587), ("submissions", 465), ("smtps", 465)];

impl Protocol {
    const fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Lmtp => 24,
        }
    }
}

impl NextHops {
    /// Reads a list, such as the next hop of a [`Transport`](crate::address::Transport) and the value of `relayhost` are.
    ///
    /// # Errors
    /// [`NextHopError`] for the first element that is none, and for a list that is empty or too long.
    pub fn parse(text: &str, protocol: Protocol) -> Result<Self, NextHopError> {
        let is_between = |c: char| c == ',' || c.is_ascii_whitespace();
        let words = text.split(is_between).filter(|word| !word.is_empty());
        let list: Vec<NextHop> = words
            .take(NEXT_HOPS_MAX + 1)
            .map(|word| NextHop::parse(word, protocol))
            .collect::<Result<_, _>>()?;
        let wrong = |expected| Err(NextHopError { written: text.into(), expected });
        match list.len() {
            0 => wrong("expected a domain, or a host or an address in brackets"),
            1..=NEXT_HOPS_MAX => Ok(Self { protocol, list }),
            _ => wrong("expected 20 next hops at most"),
        }
    }

    /// What is spoken there.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &NextHop> {
        self.list.iter()
    }
}

impl NextHop {
    /// Reads one.
    ///
    /// # Errors
    /// [`NextHopError`], with what was expected.
    pub fn parse(written: &str, protocol: Protocol) -> Result<Self, NextHopError> {
        Self::read(written.trim(), protocol)
            .map_err(|expected| NextHopError { written: written.into(), expected })
    }

    /// What it is called, without its port.
    pub fn name(&self) -> String {
        match self {
            Self::Domain { name, .. } | Self::Host { name, .. } | Self::Unix(name) => name.clone(),
            Self::Address(address) => address.ip().to_string(),
        }
    }

    fn read(written: &str, protocol: Protocol) -> Result<Self, &'static str> {
        let is_lmtp = protocol == Protocol::Lmtp;
        const OF_LMTP: &str =
            "unix: and inet: are of LMTP; expected a domain, or a host or an address in brackets";
        let written = match (written.strip_prefix("unix:"), written.strip_prefix("inet:")) {
            (Some(""), _) if is_lmtp => return Err("expected the path of a socket behind unix:"),
            (Some(path), _) if is_lmtp => return Ok(Self::Unix(path.into())),
            (None, Some(rest)) if is_lmtp => rest,
            (Some(_), _) | (_, Some(_)) => {
                return Err(OF_LMTP);
            }
            (None, None) => written,
        };
        let Some(inside) = written.strip_prefix('[') else {
            let (name, port) =
                written.split_once(':').map_or((written, None), |(name, port)| (name, Some(port)));
            if written.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6())
                || port.is_some_and(|port| port.contains(':'))
            {
                return Err("expected brackets around an IPv6 address");
            }
            let port = read_port(port, protocol)?;
            return match name.parse::<IpAddr>() {
                Ok(address) if is_lmtp => Ok(Self::Address(SocketAddr::new(address, port))),
                Ok(_) => Err("expected brackets around an address"),
                Err(_) => {
                    let name = host_name(name)?;
                    // With a port behind it, it would read as one of those.
                    if !is_lmtp && ["unix", "inet"].iter().any(|of_lmtp| name.eq_ignore_ascii_case(of_lmtp)) {
                        return Err(OF_LMTP);
                    }
                    Ok(if is_lmtp { Self::Host { name, port } } else { Self::Domain { name, port } })
                }
            };
        };
        let (inside, rest) = inside.split_once(']').ok_or("expected a bracket that closes")?;
        let port = match rest.strip_prefix(':') {
            None if !rest.is_empty() => {
                return Err("expected a colon and a port behind the brackets, or nothing");
            }
            port => read_port(port, protocol)?,
        };
        match literal(inside).or_else(|| inside.parse().ok()) {
            Some(address) => Ok(Self::Address(SocketAddr::new(address, port))),
            None if inside.contains(':') => Err("expected a host or an address within the brackets"),
            None => Ok(Self::Host { name: host_name(inside)?, port }),
        }
    }
}

fn read_port(written: Option<&str>, protocol: Protocol) -> Result<u16, &'static str> {
    let Some(written) = written else { return Ok(protocol.port()) };
    let named = PORTS.iter().find(|(name, _)| *name == written).map(|(_, port)| *port);
    let is_number = || written.bytes().all(|octet| octet.is_ascii_digit());
    let numbered = || written.parse().ok().filter(|port| is_number() && *port > 0);
    named
        .or_else(numbered)
        .ok_or("expected a port: a number from 1 to 65535, smtp, lmtp, submission or submissions")
}

/// A host or a domain, as it is looked up.
fn host_name(written: &str) -> Result<String, &'static str> {
    let name = domain::in_ascii(written.strip_suffix('.').unwrap_or(written));
    name.filter(|name| is_hostname(name)).map(Into::into).ok_or("expected the name of a domain or a host")
}

/// With its port, in the form that is read for either protocol.
impl Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain { name, port } => write!(f, "{name}:{port}"),
            Self::Host { name, port } => write!(f, "[{name}]:{port}"),
            Self::Address(address) => write!(f, "[{}]:{}", address.ip(), address.port()),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// As it is read.
impl Display for NextHops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, hop) in self.list.iter().enumerate() {
            write!(f, "{}{hop}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str, protocol: Protocol) -> String {
        match NextHops::parse(written, protocol) {
            Ok(hops) => {
                assert_eq!(NextHops::parse(&hops.to_string(), protocol), Ok(hops.clone()), "{written}");
                hops.iter().map(|hop| format!("{hop:?}")).collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.expected.to_string(),
        }
    }

    #[test]
    fn what_smtp_has() {
        for (written, hop) in [
            ("example.com", "Domain { name: \"example.com\", port: 25 }"),
            ("Example.com.:2525", "Domain { name: \"Example.com\", port: 2525 }"),
            ("b\u{fc}cher.test:submission", "Domain { name: \"xn--bcher-kva.test\", port: 587 }"),
            ("localhost", "Domain { name: \"localhost\", port: 25 }"),
            ("[smart.example]", "Host { name: \"smart.example\", port: 25 }"),
            ("[smart.example]:smtps", "Host { name: \"smart.example\", port: 465 }"),
            ("[198.51.100.9]:2525", "Address(198.51.100.9:2525)"),
            ("[IPv6:2001:db8::1]", "Address([2001:db8::1]:25)"),
            ("[ipv6:2001:db8::1]:587", "Address([2001:db8::1]:587)"),
            ("[2001:db8::1]", "Address([2001:db8::1]:25)"),
            (
                " a.test,[b.test]:26\t[192.0.2.1] ",
                "Domain { name: \"a.test\", port: 25 }; Host { name: \"b.test\", port: 26 }; Address(192.0.2.1:25)",
            ),
        ] {
            assert_eq!(read(written, Protocol::Smtp), hop, "{written}");
        }
    }

    #[test]
    fn what_lmtp_has() {
        for (written, hop) in [
            ("unix:private/lmtp", "Unix(\"private/lmtp\")"),
            ("unix:/run/lmtp", "Unix(\"/run/lmtp\")"),
            ("inet:mx.test:2424", "Host { name: \"mx.test\", port: 2424 }"),
            ("mx.test", "Host { name: \"mx.test\", port: 24 }"),
            ("inet:127.0.0.1", "Address(127.0.0.1:24)"),
            ("[127.0.0.1]:smtp", "Address(127.0.0.1:25)"),
            ("inet:[::1]:lmtp", "Address([::1]:24)"),
        ] {
            assert_eq!(read(written, Protocol::Lmtp), hop, "{written}");
        }
    }

    #[test]
    fn what_is_expected_is_said() {
        let long = "a ".repeat(NEXT_HOPS_MAX + 1);
        for (written, expected) in [
            ("", "expected a domain, or a host or an address in brackets"),
            (" , ", "expected a domain, or a host or an address in brackets"),
            (&*long, "expected 20 next hops at most"),
            ("unix:/run/lmtp", "unix: and inet: are of LMTP"),
            ("inet:a.test:24", "unix: and inet: are of LMTP"),
            ("Unix", "unix: and inet: are of LMTP"),
            ("inet.", "unix: and inet: are of LMTP"),
            ("192.0.2.1", "expected brackets around an address"),
            ("192.0.2.1:25", "expected brackets around an address"),
            ("2001:db8::1", "expected brackets around an IPv6 address"),
            ("a.test:25:26", "expected brackets around an IPv6 address"),
            ("a..test", "expected the name of a domain or a host"),
            ("a_-.test", "expected the name of a domain or a host"),
            ("[]", "expected the name of a domain or a host"),
            ("[1.2.3]", "expected the name of a domain or a host"),
            ("[a:b]", "expected a host or an address within the brackets"),
            ("[a.test", "expected a bracket that closes"),
            ("[a.test]x", "expected a colon and a port behind the brackets"),
            ("[a.test]:", "expected a port"),
            ("a.test:0", "expected a port"),
            ("a.test:+25", "expected a port"),
            ("a.test:65536", "expected a port"),
            ("a.test:imap", "expected a port"),
        ] {
            let said = read(written, Protocol::Smtp);
            assert!(said.starts_with(expected), "{written}: {said}");
        }
        assert!(read("unix:", Protocol::Lmtp).starts_with("expected the path"));
        let error = NextHops::parse("a.test, b..test", Protocol::Smtp).unwrap_err();
        assert_eq!(error.to_string(), "b..test: expected the name of a domain or a host");
    }
}
