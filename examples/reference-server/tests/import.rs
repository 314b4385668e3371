//! `postroom import-postfix` and `postroom import-qmail`: what is written, what is told, and that the server takes it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

#[path = "import/milters.rs"]
mod milters;
#[path = "import/postfix.rs"]
mod postfix;
#[path = "import/qmail.rs"]
mod qmail;
#[path = "import/services.rs"]
mod services;
#[path = "import/values.rs"]
mod values;

use std::fs;
use std::path::Path;

fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("DIR", directory.to_str().unwrap())).unwrap();
    }
}

fn toml(text: &str) -> toml::Table {
    text.parse().unwrap()
}
