//! What has been tried against mail software, what happens here, and the test that shows it.
//!
//! Files ending in `.txt` are transcripts in `tests/transcripts`, which run at every cut of their input; the others are
//! in `tests`, in `proto-core`, or beside the code. A test of this crate checks that every test named here exists.
//!
//! # The end of a message
//!
//! | attack | what happens | shown by |
//! | --- | --- | --- |
//! | SMTP smuggling: a second message hidden behind an end that another server sees (`LF . LF`, `LF . CR LF`, `CR . CR`, NUL in between, …) | only CR LF `.` CR LF ends a message; the whole text is one message, refused `550 5.6.11` by default | `data.txt: S04 smuggling 1 rejected`, `dot/tests.rs: every_short_text_decodes_as_the_reference_says_at_every_cut` |
//! | the same through us as a sender | no CR or LF leaves alone: refused or repaired | `client-sending.txt: S07 a bare LF never leaves: refused`, `client-chunking.txt: S07 a bare LF leaves in no chunk: refused`, `dot/tests.rs: no_proper_prefix_of_an_encoding_is_complete` |
//! | commands behind a message that is too large | it is swallowed up to its true end, then refused once | `data.txt: fault 4: no octet of an over-size message is a command` |
//! | a message sent behind DATA without waiting for 354 | `554 5.5.0` and the end, by default | `pipelining.txt: S11` |
//! | commands in the octets of a refused BDAT | they are counted and thrown away; after a refused greeting each gets its `503` | `bdat.txt: S36` |
//! | a chunk size that cannot be read | `501` and the end: what follows cannot be told from data | `bdat.txt: S37` |
//! | the connection cut in a message | no message, and the application is told | `data.txt: R45 the client goes away in the message` |
//!
//! # TLS and login
//!
//! | attack | what happens | shown by |
//! | --- | --- | --- |
//! | commands injected behind STARTTLS | what was received in the clear is thrown away, as is all that was said | `starttls.txt: S13`, `faults.rs: fault_5_octets_after_starttls_are_gone_in_the_server` |
//! | replies injected behind the reply to STARTTLS | the client ends the session | `client-opening.txt: S14 plaintext behind the reply to STARTTLS` |
//! | replies sent ahead of their commands | no command takes what was received before it for its answer; the session ends | `client-sending.txt: a reply too many is not that of the next message`, `client-sending.txt: a yes before the message is no yes to it` |
//! | STARTTLS stripped | with [`ClientTls::Required`](crate::client::ClientTls::Required) nothing but EHLO, STARTTLS and QUIT is said | `client-opening.txt: TLS required and not offered`, `client-commands.txt: nothing but EHLO, STARTTLS and QUIT without the TLS that is required` |
//! | a password coaxed out of the client, or taken by the server, in the clear | mechanisms that show it are neither offered nor used without TLS | `client-opening.txt: no password is shown without TLS`, `auth.txt: R55 not without TLS` |
//! | a server that says yes before it proved anything | it is not believed | `client-opening.txt: a server that says yes too early is not believed` |
//! | a server that pretends to know the password | it is shown it by no other mechanism | `client-auth.txt: a signature that is wrong: who does not know the password is not shown it`, `client-auth.txt: a yes without a signature` |
//! | guessing passwords | three failures end the session, and the application hears of each | `auth.txt: three wrong passwords`, `auth.txt: a wrong CRAM-MD5 digest is told` |
//! | a password left behind in memory | lines of AUTH, what they are decoded to and the base64 that a client sends are overwritten when they are done with, taken or not | `secrets.rs: a_server_leaves_nothing_of_a_login_behind`, `secrets.rs: a_client_leaves_nothing_of_its_login_behind`, `secret.rs: a_line_is_overwritten_where_it_lies`, `input.rs: a_secret_line_may_be_changed_where_it_lies`, `output.rs: a_secret_is_known_for_one_until_it_was_sent` |
//! | commands within an AUTH exchange | every line is a response | `hostile.txt: RFC 4954 4: a command within an exchange is a response` |
//! | XCLIENT, XFORWARD from anybody | `550 5.7.0`: only for the clients that the application names | `xclient.txt: S44` |
//!
//! # Injection
//!
//! | attack | what happens | shown by |
//! | --- | --- | --- |
//! | CR, LF or NUL in an address, a parameter or a reply text | such a value cannot be constructed | `reply.rs: what_cannot_be_on_the_wire_cannot_be_constructed`, `header.rs: what_is_no_header_field_cannot_be_one` |
//! | a name at HELO, from DNS or in a TLS session that breaks the `Received:` field | what does not belong becomes `?` | `trace.rs: nothing_that_a_peer_says_breaks_the_field` |
//! | the tail of an over-long line read as a command | the line is dropped whole, `500 5.5.6` once | `limits.txt: S25 the tail of a long line is no command` |
//! | a NUL or a CR in an address | `501`; the address is never altered | `syntax.txt: S24` |
//! | a browser tricked into talking to us | closed at its first word | `order.txt: S42 HTTP is no mail` |
//!
//! # Milters
//!
//! | attack | what happens | shown by |
//! | --- | --- | --- |
//! | a packet that says it is empty, or has 4 GiB | the session fails before anything is allocated; a new body of any length goes through in pieces | `milter_changes.rs: hostile_milters`, `milter_changes.rs: a_new_body_goes_through_in_pieces_of_any_size` |
//! | an answer before the question, a change before the end, one that was not offered | the session fails | `milter_changes.rs: hostile_milters`, `milter_changes.rs: more_than_was_offered_or_allowed` |
//! | a header field that holds another one, or the end of the header | what follows a line end is a part of the field | `field.rs: a_field_stays_one_field` |
//! | a new body whose lines end in CR or LF alone | LF alone becomes CR LF, CR alone a space, and the last line is ended | `lines.rs: line_ends_are_right_at_every_cut` |
//! | a reply that is none, or says yes | the session fails; what cannot stand in a reply becomes `?` | `verdict.rs: the_words_of_a_milter` |
//! | silence, at any step | a deadline ends it | `milter.rs: deadlines` |
//! | any octets at all | no panic, no endless loop | `fuzz.rs: milter_sessions` |
//!
//! # Exhaustion
//!
//! | attack | what happens | shown by |
//! | --- | --- | --- |
//! | a line, a reply, a message without end | bounded memory, see [`limits`](super::limits) | `memory.rs: a_session_is_bounded_whatever_comes`, `client-opening.txt: a reply line without an end` |
//! | one octet a minute | a command has one deadline, a message a least speed | `order.txt: one octet a minute is no command`, `data.txt: a message that comes too slowly` |
//! | reading no replies | no further command is read, and the deadline ends it | `memory.rs: a_client_that_never_reads_is_not_served_for_ever`, `hostile.rs: a_client_that_does_not_read_is_not_waited_for_in_a_message` |
//! | a server that takes no octets | the deadline ends it | `hostile.rs: a_server_that_takes_nothing_is_not_waited_for_for_ever` |
//! | errors, and commands that bring no mail, without end | they cost time, then the session | `limits.txt: errors cost time, and more each`, `limits.txt: commands that bring no mail` |
//! | thousands of recipients | `452 4.5.3` over the limit | `hostile.rs: recipients_far_over_the_limit_do` |
//! | any octets at all | no panic, no endless loop | `chaos.rs: a_server_keeps_its_promises_whatever_happens`, `fuzz.rs: server_sessions`, `fuzz.rs: client_sessions` |
//!
//! # Curiosity
//!
//! | attack | what happens | shown by |
//! | --- | --- | --- |
//! | VRFY and EXPN to learn addresses | `252` for everybody and `502`, by default | `order.txt: R37 VRFY tells nothing by default` |
//! | recipients of each other in the trace | named only when there is one alone | `pair.rs: the_trace_field_names_no_recipient_of_two` |
