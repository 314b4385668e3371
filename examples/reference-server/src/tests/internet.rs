//! `internet.toml`: `check` has nothing to say against it, and a server with it says what it is there for, with a DNS by script.

use crate::config::Config;
use crate::{doubts, first_start, wiring};
use postroom::accounts::PasswdFile;
use postroom::dns::FixedResolver;
use postroom::local::LocalMail;
use postroom::mailstore::Env;
use postroom::rehearsal::Rehearsal;
use postroom::relay_policy::{Record, RecordKind};
use postroom::{Blocking, Server};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

const TEXT: &str = include_str!("../../internet.toml");

/// The lists that the requirement names (R92).
const ASKED_FOR: &str = include_str!("../../../../relay-policy/tests/examples/first_lists.txt");

const STRANGER: &str = "203.0.113.9";

/// The file in a directory that has what it names, and nothing of it beyond.
fn configuration(directory: &Path) -> Config {
    let text = TEXT.replace("/var/lib/postroom", "data");
    let path = directory.join("internet.toml");
    let certificate = |text: &str| {
        let mut config = Config::parse(&path, text).unwrap();
        config.tls = None;
        first_start::data_dir(&config).unwrap();
        first_start::certificate(&config).unwrap()
    };
    let made = certificate(&text);
    fs::rename(made.certificate, directory.join("certificate.pem")).unwrap();
    fs::rename(made.key, directory.join("key.pem")).unwrap();
    let account =
        "alice@example.com:{ARGON2ID}$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$3Q1TpSgN3kfXnOvWSiS7mQ\n";
    fs::write(directory.join("users.passwd"), account).unwrap();
    fs::write(&path, text).unwrap();
    Config::read(Some(&path)).unwrap()
}

fn accounts(config: &Config) -> Arc<PasswdFile> {
    Arc::new(wiring::accounts(config, Blocking::inline()).unwrap())
}

#[test]
fn nothing_is_to_be_said_against_it() {
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(directory.path());
    wiring::certificate(&config, config.tls.as_ref().unwrap()).unwrap();
    let (settings, accounts) = (wiring::whole_settings(&config).unwrap(), accounts(&config));
    let resolver = Arc::new(FixedResolver::new());
    let rehearsal = Rehearsal::new(settings.clone(), accounts.clone(), resolver).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(doubts::doubts(&config, &accounts, &rehearsal)), [""; 0]);
    assert_eq!(doubts::of_policy(&config, &settings, &rehearsal), []);
}

/// The lists are those that the requirement names, but for which answers of the DNS lists count.
#[test]
fn it_has_the_lists_that_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(directory.path());
    let asked_for =
        ASKED_FOR.lines().skip_while(|line| line.starts_with('#')).take_while(|line| !line.is_empty());
    let mut lists = 0;
    for (name, value) in asked_for.map(|line| line.split_once(" = ").unwrap()) {
        let ours = config.policy.value(name).unwrap();
        let without_filters = ours.split('=').enumerate().map(|(index, part)| match index {
            0 => part,
            _ => part.split_once(']').unwrap().1,
        });
        assert_eq!(without_filters.collect::<String>(), value, "{name}");
        lists += 1;
    }
    assert_eq!(lists, 6);
}

fn address(text: &str) -> [Record; 1] {
    [Record::Address(text.parse().unwrap())]
}

/// Names that exist, and who is listed.
fn dns() -> FixedResolver {
    let exists = ["mx.good.test", "good.test", "mx.bad.test", "bad.test"];
    let dns = exists
        .into_iter()
        .fold(FixedResolver::new(), |dns, name| dns.with(name, RecordKind::A, address(STRANGER)));
    let called = |dns: FixedResolver, last: &str, name: &str| {
        dns.with(&format!("{last}.113.0.203.in-addr.arpa"), RecordKind::Ptr, [Record::Name(name.into())])
    };
    let dns = called(called(called(dns, "9", "mx.good.test"), "10", "mx.good.test"), "11", "mx.bad.test");
    dns.failing("later.test")
        .with("10.113.0.203.zen.spamhaus.org", RecordKind::A, address("127.0.0.4"))
        // What is said to who asks through a public resolver.
        .with("9.113.0.203.zen.spamhaus.org", RecordKind::A, address("127.255.255.254"))
        .with("mx.bad.test.dbl.spamhaus.org", RecordKind::A, address("127.0.1.2"))
        .with("bad.test.dbl.spamhaus.org", RecordKind::A, address("127.0.1.2"))
}

struct Client(BufReader<DuplexStream>);

impl Client {
    async fn connect(server: &Server, from: &str) -> Self {
        let (client, stream) = tokio::io::duplex(64 * 1024);
        tokio::spawn(server.serve("smtp#0", stream, format!("{from}:40000").parse().unwrap()).unwrap());
        let mut client = Self(BufReader::new(client));
        assert!(client.reply().await.starts_with("220 mail.example.com "));
        client
    }

    /// The last line of a reply.
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().into();
            }
        }
    }

    async fn command(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }
}

#[tokio::test]
async fn a_server_with_it_turns_away_who_is_meant() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let config = configuration(directory);
    let mut settings = wiring::whole_settings(&config).unwrap();
    settings.listeners.iter_mut().for_each(|listener| listener.address = None);
    let threads = Blocking::threads("store", 2, 16).unwrap();
    let mail =
        LocalMail::open(Env::real(&config.hostname), directory, config.storage.path(), &threads).unwrap();
    let spool = mail.spool.clone();
    let server = Server::builder()
        .settings(settings)
        .directory(accounts(&config))
        .certificate(wiring::certificate(&config, config.tls.as_ref().unwrap()).unwrap())
        .mail(mail.spool, mail.store)
        .resolver(dns())
        .start()
        .await
        .unwrap();

    for (from, helo, sender, recipient, said) in [
        (STRANGER, "mx.good.test", "s@good.test", "alice@example.com", "250 2.1.5 "),
        (STRANGER, "mx.good.test", "", "alice@example.com", "250 2.1.5 "),
        (STRANGER, "mx.good.test", "s@good.test", "nobody@example.com", "550 5.1.1 <nobody@example.com>: "),
        (
            STRANGER,
            "nowhere.test",
            "s@good.test",
            "alice@example.com",
            "450 4.7.1 <nowhere.test>: Helo command rejected: Host not found",
        ),
        (
            STRANGER,
            "mx.good.test",
            "s@host",
            "alice@example.com",
            "504 5.5.2 <s@host>: Sender address rejected: need fully-qualified address",
        ),
        (
            STRANGER,
            "mx.good.test",
            "s@nowhere.test",
            "alice@example.com",
            "450 4.1.8 <s@nowhere.test>: Sender address rejected: Domain not found",
        ),
        (STRANGER, "mx.good.test", "s@later.test", "alice@example.com", "450 4.1.8 <s@later.test>: "),
        (
            STRANGER,
            "mx.good.test",
            "s@good.test",
            "y@other.test",
            "554 5.7.1 <y@other.test>: Relay access denied",
        ),
        (
            "203.0.113.10",
            "mx.good.test",
            "s@good.test",
            "alice@example.com",
            "554 5.7.1 Service unavailable; Client host [203.0.113.10] blocked using zen.spamhaus.org",
        ),
        (
            "203.0.113.11",
            "mx.good.test",
            "s@good.test",
            "alice@example.com",
            "554 5.7.1 Service unavailable; Unverified Client host [mx.bad.test] blocked using dbl.spamhaus.org",
        ),
        (
            STRANGER,
            "mx.bad.test",
            "s@good.test",
            "alice@example.com",
            "554 5.7.1 Service unavailable; Helo command [mx.bad.test] blocked using dbl.spamhaus.org",
        ),
        (
            STRANGER,
            "mx.good.test",
            "s@bad.test",
            "alice@example.com",
            "554 5.7.1 Service unavailable; Sender address [s@bad.test] blocked using dbl.spamhaus.org",
        ),
    ] {
        let mut client = Client::connect(&server, from).await;
        assert!(client.command(&format!("EHLO {helo}")).await.starts_with("250 "));
        assert!(client.command(&format!("MAIL FROM:<{sender}>")).await.starts_with("250 "), "{sender}");
        let reply = client.command(&format!("RCPT TO:<{recipient}>")).await;
        assert!(reply.starts_with(said), "{from} {helo} {sender} {recipient}: {reply}");
    }

    let mut silent = Client::connect(&server, STRANGER).await;
    assert!(silent.command("MAIL FROM:<s@good.test>").await.starts_with("503 5.5.1 "));
    assert!(silent.command("VRFY alice@example.com").await.starts_with("502 5.5.1 "));
    assert!(silent.command("AUTH PLAIN AGEAYg==").await.starts_with("502 5.5.1 "), "nobody logs in here");
    assert!(silent.command("HELO mx.good.test").await.starts_with("250 "));
    let early = silent.command("MAIL FROM:<s@good.test>\r\nRCPT TO:<alice@example.com>").await;
    assert!(early.starts_with("250 "), "{early}");
    assert_eq!(
        silent.reply().await,
        "503 5.5.0 <alice@example.com>: Recipient address rejected: Improper use of SMTP command pipelining"
    );

    let mut patient = Client::connect(&server, STRANGER).await;
    for line in ["EHLO mx.good.test", "MAIL FROM:<s@good.test>", "RCPT TO:<alice@example.com>"] {
        assert!(patient.command(line).await.starts_with("250 "));
    }
    assert!(patient.command("DATA").await.starts_with("354 "));
    assert!(patient.command("Subject: hello\r\n\r\nIt works.\r\n.").await.starts_with("250 2.0.0 "));
    let inbox = directory.join("mail/example.com/alice/Maildir/new");
    let delivered = || fs::read_dir(&inbox).is_ok_and(|mut files| files.next().is_some());
    while !delivered() {
        assert!(!spool.list().is_empty() || delivered(), "it is in the queue or in the mailbox");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(server.shutdown(std::time::Duration::from_secs(30)).await);
}
