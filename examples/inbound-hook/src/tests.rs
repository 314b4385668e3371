//! The program is seen from both sides: what the client hears, and what the hook was told.

#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

use super::*;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// What the hook was told: a mail, or the half of one.
struct Call {
    sender: String,
    recipients: Vec<String>,
    text: String,
    whole: bool,
    verdict: oneshot::Sender<Result<(), Refused>>,
}

/// Tells each call to the test, and says what the test says.
struct Script(UnboundedSender<Call>);

impl Inbound for Script {
    async fn knows(&self, recipient: &AccountId) -> Result<bool, Refused> {
        match recipient.user() {
            "later" => Err(Refused::ForNow),
            user => Ok(user == "known"),
        }
    }

    async fn take(&self, mut mail: Mail) -> Result<(), Refused> {
        let mut octets = Vec::new();
        let whole = loop {
            match mail.body.next().await {
                Ok(Some(more)) => octets.extend_from_slice(&more),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let (verdict, said) = oneshot::channel();
        let text = String::from_utf8(octets).unwrap();
        let recipients = mail.envelope.recipients.into_iter().map(|recipient| recipient.address).collect();
        let call = Call { sender: mail.envelope.reverse_path, recipients, text, whole, verdict };
        self.0.send(call).ok().unwrap();
        said.await.unwrap_or(Err(Refused::ForNow))
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address("inbound").unwrap()).await.unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.line().await.starts_with("220 mail.inbound.test "));
        assert!(client.say("HELO client.test").await.starts_with("250 "));
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    async fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    async fn say(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n")).await;
        self.line().await
    }

    /// A mail up to its last line; the caller ends it.
    async fn begin_mail(&mut self, to: &str) {
        assert!(self.say("MAIL FROM:<ann@a.test>").await.starts_with("250 "));
        assert!(self.say(&format!("RCPT TO:<{to}>")).await.starts_with("250 "));
        assert!(self.say("DATA").await.starts_with("354 "));
        self.send("Subject: hello\r\n\r\n..with a dot\r\n").await;
    }
}

async fn scripted() -> (Server, UnboundedReceiver<Call>) {
    let (calls, called) = unbounded_channel();
    let server = serve(Script(calls), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    (server, called)
}

#[tokio::test]
async fn the_250_waits_for_the_hook() {
    let (server, mut called) = scripted().await;
    let mut client = Client::connect(&server).await;
    client.begin_mail("Known@inbound.test").await;
    client.send(".\r\n").await;

    let call = called.recv().await.unwrap();
    assert!(call.whole);
    assert_eq!((&*call.sender, &*call.recipients), ("ann@a.test", &["Known@inbound.test".to_owned()][..]));
    assert!(call.text.starts_with("Received: from client.test ([127.0.0.1])\r\n"), "{}", call.text);
    assert!(call.text.ends_with("\r\nSubject: hello\r\n\r\n.with a dot\r\n"), "{}", call.text);

    let early = tokio::time::timeout(Duration::from_millis(100), client.line()).await;
    assert!(early.is_err(), "answered before the hook was: {early:?}");
    call.verdict.send(Ok(())).unwrap();
    assert!(client.line().await.starts_with("250 2.0.0 Ok: queued as "));
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test]
async fn a_refusal_of_the_hook_is_the_clients_reply() {
    let (server, mut called) = scripted().await;
    let mut client = Client::connect(&server).await;
    for (refused, reply) in [
        (Refused::ForNow, "451 4.3.0 Error: temporary failure, try again later"),
        (Refused::Never, "554 5.3.0 message is not wanted"),
    ] {
        client.begin_mail("known@inbound.test").await;
        client.send(".\r\n").await;
        called.recv().await.unwrap().verdict.send(Err(refused)).unwrap();
        assert_eq!(client.line().await, reply);
    }
}

#[tokio::test]
async fn nobody_else_gets_mail() {
    let (server, mut called) = scripted().await;
    let mut client = Client::connect(&server).await;
    assert!(client.say("MAIL FROM:<ann@a.test>").await.starts_with("250 "));
    let reply = client.say("RCPT TO:<stranger@inbound.test>").await;
    assert!(reply.starts_with("550 5.1.1 "), "{reply}");
    let reply = client.say("RCPT TO:<known@elsewhere.test>").await;
    assert!(reply.starts_with("554 5.7.1 "), "{reply}");
    let reply = client.say("RCPT TO:<later@inbound.test>").await;
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    let reply = client.say("DATA").await;
    assert!(reply.starts_with("554 5.5.1 "), "{reply}");
    assert!(called.try_recv().is_err());
}

#[tokio::test]
async fn half_a_mail_is_not_taken_for_a_whole_one() {
    let (server, mut called) = scripted().await;
    let mut client = Client::connect(&server).await;
    client.begin_mail("known@inbound.test").await;
    drop(client);
    assert!(!called.recv().await.unwrap().whole);
}

#[tokio::test]
async fn the_desk_sorts_its_mail() {
    for (user, known) in [("hello", true), ("ticket-42", true), ("ticket-", false), ("ticket-4x", false)] {
        let recipient = AccountId::new(user, "inbound.test").unwrap();
        assert_eq!(Desk.knows(&recipient).await, Ok(known), "{user}");
    }
    assert_eq!(subject(b"subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\n").as_deref(), Some("grüße"));
    assert_eq!(subject(b"From: ann@a.test\r\n\r\nSubject: in the body\r\n"), None);
}
