//! `check_policy_service greylist:`: vectors D016 to D020 of the access-policy specification, in a server and over its restart.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::{Client, USERS, env, settings, start_with};
use mailstore::StoreError;
use mailstore::fs::sim::{Operation, SimFs};
use mailstore::spool::{Envelope, QueueId};
use postroom::bytes::Bytes;
use postroom::dns::FixedResolver;
use postroom::memory::Keep;
use postroom::settings::{Listener, Protocol};
use postroom::wall::{Intake, Later, SpoolWriter, StoreResult};
use postroom::{Blocking, Server};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;

async fn start(fs: &SimFs, pid: u32, lists: &str) -> Server {
    let mut settings = settings();
    settings.policy.set("smtpd_recipient_restrictions", lists).unwrap();
    let keep = Keep::new(env(fs, pid), "/memory", &Blocking::inline());
    let resolver = FixedResolver::new();
    start_with(fs, pid, |builder| builder.settings(settings).resolver(resolver).keep(keep)).await.unwrap()
}

async fn stop(server: Server) {
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

/// What a recipient is answered.
async fn rcpt(server: &Server, sender: &str, recipient: &str) -> String {
    let mut client = Client::connect(server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client.command(&format!("MAIL FROM:<{sender}>")).await;
    let reply = client.command(&format!("RCPT TO:<{recipient}>")).await;
    client.command("QUIT").await;
    reply
}

const WAIT: &str =
    "450 4.7.1 <bob@example.test>: Recipient address rejected: Service temporarily unavailable";
const OK: &str = "250 2.1.5 Ok";

#[tokio::test(start_paused = true)]
async fn d016_to_d018_who_comes_again_passes_also_after_a_restart() {
    let fs = SimFs::new();
    let lists = "reject_unauth_destination, check_policy_service greylist:";
    let server = start(&fs, 1, lists).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, WAIT);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, WAIT);
    stop(server).await;
    // The virtual calendar of the next run begins where that of this one did; what it had first seen is known.
    let server = start(&fs, 2, lists).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, WAIT);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, OK);
    assert_eq!(rcpt(&server, "b@x.test", "bob@example.test").await, WAIT, "another sender");
    stop(server).await;
    let server = start(&fs, 3, lists).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, OK);
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn d020_a_refusal_for_good_is_shown_and_who_has_logged_in_does_not_wait() {
    let fs = SimFs::new();
    let server = start(
        &fs,
        1,
        "check_policy_service { greylist: }, check_sender_access inline:{{a@x.test = REJECT Gone}}",
    )
    .await;
    assert_eq!(
        rcpt(&server, "a@x.test", "bob@example.test").await,
        "554 5.7.1 <a@x.test>: Sender address rejected: Gone"
    );
    assert_eq!(rcpt(&server, "b@x.test", "bob@example.test").await, WAIT);
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    assert!(client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==").await.starts_with("235"));
    client.command("MAIL FROM:<alice@example.test>").await;
    assert_eq!(client.command("RCPT TO:<bob@example.test>").await, OK);
    drop(client);
    stop(server).await;
}

/// Takes a message only when it is told to.
struct Waits(Arc<Notify>);

struct Waiting(QueueId, Arc<Notify>);

impl Intake for Waits {
    fn begin(&self, _: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>> {
        let writer = Waiting("WAITS1".parse().unwrap(), Arc::clone(&self.0));
        Box::pin(std::future::ready(Ok(Box::new(writer) as _)))
    }
}

impl SpoolWriter for Waiting {
    fn id(&self) -> &QueueId {
        &self.0
    }

    fn write(&mut self, _: Bytes) -> Later<'_, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn hold(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> StoreResult<()> {
        Box::pin(async move {
            self.1.notified().await;
            Ok(())
        })
    }
}

/// Says lines, one after the other's reply; the last one's first line.
async fn say(stream: &mut BufReader<TcpStream>, lines: &[&str]) -> String {
    let mut reply = String::new();
    for line in lines {
        stream.write_all(line.as_bytes()).await.unwrap();
        reply.clear();
        stream.read_line(&mut reply).await.unwrap();
    }
    reply
}

#[tokio::test]
async fn what_is_known_is_written_when_the_last_session_has_ended() {
    let fs = SimFs::new();
    let mut settings = settings();
    settings.listeners = vec![Listener::new(Protocol::Smtp, "127.0.0.1:0".parse().unwrap()).named("smtp")];
    let lists = "check_sender_access inline:{known@x.test=OK}, check_policy_service greylist:";
    settings.policy.set("smtpd_recipient_restrictions", lists).unwrap();
    let keep = Keep::new(env(&fs, 1), "/memory", &Blocking::inline());
    let go = Arc::new(Notify::new());
    let builder = Server::builder().settings(settings).directory(USERS).intake(Waits(Arc::clone(&go)));
    let server = builder.resolver(FixedResolver::new()).keep(keep).start().await.unwrap();
    let connect = async || {
        let stream = TcpStream::connect(server.address("smtp").unwrap()).await.unwrap();
        let mut stream = BufReader::new(stream);
        assert!(say(&mut stream, &[""]).await.starts_with("220 "));
        stream
    };
    let (mut stranger, mut known) = (connect().await, connect().await);
    let rcpt = "RCPT TO:<bob@example.test>\r\n";
    let reply = say(&mut stranger, &["HELO c.test\r\n", "MAIL FROM:<a@x.test>\r\n", rcpt]).await;
    assert!(reply.starts_with("450 4.7.1"), "{reply}");
    let lines = ["HELO c.test\r\n", "MAIL FROM:<known@x.test>\r\n", rcpt, "DATA\r\n"];
    assert!(say(&mut known, &lines).await.starts_with("354 "));
    known.write_all(b"x\r\n.\r\n").await.unwrap();
    let stopping = tokio::spawn(server.shutdown(Duration::from_secs(60)));
    // Whoever has nothing under way hears at once that the server stops.
    assert!(say(&mut stranger, &[""]).await.starts_with("421 "));
    let of = |operation: &Operation| operation.name == "rename" && operation.path.ends_with("greylist");
    let is_written = || fs.log().iter().any(of);
    assert!(!is_written(), "a session goes on, and may still change it");
    go.notify_one();
    assert!(say(&mut known, &[""]).await.starts_with("250 2.0.0"));
    assert!(stopping.await.unwrap());
    assert!(is_written());
}
