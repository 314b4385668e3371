//! Mail into a program: whom it knows, and one call for each mail. No spool, no mailbox.
//!
//! [`Builder::inbound`](crate::server::Builder::inbound) puts an [`Inbound`] behind the walls
//! [`Directory`] and [`Intake`]; nobody logs in. A program that needs more implements those.
//!
//! # Limits
//! A mail is never in memory as a whole: [`PARTS_MAX`] parts wait for the program, then the client does. Queue ids are
//! the second and a count since the start, so they are told apart after a restart that takes a second.

use crate::wall::{AccountId, Directory, Intake, Later, Login, SpoolWriter, StoreResult};
use bytes::Bytes;
use mailstore::spool::{Envelope, QueueId};
use mailstore::{ErrorKind, StoreError};
use proto_core::Backend;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// A program that gets mail.
pub trait Inbound: Send + Sync + 'static {
    /// Whether there is such a recipient. `postmaster` must be one wherever mail is taken (RFC 5321 section 4.5.1).
    ///
    /// # Errors
    /// When it cannot be found out now (451); [`Refused::Never`] is the same as `false`.
    fn knows(&self, recipient: &AccountId) -> impl Future<Output = Result<bool, Refused>> + Send;

    /// Takes a mail while it arrives. `Ok` is the 250 to the client, who then forgets the mail: who returns it
    /// keeps the mail safe, also from a power cut.
    ///
    /// # Errors
    /// What the client is told instead.
    fn take(&self, mail: Mail) -> impl Future<Output = Result<(), Refused>> + Send;
}

/// What becomes of a mail that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The client sends it again later (451).
    ForNow,
    /// The client tells its sender (554).
    Never,
}

/// A mail that begins to arrive.
#[derive(Debug)]
#[non_exhaustive]
pub struct Mail {
    /// Its name in the `Received:` field, in the 250 and in every log line.
    pub id: QueueId,
    /// From whom, whom for, and what else is known before the first octet.
    pub envelope: Envelope,
    /// What follows.
    pub body: Body,
}

/// The octets of a mail, `Received:` field first, lines ended by CRLF.
#[derive(Debug)]
pub struct Body(Receiver<Part>);

#[derive(Debug)]
enum Part {
    Octets(Bytes),
    End,
}

impl Body {
    /// The next octets; `None` when the mail is complete.
    ///
    /// # Errors
    /// When the client went away in the middle of the mail: what came is not to be used.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        match self.0.recv().await {
            Some(Part::Octets(octets)) => Ok(Some(octets)),
            Some(Part::End) => Ok(None),
            None => Err(Refused::ForNow),
        }
    }
}

/// How many parts of a mail wait for the program. A part is what came in one read, 16 KiB at most.
pub const PARTS_MAX: usize = 4;

/// The program as a directory: it knows who there is.
pub(crate) struct Recipients<P>(pub(crate) Arc<P>);

impl<P> fmt::Debug for Recipients<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipients")
    }
}

impl<P: Inbound> Directory for Recipients<P> {
    fn authenticate(&self, _: Login) -> Later<'_, Result<Option<AccountId>, Backend>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        Box::pin(async move {
            match self.0.knows(account).await {
                Err(Refused::ForNow) => Err(Backend::TEMPORARY),
                known => Ok(known == Ok(true)),
            }
        })
    }
}

/// The program as an intake: each mail is one call, on a task of its own.
pub(crate) struct Calls<P> {
    program: Arc<P>,
    count: AtomicU64,
}

impl<P> Calls<P> {
    pub(crate) fn new(program: Arc<P>) -> Self {
        Self { program, count: AtomicU64::new(0) }
    }
}

impl<P: Inbound> Intake for Calls<P> {
    fn begin(&self, envelope: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>> {
        Box::pin(async move {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let id: QueueId = format!("{:X}N{number}", envelope.received_at.0).parse()?;
            let (parts, body) = channel(PARTS_MAX);
            let mail = Mail { id: id.clone(), envelope, body: Body(body) };
            let program = Arc::clone(&self.program);
            let taken = tokio::spawn(async move { program.take(mail).await });
            Ok(Box::new(Call { id, parts, taken }) as _)
        })
    }
}

/// Dropped before the end it leaves the program with a part of a mail, and [`Body::next`] says so.
struct Call {
    id: QueueId,
    parts: Sender<Part>,
    taken: JoinHandle<Result<(), Refused>>,
}

impl SpoolWriter for Call {
    fn id(&self) -> &QueueId {
        &self.id
    }

    fn write(&mut self, octets: Bytes) -> Later<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // A program that has decided early reads no more; what it decided is told at the end.
            let _ = self.parts.send(Part::Octets(octets)).await;
            Ok(())
        })
    }

    fn hold(&mut self) -> Result<(), StoreError> {
        Err(StoreError::new(ErrorKind::Io, "handing a mail to the program", "it holds nothing for anybody"))
    }

    fn commit(self: Box<Self>) -> StoreResult<()> {
        Box::pin(async move {
            // As above.
            let _ = self.parts.send(Part::End).await;
            let (kind, why) = match self.taken.await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Refused::Never)) => (ErrorKind::Refused, "the program does not want it"),
                Ok(Err(Refused::ForNow)) => (ErrorKind::Io, "the program cannot take it now"),
                Err(_) => (ErrorKind::Io, "the program panicked"),
            };
            Err(StoreError::new(kind, "handing a mail to the program", why))
        })
    }
}
