//! A DNS that was written down, and what becomes of a message in it.

use relay_policy::route::{
    AttemptStep, Attempts, Ending, Endpoint, NextHops, RouteFailure, RoutePolicy, Server, Verdict,
};
use relay_policy::{Answer, Parameters, Question, Record, RecordKind};
use std::collections::BTreeMap;

/// A machine called `me.test`, at 203.0.113.1.
pub(crate) fn policy(settings: &[(&str, &str)]) -> RoutePolicy {
    let mut parameters = Parameters::default();
    let own = [("myhostname", "me.test"), ("inet_interfaces", "203.0.113.1, [2001:db8:1::1]")];
    own.iter().chain(settings).for_each(|(name, value)| parameters.set(name, value).unwrap());
    RoutePolicy::from_parameters(&parameters).unwrap()
}

/// Records by name and kind; none where nobody can say.
#[derive(Debug, Clone, Default)]
pub(crate) struct World(pub(crate) BTreeMap<(String, RecordKind), Option<Vec<Record>>>);

impl World {
    /// Reads `name KIND data` and `name KIND fails`, with commas between them.
    pub(crate) fn read(text: &str) -> Self {
        let mut world = Self::default();
        for line in text.split(", ").filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let kind = match words[1] {
                "MX" => RecordKind::Mx,
                "A" => RecordKind::A,
                "AAAA" => RecordKind::Aaaa,
                other => panic!("{other}: no kind"),
            };
            let record = match words[2..] {
                ["fails"] => None,
                [address] => Some(Record::Address(address.parse().unwrap())),
                [preference, exchange] => {
                    Some(Record::Mx { preference: preference.parse().unwrap(), exchange: exchange.into() })
                }
                _ => panic!("{line}"),
            };
            let records = world.0.entry((words[0].into(), kind)).or_insert_with(|| Some(Vec::new()));
            match (record, records) {
                (Some(record), Some(records)) => records.push(record),
                (_, records) => *records = None,
            }
        }
        world
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let Question::Dns { name, kind } = question else { panic!("{question:?}") };
        match self.0.get(&(name.clone(), *kind)) {
            Some(Some(records)) => Answer::Records(records.clone()),
            Some(None) => Answer::Failed(proto_core::Backend::TEMPORARY),
            None => Answer::Records(Vec::new()),
        }
    }

    /// The servers that are tried, each of which ends as `end` says, by its number and itself; and the verdict in words.
    pub(crate) fn deliver(
        &self,
        policy: &RoutePolicy,
        next_hops: &NextHops,
        seed: u64,
        mut end: impl FnMut(usize, &Server) -> Ending,
    ) -> (Vec<Server>, String) {
        let (mut attempts, mut tried) = (policy.deliver(next_hops, seed), Vec::new());
        loop {
            match attempts.step() {
                AttemptStep::Needs(questions) => {
                    assert!(attempts.ended(Ending::Sent).is_err(), "nobody is being tried");
                    answer_all(&mut attempts, questions, self);
                }
                AttemptStep::Try(server) => {
                    assert_eq!(attempts.step(), AttemptStep::Try(server.clone()));
                    attempts.ended(end(tried.len(), &server)).unwrap();
                    tried.push(server);
                }
                AttemptStep::Over(verdict) => {
                    assert_eq!(attempts.step(), AttemptStep::Over(verdict.clone()));
                    return (tried, words(&verdict));
                }
            }
        }
    }
}

fn answer_all(attempts: &mut Attempts<'_>, questions: Vec<Question>, world: &World) {
    assert!(!questions.is_empty());
    for question in questions {
        attempts.answer(&question, world.answer(&question)).unwrap();
        assert!(attempts.answer(&question, world.answer(&question)).is_err(), "it is answered");
    }
}

pub(crate) fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Sent => "sent".into(),
        Verdict::Deferred(failure) => {
            assert!(failure.is_temporary(), "{failure}");
            format!("deferred {failure}")
        }
        Verdict::Bounced(failure) => {
            assert!(!failure.is_temporary(), "{failure}");
            format!("bounced {failure}")
        }
        Verdict::Transport(transport) => format!("by {transport}"),
    }
}

pub(crate) fn refused(server: &Server) -> Ending {
    Ending::NoSession(RouteFailure::new((4, 4, 1), format!("connect to {server}: Connection refused")))
}

pub(crate) fn is_ipv6(server: &Server) -> bool {
    matches!(server.endpoint, Endpoint::Inet(address) if address.is_ipv6())
}
