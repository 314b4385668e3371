//! A program that takes each accepted message as a stream and has no mailbox: an [`Intake`] of its own.

#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::Client;
use common::milter::{Milter, packet, say, settings_with};
use postroom::Server;
use postroom::bytes::Bytes;
use postroom::mailstore::spool::{Envelope, QueueId};
use postroom::mailstore::{ErrorKind, StoreError};
use postroom::proto_core::Backend;
use postroom::settings::{Listener, Protocol};
use postroom::wall::{AccountId, Directory, Intake, Later, Login, SpoolWriter, StoreResult};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Everybody in our domain gets mail; nobody logs in.
#[derive(Debug)]
struct Anybody;

impl Directory for Anybody {
    fn authenticate(&self, _: Login) -> Later<'_, Result<Option<AccountId>, Backend>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn contains<'a>(&'a self, _: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        Box::pin(std::future::ready(Ok(true)))
    }
}

/// Sends each message to a channel when it is complete.
struct Hook(Sender<(Envelope, Vec<u8>)>);

struct Incoming {
    id: QueueId,
    envelope: Envelope,
    octets: Vec<u8>,
    done: Sender<(Envelope, Vec<u8>)>,
}

impl Intake for Hook {
    fn begin(&self, envelope: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>> {
        let incoming =
            "HOOK1".parse().map(|id| Incoming { id, envelope, octets: vec![], done: self.0.clone() });
        Box::pin(std::future::ready(incoming.map(|incoming| Box::new(incoming) as _)))
    }
}

impl SpoolWriter for Incoming {
    fn id(&self) -> &QueueId {
        &self.id
    }

    fn write(&mut self, octets: Bytes) -> Later<'_, Result<(), StoreError>> {
        self.octets.extend_from_slice(&octets);
        Box::pin(std::future::ready(Ok(())))
    }

    fn hold(&mut self) -> Result<(), StoreError> {
        Err(StoreError::new(ErrorKind::Io, "holding the message", "there is no place for it"))
    }

    fn commit(self: Box<Self>) -> StoreResult<()> {
        let refused = self.octets.ends_with(b"refuse me\r\n");
        let taken = !refused && self.done.send((self.envelope, self.octets)).is_ok();
        let failed = || StoreError::new(ErrorKind::Io, "handing the message on", "nobody takes it");
        Box::pin(std::future::ready(if taken { Ok(()) } else { Err(failed()) }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_accepted_message_comes_as_a_stream() {
    let (send, receive) = channel();
    let server = Server::builder()
        .hostname("hook.example.test")
        .domain("example.test")
        .listener(Listener::new(Protocol::Smtp, "127.0.0.1:0".parse().unwrap()).named("in"))
        .directory(Anybody)
        .intake(Hook(send))
        .start()
        .await
        .unwrap();
    let address = server.address("in").unwrap();
    let session = move |body: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut greeting = [0; 128];
        let read = stream.read(&mut greeting).unwrap();
        assert!(greeting[..read].starts_with(b"220 "));
        let mut exchange = |command: &str| {
            stream.write_all(command.as_bytes()).unwrap();
            let mut reply = [0; 1024];
            let read = stream.read(&mut reply).unwrap();
            String::from_utf8_lossy(&reply[..read]).into_owned()
        };
        exchange("HELO client.test\r\n");
        exchange("MAIL FROM:<s@elsewhere.test>\r\nRCPT TO:<anything@example.test>\r\n");
        exchange("DATA\r\n");
        exchange(&format!("{body}\r\n.\r\n"))
    };
    let (taken, refused) =
        tokio::task::spawn_blocking(move || (session("take me"), session("refuse me"))).await.unwrap();
    assert_eq!(taken, "250 2.0.0 Ok: queued as HOOK1\r\n");
    assert!(refused.starts_with("451 4.3.0"), "{refused}");
    let (envelope, octets) = receive.recv().unwrap();
    assert_eq!(envelope.reverse_path, "s@elsewhere.test");
    assert_eq!(envelope.recipients[0].address, "anything@example.test");
    let message = String::from_utf8(octets).unwrap();
    assert!(message.starts_with("Received: from client.test ([127.0.0.1])\r\n"), "{message}");
    assert!(message.ends_with("\r\ntake me\r\n"), "{message}");
    assert!(server.shutdown(Duration::from_secs(5)).await);
    assert!(receive.recv().is_err(), "nothing else came");
}

/// It cannot change recipients, and need not where a milter wants none.
#[tokio::test]
async fn a_milter_that_changes_no_recipient_may_look_at_a_stream() {
    let milter = Milter::new(|step, _| {
        say([packet('e', "<s@x.test>\0"), packet('h', "X-Seen\0yes\0"), packet('c', "")])
            .filter(|_| step == 'E')
    });
    let (send, receive) = channel();
    let mut settings = settings_with(&[("smtpd_milters", &milter.inet().await)]);
    settings.listeners = vec![Listener::without_socket(Protocol::Smtp)];
    let server =
        Server::builder().settings(settings).directory(Anybody).intake(Hook(send)).start().await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    let reply = client.mail("s@x.test", &["alice@example.test"], "A: b\r\n\r\nbody").await;
    assert_eq!(reply, "250 2.0.0 Ok: queued as HOOK1");
    let (_, octets) = receive.recv().unwrap();
    assert!(octets.ends_with(b"A: b\r\nX-Seen: yes\r\n\r\nbody\r\n"));
}
