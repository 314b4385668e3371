//! Two machines joined by a network in virtual time.
//!
//! What one sends reaches the other in order, cut into segments and late by seeded amounts. A scenario reads as
//! prose:
//!
//! ```text
//! let mut pair = Pair::new(client, server, rng).delay(ms(1), ms(300));
//! pair.settle();                    // until nothing is under way
//! pair.client.machine.send(mail);   // a command to one machine
//! pair.settle();
//! pair.half_close_client();
//! pair.advance(minutes(5));
//! ```

use crate::driver::{Driver, Fixture};
use crate::rng::Rng;
use proto_core::{Instant, Machine};
use std::collections::VecDeque;
use std::time::Duration;

/// A client and a server machine, and the network between them.
#[derive(Debug)]
pub struct Pair<C, FC, S, FS> {
    /// The machine that connected.
    pub client: Driver<C, FC>,
    /// The machine that listened.
    pub server: Driver<S, FS>,
    to_server: Link,
    to_client: Link,
    rng: Rng,
    delay_min: Duration,
    delay_max: Duration,
}

/// One direction of the network.
#[derive(Debug, Default)]
struct Link {
    under_way: VecDeque<(Instant, Packet)>,
    /// No more packets are taken.
    ended: bool,
}

#[derive(Debug)]
enum Packet {
    Segment(Vec<u8>),
    End,
}

/// More arrivals and deadlines than this in one call is a conversation that never ends.
const ROUNDS_MAX: usize = 1_000_000;

impl<C, FC, S, FS> Pair<C, FC, S, FS>
where
    C: Machine,
    FC: Fixture<C>,
    S: Machine,
    FS: Fixture<S>,
{
    /// Joins two machines that nothing has happened to. Without [`Pair::delay`] octets are cut by the seed of `rng`
    /// and arrive at once.
    pub fn new(client: Driver<C, FC>, server: Driver<S, FS>, rng: Rng) -> Self {
        let (to_server, to_client) = (Link::default(), Link::default());
        let (delay_min, delay_max) = (Duration::ZERO, Duration::ZERO);
        Self { client, server, to_server, to_client, rng, delay_min, delay_max }
    }

    /// Each segment is under way for a seeded time between the two, both included.
    pub fn delay(self, delay_min: Duration, delay_max: Duration) -> Self {
        Self { delay_min, delay_max, ..self }
    }

    /// Goes on until nothing is under way and neither machine moves. Deadlines are kept only as far as time must
    /// pass for octets to arrive.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.exchange();
            match self.next_arrival() {
                Some(at) => self.move_to(at),
                None if self.handshake() => {}
                None => return,
            }
        }
        panic!("the conversation does not end");
    }

    /// Time passes, and everything happens that is due.
    pub fn advance(&mut self, by: Duration) {
        let target = self.client.now().instant + by;
        for _ in 0..ROUNDS_MAX {
            self.exchange();
            let deadlines = [self.client.machine.poll_timeout(), self.server.machine.poll_timeout()];
            let next = deadlines.into_iter().chain([self.next_arrival()]).flatten().min();
            match next.filter(|at| *at <= target) {
                Some(at) => self.move_to(at.max(self.client.now().instant)),
                None if self.handshake() => {}
                None => return self.move_to(target),
            }
        }
        panic!("the conversation does not end");
    }

    /// The client's side of the connection is closed after what it has sent; it can still be sent to.
    pub fn half_close_client(&mut self) {
        self.exchange();
        let at = self.client.now().instant;
        self.to_server.end(at);
    }

    /// The server's side of the connection is closed after what it has sent; it can still be sent to.
    pub fn half_close_server(&mut self) {
        self.exchange();
        let at = self.server.now().instant;
        self.to_client.end(at);
    }

    /// The connection breaks: everything under way is lost and both ends see the end of input.
    pub fn cut(&mut self) {
        for link in [&mut self.to_server, &mut self.to_client] {
            link.under_way.clear();
            link.ended = true;
        }
        self.client.eof();
        self.server.eof();
    }

    /// Both machines do what they can, and what they send sets out.
    fn exchange(&mut self) {
        self.client.pump();
        self.server.pump();
        for (driver_sent, closed, now, link) in [
            (self.client.take_sent(), self.client.closed().is_some(), self.client.now(), &mut self.to_server),
            (self.server.take_sent(), self.server.closed().is_some(), self.server.now(), &mut self.to_client),
        ] {
            let mut rest = &driver_sent[..];
            while !rest.is_empty() {
                let longest = *self.rng.pick(&[1, 8, 1448]);
                let (segment, after) = rest.split_at(self.rng.between(1, longest).min(rest.len()));
                let span_ms = (self.delay_max - self.delay_min).as_millis();
                let span_ms = usize::try_from(span_ms).expect("invariant: a test's delay is short");
                let extra = Duration::from_millis(self.rng.between(0, span_ms) as u64);
                link.send(now.instant + self.delay_min + extra, Packet::Segment(segment.to_vec()));
                rest = after;
            }
            if closed {
                link.end(now.instant);
            }
        }
    }

    fn next_arrival(&self) -> Option<Instant> {
        [&self.to_server, &self.to_client].into_iter().filter_map(Link::next).min()
    }

    /// Both clocks move, deadlines on the way are kept, and what is due arrives.
    fn move_to(&mut self, at: Instant) {
        self.client.advance(at.saturating_since(self.client.now().instant));
        self.server.advance(at.saturating_since(self.server.now().instant));
        while let Some(packet) = self.to_server.arrived(at) {
            deliver(&mut self.server, packet);
        }
        while let Some(packet) = self.to_client.arrived(at) {
            deliver(&mut self.client, packet);
        }
    }

    /// Once both ends ask for it and nothing is under way, the TLS handshake is done.
    fn handshake(&mut self) -> bool {
        let ready = self.client.awaits_tls() && self.server.awaits_tls();
        if ready {
            self.server.tls();
            self.client.tls();
        }
        ready
    }
}

fn deliver<M: Machine, F: Fixture<M>>(driver: &mut Driver<M, F>, packet: Packet) {
    match packet {
        Packet::Segment(segment) => driver.receive(&segment),
        Packet::End => driver.eof(),
    }
}

impl Link {
    /// Sets out; never overtakes what set out before.
    fn send(&mut self, arrival: Instant, packet: Packet) {
        if !self.ended {
            let arrival = self.under_way.back().map_or(arrival, |(before, _)| arrival.max(*before));
            self.under_way.push_back((arrival, packet));
        }
    }

    fn end(&mut self, at: Instant) {
        self.send(at, Packet::End);
        self.ended = true;
    }

    fn next(&self) -> Option<Instant> {
        self.under_way.front().map(|(arrival, _)| *arrival)
    }

    fn arrived(&mut self, now: Instant) -> Option<Packet> {
        let (arrival, _) = self.under_way.front()?;
        if *arrival > now {
            return None;
        }
        self.under_way.pop_front().map(|(_, packet)| packet)
    }
}
