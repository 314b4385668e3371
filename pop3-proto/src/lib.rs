//! POP3 as a sans-I/O server machine.
//!
//! RFC 1939 (POP3), RFC 2449 (CAPA, response codes, pipelining), RFC 2595 section 4 (STLS), RFC 3206 (SYS and AUTH
//! response codes), RFC 5034 (AUTH). A [`server::Server`] is one end of one connection and keeps the contract of
//! [`proto_core::machine`]: octets and time go in, events and octets come out, and what only a directory or a store can
//! know is asked for.
//!
//! | module | holds |
//! | --- | --- |
//! | [`server`] | [`server::Server`] and all that belongs to it |
//! | [`fuzz`] | the bodies of the fuzz targets |
//!
//! # Features
//! `std`, off by default: that of [`proto_core`], by which message text is coded faster.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod fuzz;
mod maildrop;
pub mod server;

pub use maildrop::{BadUidl, Message, RetrOctets, Uidl};
