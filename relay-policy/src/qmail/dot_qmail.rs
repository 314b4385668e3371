//! `.qmail` files: what becomes of mail for a user, or for `user-extension`, as aliases.
//!
//! Of dot-qmail(5), what forwards (`&address`, or an address alone) and what delivers to a mailbox of the user's (`./Maildir/`,
//! `./Mailbox`, an empty file) is carried over, the latter as mail for the user here. Those of the user `alias` are of addresses
//! that are no user's, and its `.qmail-default` says who gets what is nobody's, if that is one address.
//!
//! Whoever writes such a file decides with his own rights there, and an alias with the server's: an item that an alias would take for
//! anything but one address is not carried over.

use super::control::Imported;
use super::instruction::{Instruction, instructions};
use super::users::ALIAS;
use crate::address::Address;
use std::collections::BTreeMap;

/// How the file of a user is called among the others: `~joe/.qmail-list`.
fn owner_and_extension(file: &str) -> Option<(&str, String)> {
    let (user, name) = file.strip_prefix('~')?.split_once("/.qmail")?;
    // A dot in an extension is a colon in the name.
    let extension = match name.strip_prefix('-') {
        Some(extension) => extension.replace(':', "."),
        None if name.is_empty() => String::new(),
        None => return None,
    };
    Some((user, extension))
}

/// Whether this is a `.qmail` file.
pub(super) fn is_one(file: &str) -> bool {
    owner_and_extension(file).is_some()
}

/// Adds the aliases that the files come to.
pub(super) fn import(files: &BTreeMap<String, String>, aliases: &mut String, imported: &mut Imported) {
    for (file, text) in files {
        let Some((user, extension)) = owner_and_extension(file) else { continue };
        let targets = targets(file, text, user, imported);
        let name = match (user, &*extension) {
            (ALIAS, "") => {
                imported.note(file, 0, "not carried over: it is of nobody's address");
                continue;
            }
            (ALIAS, "default") => {
                catch_all(file, &targets, imported);
                continue;
            }
            (_, "default") => {
                let text =
                    format!("not carried over: what of {user}'s has no file of its own goes to the mailbox");
                imported.note(file, 0, text);
                continue;
            }
            (user, extension) if extension.ends_with("-default") => {
                let front = extension.trim_end_matches("default");
                let front = if user == ALIAS { front.into() } else { format!("{user}-{front}") };
                let text = format!(
                    "not carried over: name what begins with {front} and has no file of its own one by one in alias_maps"
                );
                imported.note(file, 0, text);
                continue;
            }
            (ALIAS, extension) => extension.to_lowercase(),
            (user, "") => user.to_lowercase(),
            (user, extension) => format!("{user}-{extension}").to_lowercase(),
        };
        if !name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._+=".contains(&octet)) {
            imported.note(file, 0, "not carried over: an alias of this name would need quotes");
        } else if !targets.is_empty() && targets != [&*name] {
            *aliases += &format!("{name}: {}\n", targets.join(", "));
            // Mail to its members comes from there.
            if files.contains_key(&format!("{file}-owner")) {
                *aliases += &format!("owner-{name}: {name}-owner\n");
            }
        }
    }
}

/// Who gets what the file is about; nobody where there is nothing to carry over.
fn targets<'t>(file: &str, text: &'t str, user: &'t str, imported: &mut Imported) -> Vec<&'t str> {
    if text.is_empty() && user == ALIAS {
        imported.note(file, 0, format!("it is empty: not carried over: {ALIAS} has no mailbox here"));
        return Vec::new();
    } else if text.is_empty() {
        return vec![user];
    }
    let mut targets = Vec::new();
    for (line, item, instruction) in instructions(text) {
        match instruction {
            Instruction::Program(_) => {
                imported.note(file, line, format!("{item}: not carried over: no program is run"));
            }
            Instruction::File(path) if path.starts_with('/') => imported.note(
                file,
                line,
                format!("{item}: not carried over: name the file in alias_maps, with allow_mail_to_files"),
            ),
            Instruction::File(_) if user == ALIAS => {
                imported.note(file, line, format!("{item}: not carried over: {ALIAS} has no mailbox here"));
            }
            Instruction::File(_) => targets.push(user),
            Instruction::Word(_) => {}
            Instruction::Forward(address) if is_one_address(address) => targets.push(address),
            Instruction::Forward(_) => {
                let text = format!("{item}: not carried over: in an alias it would not be one address alone");
                imported.note(file, line, text);
            }
        }
    }
    targets
}

/// Whether an alias takes this for one address, with a domain or without, that is called just so.
fn is_one_address(text: &str) -> bool {
    let completed = if text.contains('@') { text.into() } else { format!("{text}@localhost") };
    !text.starts_with(['|', '/']) && Address::internal(completed).is_plain()
}

/// Who gets what is for nobody.
fn catch_all(file: &str, targets: &[&str], imported: &mut Imported) {
    match targets {
        [address] if !address.contains('$') => imported.set("luser_relay", *address),
        _ => imported.note(file, 0, "not carried over: luser_relay in [policy] is one address"),
    }
}
