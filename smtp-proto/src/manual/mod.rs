//! The manual: how to use the crate, what it supports, its limits, the attacks it withstands.
//!
//! | page | answers |
//! | --- | --- |
//! | this one | how do I receive mail, how do I send some? |
//! | [`support`] | what of which RFC is there, and where do we depart from it? |
//! | [`limits`] | what may a peer have at most, and how long may it take? |
//! | [`attacks`] | what has been tried against mail software, and which test covers it? |
//!
//! # The loop
//!
//! Both machines, [`Server`](crate::Server) and [`Client`](crate::Client), are driven alike, by whatever has a socket
//! ([`proto_core::machine`] has the contract):
//!
//! 1. hand in what arrived: [`handle_input`](proto_core::Machine::handle_input),
//!    [`handle_eof`](proto_core::Machine::handle_eof), a deadline that passed, a TLS handshake that was made;
//! 2. take steps with [`poll_event`](proto_core::Machine::poll_event) until there is none, and act on each: answer the
//!    question it puts, keep the piece of a message it brings;
//! 3. take what is to be sent with [`poll_transmit`](proto_core::Machine::poll_transmit), and send it; if there was
//!    anything, back to 2, which may have waited for that;
//! 4. wait, for input only when it [`wants_input`](proto_core::Machine::wants_input), and no longer than until
//!    [`poll_timeout`](proto_core::Machine::poll_timeout).
//!
//! Whoever wants no loop of their own takes the crate `postroom`, which has one for tokio, with TLS, listeners, accounts
//! and mailboxes.
//!
//! # Receive mail, with blocking sockets
//!
//! All of `examples/blocking_server.rs`. It leaves out TLS ([`Step::StartTls`](proto_core::Step) is never asked for as
//! long as [`Config::tls`](crate::Config::tls) says [`TlsMode::None`](crate::server::TlsMode)), the trace that belongs
//! before a message, and login; what to do about the last two stands under *What to answer*.
//!
//! ```no_run
#![doc = include_str!("../../examples/blocking_server.rs")]
//! ```
//!
//! # Send mail, with blocking sockets
//!
//! All of `examples/blocking_client.rs`. By default a mail is sent only as it was declared: one whose lines end with LF
//! alone is [`BodyFault::BareLineEnd`](crate::client::BodyFault::BareLineEnd) unless
//! [`ClientConfig::bare_line_ends`](crate::ClientConfig::bare_line_ends) says to repair it, and one with octets over 127
//! is [`BodyFault::EightBit`](crate::client::BodyFault::EightBit) unless the `body` among the parameters of the
//! [`Envelope`](crate::client::Envelope) is [`BodyKind::EightBitMime`](crate::BodyKind::EightBitMime). The example says
//! both, so that it sends any text file.
//!
//! ```no_run
#![doc = include_str!("../../examples/blocking_client.rs")]
//! ```
//!
//! # Receive mail, with tokio
//!
//! All of `examples/tokio_server.rs`; only the waiting differs:
//!
//! ```no_run
#![doc = include_str!("../../examples/tokio_server.rs")]
//! ```
//!
//! # Send mail, with tokio
//!
//! All of `examples/tokio_client.rs`:
//!
//! ```no_run
#![doc = include_str!("../../examples/tokio_client.rs")]
//! ```
//!
//! # What to answer
//!
//! What is asked stands in the question ([`Ask::detail`](proto_core::Ask::detail)), and a no is a checked reply:
//!
//! ```
//! use proto_core::Ask;
//! use proto_core::address::Mailbox;
//! use smtp_proto::server::Rcpt;
//! use smtp_proto::{EnhancedCode, Refusal, ReplyFault, Verdict};
//!
//! fn judge(ask: &Ask<Rcpt>, bob: &Mailbox) -> Result<Verdict, ReplyFault> {
//!     let Some(mailbox) = ask.detail.forward_path.mailbox() else {
//!         return Ok(Verdict::Accept(())); // <Postmaster>, of whatever domain
//!     };
//!     // As addresses compare, not as text: domains are the same in any case (RFC 5321 section 2.4).
//!     let is_postmaster = mailbox.local_part().as_str().eq_ignore_ascii_case("postmaster");
//!     if mailbox == bob || is_postmaster && mailbox.domain() == bob.domain() {
//!         return Ok(Verdict::Accept(()));
//!     }
//!     let no_such_mailbox = EnhancedCode::new(5, 1, 1).ok_or(ReplyFault::Class)?;
//!     // What cannot be on the wire is refused here, not there.
//!     Ok(Refusal::new(550, no_such_mailbox, format!("{mailbox} is not here"))?.into())
//! }
//! // In the loop: Event::Rcpt(ask) => { let verdict = judge(&ask, &bob)?; server.answer(now, ask, verdict)? }
//! ```
//!
//! * A question may be answered at once or much later, from any thread; until then the session reads nothing.
//! * [`Verdict::Accept`](crate::Verdict::Accept) is a yes in the standard words,
//!   [`Verdict::AcceptWith`](crate::Verdict::AcceptWith) a yes with words, header fields or a disposition of one's own,
//!   [`Verdict::Refuse`](crate::Verdict::Refuse) a [`Refusal`](crate::Refusal): 4yz for not now, 5yz for never, 421 and
//!   521 to close as well.
//! * Once the [`Data`](crate::server::Data) question has its yes, [`Server::trace_header`](crate::Server::trace_header)
//!   has what goes before the message: `Received:`, which every mail server must add (RFC 5321 section 4.4), under the
//!   fields that verdicts added.
//! * Over LMTP, [`EndOfDataVerdict::Each`](crate::server::EndOfDataVerdict::Each) has a verdict for each recipient that
//!   was accepted, in the order in which they came; the application keeps that list. Over SMTP without PRDR there is one
//!   reply for all ([`EndOfData::per_recipient`](crate::server::EndOfData::per_recipient) says which): give one verdict there.
//! * A read or a write that fails is the end of the connection and not of what was heard. After a write that failed or took too
//!   long say no more and read on: a reply may be there that says why. After a read that failed call
//!   [`handle_eof`](proto_core::Machine::handle_eof), and take steps until the last: they tell what became of the message.
//! * Login is offered where [`Config::mechanisms`](crate::Config::mechanisms) names any; those that show the password
//!   without TLS only if [`Config::allow_plaintext_auth`](crate::Config::allow_plaintext_auth) says so. Then
//!   [`Event::Authenticate`](crate::Event::Authenticate) asks. SCRAM asks twice, for the keys and for the last word
//!   ([`Credentials`](proto_core::sasl::Credentials) has both), and needs randomness:
//!   [`Server::set_entropy`](crate::Server::set_entropy), and in a client
//!   [`Client::set_nonces`](crate::Client::set_nonces).
//! * Accept the end of a message only when the message would survive a power cut: the 250 takes the responsibility for
//!   it (RFC 5321 section 6.1).
//! * Who is asked about recipients and says yes to everybody runs an open relay. The crate `relay-policy` decides.
//! * An extension that is a promise about delivery (DSN, DELIVERBY, REQUIRETLS, …) is off in
//!   [`Offer`](crate::server::Offer) until the application says that it keeps the promise.

//! # A login, reports, and LMTP
//!
//! What a client does beyond the loop is configuration and envelope. What the server does not offer is left out only where that
//! does no harm ([`Report::omitted`](crate::client::Report::omitted)); a login is never left out.
//!
//! ```
//! # use proto_core::{Instant, Machine, Now, OutBuf, UnixTime};
//! use proto_core::sasl::{ClientCredentials, Nonces};
//! use proto_core::{ForwardPath, ReversePath};
//! use smtp_proto::client::{Client, ClientConfig, ClientProtocol, ClientTls, Envelope, Recipient};
//! use smtp_proto::parameter::{EnvelopeId, Notify, OriginalRecipient};
//! use std::sync::Arc;
//!
//! # let now = Now::new(Instant::ORIGIN, UnixTime(0));
//! # fn hear(client: &mut Client, now: Now, octets: &str) -> String {
//! #     client.handle_input(now, octets.as_bytes());
//! #     let mut out = OutBuf::new();
//! #     loop {
//! #         while client.poll_event(now).is_some() {}
//! #         if !client.poll_transmit(&mut out) {
//! #             return String::from_utf8_lossy(out.as_slice()).into_owned();
//! #         }
//! #     }
//! # }
//! // LMTP, on a trusted line: a mailbox server tells of each recipient by itself (ClientEvent::Verdict).
//! let mut config = ClientConfig::new("mta.example.test")?;
//! config.protocol = ClientProtocol::Lmtp;
//! config.tls = ClientTls::None;
//! // A login: the strongest mechanism that both ends know. PLAIN and LOGIN need TLS unless allow_plaintext_auth is set.
//! config.credentials = Some(ClientCredentials::password("mta", "secret"));
//! let mut client = Client::new(now, Arc::new(config));
//! client.set_nonces(Nonces::seeded([7; 32])); // for SCRAM; in earnest from the system's generator
//! hear(&mut client, now, "220 mailbox.example.test\r\n");
//! let said = hear(&mut client, now, "250-mailbox.example.test\r\n250-AUTH PLAIN SCRAM-SHA-256\r\n250 DSN\r\n");
//! assert!(said.starts_with("AUTH SCRAM-SHA-256 "));
//! # drop(client);
//! # let mut config = ClientConfig::new("mta.example.test")?;
//! # config.tls = ClientTls::None;
//! # let mut client = Client::new(now, Arc::new(config));
//! # hear(&mut client, now, "220 x\r\n");
//! # hear(&mut client, now, "250-x\r\n250 DSN\r\n");
//!
//! // Reports (DSN, RFC 3461): which ones, under which name, and what the recipient was called first.
//! let mut bob = Recipient::from(ForwardPath::Mailbox("bob@example.test".parse()?));
//! bob.parameters.notify = Some(Notify { failure: true, delay: true, ..Notify::NEVER });
//! bob.parameters.orcpt = OriginalRecipient::new("rfc822", "robert@example.test");
//! let mut envelope = Envelope::new(ReversePath::Mailbox("alice@example.test".parse()?), [bob]);
//! envelope.parameters.envid = EnvelopeId::new("invoice-17");
//! client.send(now, envelope)?; // when it is ready
//! # let said = hear(&mut client, now, "") + &hear(&mut client, now, "250 Ok\r\n");
//! assert_eq!(
//!     said,
//!     "MAIL FROM:<alice@example.test> ENVID=invoice-17\r\n\
//!      RCPT TO:<bob@example.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;robert@example.test\r\n"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod attacks;
pub mod limits;
pub mod support;
