//! What policy wants done to a message besides taking it.

use super::policy::{server_error, unfiltered};
use crate::policy::{Answerer, Destination};
use mailstore::spool::Recipient;
use relay_policy::access::Effects;
use smtp_proto::reply::Refusal;
use smtp_proto::server::{Extras, HeaderField, Verdict};

/// Puts the recipients of REDIRECT and BCC in the place of a message's recipients, or beside them. What cannot be done is
/// said, so that the message comes again when the configuration is mended: it goes to nobody else meanwhile.
///
/// # Errors
/// The refusal of the message.
pub(super) async fn readdress(
    answerer: &Answerer<'_>,
    effects: &Effects,
    recipients: &mut Vec<Recipient>,
) -> Result<(), Refusal> {
    if let Some(filter) = &effects.filter {
        return Err(unfiltered(filter));
    }
    if effects.discard {
        return Ok(());
    }
    if effects.redirect.is_some() {
        recipients.clear();
    }
    for address in effects.redirect.iter().chain(&effects.bcc) {
        match answerer.destination_of(address).await {
            Ok(Destination::Mailbox(mailbox)) => {
                let mailbox = mailbox.to_string();
                if !recipients.iter().any(|recipient| recipient.address == mailbox) {
                    recipients.push(Recipient::new(mailbox));
                }
            }
            Ok(Destination::Nobody) => {}
            Err(why) => {
                tracing::error!(address, %why, "refused: REDIRECT or BCC leads to nobody");
                return Err(server_error());
            }
        }
    }
    Ok(())
}

/// The yes to a message, with the header lines that go before its own, in their order.
pub(super) fn with_fields(prepend: &[String]) -> Verdict {
    if prepend.is_empty() {
        return Verdict::Accept(());
    }
    let mut extras = Extras::new();
    // The field that is added last stands on top.
    for line in prepend.iter().rev() {
        let (name, body) = line.split_once(':').unwrap_or((line, ""));
        match HeaderField::new(name.trim_end(), body.trim_start()) {
            Ok(field) => extras = extras.field(field),
            Err(fault) => tracing::warn!(line, %fault, "not prepended"),
        }
    }
    extras.into()
}
