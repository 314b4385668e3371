//! What policy says about a command, as the machine takes it.

use crate::policy::{self, Answerer, Recipients};
use crate::settings::SmtpProfile;
use proto_core::address::{ForwardPath, ReversePath};
use relay_policy::access::{Effects, Latches, LogLine, Outcome};
use relay_policy::address::Address;
use relay_policy::{Reply, Request, Stage};
use smtp_proto::reply::{EnhancedCode, Refusal};
use std::fmt::{self, Display};
use std::time::Duration;

/// A stage, with what it is about.
pub(super) enum Moment {
    Connect,
    Helo,
    Mail,
    Rcpt(ForwardPath),
    Data,
    EndOfMessage,
}

impl Moment {
    fn stage(&self) -> Stage<'_> {
        match self {
            Self::Connect => Stage::Connect,
            Self::Helo => Stage::Helo,
            Self::Mail => Stage::Mail,
            Self::Rcpt(recipient) => Stage::Rcpt(recipient),
            Self::Data => Stage::Data,
            Self::EndOfMessage => Stage::EndOfMessage,
        }
    }
}

/// As the log tells it.
impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::Helo => f.write_str("HELO"),
            Self::Mail => f.write_str("MAIL"),
            Self::Rcpt(recipient) => write!(f, "RCPT {recipient}"),
            Self::Data => f.write_str("DATA"),
            Self::EndOfMessage => f.write_str("end of message"),
        }
    }
}

/// What came of a command.
pub(super) struct Decided<Y> {
    /// Yes, with what belongs to it; or no.
    pub(super) verdict: Result<Y, Refusal>,
    /// What is to be done to the message, refused or not.
    pub(super) effects: Effects,
    /// What later commands are to be judged with.
    pub(super) latches: Latches,
}

/// What policy says, where it has nothing to ask and to wait for.
pub(super) fn decide_now(profile: &SmtpProfile, request: &Request, moment: &Moment) -> Option<Decided<()>> {
    let outcome = policy::decided(profile, request, moment.stage())?;
    if outcome.effects.sleep_seconds > 0 {
        return None;
    }
    policy::log(&outcome, moment);
    Some(decided(outcome))
}

/// Asks policy, and waits where it says so.
pub(super) async fn decide(answerer: &Answerer<'_>, request: &Request, moment: &Moment) -> Decided<()> {
    match answerer.decide(request, moment.stage()).await {
        Ok((outcome, _)) => waited(outcome, moment).await,
        Err(reply) => undecided(reply, request),
    }
}

/// How long a reply is held back at most. A client waits no longer (RFC 5321 section 4.5.3.2), and what was decided is still to be said
/// when other questions have taken their time.
const SLEEP_MAX: Duration = Duration::from_secs(300);

/// What comes of a decision, when its reply is due.
async fn waited(outcome: Box<Outcome>, moment: &Moment) -> Decided<()> {
    policy::log(&outcome, moment);
    if outcome.effects.sleep_seconds > 0 {
        tokio::time::sleep(Duration::from_secs(outcome.effects.sleep_seconds.into()).min(SLEEP_MAX)).await;
    }
    decided(outcome)
}

/// What comes of a decision that has not come to an end.
fn undecided<Y>(reply: Reply, request: &Request) -> Decided<Y> {
    let latches = request.latches.clone();
    Decided { verdict: Err(refusal(reply)), effects: Effects::default(), latches }
}

fn decided(outcome: Box<Outcome>) -> Decided<()> {
    let outcome = *outcome;
    let verdict = match (outcome.refusal, &outcome.effects.filter) {
        (Some(reply), _) => Err(refusal(reply)),
        (None, Some(filter)) => Err(unfiltered(filter)),
        (None, None) => Ok(()),
    };
    Decided { verdict, effects: outcome.effects, latches: outcome.latches }
}

/// Asks policy about a recipient, and finds who gets its mail: none where that is thrown away.
pub(super) async fn recipient(
    answerer: &Answerer<'_>,
    request: &Request,
    recipient: ForwardPath,
) -> Decided<Option<Recipients>> {
    let moment = Moment::Rcpt(recipient);
    let (mut outcome, answers) = match answerer.decide(request, moment.stage()).await {
        Ok(decision) => decision,
        Err(reply) => return undecided(reply, request),
    };
    let resolution = outcome.resolution.take();
    let Decided { verdict, effects, latches } = waited(outcome, &moment).await;
    let verdict = match verdict {
        // Nothing more is asked about what is thrown away.
        Ok(()) if request.discarded || effects.discard => Ok(None),
        Ok(()) => {
            let Moment::Rcpt(recipient) = &moment else { unreachable!("invariant: it was made so above") };
            let sender = request.sender.as_ref().and_then(ReversePath::mailbox).map(Address::from);
            let sender = sender.unwrap_or_default();
            let found = answerer.recipients(recipient, sender, resolution, answers).await;
            found.map(Some).map_err(|reply| {
                tracing::info!("{}", LogLine::event(request, moment.stage(), "reject", &reply));
                refusal(reply)
            })
        }
        Err(refusal) => Err(refusal),
    };
    Decided { verdict, effects, latches }
}

/// A content filter is wanted, and there is none: the message must not go by it.
pub(super) fn unfiltered(filter: &str) -> Refusal {
    tracing::warn!(filter, "refused: FILTER is configured, and this server has no content filters");
    server_error()
}

/// What is said when the configuration wants something that cannot be.
pub(super) fn server_error() -> Refusal {
    refusal(policy::server_error())
}

/// What cannot stand in a reply (a text with letters beyond ASCII) is said in standard words.
pub(crate) fn refusal(reply: Reply) -> Refusal {
    let standard = if reply.code / 100 == 4 { Refusal::TEMPORARY } else { Refusal::PERMANENT };
    let (class, subject, detail) = reply.enhanced;
    EnhancedCode::new(class, subject, detail)
        .and_then(|enhanced| Refusal::new(reply.code, enhanced, reply.text).ok())
        .unwrap_or(standard)
}
