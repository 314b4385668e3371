//! Lists in the DNS: of addresses (RFC 5782) and of names, of bad ones and of good ones.
//!
//! # Departures
//! From RFC 5782: whether a list is alive (section 5) is not tested here.

use super::action::reply_code;
use super::probe::{Checked, Probe, Said};
use super::rule::Check;
use super::subject::{Context, Subject, first_digit, split_enhanced};
use super::template::expand;
use crate::decision::Reply;
use crate::domain;
use crate::question::{Answer, Question, Record, RecordKind};
use crate::request::UNKNOWN;
use crate::trail::Why;
use proto_core::address::{Mailbox, ReversePath};
use std::net::{IpAddr, Ipv4Addr};

/// The octets of a listing's reason.
const REASON_OCTETS_MAX: usize = 500;

/// A list, and which of its answers count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// As it was configured, the filter with it.
    written: String,
    domain: String,
    filter: Option<Filter>,
}

/// Four sets of numbers, one for each octet of an answer.
type Filter = [Vec<(u8, u8)>; 4];

impl Zone {
    /// Reads `zone` or `zone=d.d.d.d`, where a number may be a set, `[2;4..11]`.
    pub(crate) fn read(written: &str) -> Result<Self, String> {
        let (domain, filter) = match written.split_once('=') {
            None => (written, None),
            Some((domain, filter)) => {
                let read = read_filter(filter);
                (domain, Some(read.ok_or_else(|| format!("{filter} is no filter as 127.0.0.[2;4..11] is"))?))
            }
        };
        Ok(Self { written: written.into(), domain: domain.into(), filter })
    }

    /// The list's name, without its filter.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether an answer says that what was asked for is listed.
    pub(crate) fn fires(&self, records: &[Record]) -> bool {
        records.iter().any(|record| match (record, &self.filter) {
            (Record::Address(IpAddr::V4(_)), None) => true,
            (Record::Address(IpAddr::V4(address)), Some(filter)) => matches(filter, *address),
            _ => false,
        })
    }
}

fn matches(filter: &Filter, address: Ipv4Addr) -> bool {
    let mut octets = filter.iter().zip(address.octets());
    octets.all(|(set, octet)| set.iter().any(|(from, to)| (*from..=*to).contains(&octet)))
}

fn read_filter(text: &str) -> Option<Filter> {
    let mut rest = text;
    let mut filter = Filter::default();
    for (at, set) in filter.iter_mut().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix('.')?;
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let (items, after) = inner.split_once(']')?;
            for item in items.split(';') {
                let (from, to) = item.split_once("..").unwrap_or((item, item));
                let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
                if from > to {
                    return None;
                }
                set.push((from, to));
            }
            rest = after;
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let number = rest[..end].parse().ok()?;
            set.push((number, number));
            rest = &rest[end..];
        }
    }
    rest.is_empty().then_some(filter)
}

/// What a list says about a name.
enum Listed {
    No,
    Yes { reason: String },
    Unknown,
}

impl Probe<'_> {
    /// What a DNS list is asked first; none where this is no such list or does not apply.
    pub(crate) fn listing_question(&self, check: &Check) -> Option<Question> {
        let Check::DnsList { by_name, of, zone, .. } = check else { return None };
        let (_, looked_up) = self.listed_fact(*by_name, *of)?;
        Some(Question::Dns { name: format!("{looked_up}.{}", zone.domain), kind: RecordKind::A })
    }

    pub(crate) fn dns_list(&mut self, permit: bool, by_name: bool, of: Subject, zone: &Zone) -> Checked {
        let Some((what, looked_up)) = self.listed_fact(by_name, of) else { return Ok(Said::Dunno) };
        if permit && !self.may_excuse()? {
            self.why = Why::Words("the recipient is not ours");
            return Ok(Said::Dunno);
        }
        match self.listed(&looked_up, zone)? {
            Listed::No => {
                self.note(format_args!("{what} is not in {}", zone.written));
                Ok(Said::Dunno)
            }
            Listed::Yes { .. } if permit => Ok(Said::Permit),
            Listed::Yes { reason } => Ok(Said::Refuse(self.listed_reply(of, &what, zone, &reason)?)),
            Listed::Unknown if permit => {
                let context = Context { subject: of, called: Some(what) };
                Ok(Said::DeferIfReject(self.rejected(&context, 450, (4, 7, 1), "Service unavailable")))
            }
            Listed::Unknown => Ok(Said::Dunno),
        }
    }

    /// The fact, and what of it is looked up.
    fn listed_fact(&self, by_name: bool, of: Subject) -> Option<(String, String)> {
        let request = self.request;
        if !by_name {
            let client = request.client.to_canonical();
            return Some((client.to_string(), reversed(client)));
        }
        let (what, name) = match of {
            Subject::Client => (request.client_name.clone(), request.client_name.clone()),
            Subject::ReverseClient => {
                (request.reverse_client_name.clone(), request.reverse_client_name.clone())
            }
            Subject::Helo => {
                let helo = request.helo.clone()?;
                (helo.clone(), helo)
            }
            _ => {
                let mailbox = self.address(of)?;
                let domain = mailbox.domain().to_string();
                (mailbox.to_string(), domain::in_ascii(&domain)?.into_owned())
            }
        };
        let is_looked_up = name != UNKNOWN && super::helo::is_hostname(&name);
        let last_is_number =
            name.rsplit('.').next().is_none_or(|label| label.bytes().all(|octet| octet.is_ascii_digit()));
        (is_looked_up && !last_is_number).then_some((what, name))
    }

    fn listed(&mut self, looked_up: &str, zone: &Zone) -> Checked<Listed> {
        let name = format!("{looked_up}.{}", zone.domain);
        let records = match self.ask(Question::Dns { name: name.clone(), kind: RecordKind::A })? {
            Answer::Records(records) => records,
            _ => {
                self.log.warn(format!(
                    "{name}: RBL lookup error: Host or domain name not found. \
                     Name service error for name={name} type=A: Host not found, try again"
                ));
                return Ok(Listed::Unknown);
            }
        };
        if !zone.fires(records) {
            return Ok(Listed::No);
        }
        let texts = match self.ask(Question::Dns { name, kind: RecordKind::Txt })? {
            Answer::Records(records) => records.iter().filter_map(|record| match record {
                Record::Text(text) => Some(text.as_str()),
                _ => None,
            }),
            // Why it is listed is good to know and no more.
            _ => return Ok(Listed::Yes { reason: String::new() }),
        };
        let mut reason = texts.collect::<Vec<_>>().join(" / ");
        let end = (0..=REASON_OCTETS_MAX).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
        reason.truncate(end);
        Ok(Listed::Yes { reason })
    }

    fn listed_reply(&mut self, of: Subject, what: &str, zone: &Zone, reason: &str) -> Checked<Reply> {
        let template = self.reply_template(zone)?;
        let code = self.parameters().maps_rbl_reject_code.to_string();
        let request = self.request;
        let sender = request.sender.as_ref().map(|path| match path {
            ReversePath::Mailbox(mailbox) => mailbox.to_string(),
            ReversePath::Null => "<>".into(),
        });
        let recipient = self.recipient().map(Mailbox::to_string);
        let local_part = |mailbox: Option<&Mailbox>| {
            mailbox.map(|mailbox| mailbox.local_part().as_str().to_string()).unwrap_or_default()
        };
        let domain = |mailbox: Option<&Mailbox>| {
            mailbox.map(|mailbox| mailbox.domain().to_string()).unwrap_or_default()
        };
        let text = expand(&template, &|name| match name {
            "client" => request.client_host(),
            "client_address" => request.client.to_canonical().to_string(),
            "client_name" => request.client_name.clone(),
            "reverse_client_name" => request.reverse_client_name.clone(),
            "helo_name" => request.helo.clone().unwrap_or_default(),
            "rbl_class" => of.to_string(),
            "rbl_code" => code.clone(),
            "rbl_domain" => zone.domain.clone(),
            "rbl_reason" => reason.into(),
            "rbl_what" => what.into(),
            "recipient" => recipient.clone().unwrap_or_default(),
            "recipient_name" => local_part(self.recipient()),
            "recipient_domain" => domain(self.recipient()),
            "sender" => sender.clone().unwrap_or_default(),
            "sender_name" => local_part(self.sender()),
            "sender_domain" => domain(self.sender()),
            _ => String::new(),
        });
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((&text, ""));
        let Some(code) = reply_code(word) else {
            self.log.warn(format!("rbl response code configuration error: {text}"));
            return Ok(Reply::new(450, (4, 7, 1), "Service unavailable".into()));
        };
        let default = (first_digit(code), 7, 1);
        let ((_, subject, detail), rest) = split_enhanced(rest).unwrap_or((default, rest));
        let enhanced = of.fitted((first_digit(code), subject, detail), &mut self.log);
        Ok(Reply::new(code, enhanced, rest.into()))
    }

    /// The template for a list: by its name with the filter, by its name alone, or the one for all.
    fn reply_template(&mut self, zone: &Zone) -> Checked<String> {
        let parameters = self.parameters();
        for table in &parameters.rbl_reply_maps {
            let keys = [&*zone.written, &*zone.domain];
            match self.first(table, |search| keys.iter().try_for_each(|key| search.ask(&[key])))? {
                Ok(None) => {}
                Ok(Some(hit)) => return Ok(hit.found.text.into_owned()),
                Err(unknown) => return self.broken(&[unknown.warning()]),
            }
        }
        Ok(parameters.default_rbl_reply.clone())
    }
}

/// The labels under which an address is listed: its octets or its nibbles from behind (RFC 5782 sections 2.1 and 2.4).
pub(crate) fn reversed(address: IpAddr) -> String {
    let labels: Vec<String> = match address {
        IpAddr::V4(address) => address.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect()
        }
    };
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let fires = |zone: &str, answer: &str| {
            let records = [Record::Address(answer.parse().unwrap())];
            Zone::read(zone).unwrap().fires(&records)
        };
        assert!(fires("z.test", "127.0.0.9") && !fires("z.test", "::1"));
        assert!(fires("z.test=127.0.0.[2;4..11]", "127.0.0.11"));
        assert!(!fires("z.test=127.0.0.[2;4..11]", "127.0.0.3"));
        for wrong in ["1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.[4", "1.2.3.[4..2]", "1.2.3.[]", ""] {
            assert!(Zone::read(&format!("z.test={wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_from_behind() {
        assert_eq!(reversed("203.0.113.2".parse().unwrap()), "2.113.0.203");
        let six = reversed("2001:db8::2".parse().unwrap());
        assert!(six.starts_with("2.0.0.0.") && six.ends_with(".8.b.d.0.1.0.0.2"), "{six}");
        assert_eq!(six.len(), 63);
    }
}
