//! The configurations that dialogues name, as the `.cf` files have them.

use relay_policy::main_cf::MainCf;
use std::path::{Path, PathBuf};

/// What a listener is configured with: names and values.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) name: String,
    pub(crate) parameters: Vec<(String, String)>,
}

/// What is common, and the configurations in their order; the tables they name are in `tables`.
pub(crate) fn read(files: &[PathBuf], tables: &Path) -> (Configuration, Vec<Configuration>) {
    let mut all: Vec<Configuration> = files.iter().flat_map(|file| read_file(file, tables)).collect();
    let common = all.remove(0);
    assert_eq!(common.name, "*", "what is common stands first");
    (common, all)
}

fn read_file(file: &Path, tables: &Path) -> Vec<Configuration> {
    let text = std::fs::read_to_string(file).unwrap().replace("@TABLES@", &tables.display().to_string());
    let (_, sections) = text.split_once("\n[").unwrap();
    sections
        .split("\n[")
        .map(|section| {
            let (name, lines) = section.split_once(']').unwrap();
            let section = MainCf::parse(name, lines).unwrap();
            let parameters = section.parameters().iter().map(|p| (p.name.clone(), p.value.clone()));
            Configuration { name: name.into(), parameters: parameters.collect() }
        })
        .collect()
}
