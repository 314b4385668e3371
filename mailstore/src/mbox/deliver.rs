//! Deliveries into an mbox: all that come at the same time under one lock, behind one intent of the
//! [`journal`](super::journal).
//!
//! So however many they are, they take three flushes: of the intent, of the mailbox, of the emptied journal. These are shared
//! with those of other mailboxes ([`sync`](crate::sync)). A crash leaves all of them or none.
//!
//! A delivery gets no UID here: for that all messages before it would have to be known. It gets one when the mailbox is
//! next opened. Its id stands in its header (`X-Postroom-Delivery`), and an attempt that may be the second looks for it: the
//! first of them scans the mailbox, and the others know from it that they are not there ([`arrived`](crate::arrived)).

use std::collections::HashSet;
use std::ops::ControlFlow;

use mail_message::FlagSet;

use super::add::{Item, add};
use super::journal;
use super::lock::MboxLock;
use super::place::Place;
use super::scan::{self, Scanned};
use crate::arrived::MailboxKey;
use crate::batch::Arrival;
use crate::error::Result;
use crate::fs::File;
use crate::store::{Delivered, DeliveryId};

/// Delivers, durably, and tells of each how it went, in their order.
pub(super) fn deliver(place: &Place, arrivals: &mut [Arrival<'_>]) -> Vec<Result<Delivered>> {
    let mut lock = match MboxLock::take(place) {
        Ok(lock) => lock,
        Err(error) => return arrivals.iter().map(|_| Err(error.clone())).collect(),
    };
    if let [arrival] = arrivals {
        return vec![alone(place, &mut lock, arrival)];
    }
    let mut ids = HashSet::new();
    if arrivals.iter().all(|arrival| ids.insert(&arrival.delivery.id)) {
        if let Ok(delivered) = together(place, &mut lock, arrivals) {
            return delivered.into_iter().map(Ok).collect();
        }
        // What is wrong may be wrong with one of them alone. And an error does not prove that nothing was done.
        let again = |arrival: &mut Arrival<'_>| {
            let is_first = !std::mem::replace(&mut arrival.delivery.maybe_delivered, true);
            let delivered = alone(place, &mut lock, arrival)?;
            Ok(if is_first { Delivered::Stored } else { delivered })
        };
        return arrivals.iter_mut().map(again).collect();
    }
    // One of them may be another attempt at one before it.
    arrivals.iter_mut().map(|arrival| alone(place, &mut lock, arrival)).collect()
}

fn alone(place: &Place, lock: &mut MboxLock, arrival: &mut Arrival<'_>) -> Result<Delivered> {
    let delivered = together(place, lock, std::slice::from_mut(arrival))?;
    Ok(delivered.into_iter().next().expect("invariant: as many results as deliveries"))
}

/// Delivers all of them or none.
fn together(place: &Place, lock: &mut MboxLock, arrivals: &mut [Arrival<'_>]) -> Result<Vec<Delivered>> {
    journal::recover(place, lock)?;
    // What were put behind it, nobody could read.
    if let Some(at) = scan::no_beginning(lock.file()).map_err(|error| place.failed("reading", &error))? {
        return Err(place.no_message(at));
    }
    let (mut delivered, mut ids, mut items) = (Vec::new(), Vec::new(), Vec::new());
    for Arrival { delivery, body, .. } in arrivals {
        if delivery.maybe_delivered && holds(place, lock.file(), &delivery.id)? {
            delivered.push(Delivered::AlreadyThere);
            continue;
        }
        delivered.push(Delivered::Stored);
        ids.push(&delivery.id);
        items.push(Item {
            prefix: delivery.header,
            body: &mut **body,
            date: delivery.date,
            flags: FlagSet::new(),
            delivery: Some(delivery.id.clone()),
        });
    }
    if items.is_empty() {
        // Whoever delivered them may have died before they were durable.
        lock.sync(place)?;
    } else {
        place.env.arrived().placing(ids, || add(place, lock, None, &mut items))?;
    }
    Ok(delivered)
}

/// Whether the mailbox holds a message of that delivery. Its locks are held.
fn holds(place: &Place, file: &dyn File, delivery: &DeliveryId) -> Result<bool> {
    let failed = |error: std::io::Error| place.failed("reading", &error);
    let metadata = file.metadata().map_err(failed)?;
    let (arrived, mailbox) = (place.env.arrived(), MailboxKey::of_file(&metadata, &place.path));
    if arrived.lacks(mailbox, delivery) {
        return Ok(false);
    }
    // The first reads all of it for all that come; else what is there need only be found.
    let mut listing = Some(arrived.listing()).filter(|_| !arrived.knows(mailbox));
    let mut is_there = false;
    let scanned = scan::scan(file, 0, metadata.size, place.options.format, &mut |_, marks| {
        if let Some(found) = &marks.delivery {
            is_there |= found == delivery;
            listing.iter_mut().for_each(|listing| listing.add(found));
        }
        if is_there && listing.is_none() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let (Scanned::Mbox, Some(listing)) = (scanned.map_err(failed)?, listing) {
        listing.finish(mailbox);
    }
    Ok(is_there)
}
