//! Our client and our server in virtual time with every extension on, over a network that cuts, delays and closes by
//! halves: each message has one report, nothing that was said to be sent is lost, nothing arrives twice, and every reply
//! belongs to what it was taken for.

#![allow(clippy::unwrap_used)]

use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use proto_core::dot::EncodePolicy;
use proto_core::sasl::{AuthVerdict, ClientCredentials, Mechanism};
use proto_core::{CloseReason, Now, UnixTime};
use smtp_proto::client::*;
use smtp_proto::parameter::*;
use smtp_proto::server::*;
use smtp_proto::{EnhancedCode, Refusal};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use testkit::pair::Pair;
use testkit::{Driver, Fixture, Log, Rng, START, for_each_seed};

/// A message to be sent, and what is to arrive.
#[derive(Debug)]
struct Mailing {
    tag: usize,
    envelope: Envelope,
    body: Vec<u8>,
    arrives_as: Vec<u8>,
}

/// The application over the client.
#[derive(Debug)]
struct Sender {
    log: Log,
    rng: Rng,
    waiting: VecDeque<Rc<Mailing>>,
    current: Option<Rc<Mailing>>,
    rest: Option<Vec<u8>>,
    /// Told before the report.
    verdicts: Vec<(usize, Outcome)>,
    reports: Vec<(Rc<Mailing>, Report)>,
}

impl Fixture<Client> for Sender {
    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn on_event(&mut self, client: &mut Client, now: Now, event: ClientEvent) {
        match event {
            ClientEvent::Ready if self.rng.chance(1, 8) => client.noop(now).unwrap(),
            ClientEvent::Ready => match self.waiting.pop_front() {
                None => client.quit(now).unwrap(),
                Some(mailing) => {
                    assert!(self.current.is_none(), "ready without a report");
                    client.send(now, mailing.envelope.clone()).unwrap();
                    self.current = Some(mailing);
                }
            },
            ClientEvent::SendBody => self.rest = Some(self.current.as_ref().unwrap().body.clone()),
            ClientEvent::Verdict { recipient, outcome } => self.verdicts.push((recipient, outcome)),
            ClientEvent::Done(report) => {
                self.rest = None;
                for (recipient, outcome) in self.verdicts.drain(..) {
                    assert_eq!(report.outcomes[recipient], outcome, "what was told before stands");
                }
                self.reports.push((self.current.take().unwrap(), report));
            }
            ClientEvent::Replied(reply) => assert!(reply.text() == "Ok" || reply.is_temporary(), "{reply}"),
            ClientEvent::ServiceClosing(_) | ClientEvent::Failed(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn on_idle(&mut self, client: &mut Client, now: Now) -> bool {
        let room = client.body_room();
        let Some(rest) = self.rest.as_mut().filter(|_| room > 0) else { return false };
        if rest.is_empty() {
            self.rest = None;
            client.finish(now).unwrap();
            return true;
        }
        let piece = self.rng.between(1, rest.len());
        let taken = client.write_body(now, &rest[..piece]).unwrap();
        assert!(taken > 0);
        rest.drain(..taken);
        true
    }
}

/// The application under the server.
#[derive(Debug)]
struct PostOffice {
    log: Log,
    rng: Rng,
    mailings: Vec<Rc<Mailing>>,
    current: Option<Rc<Mailing>>,
    recipients: Vec<ForwardPath>,
    body: Vec<u8>,
    /// What was answered for, by message and recipient.
    taken: BTreeMap<(usize, String), usize>,
}

fn no(code: u16, text: String) -> Refusal {
    let class = u8::try_from(code / 100).unwrap();
    Refusal::new(code, EnhancedCode::new(class, 7, 1).unwrap(), text).unwrap()
}

impl PostOffice {
    fn any_no(&mut self, chance: usize, text: String) -> Option<Refusal> {
        let code = *self.rng.pick(&[450, 451, 550, 550, 554, 421]);
        self.rng.chance(1, chance).then(|| no(code, text))
    }

    fn take(&mut self, tag: usize, recipient: &ForwardPath) -> Verdict<QueueId> {
        let local = recipient.mailbox().unwrap().local_part().as_str().to_owned();
        match self.any_no(6, format!("T{tag} {local}")) {
            Some(refusal) if refusal.reply().code() != 421 => Verdict::Refuse(refusal),
            _ => {
                *self.taken.entry((tag, local.clone())).or_default() += 1;
                Verdict::Accept(QueueId::new(format!("T{tag}-{local}")).unwrap())
            }
        }
    }

    fn end_of_data(&mut self, detail: &EndOfData) -> EndOfDataVerdict {
        let mailing = self.current.take().unwrap();
        let body = std::mem::take(&mut self.body);
        assert!(
            body == mailing.arrives_as,
            "{} is not {}",
            body.escape_ascii(),
            mailing.arrives_as.escape_ascii()
        );
        let (tag, recipients) = (mailing.tag, std::mem::take(&mut self.recipients));
        assert_eq!(detail.recipients, recipients.len());
        if detail.per_recipient {
            let verdicts = recipients.iter().map(|recipient| self.take(tag, recipient));
            return EndOfDataVerdict::Each(verdicts.collect());
        }
        if let Some(refusal) = self.any_no(6, format!("T{tag}")) {
            return refusal.into();
        }
        for recipient in &recipients {
            let local = recipient.mailbox().unwrap().local_part().as_str().to_owned();
            *self.taken.entry((tag, local)).or_default() += 1;
        }
        Verdict::Accept(QueueId::new(format!("T{tag}")).unwrap()).into()
    }
}

impl Fixture<Server> for PostOffice {
    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn on_event(&mut self, server: &mut Server, now: Now, event: Event) {
        let answered = match event {
            Event::Connect(ask) => server.answer(now, ask, Verdict::Accept(())),
            Event::Hello(ask) => server.answer(now, ask, Verdict::Accept(())),
            Event::Tls(ask) => server.answer(now, ask, Verdict::Accept(())),
            Event::Authenticate(ask) => server.answer(now, ask, AuthVerdict::Accept),
            Event::Mail(ask) => {
                let sender = &ask.detail.reverse_path;
                let found = self.mailings.iter().find(|mailing| mailing.envelope.reverse_path == *sender);
                let mailing = Rc::clone(found.unwrap());
                assert_eq!(ask.detail.parameters, mailing.envelope.parameters);
                let refusal = self.any_no(20, format!("M{}", mailing.tag));
                self.recipients.clear();
                self.current = Some(mailing);
                server.answer(now, ask, refusal.map_or(Verdict::Accept(()), Verdict::Refuse))
            }
            Event::Rcpt(ask) => {
                let mailing = self.current.as_ref().unwrap();
                let path = ask.detail.forward_path.clone();
                let found =
                    mailing.envelope.recipients.iter().find(|recipient| recipient.forward_path == path);
                assert_eq!(ask.detail.parameters, found.unwrap().parameters);
                let refusal = self.any_no(5, format!("{path}"));
                if refusal.is_none() {
                    self.recipients.push(path);
                }
                server.answer(now, ask, refusal.map_or(Verdict::Accept(()), Verdict::Refuse))
            }
            Event::Data(ask) => {
                let refusal = self.any_no(20, format!("T{}", self.current.as_ref().unwrap().tag));
                server.answer(now, ask, refusal.map_or(Verdict::Accept(()), Verdict::Refuse))
            }
            Event::Body(chunk) => {
                self.body.extend_from_slice(&chunk);
                Ok(())
            }
            Event::EndOfData(ask) => {
                let verdict = self.end_of_data(&ask.detail);
                server.answer(now, ask, verdict)
            }
            Event::BodyAborted(_) | Event::TransactionReset | Event::Cancelled(_) => {
                self.body.clear();
                Ok(())
            }
            other => panic!("{other:?}"),
        };
        answered.unwrap();
    }
}

/// A message with all that may be asked for, as the seed has it.
fn mailing(rng: &mut Rng, tag: usize, tls: bool, lmtp: bool, repair: bool, chunking: bool) -> Mailing {
    let syntax = AddressSyntax { utf8: true, lenient: false };
    let accent = if rng.chance(1, 4) { "é" } else { "" };
    let sender = format!("<m{tag}{accent}@x.test>");
    let recipients = (0..rng.between(1, 4)).map(|n| {
        let path = format!("<r{n}@t.test>");
        Recipient::from(ForwardPath::parse_prefix(path.as_bytes(), syntax).unwrap().0)
    });
    let mut envelope =
        Envelope::new(ReversePath::parse_prefix(sender.as_bytes(), syntax).unwrap().0, recipients);
    for recipient in &mut envelope.recipients {
        let parameters = &mut recipient.parameters;
        parameters.notify =
            rng.chance(1, 2).then_some(Notify { success: true, failure: rng.chance(1, 2), delay: false });
        parameters.orcpt = OriginalRecipient::new("rfc822", "a+b@c.test").filter(|_| rng.chance(1, 2));
        let since = DateTime::new(UnixTime(1_000_000_000)).unwrap();
        parameters.rrvs = rng.chance(1, 3).then_some(Rrvs { since, action: Some(RrvsAction::Continue) });
    }
    // What is binary goes by BDAT alone.
    let kinds = [BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime];
    let kind = *rng.pick(&kinds[..if chunking { 3 } else { 2 }]);
    let mut body = Vec::new();
    for _ in 0..rng.below(20) {
        let lines: &[&[u8]] = match kind {
            BodyKind::SevenBit if repair => &[b".", b"x", b"bare\nline", b"bare\rreturn", b"", b"QUIT"],
            BodyKind::SevenBit => {
                &[b".", b"..", b".x", b"", b"QUIT", b"a longer line that goes on for a while"]
            }
            BodyKind::EightBitMime => &[b".", "é".as_bytes(), b"BDAT 3 LAST", b"\xff", b"RSET"],
            _ => &[b"\0\0", b"\r\r\n", b"\n.\n", b"\xff\x80", b"."],
        };
        body.extend_from_slice(lines[rng.below(lines.len())]);
        body.extend_from_slice(b"\r\n");
    }
    let mut arrives_as = body.clone();
    if repair && kind == BodyKind::SevenBit {
        let text = String::from_utf8(arrives_as).unwrap();
        arrives_as =
            text.replace("bare\nline", "bare\r\nline").replace("bare\rreturn", "bare return").into_bytes();
    }
    let parameters = &mut envelope.parameters;
    parameters.body = kind;
    parameters.size = rng.chance(1, 2).then_some(body.len() as u64);
    parameters.smtp_utf8 = !accent.is_empty() || rng.chance(1, 8);
    parameters.ret = rng.chance(1, 2).then_some(Ret::Headers);
    parameters.envid = EnvelopeId::new(format!("tag {tag}+=")).filter(|_| rng.chance(1, 2));
    parameters.auth = rng.chance(1, 4).then_some(Submitter::Unknown);
    parameters.require_tls = tls && rng.chance(1, 3);
    parameters.deliver_by = DeliverBy::new(600, ByMode::Return, true).filter(|_| rng.chance(1, 4));
    parameters.hold = HoldSeconds::new(60).map(Hold::For).filter(|_| rng.chance(1, 8));
    parameters.priority = Priority::new(3).filter(|_| rng.chance(1, 4));
    parameters.prdr = !lmtp && rng.chance(1, 2);
    Mailing { tag, envelope, body, arrives_as }
}

/// What was seen in all runs, so that one that sees nothing is noticed.
#[derive(Debug, Default)]
struct Seen {
    /// By DATA and by BDAT.
    sent: [usize; 2],
    /// To a server that takes one command at a time.
    one_by_one: usize,
    refused: usize,
    lost: usize,
    /// Arrived, and the client was cut off before it could know.
    in_doubt: usize,
}

fn run(rng: &mut Rng, seen: &mut Seen) {
    let tls = rng.chance(1, 2);
    let lmtp = rng.chance(1, 3);
    let mut client = ClientConfig::new("client.test").unwrap();
    client.protocol = if lmtp { ClientProtocol::Lmtp } else { ClientProtocol::Smtp };
    client.tls = if tls { ClientTls::Required } else { ClientTls::None };
    client.allow_plaintext_auth = true;
    client.credentials = Some(ClientCredentials::password("u", "p"));
    let chunking = rng.chance(1, 2);
    client.chunking = chunking;
    client.limits.chunk_bytes_max = *rng.pick(&[1, 7, 64, 16 * 1024]);
    client.limits.pipelined_commands_max = *rng.pick(&[1, 2, 100]);
    let repair = rng.chance(1, 2);
    client.bare_line_ends = if repair { EncodePolicy::Repair } else { EncodePolicy::Refuse };

    let mut server = Config::new("mx.test").unwrap();
    server.protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    server.tls = if tls { TlsMode::Required } else { TlsMode::None };
    server.mechanisms = Mechanism::ALL.to_vec();
    server.allow_plaintext_auth = true;
    server.offer = Offer::ALL;
    let pipelining = lmtp || rng.chance(3, 4);
    server.offer.pipelining = pipelining;
    server.limits.errors_max = 1000;
    server.timeouts.error_pause = Duration::ZERO;

    let mailings: Vec<Rc<Mailing>> =
        (0..rng.between(1, 3)).map(|tag| Rc::new(mailing(rng, tag, tls, lmtp, repair, chunking))).collect();
    let sender = Sender {
        log: Log::default(),
        rng: Rng::new(rng.next_u64()),
        waiting: mailings.iter().cloned().collect(),
        current: None,
        rest: None,
        verdicts: Vec::new(),
        reports: Vec::new(),
    };
    let office = PostOffice {
        log: Log::default(),
        rng: Rng::new(rng.next_u64()),
        mailings,
        current: None,
        recipients: Vec::new(),
        body: Vec::new(),
        taken: BTreeMap::new(),
    };
    let peer = Peer::new(std::net::Ipv4Addr::new(192, 0, 2, 7).into());
    let client = Driver::new(Client::new(START, Arc::new(client)), sender);
    let server = Driver::new(Server::new(START, Arc::new(server), peer), office);
    let pair = Pair::new(client, server, Rng::new(rng.next_u64()));
    let mut pair = pair.delay(Duration::from_millis(1), Duration::from_millis(300));

    let at = Duration::from_millis(rng.below(6000) as u64);
    match rng.below(5) {
        0 | 1 => {}
        2 => {
            pair.advance(at);
            pair.cut();
        }
        3 => {
            pair.advance(at);
            pair.half_close_client();
        }
        _ => {
            pair.advance(at);
            pair.half_close_server();
        }
    }
    pair.settle();
    // Whatever is still open ends by its deadlines.
    for _ in 0..4 {
        pair.advance(Duration::from_secs(700));
    }
    let sent = check(&pair, seen);
    seen.sent[usize::from(chunking)] += sent;
    seen.one_by_one += if pipelining { 0 } else { sent };
}

/// How many recipients had the message sent.
fn check(pair: &Pair<Client, Sender, Server, PostOffice>, seen: &mut Seen) -> usize {
    let (sender, office) = (&pair.client.fixture, &pair.server.fixture);
    let reason = pair.client.closed().unwrap_or_else(|| panic!("the client is open for ever"));
    assert!(pair.server.closed().is_some(), "the server is open for ever");
    assert!(!matches!(reason, CloseReason::Protocol(_)), "{reason}");
    assert!(sender.current.is_none(), "a message without a report");
    assert!(office.taken.values().all(|times| *times == 1), "taken twice: {:?}", office.taken);

    let (mut reported, mut sent) = (0, 0);
    for (mailing, report) in &sender.reports {
        assert_eq!(report.outcomes.len(), mailing.envelope.recipients.len());
        assert_eq!(report.omitted, [], "all was offered");
        for (recipient, outcome) in mailing.envelope.recipients.iter().zip(&report.outcomes) {
            let path = recipient.forward_path.to_string();
            let local = recipient.forward_path.mailbox().unwrap().local_part().as_str().to_owned();
            let taken = office.taken.contains_key(&(mailing.tag, local.clone()));
            let tag = format!("T{}", mailing.tag);
            reported += usize::from(taken);
            match outcome {
                Outcome::Sent(reply) => {
                    assert!(taken, "sent and not taken");
                    let own = reply.text().ends_with(&format!("{tag}-{local}"));
                    assert!(own || reply.text().ends_with(&tag), "{reply} is not for {tag} {local}");
                    sent += 1;
                }
                Outcome::Temporary(failure) | Outcome::Permanent(failure) => {
                    let Some(reply) = &failure.reply else {
                        seen.lost += 1;
                        seen.in_doubt += usize::from(taken);
                        continue;
                    };
                    assert!(!taken, "refused and taken: {reply}");
                    let whose = match failure.stage {
                        Stage::Mail => format!("M{}", mailing.tag),
                        Stage::Rcpt => path,
                        _ => tag,
                    };
                    // 421 ends the session, whatever it was said to.
                    let own = reply.code() == 421 || reply.text().contains(&whose);
                    assert!(own, "{reply} at {:?} is not for {whose}", failure.stage);
                    seen.refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(reported, office.taken.len(), "taken and never reported");
    sent
}

#[test]
fn nothing_is_lost_or_doubled_whatever_the_network_does() {
    let mut seen = Seen::default();
    for_each_seed(10_000, |rng| run(rng, &mut seen));
    let enough = seen.sent.iter().all(|sent| *sent > 1000) && seen.one_by_one > 300;
    let enough = enough && seen.refused > 1000 && seen.lost > 100 && seen.in_doubt > 5;
    assert!(enough || testkit::rng::is_replay(), "{seen:?}");
}
