//! What a recipient really means, and where its mail goes.
//!
//! A local part can hide another address: `u%remote@ours`, `remote!u@ours`, `"u@remote"@ours`. Some mailers open such
//! addresses and forward them, so a relay that looks only at the domain is open. As long as the domain is ours, the
//! local part is opened here; what comes out is what is decided about. An address that still holds a routing operator
//! then is *routed*: the next mailer may open it, so it is nobody's destination, whatever is configured here.
//!
//! The grammar of the operators is Postfix's; RFC 5321 has none, section 3.6.2 only warns.
//!
//! # Departures
//! From Postfix: a domain in A-labels and the same in U-labels are the same in every list and as keys of tables, and what
//! is resolved has A-labels.

use super::domains::Domains;
use super::extension::Extensions;
use super::form::{Address, Token, join, needs_quotes, scan, scan_internal};
use super::mapping::Mapper;
use super::rewrite::{RewriteContext, Rewriting, drop_trailing_dot};
use super::transport::Transport;
use crate::decision::Class;
use crate::domain;
use crate::table::{Answers, Key, LookupError, Maps};
use proto_core::address::{AddressSyntax, Domain, DomainName};
use std::borrow::Cow;
use std::net::IpAddr;

/// The parameters of resolving, under Postfix's names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Routing {
    /// How addresses are completed.
    pub rewriting: Rewriting,
    /// Where an extension begins.
    pub extensions: Extensions,
    /// Which domains are ours.
    pub domains: Domains,
    /// This machine's name: the next hop of local mail, and the domain of addresses that have none.
    pub myhostname: String,
    /// `resolve_dequoted_address`: what stands in quotes is opened, too. Without it, a next hop that takes quotes off may be
    /// made to relay.
    pub resolve_dequoted_address: bool,
    /// `resolve_null_domain`: `u@` is a user of ours.
    pub resolve_null_domain: bool,
    /// `resolve_numeric_domain`: `u@192.0.2.1` is `u@[192.0.2.1]`.
    pub resolve_numeric_domain: bool,
    /// `allow_min_user`: an address may begin with `-`, which programs take for an option.
    pub allow_min_user: bool,
    /// `show_user_unknown_table_name`.
    pub show_user_unknown_table_name: bool,
    /// `empty_address_recipient`: who an empty local part in a domain of ours is.
    pub empty_address_recipient: String,
    /// `local_transport`.
    pub local_transport: Transport,
    /// `virtual_transport`.
    pub virtual_transport: Transport,
    /// `relay_transport`.
    pub relay_transport: Transport,
    /// `default_transport`.
    pub default_transport: Transport,
    /// `sender_dependent_default_transport_maps`.
    pub sender_dependent_default_transport_maps: Maps,
    /// `relayhost`: the next hop of what is not for this machine; empty for the recipient's domain.
    pub relayhost: String,
    /// `sender_dependent_relayhost_maps`.
    pub sender_dependent_relayhost_maps: Maps,
    /// `transport_maps`.
    pub transport_maps: Maps,
    /// Whether `transport_maps` is in `parent_domain_matches_subdomains`.
    pub transport_maps_match_parents: bool,
    /// `relocated_maps`.
    pub relocated_maps: Maps,
}

/// Where a recipient leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The recipient that came out.
    pub recipient: Address,
    /// The class of its domain.
    pub class: Class,
    /// Who delivers, and to where.
    pub transport: Transport,
    /// The next mailer may find another address in it.
    pub is_routed: bool,
}

impl Resolution {
    /// Whether mail for it is taken from everybody.
    pub fn is_authorised(&self) -> bool {
        !self.is_routed && self.class != Class::Default
    }
}

/// Why an address leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// It cannot be anybody's: `501 5.1.3 Bad recipient address syntax`.
    #[error("{why}")]
    BadAddress {
        /// The class of its domain; the default class where it has no domain.
        class: Class,
        /// What is wrong.
        why: &'static str,
    },
    /// A table could not be asked.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

fn bad(why: &'static str) -> ResolveError {
    ResolveError::BadAddress { class: Class::Default, why }
}

impl Routing {
    /// The defaults for a machine of this name, to which no domain belongs yet.
    pub fn new(myhostname: impl Into<String>) -> Self {
        let myhostname = myhostname.into();
        let transport = |service: &str| Transport { service: service.into(), nexthop: String::new() };
        Self {
            rewriting: Rewriting::new(&*myhostname),
            extensions: Extensions::none(),
            domains: Domains::default(),
            resolve_dequoted_address: true,
            resolve_null_domain: false,
            resolve_numeric_domain: false,
            allow_min_user: false,
            show_user_unknown_table_name: true,
            empty_address_recipient: "MAILER-DAEMON".into(),
            local_transport: Transport { nexthop: myhostname.clone(), ..transport("local") },
            virtual_transport: transport("virtual"),
            relay_transport: transport("relay"),
            default_transport: transport("smtp"),
            sender_dependent_default_transport_maps: Maps::default(),
            relayhost: String::new(),
            sender_dependent_relayhost_maps: Maps::default(),
            transport_maps: Maps::default(),
            transport_maps_match_parents: false,
            relocated_maps: Maps::default(),
            myhostname,
        }
    }

    /// What mappings of addresses need to know.
    pub fn mapper<'a>(&'a self, answers: &'a Answers) -> Mapper<'a> {
        Mapper { rewriting: &self.rewriting, extensions: &self.extensions, domains: &self.domains, answers }
    }

    /// Finds where a recipient leads, from a sender, which is empty for the null sender.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub fn resolve(
        &self,
        recipient: &Address,
        sender: &Address,
        answers: &Answers,
    ) -> Result<Resolution, ResolveError> {
        let Opened { recipient, is_local } = self.open(recipient, answers)?;
        let domain = recipient.domain().expect("invariant: what was opened has a domain");
        let class = match is_local {
            Some(true) => Class::Local,
            Some(false) => self.domains.class_elsewhere(domain, answers)?,
            None => self.domains.class(domain, answers)?,
        };
        if recipient.as_str().starts_with('-') && !self.allow_min_user {
            return Err(ResolveError::BadAddress { class, why: "an address like a command's option" });
        }
        let mapper = self.mapper(answers);
        let mut transport = self.transport(class, domain, sender, &mapper)?;
        if class != Class::VirtualAlias
            && let Some(entry) = mapper.find_transport(
                &self.transport_maps,
                self.transport_maps_match_parents,
                &recipient,
                domain,
            )?
        {
            transport.override_with(entry, domain);
        }
        if let Some(hit) = mapper.find(&self.relocated_maps, &recipient)? {
            transport = error(format!("5.1.6 User has moved to {}", hit.found.text));
        }
        let is_routed = recipient.local_part().bytes().any(|octet| matches!(octet, b'@' | b'%' | b'!'));
        Ok(Resolution { class, transport, is_routed, recipient })
    }

    /// Takes domains of ours off as long as another address is behind them; the result has a good domain.
    fn open(&self, recipient: &Address, answers: &Answers) -> Result<Opened, ResolveError> {
        // Nothing is behind the domain of most addresses, which come out as they are.
        if let Some(domain) = recipient.domain().filter(|_| recipient.is_plain()) {
            let is_local = Some(self.domains.is_local(domain, answers)?);
            if check_domain(domain).is_ok() {
                return Ok(Opened { recipient: recipient.clone(), is_local });
            }
        }
        let recipient = self.open_tokens(recipient, answers)?;
        Ok(Opened { recipient, is_local: None })
    }

    fn open_tokens(&self, recipient: &Address, answers: &Answers) -> Result<Address, ResolveError> {
        let mut tokens = cut(recipient);
        let mut local_domain: Option<Vec<Token>> = None;
        drop_trailing_dot(&mut tokens);
        // Each round takes a domain or quotes off, so this is more than enough.
        let rounds_max = recipient.as_str().len() + 2;
        for round in 0.. {
            if round > rounds_max {
                return Err(bad("too many addresses in one"));
            }
            if let Some(at) = tokens.iter().rposition(|token| token.is('@')) {
                let domain = join(&tokens[at + 1..]);
                if !(domain.is_empty() || self.domains.is_local(domain.as_str(), answers)?) {
                    break;
                }
                let taken_off = tokens.split_off(at);
                if !(domain.is_empty() && self.resolve_null_domain) {
                    local_domain = Some(taken_off);
                }
            }
            if !self.is_openable(&tokens) {
                let Some(inside) = self.inside_quotes(&tokens) else {
                    self.give_domain(&mut tokens, local_domain);
                    break;
                };
                tokens = inside;
            }
            self.rewriting.rewrite_in_place(&mut tokens, RewriteContext::Local);
        }
        let opened = join(&tokens);
        let domain = opened.domain().unwrap_or_default();
        match check_domain(domain) {
            // As the DNS and whoever delivers have it.
            Ok(()) => Ok(match domain::key(domain).filter(|_| !domain.is_ascii()) {
                Some(ascii) => Address::internal(format!("{}@{ascii}", opened.local_part())),
                None => opened,
            }),
            Err(_) if self.resolve_numeric_domain && domain.parse::<IpAddr>().is_ok() => {
                let literal = if domain.contains(':') { format!("IPv6:{domain}") } else { domain.into() };
                Ok(Address::internal(format!("{}@[{literal}]", opened.local_part())))
            }
            Err(why) => Err(bad(why)),
        }
    }

    /// What is in a local part that had to be quoted, cut up, if it holds an operator that means something here: the last
    /// `@`, else the last `%`, else a `!`.
    fn inside_quotes(&self, local_part: &[Token]) -> Option<Vec<Token>> {
        let [Token::Quoted(text)] = local_part else { return None };
        let Rewriting { allow_percent_hack, swap_bangpath, .. } = self.rewriting;
        if !self.resolve_dequoted_address {
            None
        } else if text.contains('@') {
            Some(cut(&Address::internal(&**text)))
        } else if let Some((user, site)) = text.rsplit_once('%').filter(|_| allow_percent_hack) {
            Some(cut(&Address::internal(format!("{user}@{site}"))))
        } else {
            Some(scan(text)).filter(|_| swap_bangpath && text.contains('!'))
        }
    }

    /// Whether a local part holds an operator that means something here.
    fn is_openable(&self, local_part: &[Token]) -> bool {
        let means = |token: &Token| {
            token.is('@')
                || (self.rewriting.swap_bangpath && token.is('!'))
                || (self.rewriting.allow_percent_hack && token.is('%'))
        };
        local_part.iter().any(means)
    }

    /// Completes a local part of ours: somebody for nobody, and the domain that was there.
    fn give_domain(&self, tokens: &mut Vec<Token>, domain: Option<Vec<Token>>) {
        let is_empty = |token: &Token| matches!(token, Token::Quoted(text) if text.is_empty());
        if tokens.iter().all(is_empty) {
            *tokens = scan_internal(&self.empty_address_recipient);
        }
        tokens.extend(domain.unwrap_or_else(|| scan_internal(&format!("@{}", self.myhostname))));
    }

    /// What the parameters say of a class, before `transport_maps`.
    fn transport(
        &self,
        class: Class,
        domain: &str,
        sender: &Address,
        mapper: &Mapper<'_>,
    ) -> Result<Transport, LookupError> {
        Ok(match class {
            Class::Local => self.local_transport.with_nexthop(&self.myhostname),
            Class::VirtualAlias => {
                let table = if self.show_user_unknown_table_name { " in virtual alias table" } else { "" };
                error(format!("5.1.1 User unknown{table}"))
            }
            Class::VirtualMailbox => self.virtual_transport.with_nexthop(domain),
            Class::Relay => self.relay_transport.with_nexthop(&self.relayhost(domain, sender, mapper)?),
            Class::Default => {
                let maps = &self.sender_dependent_default_transport_maps;
                let own = for_sender(maps, sender, mapper)?.map(|text| Transport::parse(&text));
                let transport = own.as_ref().unwrap_or(&self.default_transport);
                transport.with_nexthop(&self.relayhost(domain, sender, mapper)?)
            }
        })
    }

    /// The next hop of what is not for this machine.
    fn relayhost<'a>(
        &'a self,
        domain: &'a str,
        sender: &Address,
        mapper: &Mapper<'_>,
    ) -> Result<Cow<'a, str>, LookupError> {
        let own = for_sender(&self.sender_dependent_relayhost_maps, sender, mapper)?;
        let relayhost = own.map_or(Cow::Borrowed(&*self.relayhost), Cow::Owned);
        Ok(if relayhost.is_empty() { Cow::Borrowed(domain) } else { relayhost })
    }

    /// Whether where a recipient leads may depend on the sender.
    pub(crate) fn depends_on_sender(&self) -> bool {
        !(self.sender_dependent_default_transport_maps.is_empty()
            && self.sender_dependent_relayhost_maps.is_empty())
    }
}

/// What is inside of an address.
struct Opened {
    recipient: Address,
    /// Whether its domain is, where that was looked at.
    is_local: Option<bool>,
}

/// An address cut up, with its local part whole where it would be quoted.
fn cut(address: &Address) -> Vec<Token> {
    let local_part = address.local_part();
    if !needs_quotes(local_part) {
        return scan_internal(address.as_str());
    }
    let domain = address.domain().map(|domain| scan_internal(&format!("@{domain}")));
    [Token::Quoted(local_part.into())].into_iter().chain(domain.unwrap_or_default()).collect()
}

/// What a table has for a sender; `DUNNO` is nothing. The null sender's key is `<>`.
fn for_sender(maps: &Maps, sender: &Address, mapper: &Mapper<'_>) -> Result<Option<String>, LookupError> {
    let found = if sender.is_empty() {
        maps.look_up(Key::Whole("<>"), mapper.answers)?
    } else {
        mapper.find(maps, sender)?.map(|hit| hit.found)
    };
    Ok(found.map(|found| found.text.into_owned()).filter(|text| !text.eq_ignore_ascii_case("DUNNO")))
}

fn error(why: String) -> Transport {
    Transport { service: "error".into(), nexthop: why }
}

/// Whether mail can go to a domain at all.
fn check_domain(domain: &str) -> Result<(), &'static str> {
    let syntax = AddressSyntax { utf8: false, lenient: true };
    if domain.starts_with('[') {
        return match Domain::parse(domain.as_bytes(), syntax) {
            Ok(Domain::Ipv4(_) | Domain::Ipv6(_)) => Ok(()),
            _ => Err("an address literal of an unknown kind"),
        };
    }
    let key = domain::key(domain).ok_or("no domain name")?;
    if key.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') {
        return Err("a network address without brackets");
    }
    DomainName::parse(key.as_bytes(), syntax).map(drop).map_err(|_| "no domain name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::match_list::MatchList;
    use crate::table::Opener;

    #[test]
    fn what_hides_nothing_comes_out_as_when_it_is_taken_apart() {
        let answers = Answers::default();
        let mut routing = Routing::new("mail.example.com");
        let read = |_: &str| Err("no files".into());
        routing.domains.mydestination =
            MatchList::parse("example.com, 1.2.3", false, &Opener::new(&read)).list;
        for numeric in [false, true] {
            routing.resolve_numeric_domain = numeric;
            for address in [
                "u@example.com",
                "U.v+w@EXAMPLE.com",
                "-u@far.test",
                "u@1.2.3",
                "u@192.0.2.1",
                "u@a_b.test",
                "u@-a",
                "u@xn--0",
            ] {
                let address = Address::internal(address);
                assert!(address.is_plain());
                let opened = routing.open(&address, &answers).map(|opened| opened.recipient);
                assert_eq!(opened, routing.open_tokens(&address, &answers), "{address}");
            }
        }
        for address in [
            "u%v@example.com",
            "u@example.com.",
            "u@[192.0.2.1]",
            "u@",
            "u",
            "@u",
            "a b@c",
            "u@v@w",
            "é@u",
            "u!v@w",
        ] {
            assert!(!Address::internal(address).is_plain(), "{address}");
        }
    }

    #[test]
    fn an_address_in_brackets_that_was_hidden_is_complete() {
        let mut routing = Routing::new("mail.example.com");
        routing.rewriting.append_dot_mydomain = true;
        let no_files = |_: &str| Err("no files".into());
        routing.domains.mydestination = MatchList::parse("example.com", false, &Opener::new(&no_files)).list;
        let hidden = Address::parse("\"u%[IPv6:::1]\"@example.com");
        let resolution = routing.resolve(&hidden, &Address::default(), &Answers::default()).unwrap();
        assert_eq!((resolution.recipient.as_str(), resolution.class), ("u@[IPv6:::1]", Class::Default));
    }
}
