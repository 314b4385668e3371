//! An application under the machine: a store in memory that several sessions share, and the fixture that answers
//! for one of them.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

pub(crate) mod session;
pub(crate) mod store;

use imap_proto::server::{Config, NonSyncLiterals, Server, TlsMode};
use proto_core::sasl::Mechanism;
use proto_core::{AddressSyntax, DomainName};
use session::Session;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use store::Store;
use testkit::Setup;
use testkit::account::entropy;

pub(crate) type Shared = Rc<RefCell<Store>>;

/// A store as the published transcripts have it, under the names of this run.
pub(crate) fn store(setup: &Setup) -> Shared {
    let account = setup.option("account").and_then(|account| account.split_once('/'));
    let (user, password) = account.unwrap_or_else(|| (setup.var("user"), setup.var("pass")));
    Rc::new(RefCell::new(Store::published(user, password)))
}

/// A session's configuration by the options of a case.
pub(crate) fn config(setup: &Setup) -> Config {
    let mut config = Config::new();
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    if setup.option("sasl") == Some("all") {
        config.mechanisms = Mechanism::ALL.to_vec();
    }
    let host_name = |name: &str| DomainName::parse(name.as_bytes(), AddressSyntax::STRICT).unwrap();
    config.host_name = setup.option("host").map(host_name);
    config.allow_plaintext_auth = setup.option("plaintext") != Some("no");
    config.login_command = setup.option("login") != Some("no");
    config.children = setup.option("children") == Some("yes");
    config.tls = match setup.option("tls") {
        Some("starttls") => TlsMode::StartTls,
        Some("implicit") => TlsMode::Implicit,
        _ => TlsMode::None,
    };
    if setup.option("literal") == Some("minus") {
        config.non_sync_literals = NonSyncLiterals::Minus;
    }
    if let Some(max) = setup.option("message_max") {
        config.limits.message_bytes_max = max.parse().unwrap();
    }
    if let Some(max) = setup.option("output_max") {
        config.limits.output_bytes_max = max.parse().unwrap();
    }
    config
}

/// A machine and its application over a store of its own.
pub(crate) fn make(setup: &Setup) -> (Server, Session) {
    let session = Session::new(store(setup)).holding(setup.option("hold"));
    let session = session.with_certificate(setup.option("certificate") == Some("shown"));
    let mut server = Server::new(Arc::new(config(setup)));
    if let Some(nonce) = setup.option("nonce") {
        server.set_entropy(entropy(nonce));
    }
    (server, session)
}

/// A setup without a transcript: user u, password p.
pub(crate) fn plain_store() -> Shared {
    Rc::new(RefCell::new(Store::published("u", "p")))
}

/// A session over a shared store, with passwords allowed.
pub(crate) fn connect(store: &Shared) -> testkit::Driver<Server, Session> {
    let mut config = Config::new();
    config.allow_plaintext_auth = true;
    config.mechanisms = vec![Mechanism::Plain];
    let mut driver = testkit::Driver::new(Server::new(Arc::new(config)), Session::new(store.clone()));
    driver.pump();
    driver
}
