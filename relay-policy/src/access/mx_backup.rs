//! `permit_mx_backup`: this host is a mail server of the recipient's domain, though not a best one.
//!
//! # Departures
//! From Postfix: with no `permit_mx_backup_networks` nothing is permitted, since otherwise anybody could have mail relayed who
//! writes this host's name into an MX record.

use super::addresses::has_null_mx;
use super::probe::{Checked, Halt, Probe, Said};
use super::subject::{Context, Subject};
use crate::decision::Class;
use crate::question::{Answer, Question, Record, RecordKind};
use crate::table::LookupError;
use std::net::IpAddr;

impl Probe<'_> {
    pub(crate) fn permit_mx_backup(&mut self) -> Checked {
        let Some(mailbox) = self.recipient() else { return Ok(Said::Dunno) };
        let Some(resolution) = self.resolved(Subject::Recipient, mailbox)? else { return Ok(Said::Dunno) };
        if self.is_routed()? {
            return Ok(Said::Dunno);
        }
        if resolution.class != Class::Default {
            return Ok(Said::Permit);
        }
        let domain = resolution.recipient.domain().unwrap_or_default();
        if domain.starts_with('[') || self.policy.mx_backup_networks.is_empty() {
            return Ok(Said::Dunno);
        }
        let servers = match self.ask(Question::Dns { name: domain.into(), kind: RecordKind::Mx })? {
            Answer::Records(records) if has_null_mx(records) => return Ok(Said::Dunno),
            Answer::Records(records) => records.iter().filter_map(|record| match record {
                Record::Mx { preference, exchange } => Some((*preference, exchange.as_str())),
                _ => None,
            }),
            _ => return Ok(self.not_now()),
        };
        let mut servers: Vec<(u16, &str)> = servers.collect();
        servers.sort_by_key(|(preference, _)| *preference);
        servers.truncate(super::SERVER_ADDRESSES_MAX);
        let Some(&(best, _)) = servers.first() else { return Ok(Said::Dunno) };
        let names: Vec<&str> = servers.iter().map(|(_, server)| *server).collect();
        self.ask_about(&names)?;
        let mut is_backup = false;
        for (preference, server) in servers {
            let Some(addresses) = self.known_addresses(server)? else { return Ok(self.not_now()) };
            let is_this_host = addresses.iter().any(|address| self.is_own(*address));
            if preference > best {
                is_backup |= is_this_host;
                continue;
            }
            if is_this_host || addresses.is_empty() {
                return Ok(Said::Dunno);
            }
            for address in addresses {
                match self.policy.mx_backup_networks.matches_host(server, address, self.tables) {
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        self.note(format_args!("{server}[{address}] is not in permit_mx_backup_networks"));
                        return Ok(Said::Dunno);
                    }
                    Err(LookupError::Elsewhere { table, key }) => {
                        return Err(Halt::Ask(vec![Question::Lookup { table, key }]));
                    }
                    Err(error) => {
                        self.log.warn(format!("permit_mx_backup_networks: {error}"));
                        return Ok(self.not_now());
                    }
                }
            }
        }
        Ok(if is_backup { Said::Permit } else { Said::Dunno })
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.policy.routing.domains.interfaces.contains(&address.to_canonical())
    }

    /// It might have been permitted.
    fn not_now(&self) -> Said {
        let text = "Unable to look up mail exchanger information";
        Said::DeferIfReject(self.rejected(&Context::of(Subject::Recipient), 450, (4, 4, 4), text))
    }
}
