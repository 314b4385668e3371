//! Whether a recipient's mailbox has room: said at RCPT, before the message comes.
//!
//! RFC 1870 section 6.2 lets a server refuse by the size that MAIL announced. Where that was not so much as came, mailboxes are looked
//! at once more when the message is there: one that none of its recipients has room for is refused. What passes here and does
//! not fit when it is delivered, is the deliverers' affair; and so is who gets what was for somebody who stands for several.

use super::message::Transaction;
use crate::delivery;
use crate::wall::Store;
use mailstore::spool::Recipient;
use mailstore::{ErrorKind, MailboxName};
use proto_core::Backend;
use smtp_proto::reply::{EnhancedCode, Refusal};

/// Whether any recipient has room for the message, which is there: as for one of them, [`check`].
pub(super) async fn check_message(
    store: &dyn Store,
    transaction: &Transaction,
    octets: u64,
    quota_full_tempfail: bool,
) -> Result<(), Refusal> {
    if transaction.size().is_some_and(|announced| announced >= octets) {
        return Ok(());
    }
    let mut refused = Ok(());
    for recipient in transaction.recipients() {
        match check(store, std::slice::from_ref(recipient), Some(octets), quota_full_tempfail).await {
            Ok(()) => return Ok(()),
            Err(refusal) => refused = refused.and(Err(refusal)),
        }
    }
    refused
}

/// 452 4.2.2 or, when mail for a full mailbox does not wait, 552 5.2.2, with the administrator's text.
pub(super) async fn check(
    store: &dyn Store,
    recipients: &[Recipient],
    size: Option<u64>,
    quota_full_tempfail: bool,
) -> Result<(), Refusal> {
    let [recipient] = recipients else { return Ok(()) };
    let Some(account) = delivery::account(recipient) else { return Ok(()) };
    let error = match store.check_quota(&account, &MailboxName::inbox(), size.unwrap_or(0)).await {
        Err(error) if error.kind() == ErrorKind::OverQuota => error,
        Err(error) => {
            // The delivery will meet it again, and wait.
            tracing::error!(%account, %error, "the quota cannot be looked up");
            return Ok(());
        }
        Ok(()) => return Ok(()),
    };
    tracing::info!(%account, size, "refused: over quota");
    let (Backend::Temporary(text) | Backend::Permanent(text)) = error.to_backend();
    let (code, class, standard) =
        if quota_full_tempfail { (452, 4, Refusal::TEMPORARY) } else { (552, 5, Refusal::PERMANENT) };
    let refusal = EnhancedCode::new(class, 2, 2)
        .and_then(|enhanced| Refusal::new(code, enhanced, format!("<{}>: {text}", recipient.address)).ok());
    Err(refusal.unwrap_or(standard))
}
