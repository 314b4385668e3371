//! A configuration file being written.

use crate::config::{AS_THEY_ARE, NAME_BEGINS};
use postroom::relay_policy::main_cf::words;
use postroom::relay_policy::{ParameterKind, Parameters};
use std::net::SocketAddr;
use toml::Value;

/// What will stand in it. Values of `policy` are as Postfix writes them.
#[derive(Debug, Default)]
pub struct Draft {
    /// Where it comes from, for the comment at its top.
    pub origin: String,
    pub hostname: String,
    pub listeners: Vec<DraftListener>,
    /// The certificate and its key.
    pub tls: Option<(String, String)>,
    pub accounts: Vec<(&'static str, Value)>,
    /// Domains with accounts, the one for login names without one first.
    pub local: Vec<String>,
    pub policy: Vec<(String, String)>,
    pub queue: Vec<(&'static str, Value)>,
    pub limits: Vec<(&'static str, Value)>,
}

/// A listener in it.
#[derive(Debug)]
pub struct DraftListener {
    pub protocol: &'static str,
    pub address: SocketAddr,
    pub tls: &'static str,
    pub keys: Vec<(&'static str, Value)>,
    pub policy: Vec<(String, String)>,
    pub limits: Vec<(&'static str, Value)>,
}

impl Draft {
    /// The text.
    pub fn to_toml(&self) -> String {
        let mut text = format!("# From {}. `postroom check` tells what is doubtful here.\n\n", self.origin);
        text += &line("hostname", &string(&self.hostname));
        text += &line("data_dir", &string("./postroom-data"));
        for listener in &self.listeners {
            text += "\n[[listener]]\n";
            text += &line("protocol", &string(listener.protocol));
            text += &line("address", &string(&listener.address.to_string()));
            text += &line("tls", &string(listener.tls));
            listener.keys.iter().for_each(|(key, value)| text += &line(key, value));
            text += &policy("[listener.policy]", &listener.policy);
            text += &section("[listener.limits]", &listener.limits);
        }
        if let Some((certificate, key)) = &self.tls {
            text += &section("[tls]", &[("certificate", string(certificate)), ("key", string(key))]);
        }
        let passwd_file = ("passwd_file", string(super::PASSWD_FILE));
        let accounts: Vec<_> = [passwd_file].into_iter().chain(self.accounts.iter().cloned()).collect();
        text += &section("[accounts]", &accounts);
        text += &section("[domains]", &[("local", array(&self.local))]);
        text += &policy("[policy]", &self.policy);
        text += &section("[queue]", &self.queue);
        text += &section("[limits]", &self.limits);
        text
    }
}

pub fn string(text: &str) -> Value {
    Value::String(text.into())
}

pub fn array(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(|text| string(text)).collect())
}

fn section(title: &str, keys: &[(&'static str, Value)]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    keys.iter().fold(format!("\n{title}\n"), |text, (key, value)| text + &line(key, value))
}

fn policy(title: &str, parameters: &[(String, String)]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    parameters.iter().fold(format!("\n{title}\n"), |text, (name, value)| {
        text + &line(name, &parameter(name, &quoted(name, value)))
    })
}

/// A value in which every `$` stands for itself.
fn quoted(name: &str, value: &str) -> String {
    if AS_THEY_ARE.contains(&name) {
        return value.into();
    }
    let mut quoted = String::new();
    let mut rest = value;
    while let Some((plain, behind)) = rest.split_once('$') {
        quoted += plain;
        quoted += if behind.starts_with(NAME_BEGINS) { "$$" } else { "$" };
        rest = behind;
    }
    quoted + rest
}

/// A key and its value; what would be a long line has one element on each.
fn line(key: &str, value: &Value) -> String {
    let short = format!("{key} = {value}\n");
    match value {
        Value::Array(elements) if short.len() > LINE_OCTETS_MAX => {
            let lines: String = elements.iter().map(|element| format!("    {element},\n")).collect();
            format!("{key} = [\n{lines}]\n")
        }
        _ => short,
    }
}

const LINE_OCTETS_MAX: usize = 100;

/// A list as an array, a number as a number, all else as the text it is.
fn parameter(name: &str, value: &str) -> Value {
    let elements = match Parameters::kind(name) {
        Some(ParameterKind::Number) => {
            return value.parse().map_or_else(|_| string(value), Value::Integer);
        }
        Some(ParameterKind::List) => words(value).into_iter().map(String::from).collect(),
        // What has no name but in smtpd_restriction_classes is a class.
        Some(ParameterKind::Restrictions) | None => rules(value),
        // Blanks part nothing in it.
        Some(_) => return string(value),
    };
    match elements.as_slice() {
        [] => string(""),
        [only] => string(only),
        several => array(several),
    }
}

/// The words of a list; a restriction stays with what it takes behind its name.
pub fn rules(value: &str) -> Vec<String> {
    let mut rules: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in words(value) {
        match rules.last_mut() {
            Some(rule) if is_open => *rule += &format!(" {word}"),
            _ => rules.push(word.into()),
        }
        is_open = takes_an_argument(word);
    }
    rules
}

fn takes_an_argument(word: &str) -> bool {
    let is_list = |name: &str| word.starts_with(name) && !word.contains(':');
    (is_list("check_") && word != "check_recipient_maps" && word != "check_relay_domains")
        || ["reject_rbl", "reject_rhsbl", "permit_dnswl", "permit_rhswl"].into_iter().any(is_list)
        || ["sleep", "warn_if_reject"].contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restrictions_keep_their_arguments() {
        let value = "permit_mynetworks warn_if_reject reject_rbl_client a.test, check_policy_service { inet:h:1, timeout=1 }, hash:/x";
        assert_eq!(
            rules(value),
            [
                "permit_mynetworks",
                "warn_if_reject reject_rbl_client a.test",
                "check_policy_service { inet:h:1, timeout=1 }",
                "hash:/x"
            ]
        );
        let text = |name: &str, value: &str| line(name, &parameter(name, value));
        assert_eq!(text("reject_code", "550"), "reject_code = 550\n");
        assert_eq!(text("mynetworks", "10.0.0.0/8, ::1"), "mynetworks = [\"10.0.0.0/8\", \"::1\"]\n");
        assert_eq!(text("soft_bounce", "yes"), "soft_bounce = \"yes\"\n");
        for (name, value) in [
            ("local_transport", "error:local mail delivery is disabled"),
            ("postscreen_greet_banner", "Welcome, all of you"),
        ] {
            let written: toml::Table = text(name, value).parse().unwrap();
            assert_eq!(written[name].as_str(), Some(value));
        }
        assert_eq!(quoted("relayhost", "a$b $1$$c $"), "a$$b $1$$$$c $");
        assert_eq!(quoted("luser_relay", "$user"), "$user");
        assert_eq!(text("directors", "permit, reject"), "directors = [\"permit\", \"reject\"]\n");
        let reply = "$rbl_code \"no\" ${rbl_reason?; x}";
        let written: toml::Table = text("default_rbl_reply", reply).parse().unwrap();
        assert_eq!(written["default_rbl_reply"].as_str(), Some(reply));
        let long = text("relay_domains", &"name.of.a.domain.example ".repeat(5));
        assert_eq!(long.lines().count(), 7, "{long}");
    }
}
