//! A program that gets each accepted mail as a stream, without any mailbox.
//!
//! It is the inbound side of a web service: mail to `ticket-NUMBER@inbound.test` is an answer to a ticket, mail to
//! `hello@inbound.test` opens one. Any other recipient is refused before the mail is sent, and mail without a
//! subject after it has been looked at. To try it:
//!
//! ```text
//! cargo run -p postroom-example-inbound-hook
//! printf 'Subject: it works\r\n\r\nThank you.\r\n' |
//!     curl smtp://127.0.0.1:2525 --mail-from ann@a.test --mail-rcpt ticket-42@inbound.test -T -
//! ```

#[cfg(test)]
mod tests;

use postroom::Server;
use postroom::inbound::{Inbound, Mail, Refused};
use postroom::mail_message::{decode::decode_header, header::Fields};
use postroom::server::StartError;
use postroom::settings::{Listener, Protocol};
use postroom::wall::AccountId;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The web service.
struct Desk;

impl Inbound for Desk {
    async fn knows(&self, recipient: &AccountId) -> Result<bool, Refused> {
        let user = recipient.user();
        Ok(matches!(user, "hello" | "postmaster") || ticket(user).is_some())
    }

    async fn take(&self, mut mail: Mail) -> Result<(), Refused> {
        let (mut head, mut size_bytes) = (Vec::new(), 0);
        while let Some(octets) = mail.body.next().await? {
            let room_bytes = HEAD_BYTES_MAX - head.len();
            head.extend_from_slice(&octets[..octets.len().min(room_bytes)]);
            size_bytes += octets.len();
        }
        let subject = subject(&head).ok_or(Refused::Never)?;
        let (id, sender) = (&mail.id, &mail.envelope.reverse_path);
        for recipient in &mail.envelope.recipients {
            let to = &recipient.address;
            let user = to.split('@').next().unwrap_or_default();
            let target = ticket(user).map_or("a new ticket".into(), |number| format!("ticket {number}"));
            say(&format!("{id}: from <{sender}> to <{to}>, for {target}: {subject:?}, {size_bytes} octets"));
        }
        // A real one returns this after its database has committed.
        Ok(())
    }
}

/// The ticket that an address stands for.
fn ticket(user: &str) -> Option<u32> {
    let (kind, number) = user.split_once('-')?;
    number.parse().ok().filter(|_| kind.eq_ignore_ascii_case("ticket"))
}

/// What the mail is about, if anything.
fn subject(head: &[u8]) -> Option<String> {
    let field = Fields::new(head).find(|field| field.is_named(b"Subject"))?;
    Some(decode_header(&field.unfolded())).filter(|subject| !subject.trim().is_empty())
}

/// A mail server for one domain, in front of a program.
async fn serve(program: impl Inbound, address: SocketAddr) -> Result<Server, StartError> {
    let listener = Listener::new(Protocol::Smtp, address).named("inbound");
    let server = Server::builder().hostname("mail.inbound.test").domain("inbound.test");
    server.listener(listener).inbound(program).start().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:2525".into()).parse()?;
    // Listened for before anything is announced.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = serve(Desk, address).await?;
    for (_, address) in server.addresses() {
        say(&format!("mail for inbound.test is taken at {address}"));
    }
    interrupt.recv().await;
    server.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the program does")]
fn say(line: &str) {
    println!("{line}");
}

/// Of a longer header the rest is not looked at.
const HEAD_BYTES_MAX: usize = 64 * 1024;
