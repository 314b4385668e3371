//! FETCH: what is known of messages, and their octets.
//!
//! RFC 3501 sections 6.4.5 and 7.4.2. Flags come from the snapshot, dates and sizes from the store without the message
//! being opened. Envelope, structure and the common fields come from its summary, which the store remembers, or makes by
//! reading the message through. Only for octets beyond those a message is opened: the summary says where its sections lie
//! (`source`). What was found of a message is given to the machine (`prepare`) and, as the client takes them, its octets.
//!
//! `\Seen` is set for each message when it is prepared, before the first of its octets is sent.
//!
//! # Limits
//! Data are prepared for as many messages at a time as [`BATCH_MESSAGES`] and [`BATCH_SUMMARIES`] say; messages whose
//! octets are wanted one by one. Of a section two chunks of [`CHUNK_BYTES`] are held, the one that goes out and the next one.

mod prepare;
mod source;

use super::refusal::refusal;
use super::{ImapService, Responding, UNAVAILABLE};
use crate::hub::{Room, Seat};
use crate::service::told;
use bytes::Bytes;
use imap_proto::server::{Fetch, MessageData, Refusal, Server};
use mail_message::Uid;
use mailstore::StoreError;
pub(super) use prepare::LookedAt;
use prepare::{Needs, Preparation};
use proto_core::{Ask, Now};
use source::Source;
use std::collections::VecDeque;
use std::sync::Arc;

/// A FETCH under way.
pub(super) struct Fetching {
    ask: Ask<Fetch>,
    needs: Needs,
    /// Messages that are not prepared yet.
    todo: VecDeque<Uid>,
    ready: VecDeque<Prepared>,
    sending: Option<Sending>,
    any_gone: bool,
}

/// A message about to be told of.
struct Prepared {
    uid: Uid,
    /// `None` when it is gone.
    found: Option<Found>,
}

#[derive(Default)]
struct Found {
    data: MessageData,
    /// The sections in the order of the question; `None` where there is no such part.
    sections: VecDeque<Option<Source>>,
    looked_at: Option<LookedAt>,
}

/// The sections of the message whose response is open.
struct Sending {
    sections: VecDeque<Option<Source>>,
    body: Option<Body>,
}

/// A section on its way out.
struct Body {
    source: Arc<Source>,
    /// How much of it was read.
    read: u64,
    chunk: Bytes,
    next: Option<Bytes>,
}

/// How many messages are prepared at a time, when no octets of them are wanted.
const BATCH_MESSAGES: usize = 256;

/// The same, when they are summarised; for that a store may have to read them.
const BATCH_SUMMARIES: usize = 32;

/// How much of a section is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

impl ImapService {
    pub(super) fn fetch(&mut self, server: &mut Server, now: Now, ask: Ask<Fetch>) {
        if self.selection.is_none() {
            return told(server.answer(now, ask, Err(UNAVAILABLE)));
        }
        let needs = Needs::of(&ask.detail);
        let todo = ask.detail.messages.iter().map(|(_, uid)| uid).collect();
        let fetching = Fetching { ask, needs, todo, ready: VecDeque::new(), sending: None, any_gone: false };
        self.responding = Responding::Fetch(Box::new(fetching));
    }

    /// Goes on as far as there is room and something to tell.
    pub(super) fn fetch_on(&mut self, server: &mut Server, now: Now, mut fetching: Box<Fetching>) {
        loop {
            let went_on = if fetching.sending.is_some() {
                self.send(server, now, &mut fetching)
            } else if let Some(prepared) = fetching.ready.pop_front() {
                if server.room() == 0 {
                    fetching.ready.push_front(prepared);
                    false
                } else {
                    self.tell(server, now, &mut fetching, prepared)
                }
            } else if self.work.is_busy() {
                false
            } else if fetching.todo.is_empty() {
                return self.fetched(server, now, *fetching);
            } else {
                self.prepare(&mut fetching)
            };
            if !went_on {
                break;
            }
        }
        self.responding = Responding::Fetch(fetching);
    }

    /// All messages are told of.
    fn fetched(&mut self, server: &mut Server, now: Now, fetching: Fetching) {
        let Fetching { ask, any_gone, .. } = fetching;
        match &self.selection {
            // So that the client hears which ones are gone as soon as it may.
            Some(selection) if any_gone => {
                let refreshing = selection.seat.room().refresh();
                self.begin(refreshing, move |_, server, now, _| told(server.answer(now, ask, Ok(()))));
            }
            _ => told(server.answer(now, ask, Ok(()))),
        }
    }

    /// Prepares the next messages; false when that takes time.
    fn prepare(&mut self, fetching: &mut Fetching) -> bool {
        let Some(selection) = &self.selection else {
            fetching.todo.clear();
            return true;
        };
        let seat = &selection.seat;
        let batch = fetching.needs.batch().min(fetching.todo.len());
        let uids: Vec<Uid> = fetching.todo.drain(..batch).collect();
        if fetching.needs.is_snapshot_enough() {
            fetching.ready = prepare::from_snapshot(seat, &uids);
            return true;
        }
        let preparation = Preparation::new(seat, &fetching.ask.detail, fetching.needs, self.looked_at.take());
        self.begin(preparation.run(uids), |service, server, now, prepared| {
            service.prepared(server, now, prepared)
        });
        false
    }

    fn prepared(&mut self, server: &mut Server, now: Now, prepared: Result<VecDeque<Prepared>, StoreError>) {
        let Responding::Fetch(fetching) = &mut self.responding else { return };
        match prepared {
            Ok(prepared) => fetching.ready = prepared,
            Err(error) => {
                let refusal: Refusal = refusal("reading messages", &error);
                if let Responding::Fetch(fetching) =
                    std::mem::replace(&mut self.responding, Responding::Nothing)
                {
                    told(server.answer(now, fetching.ask, Err(refusal)));
                }
            }
        }
    }

    /// Tells what is known of a message; its octets follow.
    fn tell(&mut self, server: &mut Server, now: Now, fetching: &mut Fetching, prepared: Prepared) -> bool {
        let Prepared { uid, found } = prepared;
        match found {
            None => {
                fetching.any_gone = true;
                told(server.gone(now, &fetching.ask, uid));
            }
            Some(Found { data, sections, looked_at }) => {
                self.looked_at = looked_at;
                told(server.fetch(now, &fetching.ask, uid, data));
                fetching.sending = (!sections.is_empty()).then_some(Sending { sections, body: None });
            }
        }
        true
    }

    /// Sends octets; false when there is no room or none are there yet.
    fn send(&mut self, server: &mut Server, now: Now, fetching: &mut Fetching) -> bool {
        let Some(sending) = &mut fetching.sending else { return true };
        if let Some(body) = &mut sending.body {
            if body.chunk.is_empty() {
                body.chunk = body.next.take().unwrap_or_default();
            }
            let taken = server.write_body(now, &body.chunk);
            let _ = body.chunk.split_to(taken);
            let is_complete =
                body.chunk.is_empty() && body.next.is_none() && body.read == body.source.octets();
            if is_complete {
                sending.body = None;
                return true;
            }
            if body.next.is_none() && body.read < body.source.octets() && !self.work.is_busy() {
                let (source, from) = (Arc::clone(&body.source), body.read);
                let reading = async move { source.read(from).await };
                self.begin(reading, |service, server, _, read| service.octets_read(server, read));
            }
            return taken > 0;
        }
        if server.room() == 0 {
            return false;
        }
        match sending.sections.pop_front() {
            Some(section) => {
                let octets = section.as_ref().map(Source::octets);
                told(server.section(now, &fetching.ask, octets));
                let source = section.filter(|source| source.octets() > 0).map(Arc::new);
                sending.body = source.map(|source| Body { source, read: 0, chunk: Bytes::new(), next: None });
            }
            None => fetching.sending = None,
        }
        true
    }

    fn octets_read(&mut self, server: &mut Server, read: Result<Bytes, StoreError>) {
        let Responding::Fetch(fetching) = &mut self.responding else { return };
        let Some(body) = fetching.sending.as_mut().and_then(|sending| sending.body.as_mut()) else { return };
        match read {
            Ok(octets) if !octets.is_empty() => {
                body.read += octets.len() as u64;
                body.next = Some(octets);
            }
            read => {
                // Nothing fake may stand in place of octets that were announced.
                let why = read.err().map_or_else(|| "it is shorter than it was".into(), |e| e.to_string());
                tracing::error!(why, "message cannot be read");
                self.responding = Responding::Nothing;
                server.abort("the message cannot be read");
            }
        }
    }
}

impl Needs {
    /// How many messages are prepared at a time.
    fn batch(self) -> usize {
        match (self.octets, self.summary) {
            (true, _) => 1,
            (false, true) => BATCH_SUMMARIES,
            (false, false) => BATCH_MESSAGES,
        }
    }
}

/// What preparing needs of the selected mailbox.
fn parts(seat: &Seat) -> (Arc<Room>, Arc<dyn crate::wall::Mailbox>) {
    (seat.room(), seat.mailbox())
}
