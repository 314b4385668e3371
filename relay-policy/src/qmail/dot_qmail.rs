//! `.qmail` files: what becomes of mail for a user, or for `user-extension`, as aliases.
//!
//! Of dot-qmail(5), what forwards (`&address`, or an address alone) and what delivers to a mailbox of the user's (`./Maildir/`,
//! `./Mailbox`, an empty file) is carried over, the latter as mail for the user here. Those of the user `alias` are of addresses
//! that are no user's, and its `.qmail-default` says who gets what is nobody's, if that is one address.

use super::control::Imported;
use super::items;
use super::users::ALIAS;
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
    if text.is_empty() {
        return vec![user];
    }
    let mut targets = Vec::new();
    for (line, item) in items(text) {
        match item.as_bytes()[0] {
            b'|' => imported.note(file, line, format!("{item}: not carried over: no program is run")),
            b'/' => imported.note(
                file,
                line,
                format!("{item}: not carried over: name the file in alias_maps, with allow_mail_to_files"),
            ),
            b'.' if user == ALIAS => {
                imported.note(file, line, format!("{item}: not carried over: {ALIAS} has no mailbox here"));
            }
            b'.' => targets.push(user),
            b'&' => targets.push(item[1..].trim()),
            _ => targets.push(item.trim()),
        }
    }
    targets
}

/// Who gets what is for nobody.
fn catch_all(file: &str, targets: &[&str], imported: &mut Imported) {
    match targets {
        [address] if !address.contains('$') => imported.set("luser_relay", *address),
        _ => imported.note(file, 0, "not carried over: luser_relay in [policy] is one address"),
    }
}
