//! Which command may come when: every rule of order, in one place.
//!
//! RFC 5321 sections 3.3 and 4.1.4, RFC 3030 section 2, RFC 3207 section 4, RFC 4954 section 4. A session climbs four
//! stages, and a fifth where a message comes in chunks:
//!
//! ```text
//!            HELO, EHLO            MAIL                RCPT
//!   Start ───────────────► Ready ────────► Sender ────────────► Recipients ──┐ RCPT
//!     ▲                    ▲ │ ▲             │                   │      ▲    │
//!     │ STARTTLS           │ │ └─────────────┴───────────────────┤      └────┘
//!     └────────────────────┼─┘    RSET, HELO, EHLO, a MAIL that  │
//!                          │      became a message or was refused│ DATA … end of data
//!                          └─────────────────────────────────────┘
//! ```
//!
//! * `Sender` and `Recipients` are a *transaction*; it dies with RSET, HELO, EHLO, and the reply to the end of data,
//!   whichever that is. A refused DATA leaves it alive, so that the client may say DATA again or RSET.
//! * The first chunk (BDAT) that is taken is a stage of its own: neither RCPT nor DATA may follow (RFC 3030 section 2).
//!   A chunk that is refused ends the transaction.
//! * STARTTLS throws all away, the login too: nothing said in clear text counts (RFC 3207 section 4.2). HELO and
//!   EHLO keep the login, and so does RSET (RFC 4954 section 4).
//! * NOOP, HELP, VRFY, EXPN, RSET and QUIT are legal everywhere (RFC 5321 section 4.1.4).
//!
//! The table here says only whether a command may be looked at in a stage; whether it is well-formed, and what the
//! application thinks, comes after. Where several rules are broken the reply is that of the first one.
//!
//! A DATA without recipients is `554 5.5.1` when there was a MAIL, else `503 5.5.1`: RFC 5321 section 3.3 leaves the
//! choice. LMTP leaves none: always `503` (RFC 2033 section 4.2). Its hello is LHLO, and HELO and EHLO get `500`, as
//! LHLO does elsewhere, so that two ends that do not mean the same protocol notice (section 4.1).

use crate::command::Verb;
use crate::reply::Reply;

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Greeted; neither HELO nor EHLO yet, or none since TLS began.
    Start,
    /// Said hello; no transaction.
    Ready,
    /// MAIL was accepted.
    Sender,
    /// At least one RCPT was accepted.
    Recipients,
    /// The message has begun to come in chunks.
    Chunks,
}

/// What of the session the rules of order look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) stage: Stage,
    /// The last hello was EHLO.
    pub(super) extended: bool,
    /// LMTP is spoken here.
    pub(super) lmtp: bool,
    /// BDAT is offered on this listener.
    pub(super) chunking: bool,
    /// The message will be one that only chunks can bring.
    pub(super) binary: bool,
    /// TLS is on.
    pub(super) tls: bool,
    /// STARTTLS is offered on this listener.
    pub(super) starttls: bool,
    /// Nothing of substance may happen without TLS.
    pub(super) tls_required: bool,
    /// AUTH is configured.
    pub(super) auth: bool,
    pub(super) authenticated: bool,
    /// MAIL needs AUTH before it.
    pub(super) auth_required: bool,
    /// MAIL needs a hello before it.
    pub(super) hello_required: bool,
    /// ETRN is offered.
    pub(super) etrn: bool,
    /// The application lets this client say XCLIENT, XFORWARD.
    pub(super) xclient: bool,
    pub(super) xforward: bool,
}

/// Whether a command may be looked at, or the reply that says why not.
pub(super) fn permits(verb: Verb, now: &Standing) -> Result<(), &'static Reply> {
    let in_transaction = now.stage >= Stage::Sender;
    let secured = now.tls || !now.tls_required;
    match verb {
        Verb::Helo | Verb::Ehlo if now.lmtp => Err(&SAY_LHLO),
        Verb::Lhlo if !now.lmtp => Err(&NOT_LMTP),
        Verb::Helo | Verb::Ehlo | Verb::Lhlo => Ok(()),
        Verb::Rset | Verb::Noop | Verb::Help | Verb::Quit => Ok(()),
        Verb::Http | Verb::Unknown => Ok(()),
        Verb::StartTls if !now.starttls => Err(&NOT_IMPLEMENTED),
        Verb::StartTls if now.tls => Err(&TLS_ACTIVE),
        Verb::StartTls if in_transaction => Err(&IN_TRANSACTION),
        Verb::StartTls => Ok(()),
        Verb::Bdat if !now.chunking => Err(&NOT_IMPLEMENTED),
        Verb::Xclient if !now.xclient => Err(&NOT_TRUSTED),
        Verb::Xforward if !now.xforward => Err(&NOT_TRUSTED),
        Verb::Xclient | Verb::Xforward if in_transaction => Err(&IN_TRANSACTION),
        Verb::Xclient | Verb::Xforward => Ok(()),
        Verb::Etrn if !now.etrn => Err(&NOT_IMPLEMENTED),
        Verb::Mail
        | Verb::Rcpt
        | Verb::Data
        | Verb::Bdat
        | Verb::Vrfy
        | Verb::Expn
        | Verb::Auth
        | Verb::Etrn
            if !secured =>
        {
            Err(&NEED_STARTTLS)
        }
        Verb::Auth if !now.auth => Err(&NOT_IMPLEMENTED),
        Verb::Auth if !now.extended => Err(&NEED_EHLO),
        Verb::Auth if now.authenticated => Err(&AUTHENTICATED),
        Verb::Auth if in_transaction => Err(&IN_TRANSACTION),
        Verb::Auth => Ok(()),
        Verb::Vrfy | Verb::Expn | Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Bdat | Verb::Etrn
            if now.auth_required && !now.authenticated =>
        {
            Err(&NEED_AUTH)
        }
        Verb::Vrfy | Verb::Expn => Ok(()),
        Verb::Mail if now.stage == Stage::Start && now.hello_required => Err(&NEED_HELLO),
        Verb::Etrn if now.stage == Stage::Start => Err(&NEED_HELLO),
        Verb::Etrn if in_transaction => Err(&IN_TRANSACTION),
        Verb::Etrn => Ok(()),
        Verb::Mail if in_transaction => Err(&NESTED_MAIL),
        Verb::Mail => Ok(()),
        Verb::Rcpt | Verb::Data if now.stage == Stage::Chunks => Err(&IN_CHUNKS),
        Verb::Rcpt if !in_transaction => Err(&NEED_MAIL),
        Verb::Rcpt => Ok(()),
        Verb::Bdat if now.stage == Stage::Start => Err(&NEED_HELLO),
        Verb::Bdat if !now.extended => Err(&NEED_EHLO),
        Verb::Data if now.binary => Err(&BINARY),
        Verb::Data | Verb::Bdat if now.stage >= Stage::Recipients => Ok(()),
        Verb::Data | Verb::Bdat if in_transaction && !now.lmtp => Err(&NO_RECIPIENTS),
        Verb::Data | Verb::Bdat => Err(&NEED_RCPT),
    }
}

pub(super) static NOT_IMPLEMENTED: Reply = Reply::fixed(502, (5, 1), "Error: command not implemented");
static SAY_LHLO: Reply = Reply::fixed(500, (5, 1), "Error: this is LMTP, send LHLO");
static NOT_LMTP: Reply = Reply::fixed(500, (5, 1), "Error: this is not LMTP, send EHLO");
static NOT_TRUSTED: Reply = Reply::fixed(550, (7, 0), "Error: insufficient authorization");
static TLS_ACTIVE: Reply = Reply::fixed(503, (5, 1), "Error: TLS already active");
static IN_TRANSACTION: Reply = Reply::fixed(503, (5, 1), "Error: MAIL transaction in progress");
static NEED_STARTTLS: Reply = Reply::fixed(530, (7, 0), "Must issue a STARTTLS command first");
static NEED_EHLO: Reply = Reply::fixed(503, (5, 1), "Error: send EHLO first");
static AUTHENTICATED: Reply = Reply::fixed(503, (5, 1), "Error: already authenticated");
static NEED_AUTH: Reply = Reply::fixed(530, (7, 0), "Authentication required");
static NEED_HELLO: Reply = Reply::fixed(503, (5, 1), "Error: send HELO/EHLO first");
static NESTED_MAIL: Reply = Reply::fixed(503, (5, 1), "Error: nested MAIL command");
static NEED_MAIL: Reply = Reply::fixed(503, (5, 1), "Error: need MAIL command");
static IN_CHUNKS: Reply = Reply::fixed(503, (5, 1), "Error: the message is coming by BDAT");
static BINARY: Reply = Reply::fixed(503, (5, 1), "Error: BODY=BINARYMIME needs BDAT");
static NEED_RCPT: Reply = Reply::fixed(503, (5, 1), "Error: need RCPT command");
static NO_RECIPIENTS: Reply = Reply::fixed(554, (5, 1), "Error: no valid recipients");

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const READY: Standing = Standing {
        stage: Stage::Ready,
        extended: true,
        lmtp: false,
        chunking: true,
        binary: false,
        tls: false,
        starttls: true,
        tls_required: false,
        auth: true,
        authenticated: false,
        auth_required: false,
        hello_required: true,
        etrn: true,
        xclient: true,
        xforward: true,
    };

    fn code(verb: Verb, now: Standing) -> u16 {
        permits(verb, &now).map_or_else(Reply::code, |()| 0)
    }

    #[test]
    fn the_order_of_a_transaction() {
        use Stage::*;
        let stages = [Start, Ready, Sender, Recipients, Chunks];
        let codes = |verb| -> Vec<u16> { stages.map(|stage| code(verb, Standing { stage, ..READY })).into() };
        assert_eq!(codes(Verb::Ehlo), [0, 0, 0, 0, 0]);
        assert_eq!(codes(Verb::Mail), [503, 0, 503, 503, 503]);
        let without_hello = Standing { hello_required: false, stage: Start, ..READY };
        assert_eq!([code(Verb::Mail, without_hello), code(Verb::Bdat, without_hello)], [0, 503]);
        assert_eq!(codes(Verb::Rcpt), [503, 503, 0, 0, 503]);
        assert_eq!(codes(Verb::Data), [503, 503, 554, 0, 503]);
        assert_eq!(codes(Verb::Bdat), [503, 503, 554, 0, 0]);
        assert_eq!(codes(Verb::Auth), [0, 0, 503, 503, 503]);
        assert_eq!(codes(Verb::StartTls), [0, 0, 503, 503, 503]);
        assert_eq!(codes(Verb::Vrfy), [0, 0, 0, 0, 0]);
        assert_eq!(codes(Verb::Etrn), [503, 0, 503, 503, 503]);
        assert_eq!(codes(Verb::Xclient), [0, 0, 503, 503, 503]);
        assert_eq!(codes(Verb::Xforward), [0, 0, 503, 503, 503]);
    }

    #[test]
    fn lmtp_has_one_hello_and_503_for_every_data_without_recipients() {
        let lmtp = Standing { lmtp: true, ..READY };
        assert_eq!([Verb::Helo, Verb::Ehlo, Verb::Lhlo].map(|verb| code(verb, lmtp)), [500, 500, 0]);
        assert_eq!([Verb::Helo, Verb::Ehlo, Verb::Lhlo].map(|verb| code(verb, READY)), [0, 0, 500]);
        assert_eq!(code(Verb::Data, Standing { stage: Stage::Sender, ..lmtp }), 503);
    }

    #[test]
    fn tls_before_login_before_mail() {
        let submission = Standing { tls_required: true, auth_required: true, stage: Stage::Start, ..READY };
        for verb in
            [Verb::Mail, Verb::Rcpt, Verb::Data, Verb::Bdat, Verb::Auth, Verb::Vrfy, Verb::Expn, Verb::Etrn]
        {
            assert_eq!(permits(verb, &submission), Err(&NEED_STARTTLS), "{verb:?}");
        }
        let secured = Standing { tls: true, stage: Stage::Ready, ..submission };
        assert_eq!(permits(Verb::Mail, &secured), Err(&NEED_AUTH));
        assert_eq!(permits(Verb::Auth, &secured), Ok(()));
        assert_eq!(permits(Verb::StartTls, &secured), Err(&TLS_ACTIVE));
        let logged_in = Standing { authenticated: true, ..secured };
        assert_eq!(permits(Verb::Mail, &logged_in), Ok(()));
        assert_eq!(permits(Verb::Auth, &logged_in), Err(&AUTHENTICATED));
        assert_eq!(permits(Verb::Auth, &Standing { extended: false, ..secured }), Err(&NEED_EHLO));
    }

    #[test]
    fn a_binary_message_needs_chunks_and_chunks_need_ehlo() {
        let binary = Standing { stage: Stage::Recipients, binary: true, ..READY };
        assert_eq!([Verb::Data, Verb::Bdat].map(|verb| code(verb, binary)), [503, 0]);
        assert_eq!(permits(Verb::Bdat, &Standing { extended: false, ..READY }), Err(&NEED_EHLO));
    }

    #[test]
    fn what_is_not_configured_is_not_implemented() {
        assert_eq!(permits(Verb::Bdat, &Standing { chunking: false, ..READY }), Err(&NOT_IMPLEMENTED));
        assert_eq!(permits(Verb::StartTls, &Standing { starttls: false, ..READY }), Err(&NOT_IMPLEMENTED));
        assert_eq!(permits(Verb::Auth, &Standing { auth: false, ..READY }), Err(&NOT_IMPLEMENTED));
        assert_eq!(permits(Verb::Etrn, &Standing { etrn: false, ..READY }), Err(&NOT_IMPLEMENTED));
        assert_eq!(permits(Verb::Xclient, &Standing { xclient: false, ..READY }), Err(&NOT_TRUSTED));
        assert_eq!(permits(Verb::Xforward, &Standing { xforward: false, ..READY }), Err(&NOT_TRUSTED));
    }
}
