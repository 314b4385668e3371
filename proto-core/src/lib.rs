//! The contract that every mail protocol machine of this family keeps, and the parts they share.
//!
//! A *machine* is one end of one connection as pure state: octets, time and decisions go in; events, octets
//! and the next deadline come out. It has no socket, no file, no clock and no thread, so it runs the same under
//! an async runtime, a blocking loop, a fuzzer, or a test in virtual time.
//!
//! | module | holds |
//! | --- | --- |
//! | [`machine`] | the [`Machine`] trait: how a driver and a machine talk |
//! | [`ask`] | [`Ask`]: a decision the machine waits for, as a value that the answer consumes |
//! | [`time`] | [`Instant`], [`UnixTime`], [`Now`]: time as an input |
//! | [`timer`] | [`TimerTable`]: all deadlines of a machine in one table |
//! | [`input`] | [`InBuf`]: bounded input, split into lines with a resumed search |
//! | [`output`] | [`OutBuf`]: output with a high-water mark |
//! | [`dot`] | the dot codec: message text on the wire, decoded and encoded as streams |
//! | [`address`] | mail addresses as an envelope carries them: paths, mailboxes, domains, literals |
//! | [`proxy`] | the header of the PROXY protocol, by which a proxy tells whom it speaks for |
//! | [`sasl`] | SASL exchanges, server and client, and how their messages travel in lines |
//! | [`secret`] | [`Secret`]: octets that are overwritten when dropped and never shown |
//! | [`fault`] | the three kinds of fault: the peer's, the caller's, ours |
//! | [`fuzz`] | the bodies of the fuzz targets |
//! | [`tls`] | [`TlsInfo`]: what a finished handshake tells a machine |
//!
//! # Features
//! `std`, off by default, for where there is a standard library: through it the dot codec asks the processor for wider
//! vector registers (x86-64), which makes it faster by up to a third and changes nothing else.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod address;
pub mod ask;
pub mod dot;
pub mod fault;
pub mod fuzz;
pub mod input;
pub mod machine;
pub mod output;
mod prefetch;
pub mod proxy;
pub mod sasl;
pub mod secret;
pub mod time;
pub mod timer;
pub mod tls;

pub use address::{
    AddressError, AddressSyntax, Domain, DomainName, ForwardPath, LocalPart, Mailbox, ReversePath,
};
pub use ask::{Ask, AskId, AskSlot, Question};
pub use dot::{BareEol, DecodePolicy, Decoded, DotDecoder, DotEncoder, DotEnd, EncodePolicy};
pub use fault::{Backend, CallerFault};
pub use input::{InBuf, LineEnding, LineFault};
pub use machine::{CloseReason, Machine, Step};
pub use output::OutBuf;
pub use sasl::Mechanism;
pub use secret::{Secret, SecretLine};
pub use time::{Instant, Now, UnixTime};
pub use timer::{TimerKind, TimerTable};
pub use tls::TlsInfo;
