//! The servers of a domain, looked up in a table: those that have its name, its mail servers, its name servers.

use super::addresses::has_null_mx;
use super::helo::literal;
use super::probe::{Checked, Probe, Said};
use super::rule::Servers;
use super::subject::{Context, Subject};
use crate::domain;
use crate::question::{Answer, Question, Record, RecordKind};
use crate::request::UNKNOWN;
use proto_core::address::Domain;
use std::borrow::Cow;
use std::net::IpAddr;

/// A server: its name, where that is looked up, too, and its addresses.
struct Host {
    name: Option<String>,
    addresses: Vec<IpAddr>,
}

impl Probe<'_> {
    pub(crate) fn server_access(
        &mut self,
        servers: Servers,
        of: Subject,
        table: &str,
        restriction: &str,
    ) -> Checked {
        let context = Context::of(of);
        let Some(domain) = self.domain_of(of) else { return Ok(Said::Dunno) };
        let hosts = match domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => {
                let address = if servers == Servers::Ns { None } else { literal(inner) };
                address.map(|address| vec![Host { name: None, addresses: vec![address] }]).unwrap_or_default()
            }
            None => self.hosts(servers, &domain)?,
        };
        let mut seen = 0;
        for host in hosts {
            let left = super::SERVER_ADDRESSES_MAX.saturating_sub(seen);
            let addresses: Vec<String> = host.addresses.iter().take(left).map(IpAddr::to_string).collect();
            seen += addresses.len();
            if let Some(said) = self.access_by_host(table, host.name.as_deref(), &addresses, &context)? {
                return self.forbidding(said, restriction, &context);
            }
        }
        Ok(Said::Dunno)
    }

    fn domain_of(&self, subject: Subject) -> Option<String> {
        let named = |name: &str| (name != UNKNOWN).then(|| name.to_string());
        match subject {
            Subject::Client => named(&self.request.client_name),
            Subject::ReverseClient => named(&self.request.reverse_client_name),
            Subject::Helo => self.request.helo.clone(),
            _ => match self.address(subject)?.domain() {
                Domain::Name(name) => domain::in_ascii(name.as_str()).map(Cow::into_owned),
                other => Some(other.to_string()),
            },
        }
    }

    fn hosts(&mut self, servers: Servers, domain: &str) -> Checked<Vec<Host>> {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let names = match servers {
            Servers::Address => {
                let addresses = self.addresses_of(domain)?;
                return Ok(vec![Host { name: None, addresses }]);
            }
            Servers::Mx => self.mail_servers(domain)?,
            Servers::Ns => self.name_servers(domain)?,
        };
        let names: Vec<String> = names.into_iter().take(super::SERVER_ADDRESSES_MAX).collect();
        self.ask_about(&names)?;
        let mut hosts = Vec::new();
        for name in names {
            let addresses = self.addresses_of(&name)?;
            hosts.push(Host { name: Some(name), addresses });
        }
        Ok(hosts)
    }

    /// Asks for the addresses of all these hosts at once.
    pub(crate) fn ask_about(&self, hosts: &[impl AsRef<str>]) -> Checked<()> {
        let questions: Vec<Question> = hosts.iter().flat_map(|host| of_host(host.as_ref())).collect();
        self.ask_all(&questions).map(drop)
    }

    /// The mail servers, best ones first; the domain itself when it names none (RFC 5321 section 5.1).
    fn mail_servers(&mut self, domain: &str) -> Checked<Vec<String>> {
        match self.ask(Question::Dns { name: domain.into(), kind: RecordKind::Mx })? {
            Answer::Records(records) if records.is_empty() => Ok(vec![domain.to_string()]),
            Answer::Records(records) if has_null_mx(records) => {
                self.log.warn(format!("{domain} has no mail servers: it takes no mail (null MX)"));
                Ok(Vec::new())
            }
            Answer::Records(records) => {
                let mut servers: Vec<(u16, &str)> = records
                    .iter()
                    .filter_map(|record| match record {
                        Record::Mx { preference, exchange } => Some((*preference, exchange.as_str())),
                        _ => None,
                    })
                    .collect();
                servers.sort_by_key(|(preference, _)| *preference);
                Ok(servers.into_iter().map(|(_, exchange)| exchange.to_string()).collect())
            }
            _ => {
                self.log.warn(format!("Unable to look up MX host for {domain}: Host not found, try again"));
                Ok(Vec::new())
            }
        }
    }

    /// The name servers of the name, or of the nearest parent that has some.
    fn name_servers(&mut self, domain: &str) -> Checked<Vec<String>> {
        let mut zone = domain;
        loop {
            match self.ask(Question::Dns { name: zone.into(), kind: RecordKind::Ns })? {
                Answer::Records(records) if !records.is_empty() => {
                    let names = records.iter().filter_map(|record| match record {
                        Record::Name(name) => Some(name.clone()),
                        _ => None,
                    });
                    return Ok(names.collect());
                }
                Answer::Records(_) => match zone.split_once('.') {
                    Some((_, parent)) if !parent.is_empty() => zone = parent,
                    _ => return Ok(Vec::new()),
                },
                _ => {
                    self.log
                        .warn(format!("Unable to look up NS host for {domain}: Host not found, try again"));
                    return Ok(Vec::new());
                }
            }
        }
    }

    fn addresses_of(&mut self, host: &str) -> Checked<Vec<IpAddr>> {
        let (addresses, failed) = self.addresses(host)?;
        if failed {
            self.log.warn(format!("Unable to look up host {host}: Host not found, try again"));
        }
        Ok(addresses)
    }

    /// The addresses of a host; none when they could not be found out.
    pub(crate) fn known_addresses(&mut self, host: &str) -> Checked<Option<Vec<IpAddr>>> {
        let (addresses, failed) = self.addresses(host)?;
        Ok((!failed).then_some(addresses))
    }

    /// The addresses that are known, and whether there may be more.
    fn addresses(&mut self, host: &str) -> Checked<(Vec<IpAddr>, bool)> {
        let answers = self.ask_all(&of_host(host))?;
        let (mut addresses, mut failed) = (Vec::new(), false);
        for answer in answers {
            match answer {
                Answer::Records(records) => {
                    addresses.extend(records.iter().filter_map(|record| match record {
                        Record::Address(address) => Some(*address),
                        _ => None,
                    }))
                }
                _ => failed = true,
            }
        }
        Ok((addresses, failed))
    }
}

/// The questions for a host's addresses.
fn of_host(host: &str) -> [Question; 2] {
    [RecordKind::A, RecordKind::Aaaa].map(|kind| Question::Dns { name: host.into(), kind })
}
