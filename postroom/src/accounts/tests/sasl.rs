//! What the mechanisms beyond PLAIN and LOGIN get from a passwd-file.

use super::*;
use crate::wall::{BearerToken, Later, Serves};
use proto_core::sasl::{Mechanism, ScramHash, ScramKeys, StoredSecret, Wanted};
use proto_core::{Backend, TlsInfo};
use rcgen::{CertificateParams, DnType, KeyPair, SanType};

const SHA_1: Wanted = Wanted::ScramKeys(ScramHash::Sha1);
const SHA_256: Wanted = Wanted::ScramKeys(ScramHash::Sha256);

/// What `doveadm pw` of Dovecot 2.3.19 writes.
const DOVEADM: &str = "\
one@example.test:{SCRAM-SHA-1}4096,Q/S8n4/wErK4RAZ30mVRbA==,cg4523aCvsR6vZhn7rSi6ZyckVI=,TK9jjARgyM5OrG0QV3lwR0jLuRM=:::::
two@example.test:{SCRAM-SHA-256}4096,9ANdXySAF0YcspkC2Glbrw==,7uOuxMgNfXFPt4yfNqo/njk/w7scxTEWs0+eMqaK3J4=,NsewEFyDtLILtNsJAuu7zU0Kz7tgkExQJ2mLArFpLWI=
";

fn accounts(text: &str) -> PasswdFile {
    PasswdFile::from_text(text, Some("example.test".into()), Blocking::inline()).unwrap()
}

async fn keys(accounts: &PasswdFile, name: &str, wanted: Wanted) -> ScramKeys {
    match accounts.secret(name, wanted).await.unwrap() {
        Some(StoredSecret::ScramKeys(keys)) => keys,
        other => panic!("{other:?}"),
    }
}

async fn account(accounts: &PasswdFile, credentials: Credentials) -> Option<String> {
    accounts.authenticate(Login::new(credentials)).await.unwrap().map(|account| account.to_string())
}

#[tokio::test]
async fn keys_written_by_doveadm_serve_scram_and_plain() {
    let accounts = accounts(DOVEADM);
    for (name, wanted) in [("one", SHA_1), ("two", SHA_256)] {
        let found = keys(&accounts, name, wanted).await;
        assert_eq!(found.iterations(), 4096);
        assert!(found.verify(&Secret::from("pencil")) && !found.verify(&Secret::from("pen")));
        assert!(accounts.authenticate(login(name, "pencil")).await.unwrap().is_some());
        assert!(accounts.authenticate(login(name, "pen")).await.unwrap().is_none());
        assert_eq!(accounts.secret(name, Wanted::Password).await.unwrap(), None);
    }
}

#[tokio::test]
async fn rfc_7677_new_keys_have_their_own_salt_and_enough_iterations() {
    let entropy = SeededEntropy::new(3);
    let line = hash_password(Scheme::ScramSha256, &Secret::from("pencil"), &entropy).unwrap();
    assert!(line.starts_with("{SCRAM-SHA-256}15000,"), "{line}");
    let accounts = accounts(&format!("u@example.test:{line}"));
    let found = keys(&accounts, "u", SHA_256).await;
    assert_eq!(found.salt().len(), 16);
    assert!(found.verify(&Secret::from("pencil")));
}

#[test]
fn keys_that_cannot_be_are_refused() {
    let [salt, key] = ["W22ZaJ0SNY7soEsUEjb6gQ==", "NsewEFyDtLILtNsJAuu7zU0Kz7tgkExQJ2mLArFpLWI="];
    let opened = |field: &str| PasswdFile::from_text(&format!("a@b:{field}"), None, Blocking::inline());
    assert!(opened(&format!("{{SCRAM-SHA-256}}4096,{salt},{key},{key}")).is_ok());
    for field in [
        format!("{{SCRAM-SHA-256}}4095,{salt},{key},{key}"),
        format!("{{SCRAM-SHA-256}}1000001,{salt},{key},{key}"),
        format!("{{SCRAM-SHA-256}}-1,{salt},{key},{key}"),
        format!("{{SCRAM-SHA-256}}4096,,{key},{key}"),
        format!("{{SCRAM-SHA-256}}4096,{salt},{key}"),
        format!("{{SCRAM-SHA-256}}4096,{salt},{key},{key},"),
        format!("{{SCRAM-SHA-256}}4096,{salt},{key},{salt}"),
        format!("{{SCRAM-SHA-256}}4096,{salt},{key},secret"),
        format!("{{SCRAM-SHA-1}}4096,{salt},{key},{key}"),
        "{SCRAM-SHA-256}".to_owned(),
    ] {
        let error = opened(&field).unwrap_err().to_string();
        assert!(error.contains("not written as {SCRAM-SHA-"), "{field}: {error}");
        assert!(!error.contains("secret") && !error.contains(key), "{error}");
    }
}

#[test]
fn a_scheme_serves_what_it_can_be_asked_for() {
    use Serves::{Everybody, Nobody, Somebody};
    const ARGON: &str = "c@example.test:{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$ICbegzZjeZGWyXCGVTJ7IA$aaO/iN5HH7/AucLTH/2k4I4V63q8pZcbFoRIPl8oSjo\n";
    let (sha_1, sha_256) = DOVEADM.split_at(DOVEADM.find("two").unwrap());
    let plain = "a@example.test:{PLAIN}x\n";
    for (text, [plain, of_sha_256, of_sha_1, cram_md5]) in [
        (ARGON, [Everybody, Nobody, Nobody, Nobody]),
        (sha_256, [Everybody, Everybody, Nobody, Nobody]),
        (sha_1, [Everybody, Nobody, Everybody, Nobody]),
        (plain, [Everybody, Everybody, Everybody, Everybody]),
        (&[plain, sha_256].concat(), [Everybody, Everybody, Somebody, Somebody]),
        (&[ARGON, sha_256].concat(), [Everybody, Somebody, Nobody, Nobody]),
        ("", [Everybody, Nobody, Nobody, Nobody]),
    ] {
        let accounts = accounts(text);
        for (mechanism, expected) in [
            (Mechanism::Plain, plain),
            (Mechanism::Login, plain),
            (Mechanism::ScramSha256, of_sha_256),
            (Mechanism::ScramSha256Plus, of_sha_256),
            (Mechanism::ScramSha1, of_sha_1),
            (Mechanism::ScramSha1Plus, of_sha_1),
            (Mechanism::CramMd5, cram_md5),
            (Mechanism::External, Everybody),
            (Mechanism::OauthBearer, Nobody),
            (Mechanism::Xoauth2, Nobody),
            (Mechanism::Anonymous, Nobody),
        ] {
            assert_eq!(accounts.serves(mechanism), expected, "{mechanism}: {text}");
        }
    }
}

#[tokio::test]
async fn a_plain_password_has_the_same_salt_every_time() {
    let accounts = accounts("a@example.test:{PLAIN}pässword\nb@example.test:{PLAIN}pässword\n");
    for wanted in [SHA_1, SHA_256] {
        let first = keys(&accounts, "a", wanted).await;
        assert!(first.verify(&Secret::from("pässword")));
        assert_eq!(first, keys(&accounts, "A@Example.TEST", wanted).await, "by whatever spelling");
        assert_ne!(first.salt(), keys(&accounts, "b", wanted).await.salt());
    }
    let password = StoredSecret::Password(Secret::from("pässword"));
    assert_eq!(accounts.secret("a", Wanted::Password).await.unwrap(), Some(password));
}

#[tokio::test]
async fn who_is_not_there_looks_like_somebody_who_is() {
    const KEYS: &str = "k@example.test:{SCRAM-SHA-256}9999,c2FsdA==,NsewEFyDtLILtNsJAuu7zU0Kz7tgkExQJ2mLArFpLWI=,NsewEFyDtLILtNsJAuu7zU0Kz7tgkExQJ2mLArFpLWI=\n";
    const HASH: &str =
        "h@example.test:{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";
    let decoys = Decoys::new([7; 32]);
    let make = || accounts(&[KEYS, HASH].concat()).with_decoys(decoys.clone());
    let (accounts, restarted) = (make(), make());
    // Unknown, known without such a secret, and no name that could be known.
    for name in ["nobody", "h", "x@elsewhere.test", "@"] {
        let shown = keys(&accounts, name, SHA_256).await;
        assert_eq!((shown.iterations(), shown.salt().len()), (9999, 4), "{name}: as the others have it");
        assert_eq!(shown, keys(&restarted, name, SHA_256).await, "{name}: the same after a restart");
        assert_ne!(shown, keys(&accounts, "other", SHA_256).await);
    }
    assert_eq!(
        keys(&accounts, "nobody", SHA_256).await,
        keys(&accounts, "Nobody@example.test", SHA_256).await
    );
    assert_eq!(accounts.secret("nobody", SHA_1).await.unwrap(), None, "nobody has one: the machine's matter");
    assert_eq!(accounts.secret("nobody", Wanted::Password).await.unwrap(), None);
}

/// Where users differ, who is not there is like one of them: always the same one, or he would be known by his changes.
#[tokio::test]
async fn who_is_not_there_keeps_the_shape_that_he_has_shown() {
    const KEY: &str = "NsewEFyDtLILtNsJAuu7zU0Kz7tgkExQJ2mLArFpLWI=";
    let line = |n: u32| format!("u{n}@example.test:{{SCRAM-SHA-256}}{},c2FsdA==,{KEY},{KEY}\n", 5000 + n);
    let file = |users: u32| (0..users).map(line).collect::<String>();
    let make = |users: u32| accounts(&file(users)).with_decoys(Decoys::new([7; 32]));
    let (before, restarted, grown) = (make(64), make(64), make(65));
    let mut shapes = std::collections::BTreeSet::new();
    for n in 0..32 {
        let shown = keys(&before, &format!("nobody{n}"), SHA_256).await;
        shapes.insert(shown.iterations());
        assert_eq!(shown, keys(&restarted, &format!("nobody{n}"), SHA_256).await, "after a restart");
        let spelt = keys(&before, &format!("NoBody{n}@Example.Test"), SHA_256).await;
        assert_eq!(shown, spelt, "by whatever spelling, as for a user");
        let grown = keys(&grown, &format!("nobody{n}"), SHA_256).await;
        assert!(
            grown.iterations() - shown.iterations() <= 1,
            "with one user more he is like the next at most"
        );
    }
    assert!(shapes.len() > 16, "and not all are like one: {shapes:?}");
}

#[tokio::test]
async fn a_proof_opens_the_account_while_it_is_there() {
    let (file, accounts) = open(DOVEADM);
    let accounts = accounts.unwrap();
    let verified = |authzid: Option<&str>| Credentials::Verified {
        authzid: authzid.map(str::to_owned),
        authcid: "two".into(),
    };
    assert_eq!(account(&accounts, verified(None)).await.as_deref(), Some("two@example.test"));
    assert_eq!(
        account(&accounts, verified(Some("two@example.test"))).await.as_deref(),
        Some("two@example.test")
    );
    assert_eq!(account(&accounts, verified(Some("one"))).await, None);
    std::fs::write(file.path(), "one@example.test:{PLAIN}x").unwrap();
    accounts.reload().unwrap();
    assert_eq!(account(&accounts, verified(None)).await, None);
}

/// A token is good when it names its owner.
#[derive(Debug)]
struct Issuer;

impl TokenVerifier for Issuer {
    fn verify(&self, token: BearerToken) -> Later<'_, Result<Option<AccountId>, Backend>> {
        let owner = token.token.expose_str().and_then(|token| token.strip_prefix("token-of-"));
        Box::pin(std::future::ready(Ok(owner.and_then(|name| AccountId::new(name, "example.test")))))
    }
}

#[tokio::test]
async fn tokens_are_refused_unless_somebody_judges_them() {
    let token = |token: &str, authzid: Option<&str>| Credentials::Token {
        authzid: authzid.map(str::to_owned),
        token: Secret::from(token),
        host: None,
        port: None,
    };
    let judged = accounts(DOVEADM).with_tokens(Issuer);
    assert_eq!(judged.serves(Mechanism::OauthBearer), Serves::Everybody);
    assert_eq!(judged.serves(Mechanism::Xoauth2), Serves::Everybody);
    for (credentials, expected) in [
        (token("token-of-one", None), Some("one@example.test")),
        (token("token-of-one", Some("one")), Some("one@example.test")),
        (token("token-of-one", Some("two")), None),
        (token("token-of-nobody", None), None),
        (token("forged", None), None),
    ] {
        assert_eq!(account(&judged, credentials.clone()).await.as_deref(), expected, "{credentials:?}");
    }
    assert_eq!(account(&accounts(DOVEADM), token("token-of-one", None)).await, None);
}

#[tokio::test]
async fn nobody_in_particular_gets_the_account_that_is_his() {
    let anonymous = |accounts: PasswdFile| async move {
        account(&accounts, Credentials::Anonymous { trace: Some("sirhc".into()) }).await
    };
    assert_eq!(anonymous(accounts(DOVEADM)).await, None);
    let one = AccountId::new("one", "example.test").unwrap();
    let open = accounts(DOVEADM).with_anonymous(one);
    assert_eq!(open.serves(Mechanism::Anonymous), Serves::Everybody);
    assert_eq!(anonymous(open).await.as_deref(), Some("one@example.test"));
    let gone = AccountId::new("gone", "example.test").unwrap();
    assert_eq!(anonymous(accounts(DOVEADM).with_anonymous(gone)).await, None);
}

fn certificate(addresses: &[&str], common_name: &str) -> Vec<u8> {
    let mut parameters = CertificateParams::new(["client.example.test".to_owned()]).unwrap();
    for address in addresses {
        parameters.subject_alt_names.push(SanType::Rfc822Name((*address).try_into().unwrap()));
    }
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

#[tokio::test]
async fn a_certificate_opens_the_account_that_it_names() {
    let accounts = accounts(DOVEADM);
    let shown = async |certificate: Option<Vec<u8>>, authzid: Option<&str>| {
        let mut tls = TlsInfo::default();
        tls.peer_certificate = certificate;
        let mut login = Login::new(Credentials::External { authzid: authzid.map(str::to_owned) });
        login.tls = Some(tls);
        accounts.authenticate(login).await.unwrap().map(|account| account.user().to_owned())
    };
    let one = certificate(&["one@example.test"], "two@example.test");
    assert_eq!(shown(Some(one.clone()), None).await.as_deref(), Some("one"), "not the common name");
    assert_eq!(shown(Some(one.clone()), Some("one")).await.as_deref(), Some("one"));
    assert_eq!(shown(Some(one), Some("two")).await, None);
    let several = certificate(&["gone@example.test", "two@example.test", "one@example.test"], "x");
    assert_eq!(shown(Some(several.clone()), None).await.as_deref(), Some("two"), "the first that is there");
    assert_eq!(shown(Some(several), Some("one@example.test")).await.as_deref(), Some("one"));
    let common = certificate(&[], "Two@Example.test");
    assert_eq!(shown(Some(common), None).await.as_deref(), Some("two"));
    assert_eq!(
        shown(Some(certificate(&[], "two")), None).await,
        None,
        "a name without a domain is anybody's"
    );
    assert_eq!(shown(Some(b"no certificate".to_vec()), None).await, None);
    assert_eq!(shown(None, None).await, None);
}
