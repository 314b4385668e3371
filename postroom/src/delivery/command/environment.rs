//! What a command is told of the message beside its text: the environment that local(8) of Postfix documents.

use crate::delivery::header::{EXTENSION, LOGIN, ORIGINAL_RECIPIENT, sender};
use mailstore::spool::{Envelope, Recipient};
use std::ffi::OsString;
use std::path::Path;

/// Where programs are looked for.
const PATH: &str = "/usr/bin:/bin";

/// Of the server's own environment, what commands get (`export_environment` of Postfix, and its home).
const EXPORTED: [&str; 3] = ["HOME", "LANG", "TZ"];

/// What may stand in a value besides letters and digits (`command_expansion_filter` of Postfix): nothing that means
/// something to a shell.
const KEPT: &str = "!@%-_=+:,./";

/// The variables, by name.
pub(super) fn environment(
    envelope: &Envelope,
    recipient: &Recipient,
    home: Option<&Path>,
) -> Vec<(&'static str, OsString)> {
    let (local, domain) = recipient.address.rsplit_once('@').unwrap_or((&recipient.address, ""));
    let extension = recipient.fact(EXTENSION);
    // The extension stands behind its delimiter.
    let user = match extension {
        Some(extension) => local.strip_suffix(extension).map_or(local, |user| {
            let mut characters = user.chars();
            characters.next_back();
            characters.as_str()
        }),
        None => local,
    };
    let of_message = [
        ("SENDER", Some(sender(envelope, recipient))),
        ("RECIPIENT", Some(&*recipient.address)),
        ("ORIGINAL_RECIPIENT", Some(recipient.fact(ORIGINAL_RECIPIENT).unwrap_or(&recipient.address))),
        ("LOCAL", Some(local)),
        ("DOMAIN", Some(domain)),
        ("USER", Some(user)),
        ("LOGNAME", Some(user)),
        ("EXTENSION", extension),
        ("CLIENT_ADDRESS", envelope.fact("client_address")),
        ("CLIENT_HOSTNAME", envelope.fact("client_name")),
        ("CLIENT_HELO", envelope.fact("helo_name")),
        ("CLIENT_PROTOCOL", envelope.fact("protocol_name")),
        ("SASL_METHOD", envelope.fact("sasl_method")),
        ("SASL_SENDER", envelope.fact("sasl_sender")),
        ("SASL_USERNAME", envelope.fact(LOGIN)),
    ];
    let of_message = of_message.into_iter().filter_map(|(name, value)| Some((name, filtered(value?).into())));
    let exported = EXPORTED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let home = home.map(|home| ("HOME", home.as_os_str().to_owned()));
    let fixed = [("PATH", PATH.into()), ("SHELL", super::SHELL.into())];
    fixed.into_iter().chain(exported).chain(home).chain(of_message).collect()
}

/// A value with `_` in the place of whatever is not kept.
fn filtered(value: &str) -> String {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || KEPT.contains(c);
    value.chars().map(|c| if is_kept(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_core::UnixTime;

    /// R109.
    #[test]
    fn a_shell_finds_nothing_in_a_value() {
        let mut envelope = Envelope::new("\"`id`;$(id)|&<>'\\\"*?\u{e4}\n\"@x.test", UnixTime(0));
        envelope.facts.push(("client_address".into(), "2001:db8::1".into()));
        envelope.facts.push((LOGIN.into(), "bob@example.test".into()));
        envelope.facts.push(("helo_name".into(), "[`id`]".into()));
        let mut recipient = Recipient::new("prog+a+b@example.test");
        recipient.facts.push((EXTENSION.into(), "a+b".into()));
        let told = environment(&envelope, &recipient, Some(Path::new("/home/prog")));
        let value =
            |name: &str| told.iter().rfind(|(known, _)| *known == name).and_then(|(_, value)| value.to_str());
        let sender = value("SENDER").unwrap();
        assert!(sender.starts_with("__id__") && sender.ends_with("__@x.test"), "{sender}");
        assert!(sender.chars().all(|c| c.is_ascii_alphanumeric() || KEPT.contains(c)), "{sender}");
        for (name, expected) in [
            ("RECIPIENT", "prog+a+b@example.test"),
            ("ORIGINAL_RECIPIENT", "prog+a+b@example.test"),
            ("LOCAL", "prog+a+b"),
            ("DOMAIN", "example.test"),
            ("USER", "prog"),
            ("LOGNAME", "prog"),
            ("EXTENSION", "a+b"),
            ("CLIENT_ADDRESS", "2001:db8::1"),
            ("CLIENT_HELO", "__id__"),
            ("SASL_USERNAME", "bob@example.test"),
            ("PATH", "/usr/bin:/bin"),
            ("SHELL", "/bin/sh"),
            ("HOME", "/home/prog"),
        ] {
            assert_eq!(value(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_there_is_not_is_not_set() {
        let recipient = Recipient::new("prog@example.test");
        let told = environment(&Envelope::new("", UnixTime(0)), &recipient, None);
        let is_set = |name: &str| told.iter().any(|(known, _)| *known == name);
        assert_eq!(
            ["EXTENSION", "CLIENT_ADDRESS", "SASL_USERNAME", "SENDER"].map(is_set),
            [false, false, false, true]
        );
    }
}
