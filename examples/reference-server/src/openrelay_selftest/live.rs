//! A server that runs, asked to relay.
//!
//! One session for each try: too many errors end one. No message is ever sent to somebody whom the server takes.

use super::{HELO, Tally, Verdict, site};
use crate::cli::OpenrelaySelftest;
use crate::config::{Config, Protocol};
use crate::wiring;
use postroom::relay_policy::open_relay::{Attempt, Site};
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a reply is waited for: servers let strangers wait.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is read of a reply, in octets.
const REPLY_BYTES_MAX: u64 = 64 * 1024;

/// What is said before MAIL, that it may be believed.
const CLAIMS: [(&str, &str); 4] = [
    // A user `x` with the password `x`.
    ("P22", "AUTH PLAIN AHgAeA=="),
    ("P26", "XCLIENT ADDR=127.0.0.1 LOGIN=x"),
    ("P26", "XFORWARD ADDR=127.0.0.1"),
    ("P26", "PROXY TCP4 127.0.0.1 127.0.0.1 40000 25"),
];

/// Tries everything at a server.
///
/// # Errors
/// No domain of the server's is known; it has no address.
pub(super) fn run(
    server: &str,
    arguments: &OpenrelaySelftest,
    out: &mut impl Write,
    tally: &mut Tally,
) -> Result<(), Box<dyn Error>> {
    let address =
        server.to_socket_addrs()?.next().ok_or_else(|| format!("--server {server}: it has no address"))?;
    let mut site = match &arguments.config {
        Some(path) => configured(&Config::read(Some(path))?, &arguments.elsewhere)?,
        None => Site {
            domain: String::new(),
            address: address.ip(),
            relayed: Vec::new(),
            hosted: Vec::new(),
            elsewhere: arguments.elsewhere.clone(),
        },
    };
    site.address = address.ip();
    if let Some(domain) = &arguments.domain {
        site.domain.clone_from(domain);
    }
    if site.domain.is_empty() {
        return Err(
            "--server: name a domain of that server (--domain), or its configuration (--config)".into()
        );
    }
    writeln!(out, "server {address}")?;
    for (id, domains, what) in
        [("P14", &site.relayed, "relays for"), ("P15", &site.hosted, "has aliases or mailboxes in")]
    {
        if domains.is_empty() {
            writeln!(
                out,
                "  {id} not tried: no domain is known that the server {what}; its configuration (--config) may name some"
            )?;
        }
    }
    for attempt in site.attempts() {
        let verdict = or_untried(attempt_rcpt(address, &attempt));
        tally.tell(out, attempt.id, &attempt.sender, &attempt.recipient, &verdict)?;
    }
    let plain = &site.attempts()[0];
    for (id, claim) in CLAIMS {
        let verdict = or_untried(believes(address, claim, plain));
        tally.tell(out, &format!("{id} {claim}:"), &plain.sender, &plain.recipient, &verdict)?;
    }
    for (id, is_chunk) in [("P29", false), ("P30", true)] {
        let verdict = or_untried(in_one_flight(address, plain, is_chunk));
        tally.tell(out, &format!("{id} with its message:"), &plain.sender, &plain.recipient, &verdict)?;
    }
    Ok(())
}

/// What strangers know of the first listener that takes mail from everybody.
fn configured(config: &Config, elsewhere: &str) -> Result<Site, Box<dyn Error>> {
    let settings = wiring::whole_settings(config)?;
    let policies = settings.policies()?;
    let mut listeners = settings.listeners.iter().zip(&config.listeners);
    let found = listeners.find(|(_, section)| section.protocol == Protocol::Smtp);
    let (listener, section) = found.ok_or("the configuration has no listener that speaks SMTP")?;
    let policy = policies.get(&listener.name).ok_or("the configuration has no policy for its listener")?;
    Ok(site(config, section, policy.parameters(), elsewhere))
}

fn or_untried(verdict: io::Result<Verdict>) -> Verdict {
    verdict.unwrap_or_else(|error| Verdict::Untried(error.to_string()))
}

fn attempt_rcpt(server: SocketAddr, attempt: &Attempt) -> io::Result<Verdict> {
    Session::greeted(server)?.rcpt(attempt)
}

/// Says something that only who is trusted may, and then asks.
fn believes(server: SocketAddr, claim: &str, attempt: &Attempt) -> io::Result<Verdict> {
    let mut session = Session::open(server)?;
    if !claim.starts_with("PROXY ") {
        session.hello()?;
    }
    let reply = session.command(claim)?;
    if claim.starts_with("AUTH ") && reply.starts_with("235") {
        return Ok(Verdict::Relayed(format!("anybody logs in: {reply}")));
    }
    session.hello()?;
    session.rcpt(attempt)
}

/// Sends envelope and message at once, not waiting for what is said to the recipient.
fn in_one_flight(server: SocketAddr, attempt: &Attempt, is_chunk: bool) -> io::Result<Verdict> {
    let mut session = Session::open(server)?;
    let offered = session.hello()?;
    if is_chunk && !offered.contains("CHUNKING") {
        return Ok(Verdict::Refused("BDAT is not offered".into()));
    }
    let Attempt { sender, recipient, .. } = attempt;
    let message =
        if is_chunk { "BDAT 6 LAST\r\nspam\r\n" } else { "DATA\r\nSubject: spam\r\n\r\nspam\r\n.\r\n" };
    let flight = format!("MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\n{message}");
    session.stream.get_mut().write_all(flight.as_bytes())?;
    let _mail = session.reply()?;
    let rcpt = session.reply()?;
    let verdict = judge(rcpt);
    let mut end = session.reply()?;
    if !is_chunk && end.starts_with("354") {
        end = session.reply()?;
    }
    Ok(if end.starts_with('2') { Verdict::Relayed(format!("the message was taken: {end}")) } else { verdict })
}

/// What a reply to RCPT means.
fn judge(reply: String) -> Verdict {
    match reply.get(..1) {
        // Policy has let it through, and only then nobody knew where to.
        _ if reply.starts_with("550 5.4.4") => Verdict::Relayed(reply),
        Some("2") => Verdict::Relayed(reply),
        _ if reply.starts_with("421") => Verdict::Untried(reply),
        _ => Verdict::Refused(reply),
    }
}

struct Session {
    stream: BufReader<TcpStream>,
}

impl Session {
    /// A session that was greeted.
    fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut session = Self { stream: BufReader::new(stream) };
        let greeting = session.reply()?;
        if !greeting.starts_with("220") {
            return Err(io::Error::other(format!("greeted with {greeting}")));
        }
        Ok(session)
    }

    /// A session that has said hello.
    fn greeted(server: SocketAddr) -> io::Result<Self> {
        let mut session = Self::open(server)?;
        session.hello()?;
        Ok(session)
    }

    /// Says EHLO, or HELO where that is not known, and returns what is offered.
    fn hello(&mut self) -> io::Result<String> {
        let offered = self.command(&format!("EHLO {HELO}"))?;
        if !offered.starts_with('2') {
            return self.command(&format!("HELO {HELO}"));
        }
        Ok(offered)
    }

    fn rcpt(&mut self, attempt: &Attempt) -> io::Result<Verdict> {
        let mail = self.command(&format!("MAIL FROM:<{}>", attempt.sender))?;
        if !mail.starts_with('2') {
            return Ok(if mail.starts_with("421") {
                Verdict::Untried(mail)
            } else {
                Verdict::RefusedEarly(mail)
            });
        }
        let verdict = judge(self.command(&format!("RCPT TO:<{}>", attempt.recipient))?);
        // What it says to that does not matter any more.
        let _ = self.command("QUIT");
        Ok(verdict)
    }

    fn command(&mut self, command: &str) -> io::Result<String> {
        self.stream.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// The whole of a reply, its lines in one.
    fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        let mut limited = (&mut self.stream).take(REPLY_BYTES_MAX);
        loop {
            let mut line = Vec::new();
            limited.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
            }
            let shown = |octet: &u8| if octet.is_ascii_graphic() { char::from(*octet) } else { ' ' };
            let text: String = line.trim_ascii_end().iter().map(shown).collect();
            if !reply.is_empty() {
                reply.push_str(" | ");
            }
            reply.push_str(&text);
            if line.get(3) != Some(&b'-') {
                return Ok(reply);
            }
        }
    }
}
