//! `postroom policy explain`: what a listener would say to a client, with every rule that was looked at.

use crate::cli::Explain;
use crate::config::{Config, ListenerSection, Protocol};
use crate::serve::log_to_stderr;
use crate::wiring;
use postroom::accounts::PasswdFile;
use postroom::dns::ClientName;
use postroom::proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use postroom::proto_core::{Backend, TlsInfo};
use postroom::rehearsal::{Addresses, Dialogue, Rehearsal, Step};
use postroom::relay_policy::{NameStatus, Parameters, RecordKind};
use postroom::wall::{Later, Records, Resolver};
use postroom::{Blocking, dns};
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Goes through the dialogue and prints what came of it.
///
/// # Errors
/// A configuration that a server would not start with, a listener that there is not, an address that is none.
pub fn run(arguments: &Explain) -> Result<(), Box<dyn Error>> {
    // What a server would log besides: why a file of aliases is not used, which aliases go in circles.
    log_to_stderr("warn");
    let config = Config::load_or_embedded(arguments.config.as_deref())?;
    let (index, section) = listener(&config, arguments.listener.as_deref())?;
    let mut dialogue = Dialogue::new(arguments.client, sender(&arguments.from)?, recipient(&arguments.to)?);
    dialogue.helo.clone_from(&arguments.helo);
    dialogue.login.clone_from(&arguments.login);
    dialogue.tls = tls(arguments)?;
    let settings = wiring::whole_settings(&config)?;
    let name = settings.listeners[index].name.clone();
    let unasked = Unasked::default();
    let resolver: Arc<dyn Resolver> =
        if arguments.dns { Arc::new(dns::system()) } else { Arc::new(unasked.clone()) };
    let rehearsal = Rehearsal::new(
        settings,
        Arc::new(accounts(&config, arguments.config.as_deref())?),
        Arc::clone(&resolver),
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let steps = runtime.block_on(async {
        dialogue.client_name = match &arguments.name {
            Some(name) => confirmed(name),
            None if arguments.dns => ClientName::look_up(&resolver, arguments.client).await,
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
    if steps.iter().any(|step| step.addresses.is_some()) {
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
    writeln!(out, "verdict: {}", verdict(&steps))?;
    out.flush()?;
    Ok(())
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
    if trail.is_empty() && step.refusal.is_none() {
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
    told.insert(0, "content checks, which are not tried here".into());
    writeln!(out, "{}", told.join("\n  "))
}

fn verdict(steps: &[Step]) -> String {
    let last = steps.last().and_then(|step| Some((step.command, step.refusal.as_ref()?)));
    if let Some((command, reply)) = last {
        return format!("refused at {command}: {reply}");
    }
    let mailboxes: Vec<String> =
        steps.iter().flat_map(|step| &step.mailboxes).map(ToString::to_string).collect();
    match &mailboxes[..] {
        [] => "accepted, and thrown away".into(),
        [mailbox] => format!("accepted, for the mailbox {mailbox}"),
        several => format!("accepted, for the mailboxes {}", several.join(", ")),
    }
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
