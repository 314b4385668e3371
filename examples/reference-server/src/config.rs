//! The configuration file: what may stand in it, read and checked before anything is started.
//!
//! The file is TOML; [`schema`] holds its shape, so an unknown key or a value of the wrong kind is refused by the
//! parser with the line, the key and what is allowed. [`check`] holds what a parser cannot know: that a listener
//! address is given once, that a path template names the user, that a limit is above what the RFCs demand.
//!
//! Relative paths: `data_dir`, `certificate`, `key`, `client_ca`, `passwd_file` and the tables that `[policy]` names count from the configuration file's own
//! directory (the working directory when there is no file); `storage.path` counts from `data_dir`, and what stands in
//! `storage.location` from the home directory, as in every location (see [`place`](crate::place)).

mod check;
mod policy;
mod schema;

pub use policy::{AS_THEY_ARE, NAME_BEGINS};
pub use schema::{
    Auto, Config, DirectoryNames, FolderName, GreylistSection, LimitsSection, ListenerSection,
    MailboxSection, MaildirLayout, MboxFormat, MboxLock, NotifyClass, Protocol, QueueSection,
    SaslSecurityOption, StorageFormat, StorageSection, TlsMode, TlsSection,
};

use crate::wiring;
use postroom::relay_policy::access::AccessError;
use postroom::settings::SettingsError;
use std::path::{Path, PathBuf};

/// The configuration that is used when no file is named.
pub const EMBEDDED: &str = include_str!("default.toml");

/// Why a configuration cannot be used; its text names the file, the key and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration file: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, or a key is unknown, or a value is of the wrong kind.
    #[error("{}: {source}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where, and what is allowed.
        source: Box<toml::de::Error>,
    },
    /// A value is of the right kind but cannot be meant.
    #[error("{}: {key}: {problem}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Which key, as `limits.recipients_max` or `listener imap#2 (127.0.0.1:143): address`.
        key: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// What a key names cannot be used.
    #[error("{}: {key}: {source}", path.display())]
    File {
        /// Which configuration file.
        path: PathBuf,
        /// Which key, with its section, as `[tls] key`.
        key: String,
        /// The file that it names, what is wrong with it and what to do.
        source: Box<dyn std::error::Error>,
    },
    /// The engine would not start with it.
    #[error("{}: {source}", path.display())]
    Settings {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what is allowed.
        source: Box<SettingsError>,
    },
}

impl Config {
    /// Reads and checks a configuration file; or the embedded default where none is named. Whether the engine would start with it is left
    /// to who asks the engine next, so that tables are read once ([`Config::settings_error`] words what it says).
    ///
    /// # Errors
    /// [`ConfigError`], worded for the person who wrote the file.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Self::embedded() };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse_only(path, &text)
    }

    /// The embedded default.
    ///
    /// # Errors
    /// None in a build whose tests pass.
    pub fn embedded() -> Result<Self, ConfigError> {
        Self::parse(Path::new("embedded default"), EMBEDDED)
    }

    /// What differs in `new` and cannot be followed by a running server, one sentence each. Listeners are the
    /// engine's to compare.
    pub fn restart_reasons(&self, new: &Config) -> Vec<String> {
        let changed = [
            ("user", self.user != new.user),
            ("data_dir", self.data_dir != new.data_dir),
            ("accounts.passwd_file", self.accounts.passwd_file != new.accounts.passwd_file),
            (
                "accounts.auth_anonymous_username",
                self.accounts.auth_anonymous_username != new.accounts.auth_anonymous_username,
            ),
            ("storage.format", self.storage.format != new.storage.format),
            ("storage.layout", self.storage.layout != new.storage.layout),
            ("storage.directory_names", self.storage.directory_names != new.storage.directory_names),
            ("storage.path", self.storage.path() != new.storage.path()),
            ("storage.location", self.storage.location() != new.storage.location()),
            ("mailbox", self.mailboxes != new.mailboxes),
            ("greylist", self.greylist != new.greylist),
            ("queue", self.queue != new.queue),
            ("quota", self.quota != new.quota),
        ];
        changed.iter().filter(|(_, is)| *is).map(|(key, _)| format!("{key} has changed")).collect()
    }

    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let config = Self::parse_only(path, text)?;
        config.try_settings()?;
        Ok(config)
    }

    fn parse_only(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut config: Config = toml::from_str(text)
            .map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let base = path.parent().unwrap_or(Path::new(""));
        path.clone_into(&mut config.path);
        config.make_paths_absolute_from(base);
        config.expand_policies()?;
        check::check(&config).map_err(|(key, problem)| ConfigError::Value {
            path: path.to_owned(),
            key,
            problem,
        })?;
        Ok(config)
    }

    /// Whether the engine would start with it.
    fn try_settings(&self) -> Result<(), ConfigError> {
        wiring::settings(self).check().map_err(|error| self.settings_error(error))
    }

    /// Why the engine does not take it.
    pub fn settings_error(&self, error: SettingsError) -> ConfigError {
        let path = self.path.clone();
        match error {
            SettingsError::Policy(AccessError::Entry { parameter, what }) => {
                ConfigError::Value { path, key: format!("policy.{parameter}"), problem: what }
            }
            SettingsError::Policy(AccessError::Restriction { parameter, what }) => {
                ConfigError::Value { path, key: format!("policy.{parameter}"), problem: what }
            }
            source => ConfigError::Settings { path, source: Box::new(source) },
        }
    }

    /// Puts values in the place of `$name` in parameters: those of the section, of `[policy]`, of the other sections.
    fn expand_policies(&mut self) -> Result<(), ConfigError> {
        let wrong = |path: &Path, key: &str, (name, problem): (String, String)| ConfigError::Value {
            path: path.to_owned(),
            key: format!("{key}.{name}"),
            problem,
        };
        let (hostname, local) = (self.hostname.clone(), self.domains.local.clone());
        let of_sections = |name: &str| match name {
            "myhostname" => Some(hostname.clone()),
            "mydestination" => Some(local.join(", ")),
            "myorigin" => local.first().cloned(),
            _ => None,
        };
        let written = self.policy.clone();
        self.policy.expand(&of_sections).map_err(|error| wrong(&self.path, "policy", error))?;
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            let beneath = |name: &str| written.value(name).map(String::from).or_else(|| of_sections(name));
            let expanded = listener.policy.expand(&beneath);
            expanded.map_err(|error| {
                wrong(&self.path, &format!("{}: policy", wiring::key(index, listener)), error)
            })?;
        }
        Ok(())
    }

    /// What is wrong with a file, and the key that names it.
    pub(crate) fn file_error(
        &self,
        key: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error>>,
    ) -> ConfigError {
        ConfigError::File { path: self.path.clone(), key: key.into(), source: source.into() }
    }

    fn make_paths_absolute_from(&mut self, base: &Path) {
        let resolve = |path: &mut PathBuf| *path = base.join(&*path);
        resolve(&mut self.data_dir);
        resolve(&mut self.accounts.passwd_file);
        if let Some(tls) = &mut self.tls {
            resolve(&mut tls.certificate);
            resolve(&mut tls.key);
        }
        self.listeners.iter_mut().filter_map(|listener| listener.client_ca.as_mut()).for_each(resolve);
    }
}

#[cfg(test)]
mod tests;
