//! Messages on their way into memory: [`MemoryAppend`].

use std::sync::Arc;

use bytes::Bytes;
use mail_message::FlagSet;
use proto_core::UnixTime;

use super::Inner;
use super::state::Message;
use crate::error::Result;
use crate::name::MailboxName;
use crate::store::{Append, Appended};

/// The octets of one message, lines ending in CRLF whatever they came with.
#[derive(Debug, Default)]
pub(super) struct Incoming(Vec<u8>);

impl Incoming {
    /// Takes the next octets; `before` are on their way together with it.
    ///
    /// # Errors
    /// `OverQuota` as soon as it is clear that the message has no room.
    pub(super) fn write(&mut self, octets: &[u8], before: u64, store: &Inner) -> Result<()> {
        store.lock().check_room(before + self.bytes() + octets.len() as u64)?;
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(text) => {
                    self.0.extend_from_slice(text);
                    let ending: &[u8] = if self.0.last() == Some(&b'\r') { b"\n" } else { b"\r\n" };
                    self.0.extend_from_slice(ending);
                }
                None => self.0.extend_from_slice(line),
            }
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Messages that become part of a mailbox together.
pub(super) struct MemoryAppend {
    store: Arc<Inner>,
    name: MailboxName,
    messages: Vec<(Incoming, FlagSet, Option<UnixTime>)>,
    /// Octets of all of them but the last.
    before_bytes: u64,
}

impl MemoryAppend {
    pub(super) fn new(store: Arc<Inner>, name: MailboxName) -> Self {
        Self { store, name, messages: Vec::new(), before_bytes: 0 }
    }
}

impl Append for MemoryAppend {
    fn begin(&mut self, flags: &FlagSet, date: Option<UnixTime>) -> Result<()> {
        self.store.lock().check_keywords(&self.name, flags)?;
        self.before_bytes += self.messages.last().map_or(0, |(incoming, _, _)| incoming.bytes());
        self.messages.push((Incoming::default(), flags.clone(), date));
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> Result<()> {
        if self.messages.is_empty() {
            self.begin(&FlagSet::new(), None)?;
        }
        match self.messages.last_mut() {
            Some((incoming, _, _)) => incoming.write(octets, self.before_bytes, &self.store),
            None => Ok(()),
        }
    }

    fn commit(&mut self) -> Result<Appended> {
        let now = self.store.utc();
        let message = |(incoming, flags, date): (Incoming, FlagSet, Option<UnixTime>)| {
            let mut message = Message::new(incoming.finish(), date.unwrap_or(now), now);
            message.flags = flags;
            message
        };
        self.before_bytes = 0;
        let messages = std::mem::take(&mut self.messages).into_iter().map(message).collect();
        self.store.lock().add(&self.name, messages)
    }

    fn abort(self: Box<Self>) {}
}
