//! What policy asks of the outside is answered: the DNS, the names of clients, policy services.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Client, settings, start_with};
use mailstore::fs::SimFs;
use postroom::Server;
use postroom::dns::{CacheLimits, Cached, FixedResolver};
use postroom::wall::{Later, Records, Resolver};
use proto_core::Backend;
use relay_policy::{Record, RecordKind};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

/// A resolver that tells what it was asked.
#[derive(Debug, Clone)]
struct Watched(FixedResolver, Arc<Mutex<Vec<String>>>);

impl Resolver for Watched {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        self.1.lock().unwrap().push(name.to_string());
        self.0.records(name, kind)
    }
}

fn address(text: &str) -> [Record; 1] {
    [Record::Address(text.parse().unwrap())]
}

fn name(text: &str) -> [Record; 1] {
    [Record::Name(text.into())]
}

async fn server(lists: &[(&str, &str)], resolver: FixedResolver) -> (Server, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let watched = Watched(resolver, Arc::clone(&asked));
    let mut settings = settings();
    for (name, value) in lists {
        settings.policy.set(name, value).unwrap();
    }
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings).resolver(watched)).await;
    (server.unwrap(), asked)
}

/// What is said to a recipient of ours, from a client at this address.
async fn recipient(server: &Server, client: &str) -> String {
    let peer = format!("{client}:40000").parse().unwrap();
    let mut client = Client::connect_from(peer, server, "smtp");
    assert!(client.reply().await.starts_with("220"));
    assert!(client.command("EHLO client.test").await.starts_with("250"));
    assert!(client.command("MAIL FROM:<s@sender.test>").await.starts_with("250"));
    client.command("RCPT TO:<alice@example.test>").await
}

#[tokio::test(start_paused = true)]
async fn lists_in_the_dns() {
    let listed = FixedResolver::new()
        .with("9.113.0.203.list.test", RecordKind::A, address("127.0.0.2"))
        .with("9.113.0.203.list.test", RecordKind::Txt, [Record::Text("an open proxy".into())])
        .failing("7.113.0.203.list.test");
    let lists = [("smtpd_recipient_restrictions", "reject_rbl_client list.test")];
    let (server, asked) = server(&lists, listed).await;
    assert_eq!(
        recipient(&server, "203.0.113.9").await,
        "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using list.test; an open proxy"
    );
    assert!(recipient(&server, "203.0.113.8").await.starts_with("250"));
    assert!(
        recipient(&server, "203.0.113.7").await.starts_with("250"),
        "nobody is refused for what is not known"
    );
    // No list can use the client's name, so nobody has looked for it.
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|name| name.ends_with(".list.test")), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn names_of_clients() {
    let names = FixedResolver::new()
        .with("9.113.0.203.in-addr.arpa", RecordKind::Ptr, name("mail.good.test"))
        .with("mail.good.test", RecordKind::A, address("203.0.113.9"))
        .with("8.113.0.203.in-addr.arpa", RecordKind::Ptr, name("mail.good.test"))
        .with("6.113.0.203.in-addr.arpa", RecordKind::Ptr, name("mail.bad.test"))
        .with("mail.bad.test", RecordKind::A, address("203.0.113.6"))
        .failing("7.113.0.203.in-addr.arpa");
    let lists = [(
        "smtpd_client_restrictions",
        "check_client_access inline:{{bad.test = 550 Not you}}, reject_unknown_client_hostname",
    )];
    let (server, _) = server(&lists, names).await;
    assert!(recipient(&server, "203.0.113.9").await.starts_with("250"));
    assert_eq!(
        recipient(&server, "203.0.113.8").await,
        "450 4.7.25 Client host rejected: cannot find your hostname, [203.0.113.8]"
    );
    assert!(recipient(&server, "203.0.113.7").await.starts_with("450 4.7.25 "));
    assert_eq!(
        recipient(&server, "203.0.113.6").await,
        "550 5.7.1 <mail.bad.test[203.0.113.6]>: Client host rejected: Not you"
    );
}

#[tokio::test]
async fn policy_services() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy");
    let listener = UnixListener::bind(&path).unwrap();
    let questions = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&questions);
    let service = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // It says what it is told to each client in its turn, and then it is gone.
        for action in ["DUNNO", "REJECT 5.7.9 Go away", "DEFER_IF_PERMIT 4.2.0 Come again", "hello=world"] {
            let mut question = String::new();
            while !question.ends_with("\n\n") {
                question.push(char::from(stream.read_u8().await.unwrap()));
            }
            heard.lock().unwrap().push_str(&question);
            stream.write_all(format!("action={action}\n\n").as_bytes()).await.unwrap();
        }
    });
    let service_name =
        format!("check_policy_service {{ unix:{}, try_limit=2, retry_delay=0s }}", path.display());
    let lists = [("smtpd_recipient_restrictions", &*service_name)];
    let (server, _) = server(&lists, FixedResolver::new()).await;
    let said = async || recipient(&server, "203.0.113.9").await;
    assert!(said().await.starts_with("250"));
    assert_eq!(said().await, "554 5.7.9 <alice@example.test>: Recipient address rejected: Go away");
    assert_eq!(said().await, "450 4.2.0 <alice@example.test>: Recipient address rejected: Come again");
    assert_eq!(said().await, "451 4.3.5 Server configuration error");
    service.await.unwrap();
    // Nobody listens any more.
    assert_eq!(
        said().await,
        "451 4.3.5 <alice@example.test>: Recipient address rejected: Server configuration problem"
    );
    let questions = questions.lock().unwrap();
    for line in [
        "request=smtpd_access_policy",
        "protocol_state=RCPT",
        "protocol_name=ESMTP",
        "client_address=203.0.113.9",
        "client_name=unknown",
        "helo_name=client.test",
        "sender=s@sender.test",
        "recipient=alice@example.test",
    ] {
        assert_eq!(questions.lines().filter(|known| *known == line).count(), 4, "{line} in {questions}");
    }
    let instances: std::collections::BTreeSet<_> =
        questions.lines().filter(|line| line.starts_with("instance=")).collect();
    assert_eq!(instances.len(), 4, "each message has its own");
}

/// Knows of no server that answers for `silent.test`; everything else has an exchange.
#[derive(Debug)]
struct Silent;

impl Resolver for Silent {
    fn records<'a>(&'a self, name: &'a str, _: RecordKind) -> Later<'a, Result<Records, Backend>> {
        if name.ends_with("silent.test") {
            return Box::pin(pending());
        }
        let exchange = Record::Mx { preference: 10, exchange: "mx.good.test".into() };
        Box::pin(std::future::ready(Ok(Records::new(vec![exchange], Duration::from_secs(60)))))
    }
}

#[tokio::test(start_paused = true)]
async fn one_client_s_names_are_in_nobody_else_s_way() {
    let mut settings = settings();
    settings.policy.set("smtpd_recipient_restrictions", "reject_unknown_sender_domain").unwrap();
    let resolver = Cached::new(Silent, CacheLimits::default());
    let server =
        start_with(&SimFs::new(), 1, |builder| builder.settings(settings).resolver(resolver)).await.unwrap();
    // More sessions than there are lookups at a time; each waits for a name of its own.
    let mut waiting = Vec::new();
    for number in 0..CacheLimits::default().lookups_max + 10 {
        let mut client = Client::connect_from("203.0.113.9:40000".parse().unwrap(), &server, "smtp");
        client.reply().await;
        client.command("EHLO client.test").await;
        client.command(&format!("MAIL FROM:<s@{number}.silent.test>")).await;
        client.send(b"RCPT TO:<alice@example.test>\r\n").await;
        waiting.push(client);
    }
    let begun = tokio::time::Instant::now();
    assert!(recipient(&server, "198.51.100.7").await.starts_with("250 2.1.5"));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // What waits comes to an end, too.
    let reply = waiting.last_mut().unwrap().reply().await;
    assert!(reply.starts_with("450 4.1.8"), "{reply}");
}
