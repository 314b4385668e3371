//! What stands behind a refusal: `smtpd_reject_footer` and `smtpd_reject_footer_maps`.
//!
//! ```
//! use relay_policy::table::Opener;
//! use relay_policy::{FooterFacts, Parameters, RejectFooter};
//!
//! let mut parameters = Parameters::default();
//! parameters.set("smtpd_reject_footer", "\\c. Ask us.\\nServer: $server_name")?;
//! let no_files = |_: &str| Err("no files".into());
//! let footer = RejectFooter::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new())?;
//! let facts = FooterFacts {
//!     client_address: "192.0.2.1".parse()?,
//!     client_port: Some(49152),
//!     localtime: "Jan  4 15:42:00",
//!     server_name: "mail.example.com",
//! };
//! let footer = footer.expect("there is one");
//! assert_eq!(
//!     footer.behind("550 5.1.1 <u@example.com>: Recipient address rejected: Gone", "Gone", &facts).as_deref(),
//!     Some("Gone. Ask us.\nServer: mail.example.com")
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Departures
//! From Postfix: a table that is not in memory is not asked. What is neither printable ASCII nor a blank is written as `_`,
//! which `smtpd_expansion_filter` would say.

use crate::access::expand;
use crate::address::{RoutingError, open_maps};
use crate::parameters::Parameters;
use crate::table::{Answers, Key, LookupError, Maps, Opener, Warning};
use std::cell::Cell;
use std::net::IpAddr;

/// The attributes that a template may name.
const NAMES: [&str; 4] = ["client_address", "client_port", "localtime", "server_name"];

/// Templates of what stands behind refusals.
#[derive(Debug, Clone)]
pub struct RejectFooter {
    template: String,
    maps: Maps,
}

/// What a template may name.
#[derive(Debug, Clone, Copy)]
pub struct FooterFacts<'f> {
    /// The client's address.
    pub client_address: IpAddr,
    /// The client's port, where it is known.
    pub client_port: Option<u16>,
    /// The time, as logs have it.
    pub localtime: &'f str,
    /// The server's name.
    pub server_name: &'f str,
}

impl RejectFooter {
    /// Takes the templates from the parameters; none where there is none.
    ///
    /// # Errors
    /// [`RoutingError::Table`].
    pub fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Self>, RoutingError> {
        const MAPS: &str = "smtpd_reject_footer_maps";
        let maps = open_maps(MAPS, &parameters.smtpd_reject_footer_maps, opener, warnings)?;
        let template = parameters.smtpd_reject_footer.clone();
        if template.is_empty() && maps.is_empty() {
            return Ok(None);
        }
        if expanded(&template, &|name| NAMES.contains(&name).then(String::new)).is_none() {
            let what = "a name that no footer has: expected $client_address, $client_port, $localtime or $server_name; it is left out";
            warnings.push(Warning::of_configuration("smtpd_reject_footer", what));
        }
        Ok(Some(Self { template, maps }))
    }

    /// The text of a refusal with what stands behind it, in lines; none where nothing does. `reply` is the whole reply, its
    /// codes with it, by which tables have their templates.
    pub fn behind(&self, reply: &str, text: &str, facts: &FooterFacts<'_>) -> Option<String> {
        let answers = Answers::default();
        let template = match self.maps.look_up(Key::Whole(reply), &answers) {
            Ok(Some(found)) => found.text.into_owned(),
            Ok(None) | Err(LookupError::Elsewhere { .. } | LookupError::Failed { .. }) => {
                self.template.clone()
            }
        };
        let footer = expanded(&template, &|name| {
            Some(match name {
                "client_address" => facts.client_address.to_canonical().to_string(),
                "client_port" => facts.client_port.map(|port| port.to_string()).unwrap_or_default(),
                "localtime" => facts.localtime.into(),
                "server_name" => facts.server_name.into(),
                _ => return None,
            })
        })?;
        if footer.is_empty() {
            return None;
        }
        let (glue, footer) = match footer.strip_prefix("\\c") {
            Some(footer) => ("", footer),
            None => ("\n", &*footer),
        };
        let footer = footer.replace("\\n", "\n");
        let fit = |c: char| if c == '\n' || c == ' ' || c.is_ascii_graphic() { c } else { '_' };
        Some(format!("{text}{glue}{}", footer.chars().map(fit).collect::<String>()))
    }
}

/// A template with its names replaced; none where it names what there is not.
fn expanded(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let is_known = Cell::new(true);
    let text = expand(template, &|name| {
        value(name).unwrap_or_else(|| {
            is_known.set(false);
            String::new()
        })
    });
    is_known.get().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(parameters: &[(&str, &str)], reply: &str) -> (Option<String>, usize) {
        let mut all = Parameters::default();
        parameters.iter().for_each(|(name, value)| all.set(name, value).unwrap());
        let no_files = |_: &str| Err("no files".into());
        let mut warnings = Vec::new();
        let footer = RejectFooter::from_parameters(&all, &Opener::new(&no_files), &mut warnings).unwrap();
        let facts = FooterFacts {
            client_address: "::ffff:192.0.2.1".parse().unwrap(),
            client_port: None,
            localtime: "Jan  4 15:42:00",
            server_name: "mail.test",
        };
        (footer.and_then(|footer| footer.behind(reply, "Gone", &facts)), warnings.len())
    }

    const REPLY: &str = "550 5.1.1 Gone";

    #[test]
    fn lines_of_their_own_and_the_same_line() {
        let one = |template: &str| behind(&[("smtpd_reject_footer", template)], REPLY);
        assert_eq!(one(""), (None, 0));
        assert_eq!(one("Ask us"), (Some("Gone\nAsk us".into()), 0));
        assert_eq!(one("\\c; ask us"), (Some("Gone; ask us".into()), 0));
        assert_eq!(one("a\\nb $client_address:$client_port"), (Some("Gone\na\nb 192.0.2.1:".into()), 0));
        assert_eq!(one("$localtime ${server_name}"), (Some("Gone\nJan  4 15:42:00 mail.test".into()), 0));
        assert_eq!(one("caf\u{e9}\t."), (Some("Gone\ncaf__.".into()), 0));
        assert_eq!(one("$sender"), (None, 1), "what has no meaning is left out, and told");
    }

    #[test]
    fn tables_have_templates_by_the_whole_reply() {
        let maps = [
            ("smtpd_reject_footer", "for all"),
            ("smtpd_reject_footer_maps", "regexp:{{/^550 5\\.1\\.1 / For $$server_name},{/^450/ $$sender}}"),
        ];
        let told = |reply: &str| behind(&maps, reply).0;
        assert_eq!(told("554 5.7.1 x").as_deref(), Some("Gone\nfor all"));
        assert_eq!(told(REPLY).as_deref(), Some("Gone\nFor mail.test"));
        assert_eq!(told("450 4.1.1 x"), None, "it names what there is not");
    }
}
