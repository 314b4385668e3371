//! `postroom openrelay-selftest`: whether strangers can relay (P01 to P30 of the open-relay proofs).
//!
//! Either a configuration is asked what it would say, without a server and without the network, or a server that runs.
//!
//! # Limits
//! A configuration is asked with the addresses a stranger may write (P01 to P17), as a client whose names are all in order, so
//! that nothing but the rules on relaying keeps it out; policy services have nothing to say. What only a session can show (a
//! wrong password, XCLIENT, commands in one flight) is tried at a running server alone, and there what needs a recipient who is
//! taken (P28, P31) or a login is not; P14 and P15 are where its configuration names domains for them.

mod live;

use crate::cli::OpenrelaySelftest;
use crate::config::{Config, ListenerSection, Protocol};
use crate::{explain, wiring};
use postroom::dns::FixedResolver;
use postroom::proto_core::address::{AddressSyntax, DomainName, ForwardPath, ReversePath};
use postroom::rehearsal::{Command, Dialogue, Rehearsal};
use postroom::relay_policy::address::Way;
use postroom::relay_policy::open_relay::{Attempt, Site};
use postroom::relay_policy::{Parameters, Record, RecordKind};
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// What a stranger calls itself, and the domain that it wants to reach, where nothing else is said.
const HELO: &str = "friend.test";

/// Who asks, where nobody else is named: addresses for documentation (RFC 5737, RFC 3849), which nobody trusts.
const STRANGERS: [&str; 2] = ["203.0.113.9", "2001:db8::9"];

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Refused(String),
    /// Refused before the rules on relaying were looked at.
    RefusedEarly(String),
    /// It is taken, and stays here or goes where the administrator says.
    Kept,
    Relayed(String),
    /// Nothing can be said.
    Untried(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reply) => write!(f, "refused: {reply}"),
            Self::RefusedEarly(reply) => write!(f, "refused before RCPT: {reply}"),
            Self::Kept => f.write_str("taken, for nobody elsewhere"),
            Self::Relayed(why) => write!(f, "RELAYED: {why}"),
            Self::Untried(why) => write!(f, "not tried: {why}"),
        }
    }
}

/// How many verdicts of each kind there were.
#[derive(Debug, Default)]
struct Tally {
    tries: usize,
    relayed: usize,
    early: usize,
    untried: usize,
}

impl Tally {
    /// Prints a try, and counts it.
    fn tell(
        &mut self,
        out: &mut impl Write,
        id: &str,
        from: &str,
        to: &str,
        verdict: &Verdict,
    ) -> io::Result<()> {
        self.tries += 1;
        match verdict {
            Verdict::Relayed(_) => self.relayed += 1,
            Verdict::RefusedEarly(_) => self.early += 1,
            Verdict::Untried(_) => self.untried += 1,
            Verdict::Refused(_) | Verdict::Kept => {}
        }
        writeln!(out, "  {id} <{from}> -> <{to}>: {verdict}")
    }

    /// The last words.
    fn end(&self, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
        let Self { tries, relayed, early, untried } = *self;
        if early > 0 {
            writeln!(out, "{early} of {tries} were refused before RCPT: of relaying they say nothing")?;
        }
        if relayed > 0 {
            return Err(format!("an open relay: {relayed} of {tries} tries were let through").into());
        }
        if untried > 0 {
            return Err(format!("{untried} of {tries} could not be tried").into());
        }
        writeln!(out, "{tries} tries, none relayed")?;
        Ok(())
    }
}

/// Tries everything and prints what came of it, a line each.
///
/// # Errors
/// A configuration that a server would not start with; a server that cannot be reached; anything that was relayed.
pub fn run(arguments: &OpenrelaySelftest) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let mut tally = Tally::default();
    if let Some(server) = &arguments.server {
        live::run(server, arguments, &mut out, &mut tally)?;
    } else {
        rehearse(arguments, &mut out, &mut tally)?;
    }
    tally.end(&mut out)?;
    out.flush()?;
    Ok(())
}

/// Asks every listener of a configuration that takes mail.
fn rehearse(
    arguments: &OpenrelaySelftest,
    out: &mut impl Write,
    tally: &mut Tally,
) -> Result<(), Box<dyn Error>> {
    let config = Config::read(arguments.config.as_deref())?;
    let settings = wiring::whole_settings(&config)?;
    let names: Vec<String> = settings.listeners.iter().map(|listener| listener.name.clone()).collect();
    let clients: Vec<IpAddr> = match arguments.client {
        Some(client) => vec![client],
        None => STRANGERS.iter().filter_map(|address| address.parse().ok()).collect(),
    };
    let directory = explain::accounts(&config, arguments.config.as_deref())?;
    let resolver = in_order(&clients, &arguments.elsewhere);
    let rehearsal = Rehearsal::new(settings, Arc::new(directory), Arc::new(resolver))
        .map_err(|error| config.settings_error(error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (index, section) in config.listeners.iter().enumerate() {
        let Some(parameters) = rehearsal.parameters(&names[index]) else { continue };
        if section.protocol == Protocol::Policy {
            continue;
        }
        let site = site(&config, section, parameters, &arguments.elsewhere);
        for client in &clients {
            writeln!(out, "{}, from {client}", wiring::key(index, section))?;
            for attempt in site.attempts() {
                let verdict = runtime.block_on(ask(&rehearsal, &names[index], *client, &attempt));
                tally.tell(out, attempt.id, &attempt.sender, &attempt.recipient, &verdict)?;
            }
        }
    }
    Ok(())
}

/// What a listener would say.
async fn ask(rehearsal: &Rehearsal, listener: &str, client: IpAddr, attempt: &Attempt) -> Verdict {
    let (from, to) = (format!("<{}>", attempt.sender), format!("<{}>", attempt.recipient));
    // What the grammar does not take, the server does not.
    let Ok((from, [])) = ReversePath::parse_prefix(from.as_bytes(), SYNTAX) else {
        return Verdict::Refused("the sender is no address".into());
    };
    let Ok((to, [])) = ForwardPath::parse_prefix(to.as_bytes(), SYNTAX) else {
        return Verdict::Refused("it is no address".into());
    };
    let mut dialogue = Dialogue::new(client, from, to);
    dialogue.helo = Some(HELO.into());
    dialogue.client_name = explain::confirmed(HELO);
    let steps = match rehearsal.run(listener, &dialogue).await {
        Ok(steps) => steps,
        Err(error) => return Verdict::Untried(error.to_string()),
    };
    let addresses = steps.iter().filter_map(|step| step.addresses.as_ref());
    let left = addresses.flat_map(|addresses| &addresses.recipients).find(|recipient| {
        matches!(recipient.way, Way::Transport(_)) && attempt.means_elsewhere(&recipient.address.to_string())
    });
    if let Some(recipient) = left {
        return Verdict::Relayed(format!("policy lets it through: {recipient}"));
    }
    match steps.last().and_then(|step| Some((step.command, step.refusal.as_ref()?))) {
        Some((Command::Connect | Command::Helo | Command::Mail, reply)) => {
            Verdict::RefusedEarly(reply.to_string())
        }
        Some((_, reply)) => Verdict::Refused(reply.to_string()),
        None => Verdict::Kept,
    }
}

/// What a client may write who has said SMTPUTF8, too.
const SYNTAX: AddressSyntax = AddressSyntax { utf8: true, ..AddressSyntax::STRICT };

/// A DNS in which whoever asks, and where it wants to get, are in order; and nothing else.
fn in_order(clients: &[IpAddr], elsewhere: &str) -> FixedResolver {
    let exchange = format!("mx.{elsewhere}");
    let mut resolver = FixedResolver::new().with(
        elsewhere,
        RecordKind::Mx,
        [Record::Mx { preference: 10, exchange: exchange.clone() }],
    );
    for name in [HELO, elsewhere, &exchange] {
        for client in clients {
            let kind = if client.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa };
            resolver = resolver.with(name, kind, [Record::Address(*client)]);
        }
    }
    resolver
}

/// A listener as strangers know it. Of lists, only what is a domain is known, not what is in tables.
fn site(config: &Config, section: &ListenerSection, parameters: &Parameters, elsewhere: &str) -> Site {
    let domains = |list: &[String]| -> Vec<String> {
        let is_domain = |word: &&String| DomainName::parse(word.as_bytes(), AddressSyntax::STRICT).is_ok();
        list.iter().filter(is_domain).cloned().collect()
    };
    let hosted: Vec<String> = [&parameters.virtual_alias_domains, &parameters.virtual_mailbox_domains]
        .into_iter()
        .flat_map(|list| domains(list))
        .collect();
    let own = [domains(&parameters.mydestination), config.domains.local.clone(), hosted.clone()].concat();
    let interface = parameters.inet_interfaces.iter().find_map(|interface| interface.parse().ok());
    Site {
        domain: own.into_iter().next().unwrap_or_else(|| config.hostname.clone()),
        address: interface.unwrap_or(section.address.ip()),
        relayed: domains(&parameters.relay_domains),
        hosted,
        elsewhere: elsewhere.to_owned(),
    }
}
