//! `luser_relay`: who gets what is for users of this machine that do not exist.
//!
//! What it is, an address, a command or a file, is read from what the administrator wrote, before anything of a recipient
//! stands in it: whoever makes up recipients chooses neither the kind nor the number of those who get the message, nor
//! where one ends and the next begins.
//!
//! # Departures
//! Postfix puts a recipient's parts in as they are. Here `@`, `%` and `!`, which would lead to another host, become `_` in
//! an address, and in a command or a path all but letters, digits, `-`, `+`, `=`, `.` and `_`; a `-` also where a part begins with it,
//! so that it is no option.

use super::target::{INCLUDE, Target};
use crate::address::{Address, Extensions};

/// Puts a recipient's parts in the place of their names: `$user` (without the extension), `$extension` (without its
/// delimiter), `$local` (both), `$domain`, `$recipient`; each also as `${name}`. Other names stay as they are.
///
/// An address is in external form, and not completed. Whether commands, files and lists are allowed is not asked
/// here.
///
/// ```
/// use relay_policy::address::{Address, Extensions, Target, luser_relay};
///
/// let extensions = Extensions { recipient_delimiter: "+".into(), ..Extensions::none() };
/// let recipient = Address::parse("nobody+shop@example.com");
/// let goes_to = |template| luser_relay(template, &recipient, &extensions);
/// assert_eq!(goes_to("admin+$local"), Target::Address(Address::parse("admin+nobody+shop")));
/// assert_eq!(goes_to("${user}@other.test"), Target::Address(Address::parse("nobody@other.test")));
/// assert_eq!(goes_to("|/bin/log $user"), Target::Command("/bin/log nobody".into()));
/// ```
pub fn luser_relay(template: &str, recipient: &Address, extensions: &Extensions) -> Target {
    let template = template.trim();
    if let Some(command) = template.strip_prefix('|') {
        return Target::Command(expand(command.trim(), recipient, extensions, is_harmless));
    }
    if template.starts_with('/') {
        return Target::File(expand(template, recipient, extensions, is_harmless));
    }
    if let Some(path) = template.strip_prefix(INCLUDE) {
        return Target::Include(path.trim().into());
    }
    // The whole recipient has two parts, and each goes to where it belongs.
    let both = template.replace("${recipient}", "$recipient").replace("$recipient", "${local}@${domain}");
    let template = Address::parse(&both);
    let expand = |part| expand(part, recipient, extensions, |_, c| !matches!(c, '@' | '%' | '!'));
    let local_part = expand(template.local_part());
    Target::Address(match template.domain().map(expand).filter(|domain| !domain.is_empty()) {
        Some(domain) => Address::internal([&local_part, "@", &domain].concat()),
        None => Address::internal(local_part),
    })
}

/// What is wrong with the template as it is written, if something is: mail goes to one target, and blanks or commas would
/// part several.
pub(crate) fn luser_relay_doubt(template: &str) -> Option<String> {
    let template = template.trim();
    let is_address = !template.starts_with(['|', '/', '"']) && !template.starts_with(INCLUDE);
    let parts = |c: char| c.is_whitespace() || c == ',';
    (is_address && template.contains(parts))
        .then(|| format!("\"{template}\" is no address: one is expected, or |command or /file"))
}

/// What means nothing to a shell or a program, and leads to no other directory, where so much of a part stands before it.
fn is_harmless(at: usize, c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '+' | '=' | '_') || matches!(c, '-' | '.') && at > 0
}

/// The template with the recipient's parts in it, in which whatever is not kept is `_`.
fn expand(
    template: &str,
    recipient: &Address,
    extensions: &Extensions,
    is_kept: impl Fn(usize, char) -> bool,
) -> String {
    let local = recipient.local_part();
    let (user, extension) = extensions.split(local).unwrap_or((local, ""));
    let domain = recipient.domain().unwrap_or_default();
    let value = |name: &str| match name {
        "user" => Some(user),
        "local" => Some(local),
        "extension" => {
            let mut characters = extension.chars();
            characters.next();
            Some(characters.as_str())
        }
        "domain" => Some(domain),
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
                let kept = text.char_indices().map(|(at, c)| if is_kept(at, c) { c } else { '_' });
                expanded.extend(kept);
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

    fn goes_to(template: &str, recipient: &str) -> Target {
        let extensions = Extensions { recipient_delimiter: "+".into(), ..Extensions::none() };
        luser_relay(template, &Address::parse(recipient), &extensions)
    }

    fn address(internal: &str) -> Target {
        Target::Address(Address::internal(internal))
    }

    #[test]
    fn names_and_what_is_none() {
        assert_eq!(
            goes_to("|$recipient $domain ${extension}.", "a+b@x.test"),
            Target::Command("a+b_x.test x.test b.".into())
        );
        assert_eq!(
            goes_to("|$ ${ ${user $users $", "a+b@x.test"),
            Target::Command("$ ${ ${user $users $".into())
        );
        assert_eq!(goes_to("u-$extension", "a@x.test"), address("u-"));
        assert_eq!(goes_to("$recipient", "a+b@x.test"), address("a+b@x.test"));
        assert_eq!(goes_to("for-${recipient}", "a@x.test"), address("for-a@x.test"));
        assert_eq!(goes_to("$recipient@y.test", "a@x.test"), address("a@x.test@y.test"));
        assert_eq!(goes_to("$recipient", "a"), address("a"));
    }

    /// Whatever a client calls a recipient, it stays a part of one name.
    #[test]
    fn a_recipient_chooses_nothing() {
        for recipient in
            ["\"x,/tmp/evil\"@x.test", "\"x,|touch /tmp/evil\"@x.test", "\"x\\\",:include:/e\"@x.test"]
        {
            let Target::Address(to) = goes_to("alice+$local", recipient) else { panic!("{recipient}") };
            let local = Address::parse(recipient);
            assert_eq!(to, Address::internal(format!("alice+{}", local.local_part())), "{recipient}");
        }
        assert_eq!(goes_to("$local", "\"|id\"@x.test"), address("|id"));
        assert_eq!(goes_to("$local", "\"/etc/passwd\"@x.test"), address("/etc/passwd"));
        assert_eq!(goes_to("alice+$local", "\"x@evil.test\"@x.test"), address("alice+x_evil.test"));
        assert_eq!(goes_to("$user@y.test", "\"x%evil.test\"@x.test"), address("x_evil.test@y.test"));
        assert_eq!(goes_to("$user", "\"evil.test!x\"@x.test"), address("evil.test_x"));
        assert_eq!(
            goes_to("|log '$user'", "\"a';rm -rf $HOME `id`\n\"@x.test"),
            Target::Command("log 'a__rm_-rf__HOME__id__'".into())
        );
        assert_eq!(
            goes_to("/var/lost/$local", "\"../../etc/x y\"@x.test"),
            Target::File("/var/lost/_._.._etc_x_y".into())
        );
        assert_eq!(goes_to("|prog $extension", "a+-r-f@x.test"), Target::Command("prog _r-f".into()));
    }
}
