//! Any messages, to both sides of every SASL mechanism.

use crate::sasl::{
    AuthVerdict, ClientContext, ClientCredentials, ClientExchange, Credentials, Decoys, Mechanism, Nonces,
    ScramKeys, ServerContext, ServerEntropy, ServerExchange, ServerStep, StoredSecret, Wanted,
};
use crate::secret::Secret;
use crate::tls::TlsInfo;
use alloc::sync::Arc;
use alloc::vec;

/// Messages, cut at every 0xff, to a server's and to a client's exchange: nobody is let in without a yes to the last
/// question, and then by a mechanism that needs a proof only after one; what is over stays over; a client believes no
/// server that has proved nothing.
///
/// # Panics
/// When that is not so.
pub fn fuzz_sasl(data: &[u8]) {
    let [which, answers, messages @ ..] = data else { return };
    let Some(mechanism) = Mechanism::ALL.get(usize::from(*which) % Mechanism::ALL.len()).copied() else {
        return;
    };
    let tls = Arc::new(TlsInfo {
        exporter: Some(vec![1; 32]),
        peer_certificate: Some(vec![2; 8]),
        ..TlsInfo::default()
    });
    serve(mechanism, *answers, &tls, messages);
    connect(mechanism, &tls, messages);
}

fn serve(mechanism: Mechanism, answers: u8, tls: &Arc<TlsInfo>, messages: &[u8]) {
    let nonces = Nonces::once("s").expect("invariant: a nonce");
    let mut entropy = ServerEntropy { nonces, decoys: Decoys::new([3; 32]) };
    let plus_offered = answers & 0x80 != 0;
    let context = ServerContext { entropy: Some(&mut entropy), tls: Some(tls), plus_offered, host_name: "t" };
    let mut server = ServerExchange::new(mechanism, context);
    let (mut asked, mut approved, mut over) = (0, false, false);
    for (nth, message) in messages.split(|octet| *octet == 0xff).enumerate() {
        let mut step = match nth {
            0 => server.start(answers.is_multiple_of(2).then_some(message)),
            _ => server.respond(message),
        };
        while let ServerStep::Ask(credentials) = step {
            assert!(!over, "asks after its end");
            approved = answers & (2 << asked) != 0;
            asked += 1;
            assert!(asked <= 2, "asks without end");
            step = server.verdict(verdict(&credentials, approved));
        }
        match step {
            ServerStep::Done { .. } => {
                assert!(approved && !over, "let in without a yes");
                assert!(!mechanism.needs_entropy() || asked == 2, "let in without a proof");
                over = true;
            }
            ServerStep::Failed(_) => over = true,
            ServerStep::LoginFailed(failed) => {
                assert!(!over && failed.mechanism == Some(mechanism), "a login fails once");
                over = true;
            }
            _ => assert!(!over, "goes on after its end"),
        }
    }
}

/// The secret is never one that the messages prove.
fn verdict(credentials: &Credentials, yes: bool) -> AuthVerdict {
    match credentials {
        Credentials::Lookup { wanted: Wanted::ScramKeys(hash), .. } if yes => {
            let key = || Secret::new(vec![4; hash.bytes()]);
            let keys = ScramKeys::new(*hash, vec![5; 16], 4096, key(), key());
            AuthVerdict::Secret(StoredSecret::ScramKeys(keys.expect("invariant: keys of the right length")))
        }
        Credentials::Lookup { .. } if yes => AuthVerdict::Secret(StoredSecret::Password("p".into())),
        Credentials::Lookup { .. } => AuthVerdict::Reject,
        _ if yes => AuthVerdict::Accept,
        _ => AuthVerdict::Reject,
    }
}

fn connect(mechanism: Mechanism, tls: &Arc<TlsInfo>, messages: &[u8]) {
    let mut nonces = Nonces::once("c").expect("invariant: a nonce");
    let context = ClientContext { nonces: Some(&mut nonces), tls: Some(tls), ..ClientContext::default() };
    let credentials = ClientCredentials {
        token: Some("t".into()),
        external: true,
        anonymous: Some("a".into()),
        ..ClientCredentials::password("u", "p")
    };
    let mut client = ClientExchange::new(mechanism, &credentials, context).expect("invariant: all is there");
    for message in messages.split(|octet| *octet == 0xff) {
        if client.respond(message).is_err() {
            assert!(client.respond(message).is_err(), "goes on after its end");
        }
    }
    let proved = client.finish(Some(messages)).is_ok();
    assert!(!proved || mechanism.scram_hash().is_none(), "believes a server that proved nothing");
}
