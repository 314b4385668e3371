//! Postfix's parameters, by their names in `main.cf`.
//!
//! [`Parameters::set`] takes `name = value` as `main.cf` has it. Values stand for themselves: `$name` is not expanded
//! here, and no file is read; a word like `texthash:/etc/access` names a table, and whoever looks something up in it
//! brings the table.
//!
//! # Departures
//! From Postfix: the defaults that come from the machine (`myhostname`, `mydomain`, `inet_interfaces`) are empty, and the
//! defaults that are made of other parameters are written out, but for those of `virtual_alias_domains` and
//! `virtual_mailbox_domains`; `mydestination` is empty. `soft_bounce`, reply codes and
//! the like are refused when they are no numbers or not `yes` or `no`, and keep their value.

mod table;
mod unknown;
mod value;

use std::borrow::Cow;

pub use table::Parameters;
pub use value::ParameterKind;
pub(crate) use value::time;

/// Why a parameter is refused; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} = {value}: {expected}")]
#[non_exhaustive]
pub struct ParameterError {
    /// The parameter's name.
    pub name: String,
    /// What was to be its value.
    pub value: String,
    /// What is wrong, and what was expected.
    pub expected: Cow<'static, str>,
}

/// A number of leading bits of an address, at most `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefixBits<const MAX: u8>(u8);

impl<const MAX: u8> PrefixBits<MAX> {
    /// So many; none where an address has not so many.
    pub fn new(bits: u8) -> Option<Self> {
        (bits <= MAX).then_some(Self(bits))
    }

    /// How many.
    pub fn bits(self) -> u8 {
        self.0
    }
}

/// What a temporary failure does that may have hidden a reason to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TempfailAction {
    /// `defer_if_permit`: nothing yet, and a temporary refusal if the command would be accepted.
    #[default]
    DeferIfPermit,
    /// `defer`: a temporary refusal at once.
    Defer,
}

impl Parameters {
    /// What a temporary failure does where `specific` is the parameter for it.
    pub(crate) fn tempfail_action(&self, specific: Option<TempfailAction>) -> TempfailAction {
        specific.or(self.reject_tempfail_action).unwrap_or_default()
    }

    /// `virtual_alias_domains`, with tables in place of their parameter's name.
    pub(crate) fn virtual_alias_domains(&self) -> Vec<String> {
        with_tables(&self.virtual_alias_domains, "$virtual_alias_maps", &self.virtual_alias_maps)
    }

    /// `virtual_mailbox_domains`, with tables in place of their parameter's name.
    pub(crate) fn virtual_mailbox_domains(&self) -> Vec<String> {
        with_tables(&self.virtual_mailbox_domains, "$virtual_mailbox_maps", &self.virtual_mailbox_maps)
    }

    /// Whether a feature is in `parent_domain_matches_subdomains`.
    pub(crate) fn parents_match(&self, feature: &str) -> bool {
        self.parent_domain_matches_subdomains.iter().any(|name| name == feature)
    }
}

fn with_tables(list: &[String], name: &str, tables: &[String]) -> Vec<String> {
    let is_name = |word: &&String| *word == name;
    list.iter()
        .flat_map(|word| if is_name(&word) { tables } else { std::slice::from_ref(word) })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::early::EarlyAction;

    #[test]
    fn every_parameter_has_a_kind() {
        assert!(Parameters::NAMES.iter().all(|name| Parameters::kind(name).is_some()));
        for (name, kind) in [
            ("smtpd_relay_restrictions", ParameterKind::Restrictions),
            ("smtpd_relay_before_recipient_restrictions", ParameterKind::YesNo),
            ("smtpd_restriction_classes", ParameterKind::List),
            ("mynetworks", ParameterKind::List),
            ("default_rbl_reply", ParameterKind::Text),
            ("reject_code", ParameterKind::Number),
            ("postscreen_greet_wait", ParameterKind::Time),
            ("postscreen_greet_action", ParameterKind::Word),
        ] {
            assert_eq!(Parameters::kind(name), Some(kind), "{name}");
        }
        assert_eq!(Parameters::kind("mynetwork"), None);
    }

    #[test]
    fn values_are_read_by_their_kind() {
        let mut parameters = Parameters::default();
        parameters.set("reject_code", " 550 ").unwrap();
        parameters.set("soft_bounce", "Yes").unwrap();
        parameters.set("mynetworks", "127.0.0.0/8, [::1]/128").unwrap();
        parameters.set("unknown_address_tempfail_action", "Defer").unwrap();
        parameters.set("postscreen_greet_action", "ENFORCE").unwrap();
        assert_eq!((parameters.reject_code, parameters.soft_bounce), (550, true));
        assert_eq!(parameters.postscreen_greet_action, EarlyAction::Enforce);
        assert_eq!(parameters.mynetworks, ["127.0.0.0/8", "[::1]/128"]);
        assert_eq!(
            parameters.tempfail_action(parameters.unknown_address_tempfail_action),
            TempfailAction::Defer
        );
        assert!(parameters.parents_match("relay_domains") && !parameters.parents_match("mydestination"));
    }

    #[test]
    fn classes_are_parameters_once_they_are_named() {
        let mut parameters = Parameters::default();
        assert!(parameters.set("greylist", "reject").is_err());
        parameters.set("smtpd_restriction_classes", "greylist, strict").unwrap();
        parameters.set("greylist", "reject").unwrap();
        assert_eq!(parameters.restriction_classes["greylist"], "reject");
        parameters.set("smtpd_restriction_classes", "greylist, other").unwrap();
        let classes: Vec<_> = parameters.restriction_classes.values().map(String::as_str).collect();
        assert_eq!(classes, ["reject", ""]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut parameters = Parameters::default();
        let told = |result: Result<(), ParameterError>| result.unwrap_err().to_string();
        assert_eq!(
            told(parameters.set("reject_code", "99")),
            "reject_code = 99: expected a reply code, 200 to 599"
        );
        assert_eq!(told(parameters.set("soft_bounce", "maybe")), "soft_bounce = maybe: expected yes or no");
        assert_eq!(told(parameters.set("no_such", "x")), "no_such = x: no parameter has this name");
        assert_eq!(
            told(parameters.set("smtpd_recipient_restriction", "x")),
            "smtpd_recipient_restriction = x: no parameter has this name; did you mean smtpd_recipient_restrictions?"
        );
        assert_eq!(parameters.reject_code, 554);
    }
}
