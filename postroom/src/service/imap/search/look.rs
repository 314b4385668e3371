//! What a search has to open a message for: its header, then its body.

use super::super::fetch::{Depth, Layout, header_end};
use super::plan::{Facts, Plan};
use crate::wall::{Mailbox, MessageReader};
use bytes::Bytes;
use mail_message::mime::Part;
use mail_message::search::{BodySearch, Needle};
use mailstore::StoreError;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

/// How much of a header is searched, in octets; fields beyond are not found.
pub(super) const HEADER_BYTES_MAX: usize = 256 * 1024;

/// A header that ends within these octets is read at once.
const HEAD_BYTES: usize = 16 * 1024;

/// Whether a message meets the condition that flags, date and size did not decide.
pub(super) async fn meets(plan: &Plan, mut facts: Facts, mailbox: &dyn Mailbox) -> Result<bool, StoreError> {
    let reader = mailbox.message(facts.uid).await?;
    facts.header = Some(header(&*reader).await?);
    if let Some(meets) = plan.meets(&facts) {
        return Ok(meets);
    }
    let layout = Layout::read(facts.uid, &reader, Depth::Structure).await?;
    let mut found = vec![false; plan.texts().len()];
    for part in layout.message.leaves().filter(|part| part.fields.content_type.has_type("text")) {
        search_part(part, &*reader, plan.texts(), &mut found).await?;
        if found.iter().all(|found| *found) {
            break;
        }
    }
    facts.body = Some(found);
    Ok(plan.meets(&facts).unwrap_or(false))
}

async fn header(reader: &dyn MessageReader) -> Result<Bytes, StoreError> {
    let mut wanted = HEAD_BYTES;
    loop {
        let mut head = reader.read_at(0, wanted).await?;
        let is_whole = head.len() as u64 == reader.size_bytes();
        if let Some(end) = header_end(&head, is_whole) {
            head.truncate(end);
            return Ok(head);
        }
        if wanted >= HEADER_BYTES_MAX {
            return Ok(head);
        }
        wanted = HEADER_BYTES_MAX;
    }
}

/// Searches one part for all texts that were not found before, where blocking is allowed.
async fn search_part(
    part: &Part,
    reader: &dyn MessageReader,
    texts: &[Arc<Needle>],
    found: &mut [bool],
) -> Result<(), StoreError> {
    let open: Vec<usize> = (0..texts.len()).filter(|&text| !found[text]).collect();
    let searches: Vec<_> =
        open.iter().map(|&text| Some(BodySearch::new(part, Arc::clone(&texts[text])))).collect();
    let searches = Arc::new(Mutex::new(searches));
    let feeding = Arc::clone(&searches);
    let visitor = Box::new(move |piece: &[u8]| {
        let mut searches = feeding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all_found = true;
        for search in searches.iter_mut().flatten() {
            all_found &= search.feed(piece);
        }
        if all_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    reader.visit(part.body.clone(), visitor).await?;
    let mut searches = searches.lock().unwrap_or_else(PoisonError::into_inner);
    for (search, text) in searches.iter_mut().zip(open) {
        found[text] = search.take().is_some_and(BodySearch::finish);
    }
    Ok(())
}
