//! The application under the server in tests: it knows a few mailboxes and notes what it is told.
//!
//! Its world hangs on the variables of a transcript (`dom`, `ok`, `bad`, `full`, `user`, `password`), so that no
//! answer fits the published names alone.

#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod sender;

use proto_core::address::{DomainName, ForwardPath, ReversePath};
use proto_core::dot::DecodePolicy;
use proto_core::sasl::{AuthVerdict, Mechanism};
use proto_core::{Ask, Backend, Now, TlsInfo};
use smtp_proto::parameter::{HoldSeconds, PriorityPolicy};
use smtp_proto::server::*;
use smtp_proto::{Approval, EnhancedCode, Refusal, ReplyText};
use std::sync::Arc;
use std::time::Duration;
use testkit::account::entropy;
use testkit::{Account, Fixture, Log, START, Setup};

pub(crate) fn refusal(code: u16, enhanced: (u16, u16), text: impl Into<String>) -> Refusal {
    let enhanced = EnhancedCode::new((code / 100) as u8, enhanced.0, enhanced.1).unwrap();
    // No reply to RCPT may hold more than ASCII (RFC 6531 section 3.7.4).
    let text = text.into().replace(|c: char| !c.is_ascii(), "?");
    Refusal::new(code, enhanced, text).unwrap()
}

/// A configuration and an application for a transcript's case.
pub(crate) fn make(setup: &Setup) -> (Server, App) {
    let mut config = Config::new(setup.var("host")).unwrap();
    for name in OPTIONS {
        if let Some(value) = setup.option(name) {
            set_option(&mut config, name, value);
        }
    }
    let account = setup.option("account").and_then(|account| account.split_once('/'));
    let account = account.unwrap_or_else(|| (setup.var("user"), setup.var("password")));
    let owned = |name| setup.option(name).unwrap_or_default().to_owned();
    let app = App {
        ok: setup.var("ok").into(),
        ok2: setup.var("ok2").into(),
        full: setup.var("full").into(),
        dom: setup.var("dom").into(),
        certificate: setup.option("certificate") == Some("shown"),
        user: account.0.into(),
        password: account.1.into(),
        refuse: owned("refuse"),
        hold: owned("hold"),
        each: owned("each"),
        show_parameters: setup.option("show") == Some("parameters"),
        show_ahead: setup.option("show") == Some("ahead"),
        own: owned("own"),
        add: owned("add"),
        flood: owned("flood"),
        dispose: owned("dispose"),
        ..App::default()
    };
    let trusted = |word| setup.option("trust").is_some_and(|list| list.split(',').any(|name| name == word));
    let mut peer = peer();
    (peer.xclient, peer.xforward) = (trusted("xclient"), trusted("xforward"));
    peer.name = setup.option("peer_name").map(Into::into);
    let mut server = Server::new(START, Arc::new(config), peer);
    if let Some(nonce) = setup.option("nonce") {
        server.set_entropy(entropy(nonce));
    }
    (server, app)
}

fn peer() -> Peer {
    Peer::new(std::net::Ipv4Addr::new(192, 0, 2, 7).into())
}

/// A session of a client at a documentation address, at the moment at which the test driver's clock begins.
pub(crate) fn server(config: Config) -> Server {
    Server::new(START, Arc::new(config), peer())
}

const OPTIONS: &[&str] = &[
    "protocol",
    "tls",
    "auth",
    "syntax",
    "bare",
    "chunk_bare",
    "chunking",
    "verify",
    "expand",
    "etrn",
    "early_talker",
    "before_capability",
    "after_data",
    "greet_delay",
    "command_timeout",
    "size_max",
    "line_max",
    "recipients_max",
    "transactions_max",
    "idle_commands_max",
    "errors_max",
    "errors_before_pause",
    "added_max",
    "output_max",
    "offer",
    "broken_auth",
    "ask",
    "hello",
    "soft",
    "forbidden",
];

fn set_option(config: &mut Config, name: &str, value: &str) {
    let number = || value.parse::<u64>().unwrap();
    match (name, value) {
        ("protocol", "lmtp") => config.protocol = Protocol::Lmtp,
        ("protocol", "submission") => config.protocol = Protocol::Submission,
        ("tls", "offered") => config.tls = TlsMode::Offered,
        ("tls", "required") => config.tls = TlsMode::Required,
        ("tls", "implicit") => config.tls = TlsMode::Implicit,
        ("auth", "clear") => {
            config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
            config.allow_plaintext_auth = true;
        }
        ("auth", "tls") => config.mechanisms = vec![Mechanism::Plain, Mechanism::Login],
        ("auth", "all") => config.mechanisms = Mechanism::ALL.to_vec(),
        ("syntax", "strict") => config.syntax = Syntax::Strict,
        ("bare", "normalize") => config.bare_line_ends = DecodePolicy::Normalize,
        ("bare", "raw") => config.bare_line_ends = DecodePolicy::Raw,
        ("chunk_bare", "normalize") => config.bare_line_ends_in_chunks = DecodePolicy::Normalize,
        ("chunk_bare", "raw") => config.bare_line_ends_in_chunks = DecodePolicy::Raw,
        ("chunking", "off") => config.offer.chunking = false,
        ("verify", "disabled") => config.verify = VerifyMode::Disabled,
        ("verify", "ask") => config.verify = VerifyMode::Ask,
        ("expand", "on") => config.expand = true,
        ("etrn", "on") => config.offer.etrn = true,
        ("early_talker", "permit") => config.early_talker = Impatience::Permit,
        ("before_capability", "permit") => config.pipelining_before_capability = Impatience::Permit,
        ("after_data", "permit") => config.pipelining_after_data = Impatience::Permit,
        ("ask", "commands") => config.ask_commands = true,
        ("hello", "optional") => config.hello_required = false,
        ("soft", "on") => config.soft_refusals = true,
        ("forbidden", _) => {
            let words: Vec<String> = value.split(',').map(String::from).collect();
            let is_one = move |word: &[u8]| words.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(word));
            config.forbidden_commands = Some(ForbiddenCommands::new(is_one));
        }
        ("broken_auth", "on") => config.broken_auth_clients = true,
        ("offer", _) => value.split(',').for_each(|name| set_offer(&mut config.offer, name)),
        ("greet_delay", _) => config.timeouts.greet_delay = Duration::from_secs(number()),
        ("command_timeout", _) => config.timeouts.command = Duration::from_secs(number()),
        ("size_max", _) => config.limits.message_bytes_max = number(),
        ("line_max", _) => config.limits.text_line_bytes_max = Some(number()),
        ("recipients_max", _) => config.limits.recipients_max = number() as usize,
        ("transactions_max", _) => config.limits.transactions_max = number() as u32,
        ("idle_commands_max", _) => config.limits.idle_commands_max = number() as u32,
        ("errors_max", _) => config.limits.errors_max = number() as u32,
        ("added_max", _) => config.limits.added_octets_max = number() as usize,
        ("output_max", _) => config.limits.output_bytes_max = number() as usize,
        ("errors_before_pause", _) => config.limits.errors_before_pause = number() as u32,
        other => panic!("no option {other:?}"),
    }
}

/// `@with offer=dsn,deliver_by:60,-limits`.
fn set_offer(offer: &mut Offer, text: &str) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    match name.strip_prefix('-').unwrap_or(name) {
        "pipelining" => offer.pipelining = !name.starts_with('-'),
        "chunking" => offer.chunking = !name.starts_with('-'),
        "limits" => offer.limits = !name.starts_with('-'),
        "binary_mime" => offer.binary_mime = true,
        "smtp_utf8" => offer.smtp_utf8 = true,
        "dsn" => offer.dsn = true,
        "require_tls" => offer.require_tls = true,
        "deliver_by" => offer.deliver_by = Some(value.parse().unwrap_or(0)),
        "future_release" => offer.future_release = HoldSeconds::new(value.parse().unwrap()),
        "mt_priority" => {
            let policy = if value.is_empty() { None } else { PriorityPolicy::new(value.to_owned()) };
            offer.mt_priority = Some(policy.unwrap_or(PriorityPolicy::UNDISCLOSED));
        }
        "rrvs" => offer.rrvs = true,
        "etrn" => offer.etrn = true,
        "prdr" => offer.prdr = true,
        other => panic!("no extension {other:?}"),
    }
}

#[derive(Debug, Default)]
pub(crate) struct App {
    log: Log,
    ok: String,
    ok2: String,
    full: String,
    dom: String,
    user: String,
    /// The client shows a certificate in the handshake.
    certificate: bool,
    password: String,
    refuse: String,
    hold: String,
    each: String,
    /// What the commands said beside their paths is noted too: `@with show=parameters`.
    show_parameters: bool,
    /// What was sent ahead of a reply is noted too: `@with show=ahead`.
    show_ahead: bool,
    own: String,
    add: String,
    flood: String,
    dispose: String,
    queued: u32,
    /// What was accepted, with what the trace field said.
    pub(crate) messages: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    held: Option<Ask<EndOfData>>,
    held_rcpt: Option<Ask<Rcpt>>,
    held_data: Option<Ask<Data>>,
}

impl App {
    /// The mailboxes `ok`, `ok2` and the full one `full` at `t`; the user `u` with the password `p`.
    pub(crate) fn plain() -> Self {
        Self {
            ok: "ok".into(),
            ok2: "ok2".into(),
            full: "full".into(),
            dom: "t".into(),
            user: "u".into(),
            password: "p".into(),
            ..Self::default()
        }
    }

    /// The verdict on a stage, refused when the transcript wants it so: `@with refuse=mail` or `refuse=mail:421`.
    fn verdict(&self, stage: &str) -> Verdict {
        match self.refuse.split_once(':').unwrap_or((&self.refuse, "554")) {
            (name, code) if name == stage => {
                refusal(code.parse().unwrap(), (7, 1), format!("no {stage}")).into()
            }
            _ => self.approval(stage),
        }
    }

    /// A yes with all that the transcript wants with it: `own=mail` words of its own, `add=mail,rcpt` header fields,
    /// `flood=mail` more of them than may be, `dispose=hold:mail` a disposition.
    fn approval(&self, stage: &str) -> Verdict {
        let listed = |list: &str| list.split(',').any(|name| name == stage);
        let mut extras = Extras::new();
        if listed(&self.own) {
            let code = if stage == "data" { 354 } else { 251 };
            let text = if ["connect", "hello"].contains(&stage) { "own words" } else { "own\nwords" };
            extras = extras.reply(Approval::new(code, None, text).unwrap());
        }
        if listed(&self.add) {
            extras = extras.field(HeaderField::new("X-Stage", stage).unwrap());
        }
        if listed(&self.flood) {
            extras = extras.field(HeaderField::new("X-Stage", &"flood ".repeat(3000)).unwrap());
        }
        match self.dispose.split_once(':') {
            Some(("hold", at)) if at == stage => extras = extras.disposition(Disposition::Hold),
            Some(("discard", at)) if at == stage => extras = extras.disposition(Disposition::Discard),
            _ => {}
        }
        if extras == Extras::new() { Verdict::Accept(()) } else { extras.into() }
    }

    /// A yes that says something, with what else the transcript wants.
    fn with_extras<A>(&self, stage: &str, verdict: Verdict<A>) -> Verdict<A> {
        match (verdict, self.approval(stage)) {
            (Verdict::Accept(answer), Verdict::AcceptWith((), extras)) => Verdict::AcceptWith(answer, extras),
            (verdict, _) => verdict,
        }
    }

    fn recipient(&self, path: &ForwardPath) -> Verdict {
        let ForwardPath::Mailbox(mailbox) = path else { return Verdict::Accept(()) };
        let here = mailbox.domain().name().map(DomainName::as_str) == Some(&self.dom);
        let local = mailbox.local_part().as_str();
        if !here {
            refusal(554, (7, 1), format!("<{mailbox}>: Relay access denied")).into()
        } else if local == self.full {
            refusal(452, (2, 2), "Mailbox full").into()
        } else if local == self.ok || local == self.ok2 || ["o k", "o\"k", "o>k"].contains(&local) {
            self.approval("rcpt")
        } else {
            refusal(550, (1, 1), format!("<{mailbox}>: Recipient address rejected: User unknown")).into()
        }
    }

    /// From now on no verdict is given on a message.
    pub(crate) fn hold_end(&mut self) {
        self.hold = "end".into();
    }

    /// The verdict that was held back.
    pub(crate) fn release(&mut self, server: &mut Server, now: Now) {
        let verdict = self.end_of_data();
        server.answer(now, self.held.take().unwrap(), verdict).unwrap();
    }

    /// The verdict on a message; one for each recipient when the transcript wants it so: `@with each=250,550`.
    fn end_of_data(&mut self) -> EndOfDataVerdict {
        if let Verdict::Refuse(refusal) = self.verdict("end") {
            return refusal.into();
        }
        self.queued += 1;
        let id = QueueId::new(format!("Q{}", self.queued)).unwrap();
        let queued = match self.approval("end") {
            Verdict::AcceptWith((), extras) => Verdict::AcceptWith(id, extras),
            _ => Verdict::Accept(id),
        };
        if self.each.is_empty() {
            return queued.into();
        }
        let verdict = |code: &str| match code.parse().unwrap() {
            250 => queued.clone(),
            code => refusal(code, (7, 1), "no end").into(),
        };
        EndOfDataVerdict::Each(self.each.split(',').map(verdict).collect())
    }
}

impl Fixture<Server> for App {
    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn tls_info(&self) -> TlsInfo {
        let mut info = TlsInfo::default();
        info.version = "TLSv1.3".into();
        info.cipher = "TLS_AES_128_GCM_SHA256".into();
        info.peer_certificate = self.certificate.then(|| vec![0x30]);
        info
    }

    fn on_event(&mut self, server: &mut Server, now: Now, event: Event) {
        match event {
            Event::Connect(ask) => {
                let Peer { address, name, name_lookup_failed, port, login, .. } = &ask.detail.peer;
                // Only XCLIENT brings a port or a login here.
                let brought = port.is_some() || login.is_some();
                self.log.event("connect");
                if brought {
                    let text = format!("peer {address:?} {name:?} {name_lookup_failed} {port:?} {login:?}");
                    self.log.event(text);
                }
                let Peer { reverse_name, reverse_name_lookup_failed, .. } = &ask.detail.peer;
                if reverse_name.is_some() || *reverse_name_lookup_failed {
                    self.log.event(format!("reverse {reverse_name:?} {reverse_name_lookup_failed}"));
                }
                let verdict = self.verdict(if brought { "xclient" } else { "connect" });
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Tls(ask) => {
                // What was said in the clear does not count (RFC 3207 section 4.2).
                let login = server.peer().login.as_ref().map(|login| format!(" {login}"));
                self.log.event(format_args!("tls{}", login.unwrap_or_default()));
                let verdict = self.verdict("tls");
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Etrn(ask) => {
                let etrn = &ask.detail.target;
                self.log.event(format_args!("etrn {etrn}"));
                let verdict = match etrn {
                    EtrnTarget::Queue(_) => Verdict::Accept(EtrnStarted::PendingCount(14)),
                    EtrnTarget::Subdomains(_) => Verdict::Accept(EtrnStarted::Pending),
                    EtrnTarget::Node(name) if name.as_str() == self.dom => {
                        Verdict::Accept(EtrnStarted::Started)
                    }
                    EtrnTarget::Node(name) if name.as_str().starts_with("none.") => {
                        Verdict::Accept(EtrnStarted::NothingWaits)
                    }
                    EtrnTarget::Node(name) if name.as_str().starts_with("later.") => {
                        refusal(458, (3, 0), format!("Unable to queue messages for node {etrn}")).into()
                    }
                    _ => refusal(459, (7, 1), format!("Node {etrn} not allowed")).into(),
                };
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Command(ask) => {
                let Command { line, bare_newline, .. } = &ask.detail;
                let how = if *bare_newline { " bare" } else { "" };
                let ahead = server.sent_ahead();
                self.log.event(format_args!("command {}{how}", line.escape_ascii()));
                // What comes later is not ahead, and so may be missing where the octets are cut.
                if self.show_ahead {
                    self.log.event(format_args!("ahead {}", ahead.escape_ascii()));
                }
                let verb = line.split(|octet| *octet == b' ').next().unwrap_or_default();
                let verdict = match self.verdict(&String::from_utf8_lossy(verb)) {
                    Verdict::Refuse(refusal) if !verb.is_empty() => Err(refusal),
                    _ => Ok(()),
                };
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Hello(ask) => {
                self.log.event(format_args!("hello {} {}", ask.detail.name, ask.detail.extended));
                let verdict = self.verdict("hello");
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Authenticate(ask) => {
                let credentials = &ask.detail.credentials;
                self.log.event(format_args!("authenticate {}", credentials.authcid().unwrap_or_default()));
                let verdict = if self.refuse == "auth" {
                    AuthVerdict::Backend(Backend::TEMPORARY)
                } else {
                    Account::new(&*self.user, &*self.password).judge(credentials)
                };
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Mail(ask) => {
                let from = match &ask.detail.reverse_path {
                    ReversePath::Null => String::new(),
                    ReversePath::Mailbox(mailbox) => mailbox.to_string(),
                };
                let parameters =
                    if self.show_parameters { ask.detail.parameters.to_string() } else { String::new() };
                self.log.event(format_args!("mail <{from}>{parameters}"));
                if let Some(xforward) = &ask.detail.xforward {
                    self.log.event(format_args!("{xforward:?}"));
                }
                let verdict = self.verdict("mail");
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Rcpt(ask) => {
                let Rcpt { forward_path, parameters, .. } = &ask.detail;
                let parameters = if self.show_parameters { format!("{parameters:#}") } else { String::new() };
                self.log.event(format_args!("rcpt {forward_path}{parameters}"));
                if self.hold == "rcpt" {
                    self.held_rcpt = Some(ask);
                    return;
                }
                let verdict = self.recipient(&ask.detail.forward_path);
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Data(ask) => {
                self.log.event(format_args!("data {}", ask.detail.recipients));
                if self.hold == "data" {
                    self.held_data = Some(ask);
                    return;
                }
                let verdict = self.verdict("data");
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Body(chunk) => {
                self.body.extend_from_slice(&chunk);
                self.log.body(&chunk);
            }
            Event::BodyAborted(why) => {
                self.body.clear();
                self.log.event(format_args!("aborted {why:?}"));
            }
            Event::EndOfData(ask) => {
                assert_eq!(ask.detail.octets, self.body.len() as u64);
                self.log.event(format_args!("end {} {:?}", ask.detail.octets, ask.detail.faults));
                let id = QueueId::new("TRACE").unwrap();
                let trace = server.trace_header(&id, now).unwrap();
                for field in trace.fields().filter(|field| field.starts_with("X-")) {
                    self.log.event(format_args!("added {}", field.trim_end()));
                }
                if ask.detail.disposition != Disposition::Deliver {
                    self.log.event(format_args!("disposition {:?}", ask.detail.disposition));
                }
                self.messages.push((trace.to_string(), std::mem::take(&mut self.body)));
                if self.hold == "end" {
                    self.held = Some(ask);
                    return;
                }
                let verdict = self.end_of_data();
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Verify(ask) => {
                let verdict = match ask.detail.argument.as_str() {
                    "\u{e9}" => Verdict::Accept(Verified::Exists(
                        ReplyText::utf8(format!("<\u{e9}@{}>", self.dom)).unwrap(),
                    )),
                    a if a == self.ok => Verdict::Accept(Verified::Exists(
                        ReplyText::new(format!("<{a}@{}>", self.dom)).unwrap(),
                    )),
                    a if a == self.ok2 => Verdict::Accept(Verified::CannotTell),
                    "away" => {
                        Verdict::Accept(Verified::WillForward(ReplyText::new("<away@f.test>").unwrap()))
                    }
                    "gone" => Verdict::Accept(Verified::NotLocal(ReplyText::new("<gone@f.test>").unwrap())),
                    "smith" => Verdict::Accept(Verified::Ambiguous(
                        ["Joe Smith <j@f.test>", "<m@f.test>"]
                            .map(|text| ReplyText::new(text).unwrap())
                            .into(),
                    )),
                    _ => refusal(550, (1, 1), "User unknown").into(),
                };
                let verdict = self.with_extras("vrfy", verdict);
                server.answer(now, ask, verdict).unwrap();
            }
            Event::Expand(ask) => {
                let members = match ask.detail.argument.as_str() {
                    "\u{e9}" => {
                        vec![ReplyText::new("<a@t>").unwrap(), ReplyText::utf8("<\u{e9}@t>").unwrap()]
                    }
                    "list" => vec![ReplyText::new("<a@t>").unwrap(), ReplyText::new("<b@t>").unwrap()],
                    _ => vec![],
                };
                let verdict = self.with_extras("expn", Verdict::Accept(members));
                server.answer(now, ask, verdict).unwrap();
            }
            Event::TransactionReset => self.log.event("reset"),
            Event::LoginFailed(failed) => self.log.event(testkit::account::failed(&failed)),
            Event::Cancelled(_) => self.log.event("cancelled"),
            Event::Violation(violation) => self.log.event(format_args!("violation {violation:?}")),
            other => panic!("{other:?}"),
        }
    }

    fn on_directive(&mut self, server: &mut Server, now: Now, name: &str, _: &str) -> Result<(), String> {
        match name {
            "accept" if self.held_data.is_some() => {
                let (ask, verdict) = (self.held_data.take().unwrap(), self.verdict("data"));
                server.answer(now, ask, verdict).map_err(|e| e.to_string())
            }
            "accept" => {
                let verdict = self.end_of_data();
                let ask = self.held.take().ok_or("nothing is held")?;
                server.answer(now, ask, verdict).map_err(|e| e.to_string())
            }
            "accept-stale" => {
                let ask = self.held_rcpt.take().ok_or("nothing is held")?;
                match server.answer(now, ask, Verdict::Accept(())) {
                    Err(proto_core::CallerFault::StaleAsk) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            }
            other => Err(format!("no @{other}")),
        }
    }
}
