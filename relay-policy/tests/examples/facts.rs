//! What is known of a session, and what is answered to questions, as `:` lines say it.
//!
//! | line | is |
//! | --- | --- |
//! | `client address name [status [reverse]]` | the client; `name` may be `unknown`, the status is ok, temp, perm or forged |
//! | `login user [method [sender]]` | it has logged in |
//! | `tls version cipher` | TLS has begun |
//! | `certificate verified\|unverified digest key-digest subject` | what it has shown |
//! | `pipelining` | it did not wait for its turn |
//! | `size n`, `instance x`, `queue x`, `count n` | of the message; `-` for nothing |
//! | `records kind name data …` | the DNS has these, in place of the zone of the vectors |
//! | `fails kind name` | the DNS does not answer now |
//! | `policy action`, `policy fails` | what every policy service answers |
//! | `found table key text`, `found-fails table key` | what tables say that are not in memory; nothing else is in them |
//! | `verify deliverable\|undeliverable why\|unknown why\|fails` | whether mail would be taken |

use crate::zone;
use proto_core::{Backend, TlsInfo};
use relay_policy::{
    Answer, ClientCertificate, NameStatus, Question, Record, RecordKind, Request, Verification,
};

#[derive(Debug, Default)]
pub(crate) struct Answers {
    records: Vec<(RecordKind, String, Answer)>,
    found: Vec<(String, String, Answer)>,
    policy: Option<Answer>,
    verified: Option<Answer>,
}

fn failed() -> Answer {
    Answer::Failed(Backend::TEMPORARY)
}

pub(crate) fn kind(word: &str) -> RecordKind {
    match word {
        "A" => RecordKind::A,
        "AAAA" => RecordKind::Aaaa,
        "MX" => RecordKind::Mx,
        "NS" => RecordKind::Ns,
        "TXT" => RecordKind::Txt,
        other => panic!("no kind of record is called {other}"),
    }
}

fn record(kind: RecordKind, data: &str) -> Record {
    match kind {
        RecordKind::A | RecordKind::Aaaa => Record::Address(data.parse().unwrap()),
        RecordKind::Mx => {
            let (preference, exchange) = data.split_once('/').unwrap();
            Record::Mx { preference: preference.parse().unwrap(), exchange: exchange.into() }
        }
        RecordKind::Ns => Record::Name(data.into()),
        _ => Record::Text(data.replace('_', " ")),
    }
}

impl Answers {
    pub(crate) fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Dns { name, kind } => {
                let own = self.records.iter().rev().find(|(of, owner, _)| (of, owner) == (kind, name));
                own.map_or_else(|| zone::records(name, *kind), |(_, _, answer)| answer.clone())
            }
            Question::Lookup { table, key } => {
                let own = self.found.iter().find(|(of, known, _)| (of, known) == (table, key));
                own.map_or(Answer::Found(None), |(_, _, answer)| answer.clone())
            }
            Question::Policy { .. } => self.policy.clone().expect("what does the policy service say?"),
            Question::Verify { .. } => self.verified.clone().expect("what does the verifier say?"),
            other => panic!("{other:?}"),
        }
    }

    /// Takes a line.
    pub(crate) fn learn(&mut self, fact: &str, request: &mut Request) {
        let (word, rest) = fact.split_once(' ').unwrap_or((fact, ""));
        let words: Vec<&str> = rest.split(' ').collect();
        match (word, &words[..]) {
            ("client", [address, name, more @ ..]) => {
                let status = match more.first().copied() {
                    None if *name == "unknown" => NameStatus::Permanent,
                    None | Some("ok") => NameStatus::Ok,
                    Some("temp") => NameStatus::Temporary,
                    Some("perm") => NameStatus::Permanent,
                    Some("forged") => NameStatus::Forged,
                    Some(other) => panic!("a status {other}"),
                };
                request.client = address.parse().unwrap();
                (request.client_name, request.client_name_status) = ((*name).into(), status);
                let reverse = more.get(1).unwrap_or(name);
                request.reverse_client_name = (*reverse).into();
                request.reverse_client_name_status = match (*reverse, status) {
                    ("unknown", NameStatus::Temporary) => NameStatus::Temporary,
                    ("unknown", _) => NameStatus::Permanent,
                    _ => NameStatus::Ok,
                };
            }
            ("login", [user, more @ ..]) => {
                request.login = Some((*user).into());
                let method = more.first().map(|method| if *method == "LOGIN" { "LOGIN" } else { "PLAIN" });
                request.sasl_method = method.or(Some("PLAIN"));
                request.sasl_sender = more.get(1).map(|sender| (*sender).into());
            }
            ("tls", [version, cipher]) => {
                let mut tls = TlsInfo::default();
                (tls.version, tls.cipher) = ((*version).into(), (*cipher).into());
                request.tls = Some(tls);
            }
            ("certificate", [verified, fingerprint, public_key, subject]) => {
                request.client_certificate = Some(ClientCertificate {
                    is_verified: *verified == "verified",
                    subject: (*subject).into(),
                    issuer: "issuer".into(),
                    fingerprint: (*fingerprint).into(),
                    public_key_fingerprint: (*public_key).into(),
                });
            }
            ("pipelining", _) => request.improper_pipelining = true,
            ("size", [size]) => request.size_bytes = size.parse().unwrap(),
            ("count", [count]) => request.recipient_count = count.parse().unwrap(),
            ("instance", [instance]) => request.instance = (*instance).into(),
            ("queue", [id]) => request.queue_id = Some(*id).filter(|id| *id != "-").map(Into::into),
            ("records", [of, name, data @ ..]) => {
                let of = kind(of);
                let records = data.iter().map(|data| record(of, data)).collect();
                self.records.push((of, (*name).into(), Answer::Records(records)));
            }
            ("fails", [of, name]) => self.records.push((kind(of), (*name).into(), failed())),
            ("policy", ["fails"]) => self.policy = Some(failed()),
            ("policy", _) => self.policy = Some(Answer::Action(rest.into())),
            ("found", [table, key, ..]) => {
                let text = rest.splitn(3, ' ').nth(2).unwrap();
                self.found.push(((*table).into(), (*key).into(), Answer::Found(Some(text.into()))));
            }
            ("found-fails", [table, key]) => self.found.push(((*table).into(), (*key).into(), failed())),
            ("verify", ["deliverable"]) => self.verified = Some(Answer::Verified(Verification::Deliverable)),
            ("verify", ["fails"]) => self.verified = Some(failed()),
            ("verify", [how, ..]) => {
                let why = rest.split_once(' ').unwrap().1.to_string();
                self.verified = Some(Answer::Verified(match *how {
                    "undeliverable" => Verification::Undeliverable(why),
                    _ => Verification::Unknown(why),
                }));
            }
            _ => panic!("no fact is written so: {fact}"),
        }
    }
}
