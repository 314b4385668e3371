//! Commands spelled in one way: what the parser is the inverse of.
//!
//! Strings that hold a line end are literals that the client does not wait with (RFC 7888); all others are quoted.

use crate::encode::section;
use crate::types::{
    Append, Command, CommandBody, FetchItem, ListPattern, MailboxName, NameFault, SearchKey, StoreAction, Tag,
};
use alloc::string::{String, ToString};
use core::fmt::Write as _;
use mail_message::Flag;
use mail_message::mutf7;
use proto_core::OutBuf;
use proto_core::sasl::line;

/// A command, to its line end.
pub(super) fn command(command: &Command, out: &mut OutBuf) {
    put(out, format_args!("{} {}", command.tag, command.body.name()));
    arguments(&command.body, out);
    out.extend(b"\r\n");
}

/// An APPEND, up to the literal.
pub(super) fn append(tag: &Tag, append: &Append, out: &mut OutBuf) {
    put(out, format_args!("{tag} APPEND"));
    mailbox(&append.mailbox, out);
    put(out, format_args!(" ({}) ", append.flags));
    if let Some(date) = append.date {
        put(out, format_args!("\"{date}\" "));
    }
}

/// A name that has this fault and no other.
fn impossible(fault: NameFault) -> String {
    match fault {
        NameFault::Encoding => "&".into(),
        NameFault::EmptyComponent => "a//b".into(),
        NameFault::RelativeComponent => "..".into(),
        NameFault::Control => mutf7::encode("\u{1}"),
        NameFault::TooLong => "x".repeat(MailboxName::BYTES_MAX + 1),
    }
}

fn arguments(body: &CommandBody, out: &mut OutBuf) {
    match body {
        CommandBody::Authenticate { mechanism, initial_response } => {
            put(out, format_args!(" {mechanism}"));
            if let Some(response) = initial_response {
                put(out, format_args!(" {}", line::encode_initial(response.expose())));
            }
        }
        CommandBody::Login { user, password } => {
            string(user.as_bytes(), out);
            string(password.expose(), out);
        }
        CommandBody::Select(Ok(name))
        | CommandBody::Examine(Ok(name))
        | CommandBody::Create(name)
        | CommandBody::Delete(name)
        | CommandBody::Subscribe(name)
        | CommandBody::Unsubscribe(name) => mailbox(name, out),
        CommandBody::Select(Err(fault)) | CommandBody::Examine(Err(fault)) => {
            string(impossible(*fault).as_bytes(), out);
        }
        CommandBody::Rename { from, to } => {
            mailbox(from, out);
            mailbox(to, out);
        }
        CommandBody::List(pattern) | CommandBody::Lsub(pattern) => list_pattern(pattern, out),
        CommandBody::Status { mailbox: name, items } => {
            mailbox(name, out);
            list(items.iter().map(|item| item.as_str().to_string()), out);
        }
        CommandBody::Expunge { uids: Some(set) } => put(out, format_args!(" {set}")),
        CommandBody::Search { key: SearchKey::And(keys), .. } => {
            for key in keys {
                out.extend(b" ");
                search_key(key, out);
            }
        }
        CommandBody::Search { key, .. } => {
            out.extend(b" ");
            search_key(key, out);
        }
        CommandBody::Fetch { set, items, .. } => {
            put(out, format_args!(" {set}"));
            list(items.iter().map(fetch_item), out);
        }
        CommandBody::Store { set, action, silent, flags, .. } => {
            let sign = match action {
                StoreAction::Replace => "",
                StoreAction::Add => "+",
                StoreAction::Remove => "-",
            };
            put(out, format_args!(" {set} {sign}FLAGS{} ({flags})", if *silent { ".SILENT" } else { "" }));
        }
        CommandBody::Copy { set, to, .. } => {
            put(out, format_args!(" {set}"));
            mailbox(to, out);
        }
        CommandBody::Id(pairs) => {
            out.extend(b" (");
            for (index, (name, value)) in pairs.iter().enumerate() {
                quoted_or_literal(name.as_bytes(), index > 0, out);
                match value {
                    Some(value) => string(value.as_bytes(), out),
                    None => out.extend(b" NIL"),
                }
            }
            out.extend(b")");
        }
        CommandBody::Expunge { uids: None }
        | CommandBody::Capability
        | CommandBody::Noop
        | CommandBody::Logout
        | CommandBody::StartTls
        | CommandBody::Namespace
        | CommandBody::Idle
        | CommandBody::Check
        | CommandBody::Close
        | CommandBody::Unselect => {}
    }
}

fn search_key(key: &SearchKey, out: &mut OutBuf) {
    let mut text = |word: &str, text: &str| {
        out.extend(word.as_bytes());
        string(text.as_bytes(), out);
    };
    match key {
        SearchKey::Bcc(s) => text("BCC", s),
        SearchKey::Cc(s) => text("CC", s),
        SearchKey::From(s) => text("FROM", s),
        SearchKey::To(s) => text("TO", s),
        SearchKey::Subject(s) => text("SUBJECT", s),
        SearchKey::Body(s) => text("BODY", s),
        SearchKey::Text(s) => text("TEXT", s),
        SearchKey::Header(name, s) => {
            text("HEADER", name);
            text("", s);
        }
        SearchKey::And(keys) => {
            for (index, key) in keys.iter().enumerate() {
                out.extend(if index == 0 { b"(" } else { b" " });
                search_key(key, out);
            }
            out.extend(b")");
        }
        SearchKey::Or(both) => {
            out.extend(b"OR ");
            search_key(&both.0, out);
            out.extend(b" ");
            search_key(&both.1, out);
        }
        SearchKey::Not(key) => {
            out.extend(b"NOT ");
            search_key(key, out);
        }
        SearchKey::Flag(Flag::Keyword(keyword)) => put(out, format_args!("KEYWORD {keyword}")),
        SearchKey::Unflag(Flag::Keyword(keyword)) => put(out, format_args!("UNKEYWORD {keyword}")),
        SearchKey::Flag(flag) => put(out, format_args!("{}", flag.as_str().trim_start_matches('\\'))),
        SearchKey::Unflag(flag) => put(out, format_args!("UN{}", flag.as_str().trim_start_matches('\\'))),
        SearchKey::All => out.extend(b"ALL"),
        SearchKey::Recent => out.extend(b"RECENT"),
        SearchKey::Old => out.extend(b"OLD"),
        SearchKey::New => out.extend(b"NEW"),
        SearchKey::Sequence(set) => put(out, format_args!("{set}")),
        SearchKey::Uid(set) => put(out, format_args!("UID {set}")),
        SearchKey::Before(date) => put(out, format_args!("BEFORE {date}")),
        SearchKey::On(date) => put(out, format_args!("ON {date}")),
        SearchKey::Since(date) => put(out, format_args!("SINCE {date}")),
        SearchKey::SentBefore(date) => put(out, format_args!("SENTBEFORE {date}")),
        SearchKey::SentOn(date) => put(out, format_args!("SENTON {date}")),
        SearchKey::SentSince(date) => put(out, format_args!("SENTSINCE {date}")),
        SearchKey::Larger(octets) => put(out, format_args!("LARGER {octets}")),
        SearchKey::Smaller(octets) => put(out, format_args!("SMALLER {octets}")),
    }
}

fn fetch_item(item: &FetchItem) -> String {
    let word = match item {
        FetchItem::Envelope => "ENVELOPE",
        FetchItem::Flags => "FLAGS",
        FetchItem::InternalDate => "INTERNALDATE",
        FetchItem::Rfc822 => "RFC822",
        FetchItem::Rfc822Header => "RFC822.HEADER",
        FetchItem::Rfc822Size => "RFC822.SIZE",
        FetchItem::Rfc822Text => "RFC822.TEXT",
        FetchItem::Body => "BODY",
        FetchItem::BodyStructure => "BODYSTRUCTURE",
        FetchItem::Uid => "UID",
        FetchItem::Section { section: of, partial, peek } => {
            let mut out = OutBuf::new();
            out.extend(if *peek { b"BODY.PEEK" } else { b"BODY" });
            section(of, &mut out);
            if let Some(partial) = partial {
                put(&mut out, format_args!("<{}.{}>", partial.offset, partial.octets));
            }
            return String::from_utf8_lossy(out.as_slice()).into();
        }
    };
    word.into()
}

fn list_pattern(pattern: &ListPattern, out: &mut OutBuf) {
    let text = mutf7::encode(pattern.as_str());
    let (reference, pattern) = if pattern.is_root() { (&text[..], "") } else { ("", &text[..]) };
    string(reference.as_bytes(), out);
    string(pattern.as_bytes(), out);
}

fn mailbox(name: &MailboxName, out: &mut OutBuf) {
    string(mutf7::encode(name.as_str()).as_bytes(), out);
}

/// ` (a b c)`.
fn list(words: impl Iterator<Item = String>, out: &mut OutBuf) {
    out.extend(b" (");
    for (index, word) in words.enumerate() {
        put(out, format_args!("{}{word}", if index == 0 { "" } else { " " }));
    }
    out.extend(b")");
}

/// A string after a space.
fn string(octets: &[u8], out: &mut OutBuf) {
    quoted_or_literal(octets, true, out);
}

fn quoted_or_literal(octets: &[u8], space: bool, out: &mut OutBuf) {
    out.extend(if space { b" " } else { b"" });
    if octets.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
        put(out, format_args!("{{{}+}}\r\n", octets.len()));
        return out.extend(octets);
    }
    out.extend(b"\"");
    for octet in octets {
        out.extend(if matches!(octet, b'"' | b'\\') { b"\\" } else { b"" });
        out.extend(&[*octet]);
    }
    out.extend(b"\"");
}

/// Formats into the output, which never fails.
fn put(out: &mut OutBuf, text: core::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
