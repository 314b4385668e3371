//! Reading the passwd-file: one account a line, errors by file and line.

use super::scheme::SchemeError;
use super::stored::StoredPassword;
use crate::wall::AccountId;
use mailstore::QuotaRules;
use mailstore::quota::RuleError;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// What a line must look like, for messages.
pub const WHAT_A_LINE_IS: &str = "user@domain:{SCHEME}hash::::::";

/// Why a passwd-file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswdFileError {
    /// It cannot be read.
    #[error("{path}: {error}; check that the file exists and that this user may read it", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A line is wrong.
    #[error("{path}:{line}: {what}", path = .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: LineError,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// There is no second field.
    #[error("no ':' found; a line is {WHAT_A_LINE_IS}")]
    NoPassword,
    /// The first field is not `user@domain`.
    #[error("{0:?} is no user@domain; a line is {WHAT_A_LINE_IS}")]
    Name(String),
    /// The second field is no password of a known scheme.
    #[error(transparent)]
    Password(#[from] SchemeError),
    /// A quota rule among the extra fields does not read.
    #[error(transparent)]
    Quota(#[from] RuleError),
    /// A home directory among the extra fields is none.
    #[error("userdb_home={0:?} is no absolute path that leads nowhere back")]
    Home(String),
    /// There are other extra fields behind the seventh `:`.
    #[error("the extra fields {0:?} are not supported, and may forbid a login; remove them or the line")]
    Extra(String),
    /// The account stands in an earlier line.
    #[error("{account} stands already in line {first}; remove one of the two")]
    Twice {
        /// The account.
        account: AccountId,
        /// Its first line.
        first: usize,
    },
}

/// The file's content.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Without a password where its scheme is not known: nobody logs in by that line.
    entries: Vec<(AccountId, Option<Arc<StoredPassword>>)>,
    unknown: Vec<(usize, AccountId, SchemeError)>,
    index: HashMap<AccountId, (usize, usize)>,
    /// Of accounts that have them, in the order of the line.
    quota_rules: HashMap<AccountId, Vec<String>>,
    homes: HashMap<AccountId, PathBuf>,
}

/// What a line says besides.
#[derive(Debug, Default)]
struct Extra {
    quota_rules: Vec<String>,
    home: Option<PathBuf>,
}

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self, PasswdFileError> {
        let octets =
            std::fs::read(path).map_err(|error| PasswdFileError::Read { path: path.into(), error })?;
        Self::parse(&String::from_utf8_lossy(&octets), path)
    }

    /// Reads what stands in the file `path`. Lines whose scheme is not known are logged; where there are no others, the first of them
    /// is an error.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, PasswdFileError> {
        let wrong = |(line, what)| PasswdFileError::Line { path: path.into(), line, what };
        let table = Self::lines(text).map_err(wrong)?;
        if let Some((line, _, error)) = table.unknown.first()
            && table.passwords().next().is_none()
        {
            return Err(wrong((*line, error.clone().into())));
        }
        for shut in table.shut(path) {
            tracing::warn!("{shut}");
        }
        Ok(table)
    }

    /// A sentence for each account that nobody logs in to, since its password's scheme is not known.
    pub(super) fn shut(&self, path: &Path) -> impl Iterator<Item = String> {
        self.unknown.iter().map(move |(line, account, error)| {
            format!("{}:{line}: account {account}: nobody can log in: {error}", path.display())
        })
    }

    /// Empty lines and lines that begin with `#` are passed over, and so are the fields of the system account (uid, gid,
    /// gecos, home, shell). Of the extra fields behind them only these are known: quota rules, as `userdb_quota_rule=*:storage=1G`
    /// and `userdb_quota_rule2=…`, and a home directory, as `userdb_home=/srv/alice`. Others are refused: `nologin` or `allow_nets` left unheeded would open
    /// what was closed.
    fn lines(text: &str) -> Result<Self, (usize, LineError)> {
        let mut table = Self::default();
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, rest) = line.split_once(':').ok_or((number, LineError::NoPassword))?;
            let account = AccountId::from_login(name, None)
                .ok_or_else(|| (number, LineError::Name(name.to_owned())))?;
            let mut fields = rest.splitn(7, ':');
            let password = fields.next().unwrap_or_default();
            let extra = extra(fields.nth(5).unwrap_or_default()).map_err(|error| (number, error))?;
            let stored = match StoredPassword::parse(password) {
                Ok(stored) => Some(Arc::new(stored)),
                Err(error @ SchemeError::Unknown { .. }) => {
                    table.unknown.push((number, account.clone(), error));
                    None
                }
                Err(error) => return Err((number, error.into())),
            };
            let place = (table.entries.len(), number);
            if let Some(&(_, first)) = table.index.get(&account) {
                return Err((number, LineError::Twice { account, first }));
            }
            table.index.insert(account.clone(), place);
            if !extra.quota_rules.is_empty() {
                table.quota_rules.insert(account.clone(), extra.quota_rules);
            }
            table.homes.extend(extra.home.map(|home| (account.clone(), home)));
            table.entries.push((account, stored));
        }
        Ok(table)
    }

    /// What holds for this account besides, or in place of, what holds for all.
    pub(super) fn quota_rules(&self, account: &AccountId) -> &[String] {
        self.quota_rules.get(account).map_or(&[], Vec::as_slice)
    }

    /// The home directory that the account's line says.
    pub(super) fn home(&self, account: &AccountId) -> Option<&Path> {
        self.homes.get(account).map(PathBuf::as_path)
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = &AccountId> {
        self.entries.iter().map(|(account, _)| account)
    }

    pub(super) fn line(&self, account: &AccountId) -> Option<usize> {
        self.index.get(account).map(|&(_, line)| line)
    }

    /// The password of an account that is there, and whose scheme is known.
    pub(super) fn password(&self, account: &AccountId) -> Option<Arc<StoredPassword>> {
        let &(place, _) = self.index.get(account)?;
        self.entries[place].1.clone()
    }

    /// Some account's password of those that `fit`, for a number that stands for a place among them; `None` when there
    /// is none. An account that is added moves the others by one place at most.
    pub(super) fn any_password(
        &self,
        number: u64,
        fit: impl Fn(&StoredPassword) -> bool,
    ) -> Option<Arc<StoredPassword>> {
        let fitting = || self.passwords().filter(|stored| fit(stored));
        let place = (u128::from(number) * fitting().count() as u128) >> u64::BITS;
        fitting().nth(usize::try_from(place).ok()?).map(Arc::clone)
    }

    pub(super) fn passwords(&self) -> impl Iterator<Item = &Arc<StoredPassword>> {
        self.entries.iter().filter_map(|(_, stored)| stored.as_ref())
    }
}

/// The extra fields: quota rules and a home directory, and nothing else.
fn extra(text: &str) -> Result<Extra, LineError> {
    let mut tried = QuotaRules::default();
    let mut extra = Extra::default();
    for field in text.split_ascii_whitespace() {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        if key == "userdb_home" {
            let home = Path::new(value);
            let is_home = home.is_absolute() && home.components().all(|part| part != Component::ParentDir);
            extra.home = Some(home.to_path_buf()).filter(|_| is_home);
            if extra.home.is_none() {
                return Err(LineError::Home(value.to_owned()));
            }
            continue;
        }
        let number = key.strip_prefix("userdb_quota_rule");
        if !number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit())) {
            return Err(LineError::Extra(text.to_owned()));
        }
        tried.rule(value)?;
        extra.quota_rules.push(value.to_owned());
    }
    Ok(extra)
}
