//! Status responses and their codes.
//!
//! RFC 3501 §7.1.

use super::string::put;
use crate::types::{Capability, ResponseCode, StatusResponse};
use proto_core::OutBuf;

/// `resp-cond-state` and its siblings, without tag and line end.
pub(super) fn status(response: &StatusResponse, out: &mut OutBuf) {
    out.extend(response.status.as_str().as_bytes());
    out.extend(b" ");
    if let Some(code) = &response.code {
        out.extend(b"[");
        resp_text_code(code, out);
        out.extend(b"] ");
    }
    out.extend(response.text.as_str().as_bytes());
}

/// ` X Y Z`: each after a space.
pub(super) fn capabilities(list: &[Capability], out: &mut OutBuf) {
    for capability in list {
        put(out, format_args!(" {capability}"));
    }
}

/// The code's name, then what it carries.
fn resp_text_code(code: &ResponseCode, out: &mut OutBuf) {
    out.extend(name(code).as_bytes());
    match code {
        ResponseCode::AppendUid { uid_validity, uid } => put(out, format_args!(" {uid_validity} {uid}")),
        ResponseCode::BadCharset(known) => {
            for (index, charset) in known.iter().enumerate() {
                put(out, format_args!("{}{charset}", if index == 0 { " (" } else { " " }));
            }
            out.extend(if known.is_empty() { b"" } else { b")" });
        }
        ResponseCode::Capability(list) => capabilities(list, out),
        ResponseCode::CopyUid { uid_validity, source, target } => {
            put(out, format_args!(" {uid_validity} {source} {target}"));
        }
        ResponseCode::PermanentFlags { flags, new_keywords } => {
            let space = if *new_keywords && !flags.is_empty() { " " } else { "" };
            let any = if *new_keywords { "\\*" } else { "" };
            put(out, format_args!(" ({flags}{space}{any})"));
        }
        ResponseCode::UidNext(uid) => put(out, format_args!(" {uid}")),
        ResponseCode::UidValidity(uid_validity) => put(out, format_args!(" {uid_validity}")),
        ResponseCode::Unseen(seq) => put(out, format_args!(" {seq}")),
        _ => {}
    }
}

fn name(code: &ResponseCode) -> &'static str {
    match code {
        ResponseCode::Alert => "ALERT",
        ResponseCode::AlreadyExists => "ALREADYEXISTS",
        ResponseCode::AppendUid { .. } => "APPENDUID",
        ResponseCode::AuthenticationFailed => "AUTHENTICATIONFAILED",
        ResponseCode::AuthorizationFailed => "AUTHORIZATIONFAILED",
        ResponseCode::BadCharset(_) => "BADCHARSET",
        ResponseCode::Cannot => "CANNOT",
        ResponseCode::Capability(_) => "CAPABILITY",
        ResponseCode::ClientBug => "CLIENTBUG",
        ResponseCode::Closed => "CLOSED",
        ResponseCode::ContactAdmin => "CONTACTADMIN",
        ResponseCode::CopyUid { .. } => "COPYUID",
        ResponseCode::Corruption => "CORRUPTION",
        ResponseCode::Expired => "EXPIRED",
        ResponseCode::ExpungeIssued => "EXPUNGEISSUED",
        ResponseCode::HasChildren => "HASCHILDREN",
        ResponseCode::InUse => "INUSE",
        ResponseCode::Limit => "LIMIT",
        ResponseCode::NonExistent => "NONEXISTENT",
        ResponseCode::NoPerm => "NOPERM",
        ResponseCode::OverQuota => "OVERQUOTA",
        ResponseCode::Parse => "PARSE",
        ResponseCode::PermanentFlags { .. } => "PERMANENTFLAGS",
        ResponseCode::PrivacyRequired => "PRIVACYREQUIRED",
        ResponseCode::ReadOnly => "READ-ONLY",
        ResponseCode::ReadWrite => "READ-WRITE",
        ResponseCode::ServerBug => "SERVERBUG",
        ResponseCode::TooBig => "TOOBIG",
        ResponseCode::TryCreate => "TRYCREATE",
        ResponseCode::UidNext(_) => "UIDNEXT",
        ResponseCode::UidNotSticky => "UIDNOTSTICKY",
        ResponseCode::UidValidity(_) => "UIDVALIDITY",
        ResponseCode::Unavailable => "UNAVAILABLE",
        ResponseCode::Unseen(_) => "UNSEEN",
    }
}
