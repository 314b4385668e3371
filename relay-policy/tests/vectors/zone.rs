//! The private zone of the vectors and of the examples.

use proto_core::Backend;
use relay_policy::{Answer, Record, RecordKind};

/// What is there.
pub(crate) fn records(name: &str, kind: RecordKind) -> Answer {
    let failing = ["temp.example", "66.113.0.203.dnsbl.test", "66.113.0.203.dnswl.test"];
    if failing.contains(&name) {
        return Answer::Failed(Backend::TEMPORARY);
    }
    let six = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.dnsbl.test";
    let a: &[&str] = match name {
        "good.example" | "sub.good.example" | "helo.good.example" => &["198.51.100.10"],
        "mx.good.example" => &["198.51.100.11"],
        "ns1.evil.example" => &["198.51.100.99"],
        "aonly.example" => &["198.51.100.12"],
        "mx.evil.example" => &["198.51.100.66"],
        "bad.example" | "wl.example" => &["198.51.100.10"],
        "2.113.0.203.dnsbl.test" => &["127.0.0.2"],
        "4.113.0.203.dnsbl.test" => &["127.0.0.4"],
        "10.113.0.203.dnsbl.test" => &["127.0.0.10"],
        "11.113.0.203.dnsbl.test" => &["127.0.0.3", "127.0.0.11"],
        name if name == six => &["127.0.0.2"],
        "50.113.0.203.dnswl.test" => &["127.0.2.1"],
        "bad.example.rhsbl.test" => &["127.0.1.2"],
        "wl.example.rhswl.test" => &["127.0.0.2"],
        _ => &[],
    };
    let mx = match name {
        "good.example" | "mxonly.example" => Some((10, "mx.good.example")),
        "nullmx.example" => Some((0, "")),
        "evilmx.example" => Some((10, "mx.evil.example")),
        _ => None,
    };
    let texts = match name {
        "2.113.0.203.dnsbl.test" => Some("Listed, see https://rbl.test/q/2"),
        "10.113.0.203.dnsbl.test" => Some("policy"),
        "bad.example.rhsbl.test" => Some("spammed domain"),
        _ => None,
    };
    Answer::Records(match kind {
        RecordKind::A => a.iter().map(|address| Record::Address(address.parse().unwrap())).collect(),
        RecordKind::Mx => mx
            .map(|(preference, exchange)| Record::Mx { preference, exchange: exchange.into() })
            .into_iter()
            .collect(),
        RecordKind::Ns if name == "good.example" => vec![Record::Name("ns1.evil.example".into())],
        RecordKind::Txt => texts.map(|text| Record::Text(text.into())).into_iter().collect(),
        _ => Vec::new(),
    })
}
