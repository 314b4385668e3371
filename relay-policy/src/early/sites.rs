//! `postscreen_dnsbl_sites`: DNS lists with weights, and the sum of those that a client is in.

use crate::access::{Zone, reversed};
use crate::question::{Answer, Question, RecordKind};
use std::net::IpAddr;
use std::time::Duration;

/// A list of addresses, and what being in it weighs.
#[derive(Debug, Clone)]
struct Site {
    zone: Zone,
    weight: i32,
}

/// The lists, read.
#[derive(Debug, Clone, Default)]
pub(super) struct Sites(Vec<Site>);

impl Sites {
    /// Reads `zone`, `zone=filter`, `zone*weight` and `zone=filter*weight`.
    pub(super) fn read(entries: &[String]) -> Result<Self, String> {
        let site = |entry: &String| {
            let (zone, weight) = match entry.split_once('*') {
                None => (entry.as_str(), 1),
                Some((zone, weight)) => {
                    let read = weight.parse().map_err(|_| format!("{entry}: {weight} is no weight"));
                    (zone, read?)
                }
            };
            if zone.is_empty() || zone.starts_with('=') {
                return Err(format!("{entry}: expected zone=filter*weight"));
            }
            Ok(Site { zone: Zone::read(zone).map_err(|why| format!("{entry}: {why}"))?, weight })
        };
        entries.iter().map(site).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is asked about a client: each zone once, however many filters it has.
    pub(super) fn questions(&self, client: IpAddr) -> Vec<Asked> {
        let reversed = reversed(client.to_canonical());
        let mut asked: Vec<Asked> = Vec::new();
        for (at, site) in self.0.iter().enumerate() {
            let name = format!("{reversed}.{}", site.zone.domain());
            match asked.iter_mut().find(|other| other.name == name) {
                Some(other) => other.sites.push(at),
                None => {
                    asked.push(Asked { name, sites: vec![at], outcome: None });
                }
            }
        }
        asked
    }

    /// What the answers so far come to.
    pub(super) fn score(&self, asked: &[Asked]) -> Score<'_> {
        let mut score = Score { sum: 0, heaviest: None, ttl: None, is_complete: true };
        for one in asked {
            let Some(outcome) = &one.outcome else {
                score.is_complete = false;
                continue;
            };
            let Answer::Records(records) = &outcome.answer else {
                score.is_complete = false;
                continue;
            };
            if let Some(ttl) = outcome.ttl {
                score.ttl = Some(score.ttl.map_or(ttl, |least| least.min(ttl)));
            }
            for site in one.sites.iter().map(|at| &self.0[*at]).filter(|site| site.zone.fires(records)) {
                score.sum = score.sum.saturating_add(site.weight);
                if score.heaviest.is_none_or(|(_, weight)| site.weight > weight) {
                    score.heaviest = Some((site.zone.domain(), site.weight));
                }
            }
        }
        score
    }
}

/// A question about a client, and which lists its answer is for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) name: String,
    sites: Vec<usize>,
    pub(super) outcome: Option<Outcome>,
}

impl Asked {
    pub(super) fn question(&self) -> Question {
        Question::Dns { name: self.name.clone(), kind: RecordKind::A }
    }
}

/// What one zone has answered.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) answer: Answer,
    pub(super) ttl: Option<Duration>,
}

/// What DNS lists come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Score<'s> {
    pub(super) sum: i32,
    /// The list that weighs most of those that the client is in, and its weight.
    heaviest: Option<(&'s str, i32)>,
    /// The shortest time for which an answer holds, where any says so.
    pub(super) ttl: Option<Duration>,
    /// Whether all have answered.
    pub(super) is_complete: bool,
}

impl<'s> Score<'s> {
    /// The list that a client is told of.
    pub(super) fn blame(&self) -> &'s str {
        self.heaviest.map_or("", |(domain, _)| domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Record;

    fn score(sites: &str, answers: &[(&str, &[&str])]) -> (i32, String, bool) {
        let entries: Vec<String> = sites.split_whitespace().map(String::from).collect();
        let sites = Sites::read(&entries).unwrap();
        let mut asked = sites.questions("192.0.2.7".parse().unwrap());
        for (zone, addresses) in answers {
            let name = format!("7.2.0.192.{zone}");
            let one = asked.iter_mut().find(|one| one.name == name).unwrap();
            let records = addresses.iter().map(|address| Record::Address(address.parse().unwrap()));
            one.outcome = Some(Outcome { answer: Answer::Records(records.collect()), ttl: None });
        }
        let score = sites.score(&asked);
        (score.sum, score.blame().into(), score.is_complete)
    }

    /// D027 to D030 of the specification.
    #[test]
    fn weights_are_added() {
        let three = "a.test*2 b.test*1 c.test*-2";
        let only_a: &[(&str, &[&str])] = &[("a.test", &["127.0.0.2"]), ("b.test", &[]), ("c.test", &[])];
        assert_eq!(score(three, only_a), (2, "a.test".into(), true));
        let a_and_c: &[(&str, &[&str])] =
            &[("a.test", &["127.0.0.2"]), ("b.test", &[]), ("c.test", &["127.0.0.2"])];
        assert_eq!(score(three, a_and_c), (0, "a.test".into(), true));
        let often: &[(&str, &[&str])] = &[("a.test", &["127.0.0.2", "127.0.0.3", "127.0.0.4"])];
        assert_eq!(score("a.test*2", often), (2, "a.test".into(), true));
        assert_eq!(score("a.test=127.0.0.4*3", &[("a.test", &["127.0.0.2"])]), (0, String::new(), true));
    }

    #[test]
    fn a_zone_with_several_filters_is_asked_once() {
        let sites = "z.test=127.0.0.2*1 z.test=127.0.0.[3..5]*4 z.test=127.0.0.9*-8";
        let entries: Vec<String> = sites.split_whitespace().map(String::from).collect();
        assert_eq!(Sites::read(&entries).unwrap().questions("192.0.2.7".parse().unwrap()).len(), 1);
        assert_eq!(score(sites, &[("z.test", &["127.0.0.2", "127.0.0.4"])]), (5, "z.test".into(), true));
        assert_eq!(score(sites, &[("z.test", &["127.0.0.9"])]), (-8, "z.test".into(), true));
    }

    #[test]
    fn what_does_not_answer_weighs_nothing() {
        assert_eq!(score("a.test*2 b.test*3", &[("a.test", &["127.0.0.2"])]), (2, "a.test".into(), false));
        let heavy = "a.test*2147483647 b.test*2147483647";
        let both: &[(&str, &[&str])] = &[("a.test", &["127.0.0.2"]), ("b.test", &["127.0.0.2"])];
        assert_eq!(score(heavy, both).0, i32::MAX);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (entry, words) in [
            ("a.test*", "a.test*:  is no weight"),
            ("a.test*x", "a.test*x: x is no weight"),
            ("a.test=1.2.3*2", "1.2.3 is no filter"),
            ("*2", "expected zone=filter*weight"),
            ("=127.0.0.2", "expected zone=filter*weight"),
        ] {
            let error = Sites::read(&[entry.to_string()]).unwrap_err();
            assert!(error.contains(words), "{error:?} lacks {words:?}");
        }
    }
}
