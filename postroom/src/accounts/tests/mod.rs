//! Hashes written by other programs are known answers; ours must be read back.

mod sasl;

use super::*;
use crate::entropy::SeededEntropy;
use crate::wall::{Directory as _, Login, Serves};
use proto_core::sasl::Credentials;
use proto_core::secret::Secret;

fn login(name: &str, password: &str) -> Login {
    Login::new(Credentials::Password {
        authzid: None,
        authcid: name.into(),
        password: Secret::from(password),
    })
}

fn open(content: &str) -> (tempfile::NamedTempFile, Result<PasswdFile, PasswdFileError>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let opened = PasswdFile::open(file.path(), Some("example.test".into()), Blocking::inline());
    (file, opened)
}

/// What `openssl passwd -6` writes, and a vector of the bcrypt that crypt(3) has.
const FOREIGN: &str = "\
# comment

Plain@Example.test:{PLAIN}Se cret::::::
sha@example.test:{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1:1000:1000::/home/sha::
bcrypt@example.test:{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW:
";

#[tokio::test]
async fn passwords_written_elsewhere_are_known() {
    let (_file, accounts) = open(FOREIGN);
    let accounts = accounts.unwrap();
    for (name, password) in
        [("plain", "Se cret"), ("sha@EXAMPLE.test", "Hello world!"), ("bcrypt@example.test", "U*U")]
    {
        let id = accounts.authenticate(login(name, password)).await.unwrap();
        assert!(id.is_some(), "{name}");
        assert_eq!(id.unwrap().domain(), "example.test");
        assert_eq!(accounts.authenticate(login(name, "wrong")).await.unwrap(), None, "{name}");
        assert_eq!(accounts.authenticate(login(name, "")).await.unwrap(), None, "{name}");
    }
    assert_eq!(accounts.authenticate(login("nobody@example.test", "Se cret")).await.unwrap(), None);
    assert_eq!(accounts.authenticate(login("plain@other.test", "Se cret")).await.unwrap(), None);
}

#[tokio::test]
async fn what_hash_password_writes_opens_the_account() {
    let entropy = SeededEntropy::new(1);
    for scheme in Scheme::ALL {
        let line = hash_password(scheme, &Secret::from("pässword"), &entropy).unwrap();
        let (_file, accounts) = open(&format!("u@example.test:{line}::::::\n"));
        let accounts = accounts.unwrap();
        assert!(accounts.authenticate(login("u", "pässword")).await.unwrap().is_some(), "{scheme:?}");
        assert!(accounts.authenticate(login("u", "password")).await.unwrap().is_none(), "{scheme:?}");
        let again = hash_password(scheme, &Secret::from("pässword"), &entropy).unwrap();
        assert_eq!(scheme == Scheme::Plain, line == again, "a salt is never used twice");
    }
    assert!(hash_password(Scheme::Plain, &Secret::from("a:b"), &entropy).is_err());
    assert!(hash_password(Scheme::Argon2id, &Secret::from(""), &entropy).is_err());
    let control = Secret::from("no client can send this: \u{7}");
    let malformed = Err(SchemeError::Malformed(Scheme::Argon2id));
    assert_eq!(hash_password(Scheme::Argon2id, &control, &entropy), malformed);
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    assert!(hash_password(Scheme::Argon2id, &Secret::from(&*long), &entropy).is_err());
    // bcrypt heeds 72 octets: what it would cut off is refused instead.
    let bcrypt = |octets| hash_password(Scheme::BlfCrypt, &Secret::from(&*"x".repeat(octets)), &entropy);
    assert!(bcrypt(72).is_ok());
    assert_eq!(bcrypt(73), Err(SchemeError::Length { scheme: Scheme::BlfCrypt, octets_max: 72 }));
}

#[tokio::test]
async fn acting_as_somebody_else_is_refused() {
    let (_file, accounts) = open("a@example.test:{PLAIN}x\nb@example.test:{PLAIN}y\n");
    let accounts = accounts.unwrap();
    let acting_as = |authzid: &str| {
        Login::new(Credentials::Password {
            authzid: Some(authzid.to_owned()),
            authcid: "a@example.test".into(),
            password: Secret::from("x"),
        })
    };
    assert!(accounts.authenticate(acting_as("a@example.test")).await.unwrap().is_some());
    assert!(accounts.authenticate(acting_as("A")).await.unwrap().is_some(), "the same by another spelling");
    assert!(accounts.authenticate(acting_as("b@example.test")).await.unwrap().is_none());
}

#[test]
fn errors_name_file_and_line() {
    for (content, line, what) in [
        ("alice\n", 1, "no ':' found"),
        ("# x\n\nalice:{PLAIN}x\n", 3, "\"alice\" is no user@domain"),
        (
            "a@b:secret\n",
            1,
            "no {SCHEME} before it; known are {ARGON2ID}, {SHA512-CRYPT}, {BLF-CRYPT}, {SCRAM-SHA-256}, \
             {SCRAM-SHA-1}, {PLAIN}",
        ),
        ("a@b:{MD5}secret\n", 1, "scheme {MD5} is not known"),
        ("a@b:{ARGON2ID}secret\n", 1, "not written as {ARGON2ID} has it"),
        ("a@b:{BLF-CRYPT}secret\n", 1, "not written as {BLF-CRYPT} has it"),
        ("a@b:{SHA512-CRYPT}secret\n", 1, "not written as {SHA512-CRYPT} has it"),
        ("# x\na@b:{PLAIN}::::::\n", 2, "a password for {PLAIN} has 1 to 512 octets"),
        ("a@b:{PLAIN}x:::::/bin/sh:nologin allow_nets=::1\n", 1, "extra fields \"nologin allow_nets=::1\""),
        ("a@b:{PLAIN}x\nA@B:{PLAIN}y\n", 2, "a@b stands already in line 1"),
    ] {
        let (file, opened) = open(content);
        let error = opened.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:{line}: ", file.path().display())), "{error}");
        assert!(error.contains(what), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

/// Files of Dovecot have them; who else is in the file is not kept out for that.
#[tokio::test]
async fn a_scheme_that_is_not_known_shuts_out_that_user_alone() {
    let (file, accounts) = open(
        "a@example.test:{PLAIN}x\nb@example.test:{SSHA256}secret\n\
         c@example.test:{CRYPT}$1$salt$secret::::::userdb_home=/srv/c\n",
    );
    let accounts = accounts.unwrap();
    let of = |name: &str| AccountId::new(name, "example.test").unwrap();
    for name in ["b", "c"] {
        assert!(accounts.contains(&of(name)).await.unwrap(), "{name} gets mail");
        let tried = login(&of(name).to_string(), "secret");
        assert!(accounts.authenticate(tried).await.unwrap().is_none());
        let (stored, account) = accounts.candidate(&of(name).to_string(), |_| true);
        assert!(stored.is_some() && account.is_none(), "it costs what a name costs that nobody has");
    }
    let verified = Credentials::Verified { authzid: None, authcid: "b@example.test".into() };
    assert!(accounts.authenticate(Login::new(verified)).await.unwrap().is_none());
    assert!(accounts.authenticate(login("a@example.test", "x")).await.unwrap().is_some());
    assert_eq!(accounts.home(&of("c")), Some("/srv/c".into()));
    assert_eq!(accounts.serves(Mechanism::ScramSha256), Serves::Everybody, "of those who can log in");
    assert_eq!(accounts.first_without(Mechanism::ScramSha256), None);
    let path = file.path().display();
    let shut = accounts.shut();
    assert_eq!(shut.len(), 2, "{shut:?}");
    let told = format!(
        "{path}:2: account b@example.test: nobody can log in: password scheme {{SSHA256}} is not known; "
    );
    assert!(shut[0].starts_with(&told) && shut[1].starts_with(&format!("{path}:3: account c@")), "{shut:?}");
    assert!(!shut.concat().contains("secret"));
}

#[tokio::test]
async fn the_hash_says_what_crypt_is() {
    let crypt = FOREIGN.replace("{SHA512-CRYPT}", "{CRYPT}").replace("{BLF-CRYPT}", "{crypt}");
    assert_ne!(crypt, FOREIGN);
    let (_file, accounts) = open(&crypt);
    let accounts = accounts.unwrap();
    assert_eq!(accounts.shut(), [""; 0]);
    for (user, password) in [("sha@example.test", "Hello world!"), ("bcrypt@example.test", "U*U")] {
        assert!(accounts.authenticate(login(user, password)).await.unwrap().is_some(), "{user}");
    }
}

#[tokio::test]
async fn a_reload_replaces_all_or_nothing() {
    let (file, accounts) = open("a@example.test:{PLAIN}x\n");
    let accounts = accounts.unwrap();
    let known = async |user| accounts.contains(&AccountId::new(user, "example.test").unwrap()).await.unwrap();
    std::fs::write(file.path(), "b@example.test:{PLAIN}x\nbroken\n").unwrap();
    assert!(accounts.reload().is_err());
    assert!(known("a").await && !known("b").await);
    std::fs::write(file.path(), "b@example.test:{PLAIN}x\n").unwrap();
    accounts.reload().unwrap();
    assert!(!known("a").await && known("b").await);
}

#[tokio::test]
async fn accounts_need_no_file() {
    let text = "a@example.test:{PLAIN}x";
    let accounts = PasswdFile::from_text(text, None, Blocking::inline()).unwrap();
    accounts.reload().unwrap();
    assert!(accounts.authenticate(login("a@example.test", "x")).await.unwrap().is_some());
    let error = PasswdFile::from_text("broken", None, Blocking::inline()).unwrap_err().to_string();
    assert!(error.starts_with("accounts:1: "), "{error}");
}

#[test]
fn an_unknown_user_costs_a_check_as_well() {
    let (_file, accounts) = open(FOREIGN);
    let accounts = accounts.unwrap();
    for name in ["nobody@example.test", "sha@other.test", "", "@", "no domain at all"] {
        let (stored, account) = accounts.candidate(name, |_| true);
        assert!(stored.is_some() && account.is_none(), "{name}");
        let (again, _) = accounts.candidate(name, |_| true);
        assert!(Arc::ptr_eq(&stored.unwrap(), &again.unwrap()), "{name}: the same check every time");
    }
    let picked = |n: u32| accounts.candidate(&format!("n{n}@x.test"), |_| true).0.unwrap();
    assert!((1..100).any(|n| !Arc::ptr_eq(&picked(0), &picked(n))), "all schemes of the file are drawn upon");
}

/// R150: a line says where its account's mail lies.
#[test]
fn r150_a_line_has_a_home_directory() {
    let accounts = |home: &str| {
        let text = format!("a@b.test:{{PLAIN}}x::::/not/this::userdb_quota_rule=1S {home}\n");
        PasswdFile::from_text(&text, None, Blocking::inline())
    };
    let home = accounts("userdb_home=/srv/a").unwrap().home(&AccountId::new("a", "b.test").unwrap());
    assert_eq!(home.as_deref(), Some(std::path::Path::new("/srv/a")));
    assert_eq!(accounts("").unwrap().home(&AccountId::new("a", "b.test").unwrap()), None);
    for bad in ["", "srv/a", "~", "/srv/../etc"] {
        assert!(accounts(&format!("userdb_home={bad}")).is_err(), "{bad:?}");
    }
}

/// R256: what stands in an account's line beats what holds for all.
#[test]
fn r256_a_line_has_quota_rules_of_its_own() {
    let text = "a@b.test:{PLAIN}x::::::\nc@b.test:{PLAIN}x::::::userdb_quota_rule=1000S\n\
                d@b.test:{PLAIN}x::::::userdb_quota_rule=*:messages=5 userdb_quota_rule2=Spam:ignore\n";
    let accounts = PasswdFile::from_text(text, None, Blocking::inline()).unwrap();
    let all = Arc::new(mailstore::QuotaRules::new("20971520S".parse().unwrap()));
    let limits = |user: &str| {
        let rules = accounts.quota_rules(&AccountId::new(user, "b.test").unwrap(), &all);
        (rules.limits.unwrap().to_string(), rules.mailboxes.len())
    };
    assert_eq!(limits("a"), ("20971520S".to_owned(), 0));
    assert_eq!(limits("c"), ("1000S".to_owned(), 0));
    assert_eq!(limits("d"), ("20971520S,5C".to_owned(), 1));
    for bad in ["userdb_quota_rule=much", "userdb_quota_rules=1S", "userdb_quota_rule=1S nologin"] {
        assert!(
            PasswdFile::from_text(&format!("a@b.test:{{PLAIN}}x::::::{bad}\n"), None, Blocking::inline())
                .is_err()
        );
    }
}
