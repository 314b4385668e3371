//! Sends the mail on standard input over a blocking socket of the standard library, and says what became of it. The
//! mail may be a file as Unix has them: line ends are repaired, octets over 127 go as 8BITMIME.
//!
//!     cargo run -p postroom-smtp-proto --example blocking_client 127.0.0.1:2525 me@example.test you@example.test <mail
#![allow(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program, not the library"
)]

use proto_core::{EncodePolicy, ForwardPath, Instant, Machine, Now, OutBuf, ReversePath, Step, UnixTime};
use smtp_proto::BodyKind;
use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientTls, Envelope, Outcome};
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Who is to get it, and its text.
type Mail<'a> = (Envelope, &'a mut dyn BufRead);
type Outcomes = Vec<Outcome>;
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long the peer may take nothing of what is sent: RFC 5321 section 4.5.3.2.5, a block of a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(180);

fn main() -> Result {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, from, to] = &words[..] else { return Err("usage: SERVER FROM TO <MAIL".into()) };
    let to = ForwardPath::Mailbox(to.parse()?);
    let mut envelope = Envelope::new(ReversePath::Mailbox(from.parse()?), [to]);
    envelope.parameters.body = BodyKind::EightBitMime;
    let mut config = ClientConfig::new("client.example.test")?;
    config.tls = ClientTls::None;
    config.bare_line_ends = EncodePolicy::Repair;
    config.ascii_as_seven_bit = true;
    let outcomes = send(TcpStream::connect(server)?, config, (envelope, &mut std::io::stdin().lock()))?;
    outcomes.iter().for_each(|outcome| println!("{outcome}"));
    let is_sent = !outcomes.is_empty() && outcomes.iter().all(|outcome| matches!(outcome, Outcome::Sent(_)));
    if is_sent { Ok(()) } else { Err("not sent".into()) }
}

/// Sends the mail, and tells what became of it for each recipient.
pub(crate) fn send(mut stream: TcpStream, config: ClientConfig, mail: Mail<'_>) -> Result<Outcomes> {
    let now = clock();
    let mut client = Client::new(now(), Arc::new(config));
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let (mut octets, mut held, mut out) = ([0; 4096], 0..0, OutBuf::new());
    let (mut envelope, text, mut outcomes) = (Some(mail.0), mail.1, Vec::new());
    while !client.is_closed() {
        held.start += client.handle_input(now(), &octets[held.clone()]);
        while let Some(step) = client.poll_event(now()) {
            match step {
                Step::App(ClientEvent::Ready) => match envelope.take() {
                    Some(envelope) => client.send(now(), envelope)?,
                    None => client.quit(now())?,
                },
                Step::App(ClientEvent::Done(report)) => outcomes = report.outcomes,
                step => println!("{step:?}"),
            }
        }
        while client.body_room() > 0 {
            let written = match text.fill_buf()? {
                [] => client.finish(now()).map(|()| 0)?,
                piece => client.write_body(now(), piece)?,
            };
            text.consume(written);
        }
        let moved = client.poll_transmit(&mut out) && transmit(&mut stream, &mut out);
        if moved || client.is_closed() || (client.wants_input() && !held.is_empty()) {
            continue; // the session may have waited for that
        }
        stream.set_read_timeout(until(client.poll_timeout(), now()))?;
        match stream.read(&mut octets) {
            Ok(read @ 1..) => held = 0..read,
            Err(error) if is_timeout(&error) => {}
            _ => client.handle_eof(now()), // however it ended, the session tells what it means
        }
        client.handle_timeout(now());
    }
    Ok(outcomes)
}

/// Sends what there is. After a write that failed or took too long not a word more is said, and what was said to us is still
/// read: it may be why.
fn transmit(stream: &mut TcpStream, out: &mut OutBuf) -> bool {
    let is_sent = stream.write_all(out.as_slice()).is_ok();
    if !is_sent {
        let _ = stream.shutdown(Shutdown::Write);
    }
    out.consume(out.len());
    is_sent
}

/// The time that a session sees.
fn clock() -> impl Fn() -> Now {
    let began = std::time::Instant::now();
    move || Now::new(Instant::from_origin(began.elapsed()), UnixTime(0))
}

/// How long to wait for a deadline; a read timeout must not be zero.
fn until(deadline: Option<Instant>, now: Now) -> Option<Duration> {
    deadline.map(|at| at.saturating_since(now.instant).max(Duration::from_millis(1)))
}

/// A read that took as long as it may is no error.
fn is_timeout(error: &std::io::Error) -> bool {
    // Or the program was stopped for a while.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
