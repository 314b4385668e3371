//! `smtpd_milters`: where the sockets of milters are.

use super::source::Source;
use std::path::Path;

/// The list with paths that begin at the root. Postfix looks for a relative one in its queue directory, and so it does for any where its
/// server is shut up there (`chroot` in `master.cf`): such a path is taken to be there if it is there and nowhere else.
pub fn with_whole_paths(source: &mut Source, value: &str) -> String {
    let Ok(queue) = source.value("queue_directory") else { return value.into() };
    let mut adapted = String::new();
    for word in value.split_inclusive([' ', ',', '\t', '{', '}']) {
        let Some(path) = ["unix:", "local:"].iter().find_map(|kind| word.strip_prefix(kind)) else {
            adapted += word;
            continue;
        };
        let bare = path.trim_end_matches([' ', ',', '\t', '}']);
        let in_queue = format!("{queue}/{}", bare.trim_start_matches('/'));
        let is_shut_up = Path::new(&in_queue).exists() && !Path::new(bare).exists();
        adapted += "unix:";
        if bare.starts_with('/') && !is_shut_up {
            adapted += path;
        } else {
            adapted += &in_queue;
            adapted += &path[bare.len()..];
        }
    }
    adapted
}
