//! `postroom openrelay-selftest`, asking configurations and servers that run.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::{Server, configuration, prepare, program};
use std::path::Path;

fn with_networks(directory: &Path, networks: &str) {
    let text =
        configuration(false, "relay_domains = [\"branch.test\"]\nvirtual_alias_domains = [\"va.test\"]\n");
    let text = text.replace("mynetworks = [\"127.0.0.0/8\"]", &format!("mynetworks = [{networks}]"));
    prepare(directory, &text);
}

/// The lines that tell of a try, by its number.
fn tries<'a>(told: &'a str, id: &str) -> Vec<&'a str> {
    told.lines().filter(|line| line.starts_with(&format!("  {id} "))).collect()
}

/// R91.
#[test]
fn a_configuration_is_asked_in_every_way() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    with_networks(directory, "\"127.0.0.0/8\"");
    let asked = |more: &[&str]| {
        let mut arguments = vec!["openrelay-selftest", "--config", "postroom.toml"];
        arguments.extend(more);
        program(&arguments, directory)
    };
    let (good, told, wrong) = asked(&[]);
    assert!(good, "{told}{wrong}");
    assert!(told.ends_with(" tries, none relayed\n"), "{told}");
    for number in 1..=17 {
        // Four listeners take mail, and two strangers ask each.
        assert!(tries(&told, &format!("P{number:02}")).len() >= 8, "P{number:02}:\n{told}");
    }
    let denied = "<x@other.test> -> <y%other.test@branch.test>: refused: 554 5.7.1 \
        <y%other.test@branch.test>: Relay access denied";
    assert!(tries(&told, "P14").iter().any(|line| line.ends_with(denied)), "{told}");
    assert!(!told.contains("refused before RCPT"), "{told}");

    let (good, told, wrong) = asked(&["--client", "127.0.0.1", "--elsewhere", "far.test"]);
    assert!(!good && wrong.contains("an open relay: "), "{told}{wrong}");
    let through = "  P01 <x@far.test> -> <y@far.test>: RELAYED: policy lets it through: y@far.test";
    assert!(told.lines().any(|line| line.starts_with(through)), "{told}");

    // An alias that leads elsewhere is the administrator's will, and no relaying.
    let forwarding = configuration(
        false,
        "virtual_alias_domains = [\"va.test\"]\nvirtual_alias_maps = \"inline:{@va.test=me@far.test}\"\n",
    );
    prepare(directory, &forwarding);
    let (good, told, wrong) = asked(&[]);
    assert!(good, "{told}{wrong}");
}

#[test]
fn the_embedded_default_relays_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (good, told, wrong) = program(&["openrelay-selftest"], directory.path());
    assert!(good && told.contains("none relayed"), "{told}{wrong}");
}

#[test]
fn a_server_that_runs_is_asked_in_every_way() {
    for (networks, relays) in [("", false), ("\"127.0.0.0/8\"", true)] {
        let directory = tempfile::tempdir().unwrap();
        with_networks(directory.path(), networks);
        let server = Server::start_in(directory.path());
        let address = server.address("smtp", "starttls").to_string();
        let arguments = ["openrelay-selftest", "--server", &address, "--config", "postroom.toml"];
        let (good, told, wrong) = program(&arguments, directory.path());
        assert_eq!(good, !relays, "{told}{wrong}");
        for (id, count) in
            [("P05", 1), ("P14", 4), ("P15", 4), ("P22", 1), ("P26", 3), ("P29", 1), ("P30", 1)]
        {
            assert_eq!(tries(&told, id).len(), count, "{id}:\n{told}");
        }
        assert!(!told.contains("not tried"), "{told}");
        let first = tries(&told, "P01")[0];
        assert_eq!(first.contains("RELAYED: 550 5.4.4 "), relays, "{first}");
        assert_eq!(
            first.ends_with("refused: 554 5.7.1 <y@other.test>: Relay access denied"),
            !relays,
            "{first}"
        );
    }
    let directory = tempfile::tempdir().unwrap();
    with_networks(directory.path(), "");
    let server = Server::start_in(directory.path());
    let address = server.address("smtp", "starttls").to_string();
    let arguments = ["openrelay-selftest", "--server", &address, "--domain", "example.test"];
    let (good, told, wrong) = program(&arguments, directory.path());
    assert!(good, "{told}{wrong}");
    for id in ["P14", "P15"] {
        assert!(told.contains(&format!("  {id} not tried: no domain is known that the server ")), "{told}");
    }
    let (good, _, wrong) = program(&["openrelay-selftest", "--server", "127.0.0.1:1"], directory.path());
    assert!(!good && wrong.contains("--domain"), "{wrong}");
    let arguments = ["openrelay-selftest", "--server", "127.0.0.1:1", "--domain", "a.test"];
    let (good, _, wrong) = program(&arguments, directory.path());
    assert!(!good && wrong.contains("could not be tried"), "{wrong}");
}
