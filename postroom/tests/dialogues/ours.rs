//! Our server over a simulated disk: a listener for each configuration.

use crate::common::start_with;
use crate::configuration::Configuration;
use mailstore::fs::sim::SimFs;
use postroom::Server;
use postroom::dns::FixedResolver;
use postroom::server::Builder;
use postroom::settings::{Listener, Protocol, Settings};
use postroom::wall::{AccountId, Directory, Later, Login};
use proto_core::Backend;
use proto_core::sasl::Credentials;
use std::future::ready;
use std::net::SocketAddr;
use tokio::io::DuplexStream;

/// Everybody has a mailbox, so that it is policy alone that decides; the password is the user's name, turned round.
#[derive(Debug)]
struct Everybody;

impl Directory for Everybody {
    fn authenticate(&self, login: Login) -> Later<'_, Result<Option<AccountId>, Backend>> {
        let Credentials::Password { authcid, password, .. } = login.credentials else { unreachable!() };
        let user = authcid.split('@').next().unwrap_or_default();
        let is_right = password.expose().iter().rev().eq(user.as_bytes());
        Box::pin(ready(Ok(AccountId::from_login(&authcid, None).filter(|_| is_right))))
    }

    fn contains<'a>(&'a self, _: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        Box::pin(ready(Ok(true)))
    }
}

/// A server with these listeners.
pub(crate) async fn start(common: &Configuration, configurations: &[Configuration]) -> Server {
    let mut settings = Settings::new("mail.example.com");
    settings.domains = vec!["example.com".into()];
    settings.allow_plaintext_auth = true;
    for (name, value) in &common.parameters {
        settings.policy.set(name, value).unwrap();
    }
    settings.listeners = configurations.iter().map(listener).collect();
    // Who the clients are XCLIENT says.
    let resolver = FixedResolver::new();
    let change = |builder: Builder| builder.settings(settings).directory(Everybody).resolver(resolver);
    start_with(&SimFs::new(), 1, change).await.unwrap()
}

fn listener(configuration: &Configuration) -> Listener {
    let mut listener = Listener::without_socket(Protocol::Smtp).named(&configuration.name);
    listener.policy = configuration.parameters.iter().cloned().collect();
    listener.xclient_clients = vec!["127.0.0.1".into()];
    listener
}

/// A connection to one of its listeners.
pub(crate) fn connect(server: &Server, configuration: &str) -> DuplexStream {
    let (client, stream) = tokio::io::duplex(64 * 1024);
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    tokio::spawn(server.serve(configuration, stream, peer).unwrap());
    client
}
