//! Which milters a listener has, and how each is spoken to.

use crate::endpoint::Endpoint;
use relay_policy::table::{Answers, Key, Maps, Opener, Warning};
use relay_policy::{MilterEntry, Parameters};
use smtp_proto::milter::{DefaultAction, MilterConfig, Stage};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The milters of a listener.
#[derive(Debug)]
pub(crate) struct Milters {
    /// What holds of all that say nothing else.
    parameters: Box<Parameters>,
    list: Arc<[Milter]>,
    /// Other lists, by the client's address.
    by_client: Maps,
    directory: PathBuf,
    pub(super) daemon_name: String,
    pub(super) v: String,
    pub(super) hostname: String,
    /// Macros about which nothing is known, without braces.
    pub(super) defaults: BTreeMap<String, String>,
}

/// One milter.
#[derive(Debug)]
pub(crate) struct Milter {
    /// As the configuration writes where it is; for the log.
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) connect_timeout: Duration,
    pub(super) default_action: DefaultAction,
    pub(super) config: Arc<MilterConfig>,
}

/// The word in a table for a client whose mail no milter sees.
const DISABLE: &str = "DISABLE";

impl Milters {
    /// Those of `smtpd_milters` and `smtpd_milter_maps`; none where there are none. Sockets whose path is relative are looked for
    /// in `directory`.
    ///
    /// # Errors
    /// The parameter that makes no sense, and why.
    pub(crate) fn from_parameters(
        parameters: &Parameters,
        directory: &Path,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Self>, String> {
        let p = parameters;
        if p.smtpd_milters.is_empty() && p.smtpd_milter_maps.is_empty() {
            return Ok(None);
        }
        let mut tables = Vec::new();
        for table in &p.smtpd_milter_maps {
            let opened = opener.open(table).map_err(|cause| format!("smtpd_milter_maps: {cause}"))?;
            warnings.extend(opened.warnings);
            tables.push(opened.table);
        }
        // What is common is right by itself, whatever each has in its place.
        settings(p)?;
        let list = read_list(&p.smtpd_milters.join(" "), p, directory);
        let list = list.map_err(|what| format!("smtpd_milters: {what}"))?;
        let or = |value: &str, other: String| if value.is_empty() { other } else { value.to_owned() };
        Ok(Some(Self {
            list,
            by_client: Maps::new(tables),
            directory: directory.into(),
            daemon_name: or(&p.milter_macro_daemon_name, p.myhostname.clone()),
            v: or(&p.milter_macro_v, format!("Postroom {}", env!("CARGO_PKG_VERSION"))),
            hostname: p.myhostname.clone(),
            defaults: defaults(&p.milter_macro_defaults)?,
            parameters: Box::new(p.clone()),
        }))
    }

    /// Those that are asked about a client.
    ///
    /// # Errors
    /// What is wrong with what a table has.
    pub(super) fn of(&self, client: IpAddr) -> Result<Arc<[Milter]>, String> {
        let (key, answers) = (client.to_canonical().to_string(), Answers::default());
        match self.by_client.look_up(Key::Whole(&key), &answers) {
            Ok(Some(found)) if found.text.trim().eq_ignore_ascii_case(DISABLE) => Ok(Arc::default()),
            Ok(Some(found)) => read_list(&found.text, &self.parameters, &self.directory),
            Ok(None) => Ok(Arc::clone(&self.list)),
            Err(error) => {
                tracing::warn!(%error, "smtpd_milter_maps: not asked; smtpd_milters is used");
                Ok(Arc::clone(&self.list))
            }
        }
    }
}

fn read_list(list: &str, common: &Parameters, directory: &Path) -> Result<Arc<[Milter]>, String> {
    let entries = MilterEntry::read_list(list).map_err(|what| format!("{what}: not understood"))?;
    entries.into_iter().map(|entry| read(entry, common, directory)).collect()
}

/// What a milter may have of its own, by the names of parameters without `milter_`.
const SETTINGS: [&str; 5] =
    ["connect_timeout", "command_timeout", "content_timeout", "default_action", "protocol"];

fn read(entry: MilterEntry, common: &Parameters, directory: &Path) -> Result<Milter, String> {
    let MilterEntry { place: name, settings: own } = entry;
    let endpoint = Endpoint::read(&name, directory)
        .ok_or_else(|| format!("{name}: expected unix:path or inet:host:port"))?;
    let mut parameters = Cow::Borrowed(common);
    for (setting, value) in &own {
        if !SETTINGS.contains(&&**setting) {
            return Err(format!("{name}: {setting}: expected one of {}", SETTINGS.join(", ")));
        }
        let set = parameters.to_mut().set(&format!("milter_{setting}"), value);
        set.map_err(|error| format!("{name}: {error}"))?;
    }
    let (default_action, config) = settings(&parameters).map_err(|what| format!("{name}: {what}"))?;
    let connect_timeout = parameters.milter_connect_timeout;
    Ok(Milter { name, endpoint, connect_timeout, default_action, config: Arc::new(config) })
}

/// What parameters say of how milters are spoken to.
fn settings(p: &Parameters) -> Result<(DefaultAction, MilterConfig), String> {
    let wrong = |name: &str, value: &str, expected: &str| format!("{name} = {value}: expected {expected}");
    let action = p.milter_default_action.parse().map_err(|_| {
        let expected = "tempfail, accept, reject or quarantine";
        wrong("milter_default_action", &p.milter_default_action, expected)
    })?;
    let protocol = || wrong("milter_protocol", &p.milter_protocol, "2, 3, 4 or 6");
    let words = p.milter_protocol.split(|c: char| c == ',' || c.is_ascii_whitespace());
    let words = words.filter(|word| !word.is_empty());
    let (options, versions): (Vec<_>, Vec<_>) = words.partition(|word| *word == "no_header_reply");
    let [version] = versions[..] else { return Err(protocol()) };
    let origin = if p.myorigin.is_empty() { &p.myhostname } else { &p.myorigin };
    let mut config = MilterConfig::new(origin);
    config.version = version.parse().map_err(|_| protocol())?;
    config.no_header_reply = !options.is_empty();
    for (stage, names) in [
        (Stage::Connect, &p.milter_connect_macros),
        (Stage::Helo, &p.milter_helo_macros),
        (Stage::Mail, &p.milter_mail_macros),
        (Stage::Rcpt, &p.milter_rcpt_macros),
        (Stage::Data, &p.milter_data_macros),
        (Stage::EndOfHeader, &p.milter_end_of_header_macros),
        (Stage::EndOfMessage, &p.milter_end_of_data_macros),
    ] {
        config.macros.set(stage, names);
    }
    config.timeouts.command = p.milter_command_timeout;
    config.timeouts.content = p.milter_content_timeout;
    Ok((action, config))
}

/// `name=value` or `{name}=value`, or either in braces.
fn defaults(pairs: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut defaults = BTreeMap::new();
    for pair in pairs {
        let whole = pair.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some((name, value)) = whole.unwrap_or(pair.trim()).split_once('=') else {
            return Err(format!("milter_macro_defaults: {pair}: expected name=value"));
        };
        let name = name.trim().trim_start_matches('{').trim_end_matches('}');
        defaults.insert(name.to_owned(), value.trim().to_owned());
    }
    Ok(defaults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milters(parameters: &[(&str, &str)]) -> Result<Option<Milters>, String> {
        let mut all = Parameters::default();
        parameters.iter().for_each(|(name, value)| all.set(name, value).unwrap());
        let no_files = |_: &str| Err("no files".into());
        Milters::from_parameters(&all, Path::new("/spool"), &Opener::new(&no_files), &mut Vec::new())
    }

    #[test]
    fn each_has_what_is_common_and_its_own() {
        assert!(milters(&[("milter_default_action", "nonsense")]).unwrap().is_none(), "there is none");
        let list =
            "inet:127.0.0.1:8891, { unix:run/b, default_action=accept, connect_timeout=5s, protocol=4 }";
        let parameters = [("smtpd_milters", list), ("milter_content_timeout", "7s")];
        let milters = milters(&parameters).unwrap().unwrap();
        let [first, second] = &*milters.of("192.0.2.1".parse().unwrap()).unwrap() else { panic!() };
        assert_eq!(first.name, "inet:127.0.0.1:8891");
        assert_eq!(first.config.timeouts.content, Duration::from_secs(7));
        assert_eq!(first.default_action, DefaultAction::TempFail);
        assert_eq!(second.endpoint, Endpoint::Unix("/spool/run/b".into()));
        assert_eq!(
            (second.default_action, second.connect_timeout),
            (DefaultAction::Accept, Duration::from_secs(5))
        );
    }

    #[test]
    fn tables_have_lists_of_their_own() {
        let tables = "inline:{192.0.2.1=disable, 192.0.2.2={unix:/x protocol=2}, 192.0.2.3=nowhere}";
        let parameters = [("smtpd_milters", "unix:/common"), ("smtpd_milter_maps", tables)];
        let milters = milters(&parameters).unwrap().unwrap();
        let of = |client: &str| {
            let list = milters.of(client.parse().unwrap())?;
            Ok::<_, String>(list.iter().map(|milter| milter.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(of("::ffff:192.0.2.1"), Ok(vec![]));
        assert_eq!(of("192.0.2.2"), Ok(vec!["unix:/x".into()]));
        assert_eq!(of("192.0.2.3"), Err("nowhere: expected unix:path or inet:host:port".into()));
        assert_eq!(of("192.0.2.4"), Ok(vec!["unix:/common".into()]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, told) in [
            (
                "milter_default_action",
                "shutdown",
                "milter_default_action = shutdown: expected tempfail, accept, reject or quarantine",
            ),
            ("milter_protocol", "5", "milter_protocol = 5: expected 2, 3, 4 or 6"),
            (
                "milter_protocol",
                "no_header_reply",
                "milter_protocol = no_header_reply: expected 2, 3, 4 or 6",
            ),
            ("milter_macro_defaults", "x", "milter_macro_defaults: x: expected name=value"),
            (
                "smtpd_milters",
                "{ unix:/x color=red }",
                "smtpd_milters: unix:/x: color: expected one of connect_timeout, command_timeout, content_timeout, default_action, protocol",
            ),
            (
                "smtpd_milters",
                "localhost:25",
                "smtpd_milters: localhost:25: expected unix:path or inet:host:port",
            ),
        ] {
            assert_eq!(milters(&[("smtpd_milters", "unix:/a"), (name, value)]).err().as_deref(), Some(told));
        }
        let defaults = [("smtpd_milters", "unix:/a"), ("milter_macro_defaults", "a=1, {b}=2, {c = 3 4}")];
        let defaults = milters(&defaults).unwrap().unwrap().defaults;
        assert_eq!(
            defaults.into_iter().map(|(name, value)| name + &value).collect::<Vec<_>>(),
            ["a1", "b2", "c3 4"]
        );
    }
}
