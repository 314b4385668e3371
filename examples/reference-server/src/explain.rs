//! `postroom policy explain`: what a listener would say to a client, with every rule that was looked at.

use crate::cli::Explain;
use crate::config::{Config, ListenerSection, Protocol};
use crate::serve::log_to_stderr;
use crate::{privileges, wiring};
use postroom::accounts::PasswdFile;
use postroom::dns::{ClientName, HostsFile};
use postroom::proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use postroom::proto_core::{Backend, TlsInfo};
use postroom::rehearsal::{Addresses, Destination, Dialogue, Fate, Rehearsal, Step};
use postroom::relay_policy::address::{RewriteContext, Way};
use postroom::relay_policy::{NameStatus, Parameters, RecordKind};
use postroom::wall::{Later, Records, Resolver};
use postroom::{Blocking, dns};
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Goes through the dialogue and prints what came of it. The status is 0 where the message is taken, and else the first digit of
/// the reply that refuses: 4 or 5.
///
/// # Errors
/// A configuration that a server would not start with, a listener that there is not, an address that is none, a message that
/// cannot be read.
pub fn run(arguments: &Explain) -> Result<ExitCode, Box<dyn Error>> {
    // What a server would log besides: why a file of aliases is not used, which aliases go in circles.
    log_to_stderr("warn");
    let path = arguments.config.as_deref();
    let config = Config::read(path)?;
    // Whoever asks may read it, whom the server runs as need not.
    let read =
        |path: &PathBuf| fs::read(path).map_err(|error| format!("--message: {}: {error}", path.display()));
    let message = arguments.message.as_ref().map(read).transpose()?;
    let config = privileges::become_user(path, config)?;
    let (index, section) = listener(&config, arguments.listener.as_deref())?;
    let mut dialogue = Dialogue::new(arguments.client, sender(&arguments.from)?, recipient(&arguments.to)?);
    dialogue.helo.clone_from(&arguments.helo);
    dialogue.login.clone_from(&arguments.login);
    dialogue.tls = tls(arguments)?;
    dialogue.message = message;
    let settings = wiring::whole_settings(&config)?;
    let name = settings.listeners[index].name.clone();
    let unasked = Unasked::default();
    let resolver: Arc<dyn Resolver> =
        if arguments.dns { Arc::new(dns::system()) } else { Arc::new(unasked.clone()) };
    let is_roots = privileges::is_roots(&config);
    let mut rehearsal = Rehearsal::new(
        settings,
        Arc::new(accounts(&config, arguments.config.as_deref())?),
        Arc::clone(&resolver),
    )
    .map_err(|error| config.settings_error(error))?;
    if is_roots {
        rehearsal = rehearsal.without_files_and_commands();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let steps = runtime.block_on(async {
        dialogue.client_name = match &arguments.name {
            Some(name) => confirmed(name),
            None if arguments.dns => match HostsFile::system().name(arguments.client).await {
                Some(name) => name,
                None => ClientName::look_up(&resolver, arguments.client).await,
            },
            None => ClientName::unknown(NameStatus::Permanent),
        };
        rehearsal.run(&name, &dialogue).await
    })?;

    let mut out = io::stdout().lock();
    match &arguments.config {
        Some(path) => writeln!(out, "configuration {}", path.display())?,
        None => writeln!(out, "configuration: the embedded default, as --config names none")?,
    }
    writeln!(out, "{}", wiring::key(index, section))?;
    for step in &steps {
        print(&mut out, step)?;
    }
    if dialogue.message.is_none() && steps.iter().any(|step| step.addresses.is_some()) {
        print_content_checks(&mut out, rehearsal.parameters(&name))?;
    }
    let asked = unasked.0.lock().unwrap_or_else(PoisonError::into_inner);
    for question in asked.iter() {
        writeln!(out, "not looked up, as if the DNS did not answer (--dns asks it): {question}")?;
    }
    let mut rules = steps.iter().flat_map(|step| step.outcome.trail.entries());
    if rules.any(|entry| entry.rule().contains("check_policy_service")) {
        writeln!(out, "policy services were not asked, as if they had answered DUNNO")?;
    }
    let has_milters = |p: &Parameters| !(p.smtpd_milters.is_empty() && p.smtpd_milter_maps.is_empty());
    if rehearsal.parameters(&name).is_some_and(has_milters) {
        writeln!(out, "milters were not asked, as if they had nothing to say")?;
    }
    let ways = steps.iter().filter_map(|step| step.addresses.as_ref());
    let mut ways = ways.flat_map(|addresses| addresses.recipients.iter().chain(&addresses.copies));
    if is_roots && ways.any(|to| matches!(to.way, Way::File(_) | Way::Command(_))) {
        writeln!(
            out,
            "files and commands of aliases: the data directory is root's, so root runs the server, and such a server refuses them: \
             run it as a user of its own"
        )?;
    }
    if let Some(Fate { to, copies, .. }) = steps.last().and_then(|step| step.fate.as_ref()) {
        if !(to.is_empty() && copies.is_empty()) {
            print_header(&mut out, &steps, rehearsal.parameters(&name))?;
        }
        let is_no_mailbox = |to: &Destination| !matches!(to, Destination::Mailbox(_));
        if to.iter().chain(copies).any(is_no_mailbox) {
            writeln!(
                out,
                "files and commands of aliases: a server that root runs refuses such mail (5.3.3)"
            )?;
        }
    }
    writeln!(out, "verdict: {}", verdict(&steps))?;
    out.flush()?;
    let refusal = steps.last().and_then(|step| step.refusal.as_ref());
    Ok(refusal.map_or(ExitCode::SUCCESS, |reply| if reply.code < 500 { 4 } else { 5 }.into()))
}

/// The TLS that the client has begun, as far as policy can tell.
fn tls(arguments: &Explain) -> Result<Option<TlsInfo>, Box<dyn Error>> {
    if !(arguments.tls || arguments.cert.is_some()) {
        return Ok(None);
    }
    let mut tls = TlsInfo::default();
    (tls.version, tls.cipher) = ("TLSv1.3".into(), "TLS_AES_256_GCM_SHA384".into());
    if let Some(path) = &arguments.cert {
        let chain = postroom::tls::load_certificates(path).map_err(|error| format!("--cert: {error}"))?;
        tls.peer_certificate = chain.first().map(|certificate| certificate.to_vec());
    }
    Ok(Some(tls))
}

/// What a client is called that has this name, and whose name has its address.
pub fn confirmed(name: &str) -> ClientName {
    let mut client = ClientName::unknown(NameStatus::Ok);
    (client.name, client.reverse_name) = (name.into(), name.into());
    client
}

/// The listener that is named, by its name, protocol or address; the first that takes mail where none is.
fn listener<'c>(config: &'c Config, wanted: Option<&str>) -> Result<(usize, &'c ListenerSection), String> {
    let takes_mail = |protocol| matches!(protocol, Protocol::Smtp | Protocol::Submission | Protocol::Lmtp);
    let mut listeners =
        config.listeners.iter().enumerate().filter(|(_, section)| takes_mail(section.protocol));
    let is_it = |(index, section): &(usize, &ListenerSection)| {
        wanted.is_none_or(|wanted| {
            [
                section.protocol.to_string(),
                format!("{}#{index}", section.protocol),
                section.address.to_string(),
                section.address.port().to_string(),
            ]
            .iter()
            .any(|known| known == wanted)
        })
    };
    listeners.find(is_it).ok_or_else(|| match wanted {
        Some(wanted) => format!(
            "--listener {wanted}: no listener that takes mail has this name, protocol, address or port"
        ),
        None => "no listener takes mail".into(),
    })
}

/// The accounts of a configuration that was read from `file`, or is the embedded one.
///
/// # Errors
/// Its passwd-file cannot be read.
pub fn accounts(config: &Config, file: Option<&Path>) -> Result<PasswdFile, Box<dyn Error>> {
    if file.is_none() && !config.accounts.passwd_file.exists() {
        // They are made at the first start.
        return Ok(PasswdFile::from_text("", None, Blocking::inline())?);
    }
    Ok(wiring::accounts(config, Blocking::inline())?)
}

/// An address with or without brackets; nothing is the null sender.
fn sender(written: &str) -> Result<ReversePath, String> {
    let path = bracketed(written);
    match ReversePath::parse_prefix(path.as_bytes(), SYNTAX) {
        Ok((sender, [])) => Ok(sender),
        Ok((_, rest)) => {
            Err(format!("--from {written}: behind the address stands {}", String::from_utf8_lossy(rest)))
        }
        Err(fault) => Err(format!("--from {written}: {fault}")),
    }
}

fn recipient(written: &str) -> Result<ForwardPath, String> {
    let path = bracketed(written);
    match ForwardPath::parse_prefix(path.as_bytes(), SYNTAX) {
        Ok((recipient, [])) => Ok(recipient),
        Ok((_, rest)) => {
            Err(format!("--to {written}: behind the address stands {}", String::from_utf8_lossy(rest)))
        }
        Err(fault) => Err(format!("--to {written}: {fault}")),
    }
}

const SYNTAX: AddressSyntax = AddressSyntax { utf8: true, ..AddressSyntax::STRICT };

fn bracketed(written: &str) -> String {
    if written.starts_with('<') { written.into() } else { format!("<{written}>") }
}

fn print(out: &mut impl Write, step: &Step) -> io::Result<()> {
    let (trail, effects) = (&step.outcome.trail, &step.outcome.effects);
    let has_found = step.content.as_ref().is_some_and(|content| !content.findings.is_empty());
    if trail.is_empty() && step.refusal.is_none() && !has_found {
        return Ok(());
    }
    writeln!(out, "{}", step.command)?;
    for entry in trail.entries() {
        writeln!(out, "  {entry}")?;
    }
    for (is_set, what) in
        [(effects.hold, "the message is held"), (effects.discard, "the message is thrown away")]
    {
        if is_set {
            writeln!(out, "  besides: {what}")?;
        }
    }
    let texts = [("FILTER", &effects.filter), ("REDIRECT", &effects.redirect)];
    let mut texts: Vec<(&str, &String)> =
        texts.into_iter().filter_map(|(what, text)| text.as_ref().map(|text| (what, text))).collect();
    texts.extend(effects.bcc.iter().map(|text| ("BCC", text)));
    texts.extend(effects.prepend.iter().map(|text| ("PREPEND", text)));
    for (what, text) in texts {
        writeln!(out, "  besides: {what} {text}")?;
    }
    if effects.sleep_seconds > 0 {
        writeln!(out, "  besides: the reply waits for {} seconds", effects.sleep_seconds)?;
    }
    for line in step.outcome.log.lines() {
        writeln!(out, "  log: {line}")?;
    }
    for finding in step.content.iter().flat_map(|content| &content.findings) {
        writeln!(out, "  content: {finding}")?;
    }
    step.addresses.as_ref().map_or(Ok(()), |addresses| print_addresses(out, addresses))
}

/// What aliases make of the sender and the recipient.
fn print_addresses(out: &mut impl Write, addresses: &Addresses) -> io::Result<()> {
    for step in &addresses.steps {
        writeln!(out, "  addresses: {step}")?;
    }
    for recipient in &addresses.recipients {
        writeln!(out, "  addresses: {recipient}")?;
    }
    for copy in &addresses.copies {
        writeln!(out, "  addresses: a copy: {copy}")?;
    }
    for failure in &addresses.failures {
        writeln!(out, "  addresses: {} does not get it: {}", failure.target, failure.reason)?;
    }
    Ok(())
}

/// What would be done to the message's header, and why.
fn print_header(out: &mut impl Write, steps: &[Step], parameters: Option<&Parameters>) -> io::Result<()> {
    let plan = steps.iter().find_map(|step| step.header);
    let told = match plan.and_then(|plan| plan.context) {
        Some(RewriteContext::Local) => {
            "its addresses are completed and mapped, as the client is in local_header_rewrite_clients"
        }
        Some(_) => "its addresses are completed by remote_header_rewrite_domain, and mapped",
        None => "its addresses stay, as the client is not in local_header_rewrite_clients",
    };
    let added = if plan.is_some_and(|plan| plan.adds_missing) { "; what it lacks is added" } else { "" };
    let dropped = parameters.map(|p| p.message_drop_headers.join(", ")).filter(|fields| !fields.is_empty());
    let dropped = dropped.map(|fields| format!("; taken out: {fields}")).unwrap_or_default();
    writeln!(out, "header: {told}{added}{dropped}")
}

/// What would look at the message.
fn print_content_checks(out: &mut impl Write, parameters: Option<&Parameters>) -> io::Result<()> {
    let Some(p) = parameters else { return Ok(()) };
    let as_header = |own: &Vec<String>| *own == ["$header_checks"];
    let checks = [
        ("header_checks", &p.header_checks),
        ("mime_header_checks", &p.mime_header_checks),
        ("nested_header_checks", &p.nested_header_checks),
        ("body_checks", &p.body_checks),
    ];
    let checks = checks.into_iter().filter(|(_, tables)| !(tables.is_empty() || as_header(tables)));
    let mut told: Vec<String> =
        checks.map(|(name, tables)| format!("{name} {}", tables.join(", "))).collect();
    if told.is_empty() {
        return Ok(());
    }
    told.insert(0, "content checks, which --message tries".into());
    writeln!(out, "{}", told.join("\n  "))
}

fn verdict(steps: &[Step]) -> String {
    let last = steps.last().and_then(|step| Some((step.command, step.refusal.as_ref()?)));
    if let Some((command, reply)) = last {
        return format!("refused at {command}: {reply}");
    }
    let Some(Fate { to, copies, is_held, .. }) = steps.last().and_then(|step| step.fate.as_ref()) else {
        return "accepted".into();
    };
    if to.is_empty() && copies.is_empty() {
        return "accepted, and thrown away".into();
    }
    let to = if to.is_empty() { "nobody".into() } else { names(to) };
    let copies =
        if copies.is_empty() { String::new() } else { format!(", with copies for {}", names(copies)) };
    let held = if *is_held { ", held until `postroom queue release`" } else { "" };
    format!("accepted, for {to}{copies}{held}")
}

/// Mailboxes, files and commands, in this order.
fn names(destinations: &[Destination]) -> String {
    let called: Vec<(&str, String)> = destinations
        .iter()
        .filter_map(|destination| match destination {
            Destination::Mailbox(account) => Some(("mailbox", account.to_string())),
            Destination::File(path) => Some(("file", path.clone())),
            Destination::Command(command) => Some(("command", command.clone())),
            _ => None,
        })
        .collect();
    let mut parts = Vec::new();
    for (kind, plural) in [("mailbox", "mailboxes"), ("file", "files"), ("command", "commands")] {
        let names: Vec<&str> =
            called.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.as_str()).collect();
        match &names[..] {
            [] => {}
            [name] => parts.push(format!("the {kind} {name}")),
            names => parts.push(format!("the {plural} {}", names.join(", "))),
        }
    }
    parts.join(" and ")
}

/// The DNS when nobody is to be asked: nothing can be found out, and what was wanted is remembered.
#[derive(Debug, Clone, Default)]
struct Unasked(Arc<Mutex<Vec<String>>>);

impl Resolver for Unasked {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        let question = format!("{} of {name}", format!("{kind:?}").to_uppercase());
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.contains(&question) {
            asked.push(question);
        }
        Box::pin(async { Err(Backend::TEMPORARY) })
    }
}
