//! What is known, as lines of a file.

use proto_core::UnixTime;
use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;
use std::str::FromStr;

/// One thing that is known. `Display` and `FromStr` are a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GreylistEntry {
    /// A sender and a recipient came from a network.
    Pair {
        /// The first address of the network.
        network: IpAddr,
        /// The sender, in lower case; empty for the null sender.
        sender: String,
        /// The recipient, in lower case.
        recipient: String,
        /// When they first came.
        first: UnixTime,
        /// When they last passed; none when they have not yet.
        passed: Option<UnixTime>,
    },
    /// Of a network so many have passed.
    Network {
        /// The first address of the network.
        network: IpAddr,
        /// How many.
        passed: u32,
        /// When one last did.
        last: UnixTime,
    },
}

impl Display for GreylistEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair { network, sender, recipient, first, passed } => {
                write!(f, "pair {network} {} ", first.0)?;
                match passed {
                    Some(passed) => passed.0.fmt(f)?,
                    None => f.write_str("-")?,
                }
                write!(f, " <{}> <{}>", Word(sender), Word(recipient))
            }
            Self::Network { network, passed, last } => write!(f, "network {network} {passed} {}", last.0),
        }
    }
}

/// An address without blanks in it, which a quoted one may have: they, line ends and `%` are `%` and two digits.
struct Word<'a>(&'a str);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character == '%' || character.is_ascii_whitespace() || character.is_ascii_control() {
                write!(f, "%{:02x}", u32::from(character))?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// What a [`Word`] stands for, in its angle brackets.
fn unfold(word: &str) -> Option<String> {
    let mut parts = word.strip_prefix('<')?.strip_suffix('>')?.split('%');
    let mut address = parts.next()?.to_string();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let octet = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)?;
        address.push(octet.into());
        address.push_str(rest);
    }
    Some(address)
}

/// A line that is not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `pair` or `network` with what is known of it")]
pub struct NoEntry;

impl FromStr for GreylistEntry {
    type Err = NoEntry;

    fn from_str(line: &str) -> Result<Self, NoEntry> {
        fn number<N: FromStr>(word: &str) -> Result<N, NoEntry> {
            word.parse().map_err(|_| NoEntry)
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["pair", network, first, passed, sender, recipient] => Ok(Self::Pair {
                network: number(network)?,
                sender: unfold(sender).ok_or(NoEntry)?,
                recipient: unfold(recipient).ok_or(NoEntry)?,
                first: UnixTime(number(first)?),
                passed: if passed == "-" { None } else { Some(UnixTime(number(passed)?)) },
            }),
            ["network", network, passed, last] => Ok(Self::Network {
                network: number(network)?,
                passed: number(passed)?,
                last: UnixTime(number(last)?),
            }),
            _ => Err(NoEntry),
        }
    }
}
