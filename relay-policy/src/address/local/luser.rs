//! `luser_relay`: who gets what is for users of this machine that do not exist.

use crate::address::{Address, Extensions};

/// Puts a recipient's parts in the place of their names: `$user` (without the extension), `$extension` (without its
/// delimiter), `$local` (both), `$domain`, `$recipient`; each also as `${name}`. Other names stay as they are.
///
/// What comes out is read as the right side of an alias is, see [`Target::parse_list`](super::Target::parse_list); commands
/// and files in it are allowed or not as they are there.
///
/// ```
/// use relay_policy::address::{Address, Extensions, luser_relay};
///
/// let extensions = Extensions { recipient_delimiter: "+".into(), ..Extensions::none() };
/// let recipient = Address::parse("nobody+shop@example.com");
/// assert_eq!(luser_relay("admin+$local", &recipient, &extensions), "admin+nobody+shop");
/// assert_eq!(luser_relay("${user}@other.test", &recipient, &extensions), "nobody@other.test");
/// ```
pub fn luser_relay(template: &str, recipient: &Address, extensions: &Extensions) -> String {
    let local = recipient.local_part();
    let (user, extension) = extensions.split(local).unwrap_or((local, ""));
    let value = |name: &str| match name {
        "user" => Some(user),
        "local" => Some(local),
        "extension" => {
            let mut characters = extension.chars();
            characters.next();
            Some(characters.as_str())
        }
        "domain" => recipient.domain(),
        "recipient" => Some(recipient.as_str()),
        _ => None,
    };
    let mut expanded = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (name, behind) = braced.unwrap_or_else(|| after.split_at(end));
        match value(name) {
            Some(text) => {
                expanded.push_str(text);
                rest = behind;
            }
            None => {
                expanded.push('$');
                rest = after;
            }
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_none() {
        let extensions = Extensions { recipient_delimiter: "+".into(), ..Extensions::none() };
        let expand = |template| luser_relay(template, &Address::internal("a+b@x.test"), &extensions);
        assert_eq!(expand("$recipient $domain ${extension}."), "a+b@x.test x.test b.");
        assert_eq!(expand("$ ${ ${user $users $"), "$ ${ ${user $users $");
        assert_eq!(luser_relay("u-$extension", &Address::internal("a@x.test"), &extensions), "u-");
    }
}
