//! What is written, held against what `postconf` says of the same files.

use crate::common::{has, program, run};
use crate::{toml, write};
use postroom::relay_policy::main_cf::words;
use postroom::relay_policy::{ParameterKind, Parameters};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Values with names and conditions in them are what `postconf` makes of them, at each level of compatibility.
#[test]
fn values_are_those_that_postfix_has() {
    if !has("postconf") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for level in ["0", "1", "2", "3.6"] {
        let main_cf = format!(
            "compatibility_level = {level}\nmyhostname = mx.some.example\nplace = inner\n\
             mydestination = $myhostname ${{place?{{$place.$mydomain}}:{{none}}}}\n  ${{nothing:other.example}} ${{nothing?never.example}}\n\
             virtual_alias_maps = inline:{{a@b.example=c}} ${{{{$compatibility_level}} >=level {{2}} ? {{static:x}} : {{static:y}}}}\n\
             smtpd_sender_restrictions = reject_non_fqdn_sender,\n\n# between\n   ${{{{$place}} == {{inner}} ? {{permit_mynetworks}}}}\n\
             myorigin = ${{mydomain}}\nrecipient_delimiter = +$$\nproxy_interfaces =\nsmtpd_recipient_restrictions = reject_unauth_destination\n\
             relay_domains = relayed.example ${{place}}.example\n"
        );
        write(directory, &[("main.cf", &main_cf), ("master.cf", "smtp inet n - y - - smtpd\n")]);
        let (good, printed, told) = program(&["import-postfix", "."], directory);
        assert!(good, "{told}");
        let ours = toml(&printed)["policy"].clone();
        let names = [
            "mydomain",
            "myorigin",
            "mydestination",
            "relay_domains",
            "virtual_alias_domains",
            "virtual_alias_maps",
            "append_dot_mydomain",
            "recipient_delimiter",
            "smtpd_relay_restrictions",
            "smtpd_sender_restrictions",
        ];
        let theirs = postconf(directory, &names);
        assert_eq!(theirs.len(), names.len(), "{theirs:?}");
        for name in names {
            let ours = ours.get(name).map(as_postfix_writes_it).unwrap_or_default();
            assert_eq!(words(&ours), words(&theirs[name]), "{name} at level {level}");
        }
    }
}

/// Who does not write a parameter has Postfix's default of it, as Postfix of today and as one of old has it.
#[test]
fn what_is_not_set_is_as_postfix_has_it() {
    // What differs, and why it may.
    const ARGUED: [(&str, &str); 29] = [
        ("virtual_alias_domains", "$virtual_alias_maps stands for its tables"),
        ("virtual_mailbox_domains", "$virtual_mailbox_maps stands for its tables"),
        ("alias_maps", "nobody answers for NIS; said"),
        ("allow_mail_to_commands", "they are run where that is said, by the server's user"),
        ("allow_mail_to_files", "files are written where that is said, by the server's user"),
        ("inet_interfaces", "all is no address; unless it is said, none needs to be known"),
        ("local_recipient_maps", "users of the machine are accounts here"),
        ("local_transport", "its next hop says nothing"),
        ("milter_macro_daemon_name", "unless it is set, it is myhostname"),
        ("milter_macro_v", "unless it is set, it names this software"),
        ("mynetworks", "the machine's interfaces are not looked at; said"),
        ("myhostname", "hostname has it"),
        ("mime_header_checks", "$header_checks stands for them"),
        ("relay_domains", "$mydestination is local; said, for its subdomains"),
        ("nested_header_checks", "$header_checks stands for them"),
        ("unknown_address_tempfail_action", "unless it is set, reject_tempfail_action holds"),
        ("unknown_helo_hostname_tempfail_action", "unless it is set, reject_tempfail_action holds"),
        ("unverified_recipient_tempfail_action", "unless it is set, reject_tempfail_action holds"),
        ("unverified_sender_tempfail_action", "unless it is set, reject_tempfail_action holds"),
        (
            "parent_domain_matches_subdomains",
            "there are no such features: fast_flush_domains, qmqpd_authorized_clients",
        ),
        ("disable_vrfy_command", "unless it is set, VRFY is answered as if it were no"),
        ("postscreen_forbidden_commands", "no such test is made yet"),
        ("postscreen_greet_banner", "it stands for the greeting, which is another"),
        ("smtpd_helo_required", "unless it is said that it is not, as the standard has it"),
        ("smtpd_client_connection_count_limit", "limits.connections_per_ip_max is the same"),
        ("smtpd_client_event_limit_exceptions", "$mynetworks stands for its entries"),
        ("smtpd_client_ipv4_prefix_length", "unknown to this version of Postfix"),
        ("smtpd_client_ipv6_prefix_length", "unknown to this version of Postfix"),
        ("postscreen_greet_wait", "it is shorter under stress, which is not known here"),
    ];
    if !has("postconf") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for level in ["0", "3.6"] {
        // Of old, the one list or the other has to be written.
        let main_cf = format!(
            "compatibility_level = {level}\nmyhostname = mx.some.example\nsmtpd_recipient_restrictions = reject_unauth_destination\n"
        );
        write(directory, &[("main.cf", &main_cf), ("master.cf", "smtp inet n - y - - smtpd\n")]);
        let (good, printed, told) = program(&["import-postfix", "."], directory);
        assert!(good, "{told}");
        let aliases = Path::new("/etc/aliases").exists();
        let ours = toml(&printed)["policy"].clone();
        assert_eq!(ours.get("alias_maps").is_some(), aliases, "{printed}");
        assert!(told.contains("alias_maps: it is not set"), "{told}");
        let theirs = postconf(directory, Parameters::NAMES);
        for name in Parameters::NAMES {
            let ours = ours.get(name).map(as_postfix_writes_it);
            let theirs = theirs.get(*name).map_or("", String::as_str);
            let same = differs_not(name, ours.as_deref(), theirs);
            let argued = ARGUED.iter().any(|(known, _)| known == name);
            assert!(same || argued, "{name} at level {level}: {ours:?} here, {theirs}");
        }
    }
}

fn as_postfix_writes_it(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(elements) => {
            elements.iter().map(|element| element.as_str().unwrap()).collect::<Vec<_>>().join(", ")
        }
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a parameter is the same, be it set so (`None`: left as it is) or as Postfix has it.
fn differs_not(name: &str, ours: Option<&str>, theirs: &str) -> bool {
    let with = |value: Option<&str>| {
        let mut parameters = Parameters::default();
        match value.map(|value| parameters.set(name, value)) {
            Some(Err(_)) => None,
            _ => Some(format!("{parameters:?}")),
        }
    };
    let restrictions = |value: &str| words(value).join(", ");
    match Parameters::kind(name) {
        Some(ParameterKind::Restrictions) => {
            let default = if name == "smtpd_relay_restrictions" { "x" } else { "" };
            restrictions(ours.unwrap_or(default)) == restrictions(theirs)
        }
        _ => with(Some(theirs)).is_some_and(|theirs| with(ours) == Some(theirs)),
    }
}

/// What Postfix has for these parameters in a directory, with all names replaced; one program tells them all. A name that its
/// version does not know is not among them.
fn postconf(directory: &Path, names: &[&str]) -> BTreeMap<String, String> {
    let printed = run(Command::new("postconf").args(["-c", ".", "-x"]).args(names).current_dir(directory));
    let printed = String::from_utf8(printed).unwrap();
    let values = printed.lines().map(|line| line.split_once(" =").unwrap());
    values.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}
