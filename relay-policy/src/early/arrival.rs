//! A client that has just connected: is it let through, refused, or tested?

use super::access_list::{AccessList, Said};
use super::allowlist::AllowEntry;
use super::screening::Screening;
use super::sites::Sites;
use super::{EarlyAction, EarlyTest, Rule, TESTS, Tests, disconnected, host, refusal};
use crate::access::{AccessError, Log, open_networks};
use crate::address::open_maps;
use crate::decision::Reply;
use crate::match_list::MatchList;
use crate::parameters::Parameters;
use crate::table::{Answers, Key, Maps, Opener, Warning};
use proto_core::UnixTime;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The tests, compiled from the parameters `postscreen_*`.
#[derive(Debug, Clone)]
pub struct Early {
    access: AccessList,
    denylist_action: EarlyAction,
    interfaces: MatchList,
    /// By [`EarlyTest`].
    rules: [Rule; TESTS],
    pub(super) greet_banner: String,
    pub(super) greet_wait: Duration,
    pub(super) sites: Sites,
    pub(super) threshold: i32,
    pub(super) allow_threshold: i32,
    pub(super) dnsbl_min_ttl: Duration,
    reply_map: Maps,
    pub(super) forbidden_commands: Vec<String>,
    pub(super) command_count_limit: u32,
    retention: Duration,
    cleanup_interval: Duration,
    warnings: Vec<Warning>,
}

/// What is to be done with a client that has connected.
#[derive(Debug)]
pub enum Arrival {
    /// It is served as any other.
    Pass,
    /// It is told this in place of a greeting, and its connection closed.
    Refuse(Reply),
    /// It waits for its greeting while it is tested.
    Test(Box<Screening>),
}

impl Early {
    /// Reads the lists and opens the tables that are named.
    ///
    /// # Errors
    /// [`AccessError`] names the parameter and the entry.
    pub fn compile(parameters: &Parameters, opener: &Opener<'_>) -> Result<Self, AccessError> {
        let p = parameters;
        let mut warnings = Vec::new();
        let mut list = |parameter: &'static str, entries: &[String]| {
            open_networks(parameter, &entries.join(" "), p, opener, &mut warnings)
        };
        let interfaces = list("postscreen_allowlist_interfaces", &p.postscreen_allowlist_interfaces)?;
        let mynetworks = list("mynetworks", &p.mynetworks)?;
        let wrong = |parameter| move |what| AccessError::Entry { parameter, what };
        let access = AccessList::read(&p.postscreen_access_list, mynetworks, opener, &mut warnings)
            .map_err(wrong("postscreen_access_list"))?;
        let sites = Sites::read(&p.postscreen_dnsbl_sites).map_err(wrong("postscreen_dnsbl_sites"))?;
        let reply_map =
            open_maps("postscreen_dnsbl_reply_map", &p.postscreen_dnsbl_reply_map, opener, &mut warnings)?;
        let waits = !p.postscreen_greet_wait.is_zero();
        let rules = EarlyTest::ALL.map(|test| {
            let (enabled, action, ttl) = match test {
                EarlyTest::Pregreet => (waits, p.postscreen_greet_action, p.postscreen_greet_ttl),
                EarlyTest::Dnsbl => {
                    (waits && !sites.is_empty(), p.postscreen_dnsbl_action, p.postscreen_dnsbl_max_ttl)
                }
                EarlyTest::Pipelining => (
                    p.postscreen_pipelining_enable,
                    p.postscreen_pipelining_action,
                    p.postscreen_pipelining_ttl,
                ),
                EarlyTest::NonSmtpCommand => (
                    p.postscreen_non_smtp_command_enable,
                    p.postscreen_non_smtp_command_action,
                    p.postscreen_non_smtp_command_ttl,
                ),
                EarlyTest::BareNewline => (
                    p.postscreen_bare_newline_enable,
                    p.postscreen_bare_newline_action,
                    p.postscreen_bare_newline_ttl,
                ),
            };
            Rule { enabled, action, ttl }
        });
        Ok(Self {
            access,
            denylist_action: p.postscreen_denylist_action,
            interfaces,
            rules,
            greet_banner: p.postscreen_greet_banner.clone(),
            greet_wait: p.postscreen_greet_wait,
            sites,
            threshold: p.postscreen_dnsbl_threshold,
            allow_threshold: p.postscreen_dnsbl_allowlist_threshold,
            dnsbl_min_ttl: p.postscreen_dnsbl_min_ttl,
            reply_map,
            forbidden_commands: p.postscreen_forbidden_commands.clone(),
            command_count_limit: p.postscreen_command_count_limit,
            retention: p.postscreen_cache_retention_time,
            cleanup_interval: p.postscreen_cache_cleanup_interval,
            warnings,
        })
    }

    /// What is to be said of the tables' sources.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How long a client that has passed is remembered as one of old.
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// How often [`Allowlist::clean`](super::Allowlist::clean) is to be called.
    pub fn cleanup_interval(&self) -> Duration {
        self.cleanup_interval
    }

    /// What is to be done with a client that has connected to `server`, and of which this is known; with the lines for the
    /// log.
    pub fn arrive(
        self: &Arc<Self>,
        client: SocketAddr,
        server: Option<SocketAddr>,
        known: Option<&AllowEntry>,
        now: UnixTime,
    ) -> (Arrival, Log) {
        let mut log = Log::default();
        let server_host = server.map_or_else(|| "[]:0".into(), host);
        log.info(format!("CONNECT from {} to {server_host}", host(client)));
        let mut refused = None;
        match self.access.find(client.ip(), &mut log) {
            Said::Permit => {
                log.info(format!("ALLOWLISTED {}", host(client)));
                return (Arrival::Pass, log);
            }
            Said::Reject => {
                log.info(format!("DENYLISTED {}", host(client)));
                let reply = |dropped| refusal(dropped, (3, 2), "Service currently unavailable");
                match self.denylist_action {
                    EarlyAction::Ignore => {}
                    EarlyAction::Enforce => refused = Some(reply(false)),
                    EarlyAction::Drop => {
                        disconnected(client, &mut log);
                        return (Arrival::Refuse(reply(true)), log);
                    }
                }
            }
            Said::Dunno => {}
        }
        let due = self.due(known, now);
        if refused.is_none() && due.is_empty() {
            log.info(format!("PASS OLD {}", host(client)));
            return (Arrival::Pass, log);
        }
        let vetoed = server.is_some_and(|server| {
            let found = self.interfaces.matches_host("unknown", server.ip(), &Answers::default());
            !matches!(found, Ok(Some(_)))
        });
        if vetoed {
            log.info(format!("ALLOWLIST VETO {}", host(client)));
        }
        let screening = Screening::new(Arc::clone(self), client, known, due, vetoed, refused);
        (Arrival::Test(Box::new(screening)), log)
    }

    pub(super) fn rule(&self, test: EarlyTest) -> &Rule {
        &self.rules[test as usize]
    }

    /// The tests that a client has yet to pass.
    fn due(&self, known: Option<&AllowEntry>, now: UnixTime) -> Tests {
        let mut due = Tests::default();
        for test in EarlyTest::ALL {
            if self.rule(test).enabled && !known.is_some_and(|known| known.has_passed(test, now)) {
                due.insert(test);
            }
        }
        due
    }

    /// What a client is told in place of a DNS list's name.
    pub(super) fn shown(&self, domain: &str, log: &mut Log) -> String {
        match self.reply_map.look_up(Key::Whole(domain), &Answers::default()) {
            Ok(Some(found)) => found.text.into_owned(),
            Ok(None) => domain.into(),
            // Its name may be a secret.
            Err(error) => {
                log.warn(format!("postscreen_dnsbl_reply_map: {error}"));
                "a DNS list".into()
            }
        }
    }
}
