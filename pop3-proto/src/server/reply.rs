//! Every reply a session can give, and how a failure behind the application is told.
//!
//! RFC 1939 section 3: `+OK` or `-ERR`, then text, at most 512 octets a line. Response codes: RFC 2449 section 8 and
//! RFC 3206 sections 4 and 5.

use core::fmt::{self, Write};
use proto_core::{Backend, OutBuf};

/// A negative reply.
#[derive(Debug)]
pub(super) struct Refusal {
    code: Option<Code>,
    text: &'static str,
}

/// A response code.
#[derive(Debug, Clone, Copy)]
enum Code {
    /// Name or password are wrong: ask the user.
    Auth,
    /// Somebody else has the maildrop: try again.
    InUse,
    /// It may work later.
    SysTemp,
    /// It will not work until somebody mends it.
    SysPerm,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::Auth => "[AUTH]",
            Self::InUse => "[IN-USE]",
            Self::SysTemp => "[SYS/TEMP]",
            Self::SysPerm => "[SYS/PERM]",
        }
    }
}

impl Refusal {
    const fn plain(text: &'static str) -> Self {
        Self { code: None, text }
    }

    const fn coded(code: Code, text: &'static str) -> Self {
        Self { code: Some(code), text }
    }

    pub(super) fn write(&self, out: &mut OutBuf) {
        write_err(out, self.code, self.text);
    }
}

pub(super) static UNKNOWN: Refusal = Refusal::plain("Unknown command");
pub(super) static TOO_LONG: Refusal = Refusal::plain("Line too long");
pub(super) static BARE_LF: Refusal = Refusal::plain("Line not ended by CR LF");
pub(super) static BAD_ARGUMENTS: Refusal = Refusal::plain("Bad arguments");
pub(super) static NOT_NOW: Refusal = Refusal::plain("Not in this state");
pub(super) static NO_SUCH_MESSAGE: Refusal = Refusal::plain("No such message");
pub(super) static MESSAGE_GONE: Refusal = Refusal::plain("Message was removed meanwhile");
pub(super) static USER_FIRST: Refusal = Refusal::plain("USER first");
pub(super) static NEEDS_TLS: Refusal = Refusal::plain("Not without TLS");
pub(super) static NO_USER: Refusal = Refusal::plain("USER and PASS not available");
pub(super) static NO_MECHANISM: Refusal = Refusal::plain("Mechanism not available");
pub(super) static BAD_BASE64: Refusal = Refusal::plain("Not base64");
pub(super) static BAD_MESSAGE: Refusal = Refusal::plain("Not a message of this mechanism");
pub(super) static CANCELLED: Refusal = Refusal::plain("Authentication cancelled");
pub(super) static NO_STLS: Refusal = Refusal::plain("STLS not available");
pub(super) static TOO_MANY: Refusal = Refusal::plain("Too many bad commands");
pub(super) static AUTH_FAILED: Refusal = Refusal::coded(Code::Auth, "Authentication failed");
pub(super) static IN_USE: Refusal = Refusal::coded(Code::InUse, "Maildrop is in use");
pub(super) static SHUTDOWN: Refusal = Refusal::coded(Code::SysTemp, "Server is shutting down");
pub(super) static NO_VERDICT: Refusal = Refusal::coded(Code::SysTemp, "It takes too long, try again later");

/// Writes `+OK` and text, which must be printable and short.
pub(super) fn write_ok(out: &mut OutBuf, text: fmt::Arguments<'_>) {
    // Writing into the buffer never fails.
    let _ = write!(out, "+OK {text}\r\n");
}

/// Tells a failure behind the application; `standard` is the text when it has none of its own.
pub(super) fn write_backend(out: &mut OutBuf, backend: &Backend, standard: &str) {
    let (code, text) = match backend {
        Backend::Temporary(text) => (Code::SysTemp, text),
        Backend::Permanent(text) => (Code::SysPerm, text),
    };
    write_err(out, Some(code), if text.is_empty() { standard } else { text });
}

fn write_err(out: &mut OutBuf, code: Option<Code>, text: &str) {
    out.extend(b"-ERR ");
    if let Some(code) = code {
        out.extend(code.name().as_bytes());
        out.extend(b" ");
    }
    // The application's text may be anything.
    for c in text.chars().take(TEXT_OCTETS_MAX) {
        out.extend(&[if matches!(c, ' '..='~') { c as u8 } else { b'?' }]);
    }
    out.extend(b"\r\n");
}

/// Well within the 512 octets of a response line.
const TEXT_OCTETS_MAX: usize = 400;
