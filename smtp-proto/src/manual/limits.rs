//! Everything a peer may have at most, with its default and what happens over it.
//!
//! Nothing is allocated because a peer announced a size. A test of this crate checks that each limit stands here.
//!
//! # The server: [`Limits`](crate::server::Limits)
//!
//! | limit | default | over it | RFC 5321 section |
//! | --- | --- | --- | --- |
//! | [`command_line_bytes_max`](crate::server::Limits::command_line_bytes_max) | 2,048 octets, never less than what is offered needs | `500 5.5.6`, the line is dropped whole | 4.5.3.1.4: 512 |
//! | [`auth_line_bytes_max`](crate::server::Limits::auth_line_bytes_max) | 12,290 octets, and never less | `500 5.5.6` | RFC 4954 section 4 |
//! | [`message_bytes_max`](crate::server::Limits::message_bytes_max) | 52,428,800 octets | `552 5.3.4`, at MAIL by SIZE or after the end | 4.5.3.1.7: 64 K |
//! | [`text_line_bytes_max`](crate::server::Limits::text_line_bytes_max) | none | `554 5.6.0` after the end | 4.5.3.1.6: 1,000 |
//! | [`recipients_max`](crate::server::Limits::recipients_max) | 1,000 | `452 4.5.3` | 4.5.3.1.8: 100 |
//! | [`transactions_max`](crate::server::Limits::transactions_max) | 1,000 | `421 4.7.0` and the end | |
//! | [`errors_before_pause`](crate::server::Limits::errors_before_pause) | 10 | every further error is followed by a pause that grows | 4.3.2 has no rule |
//! | [`errors_max`](crate::server::Limits::errors_max) | 20 | `421 4.7.0` and the end | |
//! | [`idle_commands_max`](crate::server::Limits::idle_commands_max) | 100 | each one more counts as an error | |
//! | [`auth_failures_max`](crate::server::Limits::auth_failures_max) | 3 | `421 4.7.0` and the end | |
//! | [`added_octets_max`](crate::server::Limits::added_octets_max) | 16 KiB | the acceptance that brings more becomes `451 4.3.0` | |
//! | [`output_bytes_max`](crate::server::Limits::output_bytes_max) | 16 KiB | no further command is read | |
//! | [`input_bytes_max`](crate::server::Limits::input_bytes_max) | 14 KiB, or the longest line | octets stay with the driver | |
//!
//! Of a login: 1,024 octets of a name or a password ([`proto_core::sasl::saslprep::TEXT_BYTES_MAX`]; a longer name is
//! `501 5.5.2`, a longer password `535 5.7.8`, as every wrong one), 4,096 of a message of SCRAM
//! ([`proto_core::sasl::scram::MESSAGE_BYTES_MAX`]; `501 5.5.2`), of a token whatever its line holds. A line of AUTH is
//! understood when the client has taken the replies to what it sent before, which end its group (RFC 2920 section 3.1).
//!
//! Of an address: 64 octets of local part (more is taken when lenient), 255 of domain, 256 of path
//! (sections 4.5.3.1.1 to 4.5.3.1.3; [`proto_core::address`]).
//!
//! # The server's deadlines: [`Timeouts`](crate::server::Timeouts)
//!
//! | deadline | default | then | RFC 5321 section |
//! | --- | --- | --- | --- |
//! | [`greet_delay`](crate::server::Timeouts::greet_delay) | none | the greeting | 3.1 |
//! | [`command`](crate::server::Timeouts::command) | 5 minutes | `421 4.4.2` and the end | 4.5.3.2.7 |
//! | [`body_block`](crate::server::Timeouts::body_block) | 3 minutes | `421 4.4.2` and the end | 4.5.3.2.5 |
//! | [`body_bytes_per_second_min`](crate::server::Timeouts::body_bytes_per_second_min) | 500 octets a second | `421 4.4.2` and the end | |
//! | [`handshake`](crate::server::Timeouts::handshake) | 1 minute | the end | |
//! | [`command_verdict`](crate::server::Timeouts::command_verdict) | 4 minutes 30 | `421 4.3.0` and the end; the question is cancelled | 4.5.3.2.1 to .3 |
//! | [`data_verdict`](crate::server::Timeouts::data_verdict) | 1 minute 50 | likewise | 4.5.3.2.4 |
//! | [`verdict`](crate::server::Timeouts::verdict) | 10 minutes | `421 4.3.0` and the end; the question is cancelled | 4.5.3.2.6 |
//! | [`error_pause`](crate::server::Timeouts::error_pause) | 1 second, times the errors over the mark | the next command | |
//!
//! # The client: [`ClientLimits`](crate::client::ClientLimits)
//!
//! | limit | default | over it | RFC |
//! | --- | --- | --- | --- |
//! | [`reply_line_bytes_max`](crate::client::ClientLimits::reply_line_bytes_max) | 2,048 octets; a challenge of AUTH may have 12,288 in one line, and as much text | the session fails | 5321 section 4.5.3.1.5: 512; 4954 section 4 |
//! | [`reply_lines_max`](crate::client::ClientLimits::reply_lines_max) | 128 lines of one reply | the session fails | |
//! | [`reply_text_bytes_max`](crate::client::ClientLimits::reply_text_bytes_max) | 8 KiB of one reply | the session fails | |
//! | [`outcome_text_bytes_max`](crate::client::ClientLimits::outcome_text_bytes_max) | 512 octets of a reply about one recipient | the rest is not kept | |
//! | [`pipelined_commands_max`](crate::client::ClientLimits::pipelined_commands_max) | 100 | further commands wait | 2920 section 3.1 |
//! | [`chunk_bytes_max`](crate::client::ClientLimits::chunk_bytes_max) | 8 KiB, half of it where line ends are repaired | another chunk | 3030 section 2 |
//! | [`scram_iterations_max`](crate::client::ClientLimits::scram_iterations_max) | 100,000 | the login is given up | 5802 section 5.1 |
//! | [`output_bytes_max`](crate::client::ClientLimits::output_bytes_max) | 16 KiB | [`body_room`](crate::Client::body_room) is zero, further commands wait | |
//!
//! A session that logs in by a token of more than 4,000 octets holds twice what it is longer besides.
//!
//! # The client's deadlines: [`ClientTimeouts`](crate::client::ClientTimeouts)
//!
//! | deadline | default | RFC 5321 section |
//! | --- | --- | --- |
//! | [`greeting`](crate::client::ClientTimeouts::greeting) | 5 minutes | 4.5.3.2.1 |
//! | [`command`](crate::client::ClientTimeouts::command) | 5 minutes | 4.5.3.2.2, 4.5.3.2.3 |
//! | [`data_initiation`](crate::client::ClientTimeouts::data_initiation) | 2 minutes | 4.5.3.2.4 |
//! | [`data_block`](crate::client::ClientTimeouts::data_block) | 3 minutes | 4.5.3.2.5 |
//! | [`data_termination`](crate::client::ClientTimeouts::data_termination) | 10 minutes | 4.5.3.2.6 |
//! | [`handshake`](crate::client::ClientTimeouts::handshake) | 1 minute | |
//! | [`quit`](crate::client::ClientTimeouts::quit) | 10 seconds | |
//!
//! # A milter: [`MilterLimits`](crate::milter::MilterLimits), [`MilterTimeouts`](crate::milter::MilterTimeouts)
//!
//! | limit | default | over it |
//! | --- | --- | --- |
//! | [`packet_bytes_max`](crate::milter::MilterLimits::packet_bytes_max) | 1 MiB of one packet, a new body excepted | the session fails |
//! | [`changes_max`](crate::milter::MilterLimits::changes_max) | 10,000 of one message, a new body excepted | the session fails |
//! | [`change_bytes_max`](crate::milter::MilterLimits::change_bytes_max) | 4 MiB of one message, a new body excepted | the session fails |
//! | [`command`](crate::milter::MilterTimeouts::command) | 30 seconds for the negotiation and each step up to DATA | the session fails |
//! | [`content`](crate::milter::MilterTimeouts::content) | 300 seconds for each step from the first header field on; anew with each sign of life at the end of a message | the session fails |
//!
//! Of a reply that a milter words 100 lines and 32 KiB are read, and a line is cut where a reply line ends; of the parameters of one
//! address 2,048 octets.
//!
//! # Memory
//!
//! What a session holds on the heap, with the defaults; `tests/memory.rs` and `tests/client_states.rs` count it in every
//! state. An event counts until the application has taken it.
//!
//! | state | bound |
//! | --- | --- |
//! | a session at rest, either role | 1 KiB with the value itself |
//! | a server's, whatever comes, in an exchange of AUTH too | 16 KiB and the mark for output ([`output_bytes_max`](crate::server::Limits::output_bytes_max)) |
//! | replies to a complete message | besides, a line for each recipient beyond the mark |
//! | a client's, whatever comes, taken output or not | 16 KiB and the mark for output ([`output_bytes_max`](crate::client::ClientLimits::output_bytes_max)), or two chunks ([`chunk_bytes_max`](crate::client::ClientLimits::chunk_bytes_max)) where they are more |
//! | a client's envelope | besides, what the application gave, and for each recipient 256 octets and the text of its reply ([`outcome_text_bytes_max`](crate::client::ClientLimits::outcome_text_bytes_max)) |
