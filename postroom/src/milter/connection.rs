//! One connection to one milter.

use super::list::Milter;
use crate::clock::Clock;
use crate::endpoint::Socket;
use bytes::BytesMut;
use futures_util::FutureExt as _;
use proto_core::{CallerFault, CloseReason, Machine as _, Now, OutBuf, Step};
use smtp_proto::milter::{Change, MilterClient, MilterEvent, MilterFailure, Verdict};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A machine, and the socket that it speaks over.
pub(super) struct Connection {
    machine: MilterClient,
    socket: Box<dyn Socket>,
    out: OutBuf,
    /// Read, and not taken yet.
    rest: BytesMut,
    clock: Clock,
    /// How long it may take nothing of what it is told.
    write_timeout: Duration,
}

/// Why a milter is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// It cannot be connected to.
    #[error("connect: {0}")]
    Connect(io::Error),
    /// It broke the protocol, or took too long.
    #[error("{0}")]
    Failed(MilterFailure),
    /// It was asked out of turn: a fault of ours.
    #[error("{0}")]
    Misuse(CallerFault),
    /// The connection ended where it should not.
    #[error("{0}")]
    Closed(CloseReason),
}

impl Lost {
    /// It was asked when the time of all milters was over.
    pub(super) const NO_TIME: Self = Self::Closed(CloseReason::Timeout("all milters"));

    /// What the milter did, if it is its fault.
    pub(super) fn failure(&self) -> Option<&MilterFailure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// What comes while a milter answers.
pub(super) enum Said {
    Change(Change),
    Verdict(Verdict),
}

/// So much is read at a time.
const READ_BYTES: usize = 4 << 10;

impl Connection {
    /// Connects, and agrees on what is spoken.
    pub(super) async fn open(milter: &Milter, clock: &Clock) -> Result<Self, Lost> {
        let connecting = tokio::time::timeout(milter.connect_timeout, milter.endpoint.connect()).await;
        let socket =
            connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(Lost::Connect)?;
        let machine = MilterClient::new(clock.now(), Arc::clone(&milter.config));
        let write_timeout = milter.config.timeouts.content;
        let (out, rest) = (OutBuf::new(), BytesMut::new());
        let mut connection = Self { machine, socket, out, rest, clock: clock.clone(), write_timeout };
        match connection.event().await? {
            MilterEvent::Ready => Ok(connection),
            // The machine says nothing else before.
            event => Err(Lost::Closed(CloseReason::Protocol(format!("{event:?}").into()))),
        }
    }

    /// Begins a step; what comes of it is told by [`said`](Self::said).
    pub(super) async fn begin(
        &mut self,
        step: impl FnOnce(&mut MilterClient, Now) -> Result<(), CallerFault>,
    ) -> Result<(), Lost> {
        step(&mut self.machine, self.clock.now()).map_err(Lost::Misuse)?;
        self.transmit();
        let Self { socket, out, write_timeout, .. } = self;
        let writing = tokio::time::timeout(*write_timeout, socket.write_all(out.as_slice())).await;
        self.out = OutBuf::new();
        match writing {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Lost::Failed(MilterFailure::ConnectionLost)),
            Err(_) => Err(Lost::Closed(CloseReason::Timeout("write"))),
        }
    }

    /// A step that ends in a verdict alone.
    pub(super) async fn ask(
        &mut self,
        step: impl FnOnce(&mut MilterClient, Now) -> Result<(), CallerFault>,
    ) -> Result<Verdict, Lost> {
        self.begin(step).await?;
        loop {
            if let Said::Verdict(verdict) = self.said().await? {
                return Ok(verdict);
            }
        }
    }

    /// The next of what the milter has to say.
    pub(super) async fn said(&mut self) -> Result<Said, Lost> {
        loop {
            match self.event().await? {
                MilterEvent::Change(change) => return Ok(Said::Change(change)),
                MilterEvent::Answered(verdict) => return Ok(Said::Verdict(verdict)),
                _ => {}
            }
        }
    }

    /// What the machine knows of the milter.
    pub(super) fn machine(&self) -> &MilterClient {
        &self.machine
    }

    /// Says what needs no answer, as far as that takes no waiting; the rest goes with what is said next.
    pub(super) fn tell(&mut self, say: impl FnOnce(&mut MilterClient, Now) -> Result<(), CallerFault>) {
        if let Err(fault) = say(&mut self.machine, self.clock.now()) {
            tracing::error!(%fault, "a milter could not be told");
        }
        self.transmit();
        while !self.out.is_empty() {
            match self.socket.write(self.out.as_slice()).now_or_never() {
                Some(Ok(written)) if written > 0 => self.out.consume(written),
                _ => break,
            }
        }
    }

    fn transmit(&mut self) {
        while self.machine.poll_transmit(&mut self.out) {}
    }

    async fn event(&mut self) -> Result<MilterEvent, Lost> {
        loop {
            let now = self.clock.now();
            match self.machine.poll_event(now) {
                Some(Step::App(MilterEvent::Failed(failure))) => return Err(Lost::Failed(failure)),
                Some(Step::App(event)) => return Ok(event),
                Some(Step::Closed(reason)) => return Err(Lost::Closed(reason)),
                Some(Step::StartTls | Step::Compress) => {
                    return Err(Lost::Closed(CloseReason::Protocol("it wants TLS or compression".into())));
                }
                None => {}
            }
            if !self.rest.is_empty() && self.machine.wants_input() {
                let taken = self.machine.handle_input(now, &self.rest);
                let _ = self.rest.split_to(taken);
                continue;
            }
            self.transmit();
            self.wait().await;
        }
    }

    /// Waits for the first thing to happen: room to write, octets, a deadline.
    async fn wait(&mut self) {
        let Self { machine, socket, out, rest, clock, .. } = self;
        let deadline = machine.poll_timeout().and_then(|at| clock.deadline(at));
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let moving = async {
            if !out.is_empty() {
                let written = socket.write(out.as_slice()).await?;
                out.consume(written);
                return io::Result::Ok(written);
            }
            rest.reserve(READ_BYTES);
            socket.read_buf(rest).await
        };
        tokio::select! {
            biased;
            () = timer => machine.handle_timeout(clock.now()),
            moved = moving => if !matches!(moved, Ok(1..)) {
                *out = OutBuf::new();
                machine.handle_eof(clock.now());
            },
        }
    }
}
