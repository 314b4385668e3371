//! A session with a milter in tests: the application asks a list of questions, the milter answers what a closure says.

#![allow(dead_code, clippy::unwrap_used)]

use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use proto_core::{CallerFault, InBuf, Now, OutBuf};
use smtp_proto::milter::*;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use testkit::{Driver, Fixture, Log};

/// A question of the application.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Do {
    Connect,
    Helo(&'static str),
    Mail(&'static str),
    Rcpt(&'static str),
    /// One that was refused before.
    RefusedRcpt(&'static str),
    Data,
    Header(&'static str, &'static str),
    EndOfHeader,
    Body(&'static [u8]),
    EndOfMessage,
    Unknown(&'static str),
    /// Without answer: the next question follows at once.
    Abort,
    Quit,
}

/// A whole message.
pub(crate) const MESSAGE: [Do; 9] = [
    Do::Connect,
    Do::Helo("client.example.test"),
    Do::Mail("<alice@example.test> SIZE=100 BODY=8BITMIME"),
    Do::Rcpt("<bob@example.test> NOTIFY=NEVER"),
    Do::Data,
    Do::Header("Subject", " hello"),
    Do::EndOfHeader,
    Do::Body(b"How are you?\r\n"),
    Do::EndOfMessage,
];

/// The macros that the application knows.
pub(crate) fn values(name: &str) -> Option<Cow<'static, str>> {
    let value = match name {
        "j" => "mx.example.test",
        "{daemon_name}" => "mx",
        "v" => "Postroom",
        "_" => "client.example.test [192.0.2.7]",
        "i" => "4XyzAB",
        "{mail_addr}" => "alice@example.test",
        "{rcpt_addr}" => "bob@example.test",
        "{client_addr}" => "192.0.2.7",
        _ => return None,
    };
    Some(value.into())
}

impl Do {
    pub(crate) fn ask(self, milter: &mut MilterClient, now: Now) -> Result<(), CallerFault> {
        const SYNTAX: AddressSyntax = AddressSyntax { utf8: true, lenient: false };
        let values = &|name: &str| values(name);
        match self {
            Self::Connect => {
                let address = PeerAddress::Inet([192, 0, 2, 7].into(), 40_000);
                milter.connect(now, &MilterPeer { hostname: None, address }, values)
            }
            Self::Helo(name) => milter.helo(now, name, values),
            Self::Mail(text) => {
                let (path, rest) = ReversePath::parse_prefix(text.as_bytes(), SYNTAX).unwrap();
                let parameters =
                    smtp_proto::MailParameters::parse(rest, &smtp_proto::parameter::Extensions::ALL);
                milter.mail(now, &path, &parameters.unwrap(), values)
            }
            Self::Rcpt(text) | Self::RefusedRcpt(text) => {
                let (path, rest) = ForwardPath::parse_prefix(text.as_bytes(), SYNTAX).unwrap();
                let parameters =
                    smtp_proto::RcptParameters::parse(rest, &smtp_proto::parameter::Extensions::ALL);
                match self {
                    Self::Rcpt(_) => milter.rcpt(now, &path, &parameters.unwrap(), values),
                    _ => milter.refused_rcpt(now, &path, &parameters.unwrap(), values),
                }
            }
            Self::Data => milter.data(now, values),
            Self::Header(name, value) => milter.header(now, name.as_bytes(), value.as_bytes(), values),
            Self::EndOfHeader => milter.end_of_header(now, values),
            Self::Body(octets) => milter.body(now, octets, values),
            Self::EndOfMessage => milter.end_of_message(now, values),
            Self::Unknown(line) => milter.unknown(now, line.as_bytes(), values),
            Self::Abort => milter.abort(now),
            Self::Quit => milter.quit(now),
        }
    }
}

/// The application.
#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) log: Log,
    pub(crate) questions: VecDeque<Do>,
    asked: Option<Do>,
    pub(crate) changes: Vec<Change>,
    pub(crate) failure: Option<MilterFailure>,
}

impl App {
    fn next(&mut self, milter: &mut MilterClient, now: Now) {
        while let Some(question) = self.questions.pop_front() {
            question.ask(milter, now).unwrap();
            self.asked = Some(question);
            if !matches!(question, Do::Abort) {
                break;
            }
        }
    }
}

impl Fixture<MilterClient> for App {
    fn on_event(&mut self, milter: &mut MilterClient, now: Now, event: MilterEvent) {
        match event {
            MilterEvent::Ready => self.log.event("ready"),
            MilterEvent::Change(Change::ReplaceBody(piece)) => {
                self.log.body(&piece);
                return;
            }
            MilterEvent::Change(change) => {
                self.log.event(format_args!("{change:?}"));
                self.changes.push(change);
                return;
            }
            MilterEvent::Answered(verdict) => {
                self.log.event(match &verdict {
                    Verdict::Refuse(refusal) => refusal.reply().to_string(),
                    verdict => format!("{verdict:?}"),
                });
                let is_of_session = matches!(self.asked, Some(Do::Connect | Do::Helo(_)));
                let is_over = match &verdict {
                    Verdict::Refuse(refusal) => is_of_session || refusal.reply().code() == 421,
                    verdict => is_of_session && *verdict == Verdict::Accept,
                };
                if is_over {
                    return;
                }
            }
            MilterEvent::Failed(failure) => {
                self.log.event(format_args!("failed: {failure}"));
                self.failure = Some(failure);
                return;
            }
            other => panic!("{other:?}"),
        }
        self.next(milter, now);
    }

    fn log(&mut self) -> &mut Log {
        &mut self.log
    }
}

pub(crate) type Answers<'a> = &'a dyn Fn(&MilterCommand) -> Vec<u8>;

/// What came of a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) told: Vec<MilterCommand>,
    pub(crate) log: Vec<String>,
    pub(crate) changes: Vec<Change>,
    pub(crate) failure: Option<MilterFailure>,
}

impl Played {
    /// What was told as a letter each, macros left out.
    pub(crate) fn letters(&self) -> String {
        self.told.iter().map(letter).filter(|letter| *letter != 'D').collect()
    }
}

/// The letter of a command on the wire.
pub(crate) fn letter(command: &MilterCommand) -> char {
    let mut out = OutBuf::new();
    command.encode(&mut out);
    char::from(out.as_slice()[LENGTH_BYTES])
}

pub(crate) fn octets(replies: &[MilterReply]) -> Vec<u8> {
    let mut out = OutBuf::new();
    replies.iter().for_each(|reply| reply.encode(&mut out));
    out.as_slice().to_vec()
}

/// Cuts packets of a server out of octets.
pub(crate) fn commands(input: &mut InBuf) -> Vec<MilterCommand> {
    std::iter::from_fn(|| next_packet(input, 1 << 20).unwrap())
        .map(|packet| MilterCommand::decode(&packet).unwrap())
        .collect()
}

pub(crate) fn config() -> MilterConfig {
    MilterConfig::new("here.test")
}

/// Asks the questions, the answers cut in pieces of every size of a list; all of them must go the same way.
pub(crate) fn play(config: MilterConfig, questions: &[Do], answers: Answers<'_>) -> Played {
    let config = Arc::new(config);
    let whole = play_cut(&config, questions, answers, usize::MAX);
    for cut in [1, 2, 3, 5, 13, 64] {
        assert_eq!(play_cut(&config, questions, answers, cut), whole, "cut {cut}");
    }
    whole
}

/// Asks the questions once, each answer in one piece.
pub(crate) fn play_once_with(config: &MilterConfig, questions: &[Do], answers: Answers<'_>) -> Played {
    play_cut(&Arc::new(config.clone()), questions, answers, usize::MAX)
}

fn play_cut(config: &Arc<MilterConfig>, questions: &[Do], answers: Answers<'_>, cut: usize) -> Played {
    let mut driver = session(config, questions);
    let mut to_milter = InBuf::with_capacity(1 << 20);
    let mut told = Vec::new();
    loop {
        to_milter.push(&driver.take_sent());
        let new = commands(&mut to_milter);
        assert!(to_milter.is_empty(), "half a packet");
        if new.is_empty() {
            break;
        }
        for command in new {
            for piece in answers(&command).chunks(cut) {
                driver.receive(piece);
                driver.early_timeout();
            }
            told.push(command);
        }
    }
    let log = driver.fixture.log.entries().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect();
    let App { changes, failure, .. } = driver.fixture;
    Played { told, log, changes, failure }
}

/// A session that nothing was answered to.
pub(crate) fn session(config: &Arc<MilterConfig>, questions: &[Do]) -> Driver<MilterClient, App> {
    let app = App { questions: questions.iter().copied().collect(), ..App::default() };
    let mut driver = Driver::new(MilterClient::new(testkit::START, Arc::clone(config)), app);
    driver.pump();
    driver
}

/// A milter that chooses these steps and continues.
pub(crate) fn agreeable(steps: Steps) -> impl Fn(&MilterCommand) -> Vec<u8> {
    move |command| match command {
        MilterCommand::Negotiate(offer) => {
            octets(&[MilterReply::Negotiate(Offer::new(offer.version, offer.actions, steps))])
        }
        MilterCommand::Macros { .. } | MilterCommand::Abort | MilterCommand::Quit => Vec::new(),
        _ => octets(&[MilterReply::Continue]),
    }
}

/// As [`agreeable`], but for the step of this letter it gives these replies.
pub(crate) fn answering(at: char, replies: &[MilterReply]) -> impl Fn(&MilterCommand) -> Vec<u8> + use<> {
    let octets = octets(replies);
    let agree = agreeable(Steps::default());
    move |command| if letter(command) == at { octets.clone() } else { agree(command) }
}
