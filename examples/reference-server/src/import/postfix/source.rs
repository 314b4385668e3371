//! What is read, with what of it is carried over already.

use postroom::relay_policy::Parameters;
use postroom::relay_policy::main_cf::{self, MainCf, MainCfError, MasterCf, Notice, Service};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The files, and what is to be told of them.
pub struct Source {
    pub main_cf: MainCf,
    pub master_cf: MasterCf,
    /// What messages call `master.cf`.
    pub master_file: String,
    /// Where the files are.
    directory: PathBuf,
    /// What this machine calls itself, for `myhostname`.
    machine: String,
    /// Parameters that somebody has looked at: they are carried over, or told.
    taken: BTreeSet<String>,
    /// The line of `master.cf` whose option is being looked at, and its service.
    option: Option<(usize, String)>,
    /// Who has a mailbox.
    pub mailboxes: Vec<String>,
    pub notes: Vec<Notice>,
}

/// The services of a server of which only `main.cf` is known.
const MASTER_CF: &str = "smtp inet n - y - - smtpd\n";

/// The file of aliases that Postfix has where nothing is said.
pub const ALIASES: &str = "/etc/aliases";

/// Whether a value has `$name`, `${name` or `$(name`.
fn names(value: &str, name: &str) -> bool {
    value.split('$').skip(1).any(|behind| {
        let behind = behind.strip_prefix(['{', '(']).unwrap_or(behind);
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        behind.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_of_name))
    })
}

impl Source {
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let (main, master) = match path.is_dir() {
            true => (path.join("main.cf"), Some(path.join("master.cf"))),
            false => (path.to_owned(), None),
        };
        let text = |path: &Path| {
            fs::read_to_string(path).map_err(|error| (error.kind(), format!("{}: {error}", path.display())))
        };
        let main_cf = MainCf::parse(&main.display().to_string(), &text(&main).map_err(|(_, error)| error)?)?;
        let mut notes = main_cf.warnings().to_vec();
        let file = master.as_ref().map_or("master.cf".into(), |path| path.display().to_string());
        let master_text = match master.as_deref().map(text) {
            Some(Ok(text)) => text,
            Some(Err((kind, error))) if kind != ErrorKind::NotFound => return Err(error.into()),
            _ => {
                let text = "there is none: one listener on port 25 is written".into();
                notes.push(Notice { file: file.clone(), line: 0, text });
                MASTER_CF.into()
            }
        };
        let master_cf = MasterCf::parse(&file, &master_text)?;
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let directory = if path.is_dir() { path } else { Path::new("/etc/postfix") };
        // What is written elsewhere does not count from here.
        let directory = std::path::absolute(directory)?;
        Ok(Self {
            main_cf,
            master_cf,
            master_file: file,
            directory,
            machine,
            taken: BTreeSet::new(),
            option: None,
            mailboxes: Vec::new(),
            notes,
        })
    }

    /// The value of a parameter for all services, expanded; empty where there is none.
    pub fn value(&mut self, name: &str) -> Result<String, MainCfError> {
        self.value_in(name, None)
    }

    /// The value of a parameter as it is written, for those in which a `$` names no parameter.
    pub fn raw(&mut self, name: &str, service: Option<&MainCf>) -> String {
        self.taken.insert(name.into());
        let main_cf = service.unwrap_or(&self.main_cf);
        main_cf.parameter(name).map(|parameter| parameter.value.clone()).unwrap_or_default()
    }

    /// Looks at an option of a service: what is told meanwhile is told of that.
    pub fn of_option<T>(&mut self, service: &Service, line: usize, look: impl FnOnce(&mut Self) -> T) -> T {
        self.option = Some((line, format!("{} {}: -o ", service.name, service.kind)));
        let seen = look(self);
        self.option = None;
        seen
    }

    /// The value of a parameter for one service.
    pub fn value_in(&mut self, name: &str, service: Option<&MainCf>) -> Result<String, MainCfError> {
        self.taken.insert(name.into());
        let main_cf = service.unwrap_or(&self.main_cf);
        let unset = RefCell::new(BTreeSet::new());
        let value = main_cf.value(name, &|other| {
            let value = self.default(other);
            if value.is_none() && other != name && !Parameters::NAMES.contains(&other) {
                unset.borrow_mut().insert(other.to_owned());
            }
            value
        })?;
        // What Postfix's own defaults are made of is nobody's slip.
        let is_written = |other: &String| main_cf.parameters().iter().any(|line| names(&line.value, other));
        let unset: Vec<String> = unset.into_inner().into_iter().filter(is_written).collect();
        for other in unset {
            self.note(name, format!("${other} in it is set nowhere: it is taken as empty"));
        }
        Ok(value.unwrap_or_default())
    }

    /// Whether a parameter is `yes`.
    pub fn is_yes(&mut self, name: &str, service: &MainCf) -> Result<bool, MainCfError> {
        Ok(self.value_in(name, Some(service))?.eq_ignore_ascii_case("yes"))
    }

    /// Whether a line sets a parameter.
    pub fn sets(&self, name: &str) -> bool {
        self.main_cf.parameter(name).is_some()
    }

    /// A value that no line sets, expanded.
    pub fn expanded(&self, value: &str) -> Result<String, MainCfError> {
        const NAMELESS: &str = "value of its own";
        let or_value =
            |name: &str| if name == NAMELESS { Some(value.to_string()) } else { self.default(name) };
        Ok(self.main_cf.value(NAMELESS, &or_value)?.unwrap_or_default())
    }

    /// A parameter is looked at where others are made of it.
    pub fn take(&mut self, name: &str) {
        self.taken.insert(name.into());
    }

    /// Whether nobody has looked at a parameter.
    pub fn is_left(&self, name: &str) -> bool {
        !self.taken.contains(name)
    }

    /// Tells something of a parameter, with its line where it has one.
    pub fn note(&mut self, name: &str, text: impl AsRef<str>) {
        self.taken.insert(name.into());
        let (file, line, of) = match (&self.option, self.main_cf.parameter(name)) {
            (Some((line, of)), _) => (self.master_file.clone(), *line, &**of),
            (None, Some(parameter)) => (parameter.file.clone(), parameter.line, ""),
            (None, None) => ("main.cf".into(), 0, ""),
        };
        self.tell(Notice { file, line, text: format!("{of}{name}: {}", text.as_ref()) });
    }

    /// Tells something of a service.
    pub fn note_of(&mut self, service: &Service, text: impl AsRef<str>) {
        let text = format!("{} {}: {}", service.name, service.kind, text.as_ref());
        self.tell(Notice { file: self.master_file.clone(), line: service.line, text });
    }

    /// Tells it once: a service is looked at for each of its addresses.
    fn tell(&mut self, note: Notice) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn default(&self, name: &str) -> Option<String> {
        match name {
            "config_directory" => Some(self.directory.display().to_string()),
            "myhostname" if self.machine.contains('.') => Some(self.machine.clone()),
            "myhostname" => Some(format!("{}.$mydomain", self.machine)),
            "mydomain" => Some(self.mydomain()),
            "alias_maps" => {
                Some(if Path::new(ALIASES).exists() { format!("hash:{ALIASES}") } else { String::new() })
            }
            _ => main_cf::default(name).map(String::from),
        }
    }

    /// What is behind the first label of the host's name.
    fn mydomain(&self) -> String {
        let without_domain = |name: &str| match name {
            "mydomain" => None,
            "myhostname" => Some(self.machine.clone()),
            _ => main_cf::default(name).map(String::from),
        };
        let name = self.main_cf.value("myhostname", &without_domain).ok().flatten().unwrap_or_default();
        match name.split_once('.') {
            Some((_, domain)) if !domain.is_empty() => domain.into(),
            _ => "localdomain".into(),
        }
    }
}
