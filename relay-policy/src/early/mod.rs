//! Tests of a client before it is served: what Postfix's `postscreen` does.
//!
//! Most junk comes from programs that are in a hurry and speak just as much SMTP as they need. A client that nobody knows
//! is made to wait for its greeting; while it waits, DNS lists are asked about it, and if it talks, that tells, too. One
//! that has passed is let through for as long as the tests' `ttl` says.
//!
//! * [`Early`] is compiled from the parameters `postscreen_*`. [`Early::arrive`] says what is to be done with a client:
//!   let it through, refuse it, or test it.
//! * [`Screening`] is the test before the greeting: it asks its [questions](Screening::questions), is told what happens,
//!   and ends with a [`Screened`].
//! * [`Watch`] is the test of what comes after the greeting, for a client that is not let through: it sees each command,
//!   says what the client's recipients are refused with, and in the end whether it has passed.
//! * [`Allowlist`] remembers who has passed.
//!
//! What becomes of a client that fails is the parameter's to say: [`EarlyAction`]. The log lines have Postfix's shapes.
//!
//! ```
//! use proto_core::UnixTime;
//! use relay_policy::early::{Allowlist, Arrival, Early, Greeted};
//! use relay_policy::table::Opener;
//! use relay_policy::{Answer, Parameters, Question, Record};
//! use std::sync::Arc;
//!
//! let mut parameters = Parameters::default();
//! parameters.set("postscreen_dnsbl_sites", "bad.test*2, good.test=127.0.0.[1..3]*-2")?;
//! parameters.set("postscreen_dnsbl_threshold", "2")?;
//! parameters.set("postscreen_dnsbl_action", "drop")?;
//! let early = Arc::new(Early::compile(&parameters, &Opener::new(&|_| Err("no files".into())))?);
//! let mut allowlist = Allowlist::default();
//!
//! let client = "203.0.113.9:49152".parse()?;
//! let (arrival, _) = early.arrive(client, None, allowlist.find("203.0.113.9".parse()?), UnixTime(0));
//! let Arrival::Test(mut screening) = arrival else { panic!("nobody knows it") };
//! for question in screening.questions() {
//!     let Question::Dns { name, .. } = &question else { unreachable!("nothing else is asked") };
//!     let listed = vec![Record::Address("127.0.0.2".parse()?)];
//!     let answer = if name == "9.113.0.203.bad.test" { listed } else { Vec::new() };
//!     screening.answer(&question, Answer::Records(answer), None);
//! }
//! let screened = screening.finish(UnixTime(6));
//! assert_eq!(screened.log.lines()[0].to_string(), "DNSBL rank 2 for [203.0.113.9]:49152");
//! let Greeted::Refuse(reply) = screened.greeted else { panic!("it is listed") };
//! assert_eq!(
//!     reply.to_string(),
//!     "521 5.7.1 Service unavailable; client [203.0.113.9] blocked using bad.test"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! [`Allowlist::new`] says how many clients are remembered. A DNS list counts once, however many records it answers with.
//!
//! # Departures
//! From Postfix: what is not known of a DNS list when the wait is over counts as not listed, and is believed for
//! `postscreen_dnsbl_min_ttl` alone. A table in `postscreen_access_list` that is not in memory is passed over, with a
//! warning. `stress` is not known. How long a command may be is a limit of the SMTP server that a client under watch talks
//! to; so are the order of commands and their grammar, and who says DATA without a recipient that was taken is told so and not
//! hung up on. What stands behind AUTH is not logged.

mod access_list;
mod allowlist;
mod arrival;
mod screening;
mod sites;
mod watch;

pub use allowlist::{AllowEntry, Allowlist, NoEntry};
pub use arrival::{Arrival, Early};
pub use screening::{Greeted, Screened, Screening};
pub use watch::{Attempt, Heard, Leaving, Watch};

use crate::access::Log;
use crate::decision::Reply;
use proto_core::UnixTime;
use std::net::SocketAddr;
use std::time::Duration;

/// What becomes of a client that fails a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EarlyAction {
    /// It is logged, and tested again when it comes again.
    Ignore,
    /// It may talk, and none of its recipients is taken.
    Enforce,
    /// It is told so, and its connection closed.
    Drop,
}

/// What is tested, by when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EarlyTest {
    /// Waits for its greeting.
    Pregreet,
    /// Is not in DNS lists.
    Dnsbl,
    /// Waits for replies to its commands.
    Pipelining,
    /// Speaks SMTP.
    NonSmtpCommand,
    /// Ends lines with CR LF.
    BareNewline,
}

/// Of [`EarlyTest`].
const TESTS: usize = 5;

impl EarlyTest {
    /// All of them.
    pub const ALL: [Self; TESTS] =
        [Self::Pregreet, Self::Dnsbl, Self::Pipelining, Self::NonSmtpCommand, Self::BareNewline];

    /// Those that are over when the client is greeted.
    const BEFORE_GREETING: [Self; 2] = [Self::Pregreet, Self::Dnsbl];

    /// Those that look at commands.
    const OF_COMMANDS: [Self; 3] = [Self::Pipelining, Self::NonSmtpCommand, Self::BareNewline];
}

/// Which tests something holds of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tests(u8);

impl Tests {
    fn contains(self, test: EarlyTest) -> bool {
        self.0 & 1 << test as u8 != 0
    }

    fn contains_any(self, tests: &[EarlyTest]) -> bool {
        tests.iter().any(|test| self.contains(*test))
    }

    fn insert(&mut self, test: EarlyTest) {
        self.0 |= 1 << test as u8;
    }

    fn remove(&mut self, test: EarlyTest) {
        self.0 &= !(1 << test as u8);
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How one test is made.
#[derive(Debug, Clone, Copy)]
struct Rule {
    enabled: bool,
    action: EarlyAction,
    /// How long it need not be made again.
    ttl: Duration,
}

/// A client as the log has it.
fn host(client: SocketAddr) -> String {
    format!("[{}]:{}", client.ip().to_canonical(), client.port())
}

/// A client has gone, or was sent away.
fn disconnected(client: SocketAddr, log: &mut Log) {
    log.info(format!("DISCONNECT {}", host(client)));
}

/// A time as the log has it: two digits that count, of hundredths of a second at most.
fn seconds(time: Duration) -> String {
    let hundredths = (time.as_millis() + 5) / 10;
    let decimals = match hundredths {
        0..100 => 2,
        100..1000 => 1,
        _ => 0,
    };
    let unit = 10_u128.pow(2 - decimals);
    let rounded = (hundredths + unit / 2) / unit * unit;
    let mut written = format!("{}.{:02}", rounded / 100, rounded % 100);
    written.truncate(written.trim_end_matches('0').trim_end_matches('.').len());
    written
}

/// The octets of what a client said that are logged.
const LOGGED_OCTETS_MAX: usize = 100;

/// What a client said, as the log has it: no octet of it can be taken for anything else, and nothing is told that stands
/// behind AUTH, which may be a password.
fn printable(said: &[u8]) -> String {
    let is_auth = |line: &[u8]| line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
    let mut shown = 0;
    for line in said.split_inclusive(|octet| *octet == b'\n') {
        if is_auth(line) {
            shown += 4;
            break;
        }
        shown += line.len();
    }
    said[..shown.min(LOGGED_OCTETS_MAX)].escape_ascii().to_string()
}

/// When something that is known from now on must be found out anew.
fn expiry(now: UnixTime, ttl: Duration) -> UnixTime {
    UnixTime(now.0.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)))
}

/// The same refusal, to be said with the connection's end or at each recipient.
fn refusal(dropped: bool, detail: (u16, u16), text: impl Into<String>) -> Reply {
    Reply::new(if dropped { 521 } else { 550 }, (5, detail.0, detail.1), text.into())
}
