//! SASL peers that lie: each is refused, by the clause it breaks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto_core::TlsInfo;
use proto_core::sasl::saslprep::TEXT_BYTES_MAX;
use proto_core::sasl::scram::{ITERATIONS_MAX_DEFAULT, ITERATIONS_MIN, MESSAGE_BYTES_MAX, SALT_BYTES_MAX};
use proto_core::sasl::{
    AuthVerdict, ClientContext, ClientCredentials, ClientExchange, Credentials, Decoys, LoginFailed,
    Mechanism, Nonces, SaslFault, ScramHash, ServerContext, ServerExchange, ServerStep, StoredSecret,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use testkit::Account;
use testkit::account::entropy;

const MALFORMED: ServerStep = ServerStep::Failed(SaslFault::Malformed);
const REJECTED: ServerStep = ServerStep::Failed(SaslFault::Rejected);

/// Refused without that anybody was asked: the application is told.
fn failed(mechanism: Mechanism) -> ServerStep {
    ServerStep::LoginFailed(LoginFailed::new(Some(mechanism), b"user"))
}

fn tls() -> Arc<TlsInfo> {
    let mut tls = TlsInfo::default();
    tls.exporter = Some(vec![0xab; 32]);
    Arc::new(tls)
}

fn server(mechanism: Mechanism, plus_offered: bool) -> ServerExchange {
    let (tls, mut entropy) = (tls(), entropy("server"));
    let context =
        ServerContext { entropy: Some(&mut entropy), tls: Some(&tls), plus_offered, ..Default::default() };
    ServerExchange::new(mechanism, context)
}

/// The challenge to a first message, or why there is none.
fn challenged(
    mechanism: Mechanism,
    plus_offered: bool,
    first: &str,
) -> Result<(ServerExchange, String), ServerStep> {
    let account = Account::new("user", "pencil");
    let mut server = server(mechanism, plus_offered);
    let mut step = server.start(Some(first.as_bytes()));
    while let ServerStep::Ask(credentials) = step {
        step = server.verdict(account.judge(&credentials));
    }
    match step {
        ServerStep::Challenge(challenge) => Ok((server, String::from_utf8(challenge).unwrap())),
        other => Err(other),
    }
}

fn refusal(mechanism: Mechanism, plus_offered: bool, first: &str) -> ServerStep {
    challenged(mechanism, plus_offered, first).map(|(_, challenge)| challenge).unwrap_err()
}

fn client(plus_offered: bool) -> ClientExchange {
    let mut nonces = Nonces::once("client").unwrap();
    let context = ClientContext { nonces: Some(&mut nonces), plus_offered, ..Default::default() };
    ClientExchange::new(Mechanism::ScramSha256, &ClientCredentials::password("user", "pencil"), context)
        .unwrap()
}

/// RFC 5802 section 6.
#[test]
fn gs2_flags() {
    use Mechanism::{ScramSha1, ScramSha256, ScramSha256Plus};
    assert!(challenged(ScramSha256, true, "n,,n=user,r=x").is_ok());
    assert!(challenged(ScramSha256, false, "y,,n=user,r=x").is_ok());
    assert_eq!(refusal(ScramSha256, true, "y,,n=user,r=x"), failed(ScramSha256));
    assert_eq!(refusal(ScramSha1, true, "y,,n=user,r=x"), failed(ScramSha1));
    assert_eq!(refusal(ScramSha256, true, "p=tls-exporter,,n=user,r=x"), MALFORMED);
    assert!(challenged(ScramSha256Plus, true, "p=tls-exporter,,n=user,r=x").is_ok());
    assert_eq!(refusal(ScramSha256Plus, true, "n,,n=user,r=x"), MALFORMED);
    assert_eq!(refusal(ScramSha256Plus, true, "y,,n=user,r=x"), MALFORMED);
    // Known and not there; not known; no name.
    assert_eq!(refusal(ScramSha256Plus, true, "p=tls-server-end-point,,n=user,r=x"), failed(ScramSha256Plus));
    assert_eq!(refusal(ScramSha256Plus, true, "p=tls-unique,,n=user,r=x"), failed(ScramSha256Plus));
    assert_eq!(refusal(ScramSha256Plus, true, "p=,,n=user,r=x"), MALFORMED);
}

#[test]
fn first_messages_that_are_none() {
    let long = format!("n,,n=user,r={}", "x".repeat(257));
    for bad in [
        "",
        "n",
        "n,",
        "n,,",
        "x,,n=user,r=x",
        "N,,n=user,r=x",
        "n,,n=,r=x",
        "n,,n=user",
        "n,,n=user,r=",
        "n,,r=x,n=user",
        "n,,m=x,n=user,r=x",
        "n,,n=user,r=x,m=x",
        "n,,n=user,r=a b",
        "n,,n=user,r=x,",
        "n,,n=user,r=x,ext",
        "n,,n=us=er,r=x",
        "n,,n=us=2cer,r=x",
        "n,,n=us=2,r=x",
        "n,,n=user=,r=x",
        "n,a=,n=user,r=x",
        "n,b=c,n=user,r=x",
        "n,a==,n=user,r=x",
        "n,,n=us\u{0}er,r=x",
        "n,,n=us\ner,r=x",
        "n,,n=\u{ad},r=x",
        &long,
    ] {
        assert_eq!(refusal(Mechanism::ScramSha256, true, bad), MALFORMED, "{bad:?}");
    }
    let mut exchange = server(Mechanism::ScramSha256, true);
    assert_eq!(exchange.start(Some(b"n,,n=us\xffer,r=x")), MALFORMED);
    for good in ["n,,n=user,r=x,e=t", "n,a=user,n=user,r=x", "n,,n=user,r=!~"] {
        assert!(challenged(Mechanism::ScramSha256, true, good).is_ok(), "{good:?}");
    }
}

/// `=2C` and `=3D` are a comma and an equals sign in the name that is asked about.
#[test]
fn escapes() {
    let mut exchange = server(Mechanism::ScramSha256, true);
    let ServerStep::Ask(Credentials::Lookup { authcid, .. }) = exchange.start(Some(b"n,,n=a=2Cb=3Dc,r=x"))
    else {
        panic!("not asked")
    };
    assert_eq!(authcid, "a,b=c");
}

#[test]
fn final_messages_that_are_none_or_wrong() {
    let proof = "A".repeat(43) + "=";
    let right = format!("c=biws,r=xserver,p={proof}");
    for (bad, expected) in [
        (String::new(), MALFORMED),
        (right.replace("c=biws,", ""), MALFORMED),
        (format!("r=xserver,c=biws,p={proof}"), MALFORMED),
        (format!("p={proof},c=biws,r=xserver"), MALFORMED),
        (right.replace("biws", "biw"), MALFORMED),
        (right.replace("biws", "!!!!"), MALFORMED),
        (right.replace(&proof, "AAAA"), MALFORMED),
        (right.replace(&proof, ""), MALFORMED),
        (right.replace(",p=", ",m=x,p="), MALFORMED),
        (format!("{right},x=y"), MALFORMED),
        // Whole, and not what they have to be: header, nonce, proof.
        (right.replace("biws", "eSws"), failed(Mechanism::ScramSha256)),
        (right.replace("xserver", "x"), failed(Mechanism::ScramSha256)),
        (right.replace("xserver", "yserver"), failed(Mechanism::ScramSha256)),
        (right.clone(), failed(Mechanism::ScramSha256)),
    ] {
        let (mut exchange, _) = challenged(Mechanism::ScramSha256, true, "n,,n=user,r=x").unwrap();
        assert_eq!(exchange.respond(bad.as_bytes()), expected, "{bad:?}");
        // It is over.
        assert_eq!(exchange.respond(right.as_bytes()), MALFORMED);
        assert_eq!(exchange.verdict(AuthVerdict::Accept), MALFORMED);
    }
    // The server's own challenge comes back.
    let (mut exchange, challenge) = challenged(Mechanism::ScramSha256, true, "n,,n=user,r=x").unwrap();
    assert_eq!(exchange.respond(challenge.as_bytes()), MALFORMED);
}

/// A right proof under another TLS session is a wrong one.
#[test]
fn a_proof_for_another_tls_session() {
    let (tls, mut nonces) = (tls(), Nonces::once("client").unwrap());
    let mut other = TlsInfo::default();
    other.exporter = Some(vec![0xac; 32]);
    for (session, expected) in [(tls, true), (Arc::new(other), false)] {
        let context = ClientContext {
            nonces: Some(&mut nonces),
            tls: Some(&session),
            plus_offered: true,
            ..Default::default()
        };
        let credentials = ClientCredentials::password("user", "pencil");
        let mut client = ClientExchange::new(Mechanism::ScramSha256Plus, &credentials, context).unwrap();
        let first = client.initial_response().unwrap().unwrap();
        let (mut server, challenge) =
            challenged(Mechanism::ScramSha256Plus, true, first.expose_str().unwrap()).unwrap();
        let step = server.respond(client.respond(challenge.as_bytes()).unwrap().expose());
        assert_eq!(matches!(step, ServerStep::Ask(_)), expected, "{step:?}");
        nonces = Nonces::once("client").unwrap();
    }
}

/// A yes is a yes only to the question it answers; a secret of another kind is none.
#[test]
fn verdicts_that_answer_another_question() {
    for verdict in [AuthVerdict::Accept, AuthVerdict::Secret(StoredSecret::Password("pencil".into()))] {
        let mut exchange = server(Mechanism::ScramSha256, true);
        assert!(matches!(exchange.start(Some(b"n,,n=user,r=x")), ServerStep::Ask(_)));
        let ServerStep::Challenge(challenge) = exchange.verdict(verdict) else { panic!("no decoy") };
        let mut client = client(true);
        client.initial_response().unwrap();
        let challenge = String::from_utf8(challenge).unwrap().replace("r=x", "r=clientx");
        let answer = client.respond(challenge.as_bytes()).unwrap();
        let answer = answer.expose_str().unwrap().replace("r=clientx", "r=x");
        assert_eq!(exchange.respond(answer.as_bytes()), failed(Mechanism::ScramSha256));
    }
    let mut plain = ServerExchange::new(Mechanism::Plain, ServerContext::default());
    plain.start(Some(b"\0u\0p"));
    assert_eq!(plain.verdict(AuthVerdict::Secret(StoredSecret::Password("p".into()))), REJECTED);
    let mut cram = server(Mechanism::CramMd5, false);
    cram.start(None);
    assert!(matches!(cram.respond(format!("user {}", "0".repeat(32)).as_bytes()), ServerStep::Ask(_)));
    assert_eq!(cram.verdict(AuthVerdict::Accept), failed(Mechanism::CramMd5));
}

/// A directory that knows no password of a user may not mean that everybody knows it.
#[test]
fn an_empty_password_is_nobodys() {
    let mut cram = server(Mechanism::CramMd5, false);
    let ServerStep::Challenge(challenge) = cram.start(None) else { panic!("no challenge") };
    let credentials = ClientCredentials::password("user", "");
    let mut client = ClientExchange::new(Mechanism::CramMd5, &credentials, ClientContext::default()).unwrap();
    let answer = client.respond(&challenge).unwrap();
    assert!(matches!(cram.respond(answer.expose()), ServerStep::Ask(_)));
    let empty = AuthVerdict::Secret(StoredSecret::Password("".into()));
    assert_eq!(cram.verdict(empty), failed(Mechanism::CramMd5));
}

/// RFC 5802 section 5.1 shows the salt to everybody: one that is too short, or repeats itself, tells that it is nobody's.
#[test]
fn a_decoy_has_a_salt_of_any_length() {
    for salt_bytes in [1, 16, 32, 33, 64, 65, 96, 200, SALT_BYTES_MAX] {
        let decoys = Decoys::new([7; 32]).with_shape(4096, salt_bytes);
        let keys = decoys.keys(ScramHash::Sha256, "nobody");
        assert_eq!(keys.salt().len(), salt_bytes);
        let blocks: BTreeSet<_> = keys.salt().chunks_exact(32).collect();
        assert_eq!(blocks.len(), salt_bytes / 32, "no block comes twice");
        assert_eq!(keys, decoys.keys(ScramHash::Sha256, "nobody"));
    }
    let no_shape = Decoys::new([7; 32]).with_shape(0, 0).keys(ScramHash::Sha256, "nobody");
    assert_eq!((no_shape.iterations(), no_shape.salt().len()), (1, 1));
    let long = Decoys::new([7; 32]).with_shape(4096, usize::MAX).keys(ScramHash::Sha256, "nobody");
    assert_eq!(long.salt().len(), SALT_BYTES_MAX);
}

#[test]
fn servers_that_lie() {
    let salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
    for bad in [
        format!("r=client,s={salt},i=4096"),
        format!("r=clien,s={salt},i=4096"),
        format!("r=otherx,s={salt},i=4096"),
        format!("r=Clientx,s={salt},i=4096"),
        format!("s={salt},r=clientx,i=4096"),
        format!("r=clientx,i=4096,s={salt}"),
        "r=clientx,s=,i=4096".into(),
        "r=clientx,s=!!,i=4096".into(),
        format!("m=x,r=clientx,s={salt},i=4096"),
        format!("r=clientx,s={salt},i=4096,m=x"),
        format!("r=clientx,s={salt},i=0"),
        format!("r=clientx,s={salt},i=-1"),
        format!("r=clientx,s={salt},i=+5000"),
        format!("r=clientx,s={salt},i=05000"),
        format!("r=clientx,s={salt},i="),
        format!("r=clientx,s={salt},i={}", ITERATIONS_MIN - 1),
        format!("r=clientx,s={salt},i={}", ITERATIONS_MAX_DEFAULT + 1),
        format!("r=clientx,s={salt},i=2147483648"),
        format!("r=clientx,s={salt},i=99999999999999999999"),
        "n,,n=user,r=client".into(),
        "v=AAAA".into(),
        String::new(),
    ] {
        let mut client = client(false);
        client.initial_response().unwrap();
        assert!(client.respond(bad.as_bytes()).is_err(), "{bad:?}");
        assert!(client.respond(bad.as_bytes()).is_err());
        assert!(client.finish(None).is_err());
    }
}

/// RFC 5802 section 5: who does not show that it knew the password is not believed, however it says that all is well.
#[test]
fn a_server_that_proves_nothing() {
    let proving = || {
        let mut client = client(false);
        client.initial_response().unwrap();
        client.respond(b"r=clientx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").unwrap();
        client
    };
    assert_eq!(client(false).finish(None), Err(SaslFault::Unproved));
    assert_eq!(proving().finish(None), Err(SaslFault::Unproved));
    let wrong = format!("v={}=", "A".repeat(43));
    assert_eq!(proving().finish(Some(wrong.as_bytes())), Err(SaslFault::Unproved));
    assert_eq!(proving().respond(wrong.as_bytes()), Err(SaslFault::Unproved));
    assert_eq!(proving().respond(b"e=other-error"), Err(SaslFault::Rejected));
    assert!(proving().respond(b"v=").is_err() && proving().respond(b"").is_err());
}

/// A name that is longer than any is malformed, a password that is longer is nobody's; what is as long as can be is taken.
#[test]
fn names_and_passwords_have_a_length() {
    let (longest, longer) = ("u".repeat(TEXT_BYTES_MAX), "u".repeat(TEXT_BYTES_MAX + 1));
    let plain = |authzid: &str, authcid: &str, password: &str| {
        let message = format!("{authzid}\0{authcid}\0{password}");
        server(Mechanism::Plain, false).start(Some(message.as_bytes()))
    };
    assert!(matches!(plain(&longest, &longest, &longest), ServerStep::Ask(_)));
    assert_eq!(plain(&longer, "user", "p"), MALFORMED);
    assert_eq!(plain("", &longer, "p"), MALFORMED);
    assert_eq!(plain("", "user", &longer), failed(Mechanism::Plain));

    let login = |name: &str, password: &str| {
        let mut server = server(Mechanism::Login, false);
        match server.start(Some(name.as_bytes())) {
            ServerStep::Challenge(_) => server.respond(password.as_bytes()),
            other => other,
        }
    };
    assert!(matches!(login(&longest, &longest), ServerStep::Ask(_)));
    assert_eq!(login(&longer, "p"), MALFORMED);
    assert_eq!(login("user", &longer), failed(Mechanism::Login));

    let cram = |name: &str| {
        let mut server = server(Mechanism::CramMd5, false);
        server.start(None);
        server.respond(format!("{name} {}", "0".repeat(32)).as_bytes())
    };
    assert!(matches!(cram(&longest), ServerStep::Ask(_)));
    assert_eq!(cram(&longer), MALFORMED);

    let mut shown = TlsInfo::default();
    shown.peer_certificate = Some(vec![1]);
    let shown = Arc::new(shown);
    let external = |authzid: &str| {
        let context = ServerContext { tls: Some(&shown), ..Default::default() };
        ServerExchange::new(Mechanism::External, context).start(Some(authzid.as_bytes()))
    };
    assert!(matches!(external(&longest), ServerStep::Ask(_)));
    assert_eq!(external(&longer), MALFORMED);
    let bearer = |user: &str, token: &str| {
        let message = format!("user={user}\x01auth=Bearer {token}\x01\x01");
        server(Mechanism::Xoauth2, false).start(Some(message.as_bytes()))
    };
    assert!(matches!(bearer(&longest, &"t".repeat(8000)), ServerStep::Ask(_)));
    assert_eq!(bearer(&longer, "t"), MALFORMED);
    let gs2 = |escaped: &str| {
        let message = format!("n,a={escaped},\x01auth=Bearer t\x01\x01");
        server(Mechanism::OauthBearer, false).start(Some(message.as_bytes()))
    };
    assert!(matches!(gs2(&"=2C".repeat(TEXT_BYTES_MAX)), ServerStep::Ask(_)));
    assert_eq!(gs2(&"=2C".repeat(TEXT_BYTES_MAX + 1)), MALFORMED);
}

/// Of SCRAM a message as a whole: attributes that nobody knows may stand in it.
#[test]
fn messages_of_scram_have_a_length() {
    let first = |octets: usize| {
        let begun = "n,,n=user,r=x,e=";
        challenged(Mechanism::ScramSha256, true, &format!("{begun}{}", "x".repeat(octets - begun.len())))
    };
    assert!(first(MESSAGE_BYTES_MAX).is_ok());
    assert_eq!(first(MESSAGE_BYTES_MAX + 1).err(), Some(MALFORMED));
    let last = |octets: usize| {
        let (before, proof) = ("c=biws,r=xserver,e=", format!(",p={}=", "A".repeat(43)));
        let (mut exchange, _) = challenged(Mechanism::ScramSha256, true, "n,,n=user,r=x").unwrap();
        let extension = "x".repeat(octets - before.len() - proof.len());
        exchange.respond(format!("{before}{extension}{proof}").as_bytes())
    };
    assert_eq!(last(MESSAGE_BYTES_MAX), failed(Mechanism::ScramSha256));
    assert_eq!(last(MESSAGE_BYTES_MAX + 1), MALFORMED);
}

#[test]
fn other_messages_that_are_none() {
    for bad in
        ["", "user", "user 0", " b913a602c7eda7a495b4e6e7334d3890", "user B913A602C7EDA7A495B4E6E7334D3890"]
    {
        let mut cram = server(Mechanism::CramMd5, false);
        assert!(matches!(cram.start(None), ServerStep::Challenge(_)));
        assert_eq!(cram.respond(bad.as_bytes()), MALFORMED, "{bad:?}");
    }
    assert_eq!(server(Mechanism::CramMd5, false).start(Some(b"")), MALFORMED);
    for bad in [
        "",
        "\x01",
        "n,,",
        "n,,\x01",
        "n,,\x01\x01",
        "n,,\x01auth=Bearer t\x01",
        "n,,\x01auth=Bearer \x01\x01",
        "n,,\x01auth=Basic t\x01\x01",
        "p=x,,\x01auth=Bearer t\x01\x01",
        "n,,\x01auth=Bearer a b\x01\x01",
        "n,,\x01auth=Bearer t\x01auth=Bearer t\x01\x01",
        "n,,\x01port=x\x01auth=Bearer t\x01\x01",
        "n,x,\x01auth=Bearer t\x01\x01",
        "n,,\x01a1=x\x01auth=Bearer t\x01\x01",
    ] {
        assert_eq!(server(Mechanism::OauthBearer, false).start(Some(bad.as_bytes())), MALFORMED, "{bad:?}");
    }
    for bad in [
        "",
        "user=u\x01\x01",
        "auth=Bearer t\x01\x01",
        "user=u\x01auth=Bearer t\x01",
        "user=\x01auth=Bearer t\x01\x01",
    ] {
        assert_eq!(server(Mechanism::Xoauth2, false).start(Some(bad.as_bytes())), MALFORMED, "{bad:?}");
    }
    let wrong = ClientCredentials::token("u", "a\x01b");
    let begun = ClientExchange::new(Mechanism::OauthBearer, &wrong, ClientContext::default());
    assert_eq!(begun.unwrap_err(), SaslFault::Malformed);
}
