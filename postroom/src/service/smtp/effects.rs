//! What policy wants done to a message besides taking it.

use super::message::Transaction;
use super::policy::{refusal, unfiltered};
use crate::policy::Answerer;
use relay_policy::access::Effects;
use relay_policy::address::EnvelopeRouter;
use smtp_proto::reply::Refusal;
use smtp_proto::server::{Extras, HeaderField, Verdict};

/// Whether a message may begin with another sender or with other recipients than those that were accepted; see [`address`].
pub(super) fn may_address(router: &EnvelopeRouter, effects: &Effects) -> bool {
    let Effects { filter, redirect, bcc, .. } = effects;
    let is_told = filter.is_some() || redirect.is_some() || !bcc.is_empty();
    is_told || router.maps_senders() || !router.bcc.is_empty()
}

/// Finds the sender and the recipients that a message begins with: the sender is mapped, and those who get a copy are
/// added.
///
/// # Errors
/// The refusal of the message.
pub(super) async fn address(
    answerer: &Answerer<'_>,
    effects: &Effects,
    transaction: &mut Transaction,
) -> Result<(), Refusal> {
    if !effects.discard {
        let sender = answerer.sender(transaction.sender().clone()).await.map_err(refusal)?;
        let copies = answerer.copies(&sender, transaction.canonical()).await.map_err(refusal)?;
        transaction.set_sender(sender);
        transaction.add(copies)?;
    }
    readdress(answerer, effects, transaction).await
}

/// Puts the recipient of REDIRECT in the place of a message's recipients, or those of BCC beside them. What cannot be done is
/// said, so that the message comes again when the configuration is mended: it goes to nobody else meanwhile.
///
/// # Errors
/// The refusal of the message.
pub(super) async fn readdress(
    answerer: &Answerer<'_>,
    effects: &Effects,
    transaction: &mut Transaction,
) -> Result<(), Refusal> {
    if let Some(filter) = &effects.filter {
        return Err(unfiltered(filter));
    }
    if effects.discard {
        return Ok(());
    }
    // Who has the message in the place of all others has it in the place of those, too.
    let others = effects.bcc.iter().filter(|_| effects.redirect.is_none());
    if effects.redirect.is_some() {
        transaction.clear_recipients();
    }
    for address in effects.redirect.iter().chain(others) {
        let recipients = answerer.recipients_of(address, transaction.sender()).await.map_err(refusal)?;
        transaction.add(recipients)?;
    }
    Ok(())
}

/// The yes to a message, with the header lines that go before its own, in their order. Those beyond `octets_max`
/// ([`Limits::added_octets_max`](smtp_proto::server::Limits::added_octets_max)) are left out: a rule that adds too much must
/// not keep mail away.
pub(super) fn with_fields(prepend: &[String], octets_max: usize) -> Verdict {
    if prepend.is_empty() {
        return Verdict::Accept(());
    }
    let (mut fields, mut octets) = (Vec::new(), 0);
    for line in prepend {
        let (name, body) = line.split_once(':').unwrap_or((line, ""));
        match HeaderField::new(name.trim_end(), body.trim_start()) {
            Ok(field) if octets + field.as_str().len() <= octets_max => {
                octets += field.as_str().len();
                fields.push(field);
            }
            Ok(_) => tracing::warn!(line, octets_max, "not prepended: too many header lines for one message"),
            Err(fault) => tracing::warn!(line, %fault, "not prepended"),
        }
    }
    // The field that is added last stands on top.
    fields.into_iter().rev().fold(Extras::new(), Extras::field).into()
}
