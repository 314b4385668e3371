//! Sends the mail on standard input with tokio, and says what became of it. The mail may be a file as Unix has them: line ends are repaired, octets over 127 go as 8BITMIME.
//!
//!     cargo run -p postroom-smtp-proto --example tokio_client 127.0.0.1:2525 me@example.test you@example.test <mail
#![allow(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program, not the library"
)]

use proto_core::{EncodePolicy, ForwardPath, Instant, Machine, Now, OutBuf, ReversePath, Step, UnixTime};
use smtp_proto::BodyKind;
use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientTls, Envelope, Outcome};
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, from, to] = &words[..] else { return Err("usage: SERVER FROM TO <MAIL".into()) };
    let to = ForwardPath::Mailbox(to.parse()?);
    let mut envelope = Envelope::new(ReversePath::Mailbox(from.parse()?), [to]);
    envelope.parameters.body = BodyKind::EightBitMime;
    let mut config = ClientConfig::new("client.example.test")?;
    config.tls = ClientTls::None;
    config.bare_line_ends = EncodePolicy::Repair;
    config.ascii_as_seven_bit = true;
    match send(TcpStream::connect(server).await?, config, envelope).await? {
        true => Ok(()),
        false => Err("not sent".into()),
    }
}

/// Whether it was sent to everybody.
async fn send(mut stream: TcpStream, config: ClientConfig, envelope: Envelope) -> Result<bool> {
    let began = std::time::Instant::now();
    let now = || Now::new(Instant::from_origin(began.elapsed()), UnixTime(0));
    let mut client = Client::new(now(), Arc::new(config));
    let (mut octets, mut held, mut out) = ([0; 4096], 0..0, OutBuf::new());
    let (mut mail, mut writing, mut envelope, mut sent) =
        (std::io::stdin().lock(), false, Some(envelope), false);
    while !client.is_closed() {
        held.start += client.handle_input(now(), &octets[held.clone()]);
        while let Some(step) = client.poll_event(now()) {
            match step {
                Step::App(ClientEvent::Ready) => match envelope.take() {
                    Some(envelope) => client.send(now(), envelope)?,
                    None => client.quit(now())?,
                },
                Step::App(ClientEvent::SendBody) => writing = true,
                Step::App(ClientEvent::Done(report)) => {
                    report.outcomes.iter().for_each(|outcome| println!("{outcome:?}"));
                    sent = report.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Sent(_)));
                }
                step => println!("{step:?}"),
            }
        }
        while writing && client.body_room() > 0 {
            // It may block: there is no other task here that would have to wait.
            let piece = mail.fill_buf()?;
            writing = !piece.is_empty();
            let written =
                if writing { client.write_body(now(), piece) } else { client.finish(now()).map(|()| 0) };
            // A mail that cannot be sent ends the session; that is told like any other outcome.
            mail.consume(written.inspect_err(|fault| println!("{fault}")).unwrap_or(0));
        }
        while client.poll_transmit(&mut out) {}
        stream.write_all(out.as_slice()).await?;
        out.consume(out.len());
        if held.is_empty() && client.wants_input() && client.body_room() == 0 {
            let wait = client.poll_timeout().map_or(Duration::MAX, |at| at.saturating_since(now().instant));
            match timeout(wait, stream.read(&mut octets)).await {
                Ok(Ok(0)) => client.handle_eof(now()),
                Ok(Ok(n)) => held = 0..n,
                Ok(Err(e)) => return Err(e.into()),
                Err(_) => {}
            }
        }
        client.handle_timeout(now());
    }
    Ok(sent)
}
