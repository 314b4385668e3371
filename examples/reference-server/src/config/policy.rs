//! `[policy]` and `[listener.policy]`: parameters by their names in Postfix.

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
    fn what_is_none_is_told() {
        for (text, said) in [
            ("mynetwork = \"::1\"", "mynetwork = ::1: no parameter has this name; did you mean mynetworks?"),
            ("soft_bounce = \"maybe\"", "soft_bounce = maybe: yes or no"),
        ] {
            let told = section(text).unwrap().apply(&mut Parameters::default()).unwrap_err();
            assert_eq!(told.to_string(), said);
        }
        for text in ["reject_code = 1.5", "mynetworks = [1]", "mynetworks = { a = 1 }"] {
            assert!(section(text).is_err(), "{text}");
        }
    }
}
