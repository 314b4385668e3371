//! `users/assign`: which local parts are which users.
//!
//! A line is `=local:user:uid:gid:home:dash:ext:`, or `+front:` and the same for all local parts that begin so; the file ends with a
//! line that is a dot. What is `dash` and `ext` chooses a `.qmail` file of the user's.

use super::control::Imported;
use super::items;

/// The file, from qmail's own directory.
pub(super) const FILE: &str = "users/assign";

/// Names the users, and those who are called otherwise as aliases.
pub(super) fn import(text: &str, aliases: &mut String, imported: &mut Imported) {
    for (line, item) in items(text).take_while(|(_, item)| *item != ".") {
        let parts: Vec<&str> = item.split(':').collect();
        let ([whose, user, _, _, _, dash, ext, ..], Some(kind)) = (&parts[..], item.chars().next()) else {
            imported.note(
                FILE,
                line,
                format!("{item}: not carried over: expected =local:user:uid:gid:home:dash:ext:"),
            );
            continue;
        };
        let whose = &whose[1..];
        if !imported.users.iter().any(|known| known == user) && *user != ALIAS {
            imported.users.push((*user).to_string());
        }
        let is_own = whose.strip_suffix('-').is_some_and(|front| front.eq_ignore_ascii_case(user));
        match kind {
            // Where it is parted is recipient_delimiter.
            '+' if is_own && *dash == "-" && ext.is_empty() => {}
            '=' if !(dash.is_empty() && ext.is_empty()) || *user == ALIAS => {
                imported.note(
                    FILE,
                    line,
                    format!("{whose}: not carried over: what becomes of it stands in .qmail-{ext} of {user}"),
                );
            }
            '=' if whose.eq_ignore_ascii_case(user) => {}
            '=' => *aliases += &format!("{}: {user}\n", whose.to_lowercase()),
            _ => {
                let text = format!(
                    "all that begin with \"{whose}\" are not carried over: name them one by one in alias_maps"
                );
                imported.note(FILE, line, text);
            }
        }
    }
}

/// Whose `.qmail` files say what becomes of mail for nobody.
pub(super) const ALIAS: &str = "alias";
