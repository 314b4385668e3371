//! RSET, NOOP, HELP, QUIT, and what is no command at all.
//!
//! RFC 5321 sections 4.1.1.5 and 4.1.1.8 to 4.1.1.10; section 4.3.2 for arguments where none belong.

use super::config::VerifyMode;
use super::event::Violation;
use super::session::Server;
use crate::command::{VERBS, Verb, is_blank};
use crate::reply::{Reply, write_line};
use alloc::string::String;
use proto_core::{CloseReason, Now};

impl Server {
    pub(super) fn rset(&mut self, now: Now, arguments: &[u8]) {
        if !arguments.is_empty() {
            return self.refuse(now, &SYNTAX_RSET);
        }
        self.reset_transaction();
        self.xforward = None;
        self.reply(&OK);
    }

    pub(super) fn noop(&mut self) {
        self.reply(&OK);
    }

    /// Names the commands that this session would not answer with 500 or 502.
    pub(super) fn help(&mut self) {
        let standing = self.standing();
        let mut text = String::from("Commands:");
        for (name, verb) in VERBS {
            let here = match verb {
                Verb::Helo | Verb::Ehlo => !standing.lmtp,
                Verb::Lhlo => standing.lmtp,
                Verb::Bdat => standing.chunking,
                Verb::Vrfy => self.config.verify != VerifyMode::Disabled,
                Verb::Expn => self.config.expand,
                Verb::StartTls => standing.starttls,
                Verb::Auth => standing.auth,
                Verb::Etrn => standing.etrn,
                Verb::Xclient => standing.xclient,
                Verb::Xforward => standing.xforward,
                _ => true,
            };
            if here {
                text.push(' ');
                text.push_str(name);
            }
        }
        write_line(&mut self.output, HELP.code(), HELP.enhanced(), true, &text);
    }

    pub(super) fn quit(&mut self, now: Now, arguments: &[u8]) {
        if !arguments.is_empty() {
            return self.refuse(now, &SYNTAX_QUIT);
        }
        self.reply(&BYE);
        self.close(CloseReason::Quit);
    }

    /// A browser was tricked into talking to us: nothing that follows may be taken for mail.
    pub(super) fn http(&mut self) {
        self.report(Violation::Http);
        self.close_with(421, (7, 0), "Error: this is not HTTP", CloseReason::Protocol("HTTP".into()));
    }

    /// Whether a line that is none of our commands shows that the client speaks no SMTP.
    pub(super) fn is_forbidden(&self, line: &[u8]) -> bool {
        let Some(forbidden) = &self.config.forbidden_commands else { return false };
        let end = line.iter().position(is_blank).unwrap_or(line.len());
        let word = &line[..end];
        forbidden.contains(word) || is_field(word)
    }

    /// Whatever talks here is no mail client: nothing that follows may be taken for mail.
    pub(super) fn forbidden(&mut self) {
        self.report(Violation::ForbiddenCommand);
        self.reply(&RULES);
        self.close(CloseReason::Protocol("no command of SMTP".into()));
    }
}

/// Whether a line whose first word this is begins as one of a header does (RFC 5322 section 2.2).
fn is_field(word: &[u8]) -> bool {
    let name = word.iter().position(|octet| *octet == b':').map(|colon| &word[..colon]);
    name.is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic))
}

static RULES: Reply = Reply::fixed(221, (7, 0), "Error: I can break rules, too. Goodbye.");
static OK: Reply = Reply::fixed(250, (0, 0), "Ok");
static HELP: Reply = Reply::fixed(214, (0, 0), "");
static BYE: Reply = Reply::fixed(221, (0, 0), "Bye");
static SYNTAX_RSET: Reply = Reply::fixed(501, (5, 4), "Syntax: RSET");
static SYNTAX_QUIT: Reply = Reply::fixed(501, (5, 4), "Syntax: QUIT");
