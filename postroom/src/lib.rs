//! The engine: mail protocols, policy and storage joined on tokio, to embed in any program.
//!
//! [`Server::builder`] takes settings and walls and gives a running server. It has no command line and reads no
//! configuration file. What a protocol says and means is in the protocol crates; who may send where is in
//! `relay-policy`; how mail is kept is in `mailstore`. Here they are joined with sockets, TLS, accounts and threads.
//!
//! | module | holds |
//! | --- | --- |
//! | [`server`] | [`Server`] and its builder: start, reload, stop |
//! | [`settings`] | what a server is told: names, domains, trust, limits, listeners |
//! | [`wall`] | the traits behind which an embedder puts anything: directory, spool, store |
//! | [`local`] | the stores of `mailstore` behind those walls, on threads of their own |
//! | [`accounts`] | accounts from a passwd-file |
//! | [`delivery`] | from the spool into mailboxes |
//! | [`scratch`] | where bodies lie that do not fit into memory |
//! | [`policy_service`] | other programs that are asked what is to be done |
//! | [`inbound`] | mail into a program, without spool and mailboxes |
//! | [`driver`] | one driver for every protocol machine, over any stream |
//! | [`dns`] | DNS lookups, remembered and shared; the names of clients |
//! | [`tls`] | certificates |
//! | [`blocking`], [`clock`], [`entropy`] | threads, time and randomness, handed in |
//!
//! An embedder that takes each accepted message as a stream implements [`inbound::Inbound`] and needs no mailbox.

pub mod accounts;
pub mod blocking;
pub mod clock;
mod connection;
pub mod delivery;
pub mod dns;
pub mod driver;
mod endpoint;
pub mod entropy;
mod hub;
pub mod inbound;
mod listener;
pub mod local;
pub mod memory;
mod milter;
mod policy;
pub mod policy_service;
pub mod rehearsal;
pub mod scratch;
pub mod server;
mod service;
mod session;
pub mod settings;
pub mod tls;
pub mod wall;

pub use blocking::Blocking;
pub use server::Server;
// What the walls and settings are made of, so that an embedder needs no second dependency.
pub use {bytes, mail_message, mailstore, proto_core, relay_policy};

/// What the README shows compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
