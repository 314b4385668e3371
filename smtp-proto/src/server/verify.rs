//! VRFY and EXPN.
//!
//! RFC 5321 sections 3.5, 4.1.1.6, 4.1.1.7 and 7.3: a server may decline to tell, and by default ours does. RFC 6531
//! section 3.7.4.2 for UTF-8 in arguments and answers.

use super::config::VerifyMode;
use super::event::Event;
use super::extras::codes;
use super::question::{Expand, Verdict, Verified, Verify};
use super::session::Server;
use crate::reply::{Approval, Reply, ReplyText, write_line};
use alloc::string::String;
use alloc::vec::Vec;
use proto_core::Now;

impl Server {
    pub(super) fn verify(&mut self, now: Now, arguments: &[u8]) {
        match (self.config.verify, self.argument(now, arguments)) {
            (VerifyMode::Disabled, _) => self.refuse(now, &VRFY_DISABLED),
            (_, None) => self.refuse(now, &SYNTAX_VRFY),
            (VerifyMode::Noncommittal, Some(_)) => self.reply(&CANNOT_VERIFY),
            (VerifyMode::Ask, Some((argument, smtp_utf8))) => {
                self.ask(now, Verify { argument, smtp_utf8 }, Event::Verify);
            }
        }
    }

    pub(super) fn settle_verify(&mut self, now: Now, verify: Verify, verdict: Verdict<Verified>) {
        let (verified, own) = match verdict.into_parts() {
            Ok((verified, extras)) => (verified, extras.and_then(|extras| extras.reply)),
            Err(refusal) => return self.refuse_by_verdict(now, &refusal),
        };
        let (own, smtp_utf8) = (own.as_ref(), verify.smtp_utf8);
        match verified {
            Verified::Exists(text) => self.show(&KNOWN, own, &[text], smtp_utf8),
            Verified::WillForward(text) => self.show(&FORWARDED, own, &[text], smtp_utf8),
            Verified::NotLocal(text) => {
                self.show(&NOT_LOCAL, None, &[text], smtp_utf8);
                self.count_error(now);
            }
            Verified::Ambiguous(mailboxes) => {
                self.show(&AMBIGUOUS, None, &mailboxes, smtp_utf8);
                self.count_error(now);
            }
            Verified::CannotTell => self.approve(own, &CANNOT_VERIFY),
        }
    }

    pub(super) fn expand(&mut self, now: Now, arguments: &[u8]) {
        match self.argument(now, arguments) {
            _ if !self.config.expand => self.refuse(now, &EXPN_DISABLED),
            None => self.refuse(now, &SYNTAX_EXPN),
            Some((argument, smtp_utf8)) => self.ask(now, Expand { argument, smtp_utf8 }, Event::Expand),
        }
    }

    pub(super) fn settle_expand(&mut self, now: Now, expand: Expand, verdict: Verdict<Vec<ReplyText>>) {
        match verdict.into_parts() {
            Ok((members, _)) if members.is_empty() => self.refuse(now, &UNKNOWN_LIST),
            Ok((members, extras)) => {
                let own = extras.and_then(|extras| extras.reply);
                self.show(&KNOWN, own.as_ref(), &members, expand.smtp_utf8);
            }
            Err(refusal) => self.refuse_by_verdict(now, &refusal),
        }
    }

    /// The argument of VRFY or EXPN, and whether SMTPUTF8 stands behind it.
    fn argument(&self, now: Now, arguments: &[u8]) -> Option<(String, bool)> {
        let offered = self.extensions(now).smtp_utf8;
        let text = core::str::from_utf8(arguments).ok()?;
        let (argument, parameter) = match text.rsplit_once(' ') {
            Some((argument, word)) if offered && word.eq_ignore_ascii_case("SMTPUTF8") => {
                (argument.trim_end_matches(' '), true)
            }
            _ => (text, false),
        };
        let plain = |c: char| matches!(c, ' '..='~') || (offered && !c.is_ascii() && !c.is_control());
        (!argument.is_empty() && argument.chars().all(plain)).then(|| (argument.into(), parameter))
    }

    /// Shows mailboxes, one a line, behind the text of the standard reply, if it has one, and under the application's
    /// codes, if there are some; none of them if one would be UTF-8 for a client that did not ask for it.
    fn show(&mut self, standard: &Reply, own: Option<&Approval>, texts: &[ReplyText], smtp_utf8: bool) {
        if !smtp_utf8 && texts.iter().any(|text| !text.as_str().is_ascii()) {
            return self.reply(&CANNOT_SHOW);
        }
        let (code, enhanced) = codes(own, standard);
        if !standard.text().is_empty() {
            write_line(&mut self.output, code, enhanced, texts.is_empty(), standard.text());
        }
        for (left, text) in (0..texts.len()).rev().zip(texts) {
            write_line(&mut self.output, code, enhanced, left == 0, text.as_str());
        }
    }
}

static VRFY_DISABLED: Reply = Reply::fixed(502, (5, 1), "VRFY command is disabled");
static EXPN_DISABLED: Reply = Reply::fixed(502, (5, 1), "EXPN command is disabled");
static SYNTAX_VRFY: Reply = Reply::fixed(501, (5, 4), "Syntax: VRFY address");
static SYNTAX_EXPN: Reply = Reply::fixed(501, (5, 4), "Syntax: EXPN list");
static KNOWN: Reply = Reply::fixed(250, (1, 5), "");
static FORWARDED: Reply = Reply::fixed(251, (1, 5), "");
/// RFC 3463 section 3.2: X.1.6 is a mailbox that has moved, X.1.4 an address that is ambiguous.
static NOT_LOCAL: Reply = Reply::fixed(551, (1, 6), "");
static AMBIGUOUS: Reply = Reply::fixed(553, (1, 4), "Ambiguous; possibilities are");
static UNKNOWN_LIST: Reply = Reply::fixed(550, (1, 1), "No such list");
/// RFC 6531 section 3.7.4.2.
static CANNOT_SHOW: Reply = Reply::fixed(252, (6, 8), "Cannot show the mailbox without SMTPUTF8");
static CANNOT_VERIFY: Reply =
    Reply::fixed(252, (0, 0), "Cannot verify the user, but will accept a message and try to deliver it");
