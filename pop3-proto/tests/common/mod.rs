//! The application of the tests: one user, a maildrop in memory that outlives a session, and switches for failures.

#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]
#![allow(dead_code, reason = "each test file uses what it needs")]

use pop3_proto::server::{
    Commit, CommitRefusal, Config, Event, OpenRefusal, Retrieve, RetrieveRefusal, Server, Syntax, TlsMode,
};
use pop3_proto::{Message, RetrOctets, Uidl};
use proto_core::sasl::{AuthVerdict, Authenticate, Mechanism};
use proto_core::{AddressSyntax, Ask, Backend, DomainName, Now, TlsInfo};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use testkit::account::entropy;
use testkit::{Account, Fixture, Log, START, Setup};

/// Messages that several sessions see, one after the other.
pub(crate) type Drop = Rc<RefCell<Vec<(String, Vec<u8>)>>>;

/// The maildrop of the published transcripts: m1 without a final line end, m2 with bare LF, m3 a header only, m4 with a
/// dot at the start; `word` stands in for the published text.
pub(crate) fn published_drop(word: &str) -> Drop {
    let messages = [
        format!("A: {word}\r\n\r\n.x\r\nend"),
        format!("S: {word}\r\n\r\nl1\nl2\n"),
        format!("H: {word}\r\n"),
        format!(".first: {word}\r\n\r\nb\r\n"),
    ];
    let numbered = messages.into_iter().enumerate();
    Rc::new(RefCell::new(numbered.map(|(n, text)| (format!("id{}", n + 1), text.into_bytes())).collect()))
}

/// What the message at hand still has to send.
struct Sending {
    rest: Vec<u8>,
    abort: bool,
}

pub(crate) struct App {
    user: String,
    password: String,
    drop: Drop,
    /// The drop as this session sees it: unique ids by position.
    snapshot: Vec<String>,
    /// What shall fail.
    fails: String,
    /// The most octets that are written at a time.
    chunk: usize,
    sending: Option<Sending>,
    kept: VecDeque<Ask<Authenticate>>,
    /// The client shows a certificate in the handshake.
    certificate: bool,
    log: Log,
}

impl App {
    pub(crate) fn new(user: &str, password: &str, drop: Drop) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
            drop,
            snapshot: Vec::new(),
            fails: String::new(),
            chunk: usize::MAX,
            sending: None,
            kept: VecDeque::new(),
            certificate: false,
            log: Log::default(),
        }
    }

    pub(crate) fn failing(mut self, what: &str) -> Self {
        self.fails = what.into();
        self
    }

    pub(crate) fn chunk(mut self, octets: usize) -> Self {
        self.chunk = octets;
        self
    }

    fn backend(&self, what: &str) -> Option<Backend> {
        match self.fails.strip_prefix(what)? {
            "-temporary" => Some(Backend::TEMPORARY),
            "-permanent" => Some(Backend::Permanent("The disk\r\nis full".into())),
            _ => None,
        }
    }

    fn judge(&self, asked: &Authenticate) -> AuthVerdict {
        if let Some(backend) = self.backend("login") {
            return AuthVerdict::Backend(backend);
        }
        // Nobody may act as anybody, not even as himself by name.
        match asked.credentials.authzid() {
            Some(_) => AuthVerdict::Reject,
            None => Account::new(&*self.user, &*self.password).judge(&asked.credentials),
        }
    }

    fn open(&mut self) -> Result<Vec<Message>, OpenRefusal> {
        if self.fails == "in-use" {
            return Err(OpenRefusal::InUse);
        }
        if let Some(backend) = self.backend("open") {
            return Err(OpenRefusal::Backend(backend));
        }
        let drop = self.drop.borrow();
        self.snapshot = drop.iter().map(|(id, _)| id.clone()).collect();
        let messages = drop.iter().map(|(id, octets)| {
            let mut count = RetrOctets::default();
            count.push(octets);
            Message { octets: count.finish(), uidl: Uidl::new(id.as_str()).unwrap() }
        });
        Ok(messages.collect())
    }

    fn retrieve(&mut self, asked: &Retrieve) -> Result<(), RetrieveRefusal> {
        if let Some(backend) = self.backend("read") {
            return Err(RetrieveRefusal::Backend(backend));
        }
        let drop = self.drop.borrow();
        let (_, octets) =
            drop.iter().find(|(id, _)| *id == self.snapshot[asked.index]).ok_or(RetrieveRefusal::Gone)?;
        let abort = self.fails == "read-midway";
        let rest = if abort { octets[..6].to_vec() } else { octets.clone() };
        self.sending = Some(Sending { rest, abort });
        Ok(())
    }

    fn commit(&mut self, asked: &Commit) -> Result<(), CommitRefusal> {
        self.log.event(format_args!("commit {:?}", asked.deleted));
        let mut not_removed = Vec::new();
        if let Some(backend) = self.backend("commit") {
            not_removed.extend(asked.deleted.last());
            self.remove(&asked.deleted[..asked.deleted.len() - 1]);
            return Err(CommitRefusal { not_removed, backend });
        }
        self.remove(&asked.deleted);
        Ok(())
    }

    fn remove(&mut self, positions: &[usize]) {
        let ids: Vec<&String> = positions.iter().map(|index| &self.snapshot[*index]).collect();
        self.drop.borrow_mut().retain(|(id, _)| !ids.contains(&id));
    }
}

impl Fixture<Server> for App {
    fn tls_info(&self) -> TlsInfo {
        let mut info = TlsInfo::default();
        info.peer_certificate = self.certificate.then(|| b"a certificate".to_vec());
        info
    }

    fn on_event(&mut self, machine: &mut Server, now: Now, event: Event) {
        match event {
            Event::Authenticate(ask) => {
                let credentials = &ask.detail.credentials;
                self.log.event(format_args!("authenticate {}", credentials.authcid().unwrap_or_default()));
                if self.fails == "verdict" {
                    return self.kept.push_back(ask);
                }
                let verdict = self.judge(&ask.detail);
                machine.answer(now, ask, verdict).unwrap();
            }
            Event::OpenMaildrop(ask) => {
                let verdict = self.open();
                machine.answer(now, ask, verdict).unwrap();
            }
            Event::Retrieve(ask) => {
                let verdict = self.retrieve(&ask.detail);
                machine.answer(now, ask, verdict).unwrap();
            }
            Event::Commit(ask) => {
                let verdict = self.commit(&ask.detail);
                machine.answer(now, ask, verdict).unwrap();
            }
            Event::LoginFailed(failed) => self.log.event(testkit::account::failed(&failed)),
            Event::Cancelled(_) => self.log.event("cancelled"),
            _ => panic!("an event that these tests do not know"),
        }
    }

    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn on_idle(&mut self, machine: &mut Server, now: Now) -> bool {
        let Some(sending) = &mut self.sending else { return false };
        let some = sending.rest.len().min(self.chunk);
        let taken = machine.write_body(now, &sending.rest[..some]).unwrap();
        assert!(taken <= some);
        sending.rest.drain(..taken);
        if sending.rest.is_empty() && sending.abort {
            machine.abort_body("the disk went away").unwrap();
            self.sending = None;
        } else if sending.rest.is_empty() || machine.is_body_satisfied() {
            machine.finish_body(now).unwrap();
            self.sending = None;
        } else if taken == 0 {
            assert_eq!(machine.body_room(), 0, "room, and nothing taken");
            return false;
        }
        true
    }

    fn on_directive(
        &mut self,
        machine: &mut Server,
        now: Now,
        name: &str,
        argument: &str,
    ) -> Result<(), String> {
        match name {
            // Somebody else removes a message, or the application answers late.
            "remove" => self.drop.borrow_mut().retain(|(id, _)| id != argument),
            "answer" => {
                let ask = self.kept.pop_front().ok_or("no ask is kept")?;
                let verdict = self.judge(&ask.detail);
                match machine.answer(now, ask, verdict) {
                    Ok(()) => {}
                    Err(fault) => self.log.event(format_args!("answer: {fault}")),
                }
            }
            _ => return Err(format!("the fixture knows no @{name}")),
        }
        Ok(())
    }
}

/// The machine and its application for one case of a transcript.
pub(crate) fn make(setup: &Setup) -> (Server, App) {
    let mut config = Config::default();
    config.tls = match setup.option("tls") {
        Some("offered") => TlsMode::Offered,
        Some("implicit") => TlsMode::Implicit,
        _ => TlsMode::None,
    };
    config.user_and_pass = setup.option("user") != Some("no");
    config.allow_plaintext_auth = setup.option("plaintext") != Some("no");
    if setup.option("syntax") == Some("strict") {
        config.syntax = Syntax::Strict;
    }
    match setup.option("sasl") {
        Some("none") => config.mechanisms.clear(),
        Some("all") => config.mechanisms = Mechanism::ALL.to_vec(),
        _ => {}
    }
    config.host_name =
        setup.option("host").map(|name| DomainName::parse(name.as_bytes(), AddressSyntax::STRICT).unwrap());
    if let Some(most) = setup.option("bad") {
        config.limits.bad_commands_max = most.parse().unwrap();
    }
    if let Some(most) = setup.option("output") {
        config.limits.output_bytes_max = most.parse().unwrap();
    }
    let password = match setup.option("password") {
        Some("spaced") => format!(" {} ", setup.var("pass")),
        _ => setup.var("pass").to_string(),
    };
    let (user, password) = match setup.option("account").and_then(|account| account.split_once('/')) {
        Some(account) => account,
        None => (setup.var("user"), &*password),
    };
    let mut app = App::new(user, password, published_drop(setup.var("word")));
    app.certificate = setup.option("certificate") == Some("shown");
    if let Some(what) = setup.option("fails") {
        app = app.failing(what);
    }
    if let Some(octets) = setup.option("chunk") {
        app = app.chunk(octets.parse().unwrap());
    }
    let mut server = Server::new(START, Arc::new(config));
    if let Some(nonce) = setup.option("nonce") {
        server.set_entropy(entropy(nonce));
    }
    (server, app)
}

/// A session of its own for tests that are no transcripts.
pub(crate) fn session(config: Config, app: App) -> testkit::Driver<Server, App> {
    let mut driver = testkit::Driver::new(Server::new(START, Arc::new(config)), app);
    driver.pump();
    driver
}
