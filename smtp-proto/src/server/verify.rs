//! VRFY and EXPN.
//!
//! RFC 5321 sections 3.5, 4.1.1.6, 4.1.1.7 and 7.3: a server may decline to tell, and by default ours does.

use super::config::VerifyMode;
use super::event::Event;
use super::question::{Expand, Verdict, Verified, Verify};
use super::session::Server;
use crate::reply::{Reply, ReplyText, write_line};
use alloc::string::String;
use alloc::vec::Vec;
use proto_core::Now;

impl Server {
    pub(super) fn verify(&mut self, now: Now, arguments: &[u8]) {
        match (self.config.verify, printable(arguments)) {
            (VerifyMode::Disabled, _) => self.refuse(now, &VRFY_DISABLED),
            (_, None) => self.refuse(now, &SYNTAX_VRFY),
            (VerifyMode::Noncommittal, Some(_)) => self.reply(&CANNOT_VERIFY),
            (VerifyMode::Ask, Some(argument)) => self.ask(now, Verify { argument }, Event::Verify),
        }
    }

    pub(super) fn settle_verify(&mut self, now: Now, verdict: Verdict<Verified>) {
        match verdict {
            Verdict::Accept(Verified::Exists(text)) => {
                write_line(&mut self.output, KNOWN.code(), KNOWN.enhanced(), true, text.as_str());
            }
            Verdict::Accept(Verified::CannotTell) => self.reply(&CANNOT_VERIFY),
            Verdict::Refuse(refusal) => self.refuse_by_verdict(now, &refusal),
        }
    }

    pub(super) fn expand(&mut self, now: Now, arguments: &[u8]) {
        match printable(arguments) {
            _ if !self.config.expand => self.refuse(now, &EXPN_DISABLED),
            None => self.refuse(now, &SYNTAX_EXPN),
            Some(argument) => self.ask(now, Expand { argument }, Event::Expand),
        }
    }

    pub(super) fn settle_expand(&mut self, now: Now, verdict: Verdict<Vec<ReplyText>>) {
        match verdict {
            Verdict::Accept(members) => match members.split_last() {
                Some((last, others)) => {
                    for member in others {
                        write_line(&mut self.output, KNOWN.code(), KNOWN.enhanced(), false, member.as_str());
                    }
                    write_line(&mut self.output, KNOWN.code(), KNOWN.enhanced(), true, last.as_str());
                }
                None => self.refuse(now, &UNKNOWN_LIST),
            },
            Verdict::Refuse(refusal) => self.refuse_by_verdict(now, &refusal),
        }
    }
}

fn printable(arguments: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(arguments).ok()?;
    let printable = !text.is_empty() && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    printable.then(|| text.into())
}

static VRFY_DISABLED: Reply = Reply::fixed(502, (5, 1), "VRFY command is disabled");
static EXPN_DISABLED: Reply = Reply::fixed(502, (5, 1), "EXPN command is disabled");
static SYNTAX_VRFY: Reply = Reply::fixed(501, (5, 4), "Syntax: VRFY address");
static SYNTAX_EXPN: Reply = Reply::fixed(501, (5, 4), "Syntax: EXPN list");
static KNOWN: Reply = Reply::fixed(250, (1, 5), "");
static UNKNOWN_LIST: Reply = Reply::fixed(550, (1, 1), "No such list");
static CANNOT_VERIFY: Reply =
    Reply::fixed(252, (0, 0), "Cannot verify the user, but will accept a message and try to deliver it");
