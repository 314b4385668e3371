//! `[policy]` and `[listener.policy]`: parameters by their names in Postfix, with `$name` for the value of another, as in
//! `main.cf`.
//!
//! # Departures
//! From Postfix: `$name` without such a parameter being set is refused, `${name?text}` and its like are not known, and a `$`
//! with no name behind it stands for itself.

use postroom::relay_policy::{ParameterError, Parameters};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Parameters and their values as `main.cf` would have them, in the order of the file. A list may be an array, `yes` and `no`
/// a boolean, a number a number.
///
/// Whether a name is a parameter's is judged when all are known, since restriction classes make names of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySection(Vec<(String, String)>);

impl PolicySection {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Puts values in the place of `$name`; of parameters that are not in this section, `beneath` has them.
    ///
    /// # Errors
    /// The first parameter in which that cannot be done, and why.
    pub fn expand(&mut self, beneath: &dyn Fn(&str) -> Option<String>) -> Result<(), (String, String)> {
        let look_up = |name: &str| self.value(name).map(String::from).or_else(|| beneath(name));
        let mut expanded = Vec::new();
        for (name, value) in &self.0 {
            let value = match AS_THEY_ARE.contains(&name.as_str()) {
                true => value.clone(),
                false => expand(value, &look_up, &mut vec![name.clone()])
                    .map_err(|problem| (name.clone(), problem))?,
            };
            expanded.push((name.clone(), value));
        }
        self.0 = expanded;
        Ok(())
    }

    /// Sets them.
    ///
    /// # Errors
    /// The first that is none, or whose value makes no sense.
    pub fn apply(&self, parameters: &mut Parameters) -> Result<(), ParameterError> {
        const CLASSES: &str = "smtpd_restriction_classes";
        if let Some(classes) = self.value(CLASSES) {
            parameters.set(CLASSES, classes)?;
        }
        let mut others = self.iter().filter(|(name, _)| *name != CLASSES);
        others.try_for_each(|(name, value)| parameters.set(name, value))
    }
}

/// Those in which a `$` is replaced by who reads them, or a name stands for something else than its value.
pub const AS_THEY_ARE: [&str; 11] = [
    "default_rbl_reply",
    "luser_relay",
    "mime_header_checks",
    "nested_header_checks",
    "postscreen_greet_banner",
    "smtpd_client_event_limit_exceptions",
    "smtpd_reject_footer",
    "unknown_address_tempfail_action",
    "unknown_helo_hostname_tempfail_action",
    "unverified_recipient_tempfail_action",
    "unverified_sender_tempfail_action",
];

/// What stands behind a `$` that does not stand for itself.
pub const NAME_BEGINS: fn(char) -> bool = |c| c.is_ascii_alphabetic() || ['_', '{', '(', '$'].contains(&c);

/// So long may a value be once names are replaced: what names values that name others may grow without end.
const VALUE_OCTETS_MAX: usize = 1 << 20;

/// `names` are those on the way to this value.
fn expand(
    value: &str,
    look_up: &dyn Fn(&str) -> Option<String>,
    names: &mut Vec<String>,
) -> Result<String, String> {
    let (mut expanded, mut rest) = (String::new(), value);
    while let Some((plain, behind)) = rest.split_once('$') {
        expanded += plain;
        let close = match behind.chars().next() {
            Some('$') => {
                expanded.push('$');
                rest = &behind[1..];
                continue;
            }
            Some('{') => "}",
            Some('(') => ")",
            _ => "",
        };
        let inside = &behind[close.len()..];
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = inside.find(|c| !is_of_name(c)).unwrap_or(inside.len());
        let (name, after) = inside.split_at(end);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            expanded.push('$');
            rest = behind;
            continue;
        }
        let Some(after) = after.strip_prefix(close) else {
            return Err(format!("${{{name}: conditions are not known here; one $ is written $$"));
        };
        if names.iter().any(|outer| outer == name) {
            return Err(format!("${name}: it is set to itself"));
        }
        let named = look_up(name).ok_or_else(|| {
            format!("${name}: no parameter of this name is set; write what is meant, and $$ where one $ is")
        })?;
        names.push(name.into());
        expanded += &expand(&named, look_up, names)?;
        names.pop();
        if expanded.len() > VALUE_OCTETS_MAX {
            return Err(format!("longer than {VALUE_OCTETS_MAX} octets with what its names stand for"));
        }
        rest = after;
    }
    Ok(expanded + rest)
}

impl<'de> Deserialize<'de> for PolicySection {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Section;

        impl<'de> Visitor<'de> for Section {
            type Value = PolicySection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("parameters by their names in Postfix")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PolicySection, A::Error> {
                let mut parameters = Vec::new();
                while let Some((name, Written(value))) = map.next_entry()? {
                    parameters.push((name, value));
                }
                Ok(PolicySection(parameters))
            }
        }

        from.deserialize_map(Section)
    }
}

/// A value as `main.cf` writes it.
struct Written(String);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Value;

        impl<'de> Visitor<'de> for Value {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false, or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written(text.into()))
            }

            fn visit_bool<E: Error>(self, yes: bool) -> Result<Written, E> {
                Ok(Written(if yes { "yes" } else { "no" }.into()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Written, E> {
                Ok(Written(number.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
                let mut words: Vec<String> = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                Ok(Written(words.join(", ")))
            }
        }

        from.deserialize_any(Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Result<PolicySection, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_as_postfix_writes_them() {
        let text = "greylist = [\"check_policy_service inet:127.0.0.1:10023\"]\nsmtpd_restriction_classes = \"greylist\"\n\
            mynetworks = [\"10.0.0.0/8\", \"::1\"]\nsoft_bounce = true\nreject_code = 550\nsmtpd_delay_reject = \"no\"\n";
        let mut parameters = Parameters::default();
        section(text).unwrap().apply(&mut parameters).unwrap();
        assert_eq!(parameters.restriction_classes["greylist"], "check_policy_service inet:127.0.0.1:10023");
        assert_eq!(parameters.mynetworks, ["10.0.0.0/8", "::1"]);
        assert_eq!(
            (parameters.soft_bounce, parameters.reject_code, parameters.smtpd_delay_reject),
            (true, 550, false)
        );
    }

    #[test]
    fn names_stand_for_values() {
        let text = "mynetworks = [\"$relay_domains\", \"::1\"]\nrelay_domains = \"a.test, ${mydomain}\"\nmydomain = \"b.test\"\n\
            smtpd_client_restrictions = \"check_client_access pcre:{{/x$/ REJECT}}, check_sender_access inline:{x=REJECT $$5}\"\n\
            default_rbl_reply = \"$rbl_code\"\nrelayhost = \"mx.$(myhostname)\"\n";
        let mut read = section(text).unwrap();
        read.expand(&|name| (name == "myhostname").then(|| "h.test".into())).unwrap();
        for (name, value) in [
            ("mynetworks", "a.test, b.test, ::1"),
            ("relay_domains", "a.test, b.test"),
            (
                "smtpd_client_restrictions",
                "check_client_access pcre:{{/x$/ REJECT}}, check_sender_access inline:{x=REJECT $5}",
            ),
            ("default_rbl_reply", "$rbl_code"),
            ("relayhost", "mx.h.test"),
        ] {
            assert_eq!(read.value(name), Some(value));
        }
        for (text, said) in [
            ("mynetworks = \"$mynetwork\"", "$mynetwork: no parameter of this name is set"),
            (
                "mynetworks = \"$relay_domains\"\nrelay_domains = \"$mynetworks\"",
                "$mynetworks: it is set to itself",
            ),
            ("mynetworks = \"${x?y}\"", "${x: conditions are not known here"),
        ] {
            let (name, problem) = section(text).unwrap().expand(&|_| None).unwrap_err();
            assert!(name == "mynetworks" && problem.contains(said), "{problem}");
        }
        let doubling: String = (b'a'..=b'y')
            .map(|c| format!("{} = \"${}${}\"\n", c as char, (c + 1) as char, (c + 1) as char))
            .collect();
        let (_, problem) =
            section(&format!("{doubling}z = \"0123456789\"\n")).unwrap().expand(&|_| None).unwrap_err();
        assert!(problem.contains("longer than"), "{problem}");
    }

    #[test]
    fn what_is_none_is_told() {
        for (text, said) in [
            ("mynetwork = \"::1\"", "mynetwork = ::1: no parameter has this name; did you mean mynetworks?"),
            ("soft_bounce = \"maybe\"", "soft_bounce = maybe: expected yes or no"),
        ] {
            let told = section(text).unwrap().apply(&mut Parameters::default()).unwrap_err();
            assert_eq!(told.to_string(), said);
        }
        for text in ["reject_code = 1.5", "mynetworks = [1]", "mynetworks = { a = 1 }"] {
            assert!(section(text).is_err(), "{text}");
        }
    }
}
