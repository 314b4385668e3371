//! What of which RFC is there, clause by clause, and where we depart from it.
//!
//! *Both* means server and client. What depends on [`Offer`](crate::server::Offer) is off unless the application switches
//! it on, and then neither shown nor taken. A departure is told in full in the file it belongs to, under `# Departures`.
//!
//! # RFC 5321
//!
//! | section | what | here | departures |
//! | --- | --- | --- | --- |
//! | 2.3.8 | lines end with CR LF | both | [`Syntax::Lenient`](crate::server::Syntax::Lenient) takes LF at the end of a command, never in a message |
//! | 3.1 | greeting, or `554` | both | after a refused greeting the server waits for QUIT; with 421 and 521 it closes |
//! | 3.2 | EHLO, else HELO | both | any word will do for a name; the [`Hello`](crate::server::Hello) question decides |
//! | 3.3 | MAIL, RCPT, DATA | both | |
//! | 3.4, 3.5 | VRFY, EXPN, 251 and 551 | both; the server answers `252` and `502` unless asked to ask | |
//! | 3.6.1 | source routes | read and dropped; never sent | |
//! | 3.8 | 421 at any time | both | |
//! | 4.1.1.5 to 4.1.1.10 | RSET, VRFY, EXPN, HELP, NOOP, QUIT | both | |
//! | 4.1.1.11 | parameters | both, typed: [`parameter`](crate::parameter) | |
//! | 4.1.2, 4.1.3 | paths, address literals | both: [`proto_core::address`] | [`Syntax::Lenient`](crate::server::Syntax::Lenient) lists what else is taken |
//! | 4.1.4 | order of commands | server: one table | |
//! | 4.2 | replies | both: [`reply`](crate::reply) | octets that a reply may not hold become `?` in what the client hands on |
//! | 4.4 | trace | server: [`Server::trace_header`](crate::Server::trace_header) | no `via`; Return-Path is the delivering program's |
//! | 4.5.1 | postmaster without a domain | both | |
//! | 4.5.2 | transparency | both: [`proto_core::dot`] | |
//! | 4.5.3 | sizes and timeouts | both: [`limits`](super::limits) | |
//! | 4.5.4, 5 | retrying, finding the host | not this crate's: it has no queue and no DNS | |
//! | 4.5.5 | the null reverse-path | both | |
//! | 6.1 | who answers for a message | the 250 is said after the application's verdict | |
//! | 6.4 | mending messages | never: no octet of a message is changed, but line ends where that is configured | |
//! | 7.2 | blind copies | `for` only when there is one recipient | |
//!
//! # Extensions
//!
//! | RFC | what | server | client |
//! | --- | --- | --- | --- |
//! | 1870 | SIZE | always; enforced while the message comes | said, and obeyed |
//! | 1985 | ETRN | [`Offer::etrn`](crate::server::Offer::etrn) | [`Client::etrn`](crate::Client::etrn) |
//! | 2033 | LMTP | [`Protocol::Lmtp`](crate::server::Protocol::Lmtp) | [`ClientProtocol::Lmtp`](crate::client::ClientProtocol::Lmtp) |
//! | 2034, 3463, 5248 | ENHANCEDSTATUSCODES | always | read, and used to tell [whose fault](crate::client::Fault) it is |
//! | 2852 | DELIVERBY | [`Offer::deliver_by`](crate::server::Offer::deliver_by) | typed |
//! | 2920 | PIPELINING | [`Offer::pipelining`](crate::server::Offer::pipelining), on by default; replies to what precedes a question wait for its verdict | as far as section 3.1 lets, and a bound |
//! | 3030 | CHUNKING | [`Offer::chunking`](crate::server::Offer::chunking), on by default | [`ClientConfig::chunking`](crate::ClientConfig::chunking), on by default |
//! | 3030 | BINARYMIME | [`Offer::binary_mime`](crate::server::Offer::binary_mime) | never converted: sent as it is, or refused |
//! | 3207 | STARTTLS | [`TlsMode`](crate::server::TlsMode) | [`ClientTls`](crate::client::ClientTls) |
//! | 3461, 6533 | DSN parameters | [`Offer::dsn`](crate::server::Offer::dsn) | typed; what could not be said is reported as [`Omitted`](crate::client::Omitted) |
//! | 3848, 6531 | protocol names in `Received:` | all | |
//! | 4865 | FUTURERELEASE | [`Offer::future_release`](crate::server::Offer::future_release) | typed |
//! | 4954 | AUTH, all mechanisms of [`proto_core::sasl`] | [`Config::mechanisms`](crate::Config::mechanisms) | [`ClientConfig::credentials`](crate::ClientConfig::credentials) |
//! | 6152 | 8BITMIME | always | an 8-bit message goes nowhere else |
//! | 6409 | submission | [`Protocol::Submission`](crate::server::Protocol::Submission): login required; messages are not completed | |
//! | 6531 | SMTPUTF8 | [`Offer::smtp_utf8`](crate::server::Offer::smtp_utf8); 553 where section 3.5 has 550 for MAIL | where an address or the envelope needs it |
//! | 6710 | MT-PRIORITY | [`Offer::mt_priority`](crate::server::Offer::mt_priority) | typed |
//! | 7293 | RRVS | [`Offer::rrvs`](crate::server::Offer::rrvs) | typed |
//! | 7504 | 521, 556 | a [`Refusal`](crate::Refusal) with 521 closes | both are understood |
//! | 8314 | implicit TLS | [`TlsMode::Implicit`](crate::server::TlsMode::Implicit) | [`ClientTls::Implicit`](crate::client::ClientTls::Implicit) |
//! | 8689 | REQUIRETLS | [`Offer::require_tls`](crate::server::Offer::require_tls), under TLS | under TLS, where it is offered |
//! | 9422 | LIMITS | [`Offer::limits`](crate::server::Offer::limits), on by default | RCPTMAX and MAILMAX obeyed; RCPTDOMAINMAX is told ([`ServerCapabilities::limits`](crate::client::ServerCapabilities)), and the application's to keep to |
//! | draft-hall-prdr | PRDR | [`Offer::prdr`](crate::server::Offer::prdr) | a verdict for each recipient |
//! | Sendmail | milters, versions 2 to 6 | | [`MilterClient`](crate::milter::MilterClient) asks one; packets of both ends |
//! | Postfix | XCLIENT, XFORWARD | for the clients that [`Peer`](crate::server::Peer) names | [`Client::xforward`](crate::Client::xforward) |
//!
//! # What is not there
//!
//! BURL (RFC 4468), which needs an IMAP client; ATRN (RFC 2645); NO-SOLICITING (RFC 3865); SEND, SOML, SAML and TURN, which
//! RFC 5321 gave up (appendices F.1 and F.6). The PROXY protocol is read before any of this: [`proto_core::proxy`].
