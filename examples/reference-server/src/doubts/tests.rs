//! What is doubted, and what is not.

use super::*;
use crate::config::EMBEDDED;
use postroom::Blocking;
use postroom::dns::FixedResolver;
use std::path::Path;

/// The first line of the policy.
const NETWORKS: &str = "mynetworks = [\"127.0.0.0/8\"";

const ACCOUNTS: &str = "alice@example.test:{PLAIN}x\nbob@example.test:{BLF-CRYPT}\
    $2y$04$abcdefghijklmnopqrstuuIh0Yl6RVKRvKqNhZoTsUvE5jxHh7aVO\n";

fn doubts_with(from: &str, to: &str) -> Vec<String> {
    assert!(EMBEDDED.contains(from), "the default has no {from:?}");
    doubts_of(&EMBEDDED.replacen(from, to, 1))
}

fn doubts_of(text: &str) -> Vec<String> {
    let config = Config::parse(Path::new("postroom.toml"), text).unwrap();
    let accounts = Arc::new(PasswdFile::from_text(ACCOUNTS, None, Blocking::inline()).unwrap());
    let directory = Arc::clone(&accounts);
    let resolver = Arc::new(FixedResolver::new());
    let rehearsal = Rehearsal::new(wiring::settings(&config), directory, resolver).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(doubts(&config, &accounts, &rehearsal))
}

#[test]
fn who_receives_mail_is_what_policy_says() {
    let with = |policy: &str| doubts_with(NETWORKS, &format!("{policy}\n{NETWORKS}"));
    let told = with(
        "mydestination = \"$myhostname, example.test\"\ntransport_maps = \"inline:{alice@example.test=discard:}\"",
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("account alice@example.test: [policy] sends mail for its domain"),
        "{told:?}"
    );
    assert_eq!(with("mydestination = \"other.test\"\nvirtual_mailbox_domains = \"example.test\""), [""; 0]);
    let local = |domains: &str| {
        doubts_with(
            "local = [\"example.test\"]\npostmaster = \"alice@example.test\"",
            &format!("local = [{domains}]\n"),
        )
    };
    let elsewhere = local("\"other.test\"");
    assert_eq!(elsewhere.len(), 3, "{elsewhere:?}");
    assert!(elsewhere[1].ends_with("its domain is not in domains.local, so it receives no mail"));
    assert!(elsewhere[2].starts_with("postmaster@other.test: no such account"));
    let aliased = |alias: &str| {
        let policy = format!("alias_maps = \"inline:{{{alias}=alice@example.test}}\"\n{NETWORKS}");
        let text = EMBEDDED.replacen(NETWORKS, &policy, 1);
        doubts_of(&text.replacen("\npostmaster = \"alice@example.test\"", "", 1))
    };
    assert_eq!(aliased("postmaster"), [""; 0]);
    let others = aliased("webmaster");
    assert_eq!(others.len(), 1, "{others:?}");
    assert!(others[0].starts_with("postmaster@example.test: no such account"), "{others:?}");
    let copied = with("always_bcc = \"nobody@example.test\"");
    assert_eq!(copied.len(), 1, "{copied:?}");
    assert!(copied[0].starts_with("always_bcc: the copy leads to nobody"), "{copied:?}");
    assert!(local("\"example.test\"")[0].starts_with("postmaster@example.test: no such account"));
}

#[test]
fn the_embedded_default_is_in_no_doubt() {
    assert_eq!(doubts_with("hostname", "hostname"), [""; 0]);
}

#[test]
fn lmtp_that_the_world_reaches() {
    for (address, doubted) in [
        ("0.0.0.0:24", true),
        ("[::]:24", true),
        ("192.0.2.7:2424", true),
        ("[2001:db8::1]:24", true),
        ("10.1.2.3:24", false),
        ("[fd00::1]:24", false),
        ("[::1]:24", false),
    ] {
        let doubts = doubts_with("127.0.0.1:2424", address);
        assert_eq!(doubts.len(), usize::from(doubted), "{address}: {doubts:?}");
        let words = format!("listener lmtp#3 ({address}): mail is taken without login");
        assert!(doubts.iter().all(|doubt| doubt.starts_with(&words)), "{doubts:?}");
    }
}

#[test]
fn a_proxy_that_may_relay_and_listeners_that_do_not_hear_it_out() {
    let imap = "address = \"127.0.0.1:2143\"";
    for (proxies, doubted) in [
        ("\"127.0.0.1\"", true),
        ("\"10.1.2.3\", \"[::1]\"", true),
        ("\"126.0.0.0/7\"", true),
        ("\"!127.0.0.1\"", false),
        ("\"10.0.0.0/8\"", false),
    ] {
        let doubts = doubts_with(imap, &format!("{imap}\nproxies = [{proxies}]"));
        assert_eq!(doubts.len(), usize::from(doubted), "{proxies}: {doubts:?}");
        let words = "listener smtp#0 (127.0.0.1:2525): the proxy ";
        assert!(doubts.iter().all(|doubt| doubt.starts_with(words)), "{doubts:?}");
    }
    // Every listener that may relay hears it out.
    let own = doubts_with("# proxies = [\"10.0.0.0/8\"]", "proxies = [\"127.0.0.1\"]");
    assert_eq!(own, [""; 0]);
}

#[test]
fn mechanisms_that_not_everybody_can_use() {
    let named = |mechanisms: &str| {
        doubts_with("# allow_plaintext_auth", &format!("auth_mechanisms = [{mechanisms}]\n# allow"))
    };
    let some = named("\"PLAIN\", \"SCRAM-SHA-256\"");
    assert_eq!(some.len(), 1, "{some:?}");
    assert!(some[0].starts_with("accounts.auth_mechanisms: SCRAM-SHA-256: bob@example.test, for one,"));
    let none = named("\"PLAIN\", \"OAUTHBEARER\", \"EXTERNAL\", \"ANONYMOUS\"");
    assert_eq!(none.len(), 3, "{none:?}");
    assert!(none[0].ends_with("OAUTHBEARER: this program judges no tokens, so it is not offered"));
    assert!(none[1].ends_with("EXTERNAL: there is no client_ca, so it is not offered"));
    assert!(none[2].contains("auth_anonymous_username"));
}

#[test]
fn who_shows_no_password_can_log_in_without_tls() {
    let without_tls = |named: &str| {
        let text = EMBEDDED.replace("tls = \"starttls\"", "tls = \"none\"");
        let said = doubts_of(&text.replacen("# allow_plaintext_auth", &format!("{named}\n# allow"), 1));
        said.into_iter()
            .filter(|doubt| doubt.contains("imap#") && doubt.contains("log in"))
            .collect::<Vec<_>>()
    };
    let nobody = without_tls("");
    assert!(nobody.len() == 1 && nobody[0].ends_with("nobody can log in"), "{nobody:?}");
    let some = without_tls("auth_mechanisms = [\"PLAIN\", \"SCRAM-SHA-256\"]");
    assert!(
        some.len() == 1 && some[0].ends_with("only clients that know SCRAM-SHA-256 can log in"),
        "{some:?}"
    );
}

#[test]
fn no_mechanism_at_all() {
    let doubts = doubts_with("# allow_plaintext_auth", "auth_mechanisms = []\n# allow");
    let sending: Vec<_> = doubts.iter().filter(|doubt| doubt.ends_with("nobody can send")).collect();
    assert_eq!(sending.len(), 2, "{doubts:?}");
    assert!(sending[0].starts_with("listener submission#1 (127.0.0.1:2587): auth_mechanisms leaves none"));
    let own = doubts_with("tls = \"starttls\"", "tls = \"starttls\"\nauth_mechanisms = []");
    assert_eq!(own, [""; 0], "nobody needs to log in to bring mail");
}

#[test]
fn mail_to_other_servers() {
    let said = "mail is not sent on to other servers yet, so this does nothing: what is for them is refused";
    let one = doubts_with(NETWORKS, &format!("relayhost = \"[mx.isp.test]:587\"\n{NETWORKS}"));
    assert_eq!(one, [format!("relayhost: {said}")]);
    assert_eq!(doubts_with(NETWORKS, &format!("relayhost = \"\"\n{NETWORKS}")), [""; 0]);
    let text =
        format!("{EMBEDDED}\n[listener.policy]\nsender_dependent_relayhost_maps = \"inline:{{a=b}}\"\n");
    let both = doubts_of(&text.replacen(NETWORKS, &format!("relayhost = \"mx.isp.test\"\n{NETWORKS}"), 1));
    assert_eq!(both, [format!("relayhost, sender_dependent_relayhost_maps: {said}")]);
}

#[test]
fn what_only_smtp_has() {
    let imap = "address = \"127.0.0.1:2143\"";
    let doubts = doubts_with(imap, &format!("{imap}\nxclient_clients = [\"10.1.2.3\"]"));
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert!(doubts[0].starts_with("listener imap#4 (127.0.0.1:2143): xclient_clients: only smtp"));
    let doubts = doubts_with(imap, &format!("{imap}\npostscreen = true"));
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert!(doubts[0].starts_with("listener imap#4 (127.0.0.1:2143): postscreen: "));
    let off = doubts_with(NETWORKS, &format!("postscreen_dnsbl_sites = \"list.test\"\n{NETWORKS}"));
    assert_eq!(off, ["postscreen_dnsbl_sites: no listener has postscreen = true, so it says nothing"]);
    let smtp = doubts_with("# xforward_clients", "xforward_clients");
    assert_eq!(smtp, [""; 0]);
}
