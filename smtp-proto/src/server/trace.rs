//! What stands before a message on its way in: its `Received:` field, and the fields that verdicts added.
//!
//! RFC 5321 section 4.4, with the protocol names of RFC 3848 and RFC 6531. The field is the machine's, since it alone knows who
//! said what; the application puts it before the message, once it has a queue id.
//!
//! # Limits
//! A line is folded at 78 octets where there is white space to fold at; no clause is longer than a path, so none comes
//! near the 998 of RFC 5322 section 2.1.1.
//!
//! # Departures
//! No `via`: RFC 5321 section 4.4 has it for links that are not TCP, and ours are. With
//! [`Config::trace_hides_submitter`](super::Config::trace_hides_submitter) there is no `from` for who has logged in.

use super::extras::Collected;
use super::header::LINE_OCTETS_WISHED;
use super::session::Server;
use super::{Protocol, QueueId};

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};
use core::net::IpAddr;
use proto_core::address::{ForwardPath, ReversePath};
use proto_core::{Now, UnixTime};
use time::OffsetDateTime;

/// All that a server puts before a message, each line with its CR LF: the fields that verdicts added, the latest on
/// top, and under them the `Received:` field. (RFC 7208 section 9.1 wants `Received-SPF:` above the `Received:` of the
/// same server.)
#[derive(Debug)]
pub struct TraceHeader<'a> {
    server: &'a Server,
    received: String,
}

impl TraceHeader<'_> {
    /// The `Received:` field alone.
    pub fn received(&self) -> &str {
        &self.received
    }

    /// The fields from top to bottom.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let added = self.server.collected().flat_map(|Collected { fields, .. }| fields.iter().rev());
        added.map(|field| field.as_str()).chain([self.received()])
    }
}

/// The whole block.
impl fmt::Display for TraceHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().try_for_each(|field| f.write_str(field))
    }
}

impl Server {
    /// What belongs before the message of this transaction; the application writes it before the first
    /// [`Event::Body`](super::Event::Body) octet. `None` outside a transaction. To be called once DATA is answered,
    /// so that what that verdict added is there.
    ///
    /// The recipient is named only when there is one alone: more would tell them of each other (RFC 5321
    /// section 7.2). The date is in UTC, with its offset.
    pub fn trace_header(&self, queue_id: &QueueId, now: Now) -> Option<TraceHeader<'_>> {
        let transaction = self.transaction.as_ref()?;
        let mut field = Folded { text: String::with_capacity(256), line: 0 };
        field.word("Received:");
        if !(self.config.trace_hides_submitter && self.authenticated) {
            self.write_client(&mut field);
            field.line();
        }
        field.word("by");
        field.word(self.config.hostname());
        field.word("with");
        field.word(&self.protocol_name());
        if let Some(tls) = &self.tls {
            let word = |c: &char| c.is_ascii_alphanumeric() || ".-_".contains(*c);
            let (version, cipher) = (tls.version.chars(), tls.cipher.chars());
            field.word(&format!("({}", version.filter(word).collect::<String>()));
            field.word(&format!("{})", cipher.filter(word).collect::<String>()));
        }
        field.line();
        field.pieces(&["id ", queue_id.as_str()]);
        if let Some(recipient) = &transaction.only_recipient {
            field.line();
            match recipient {
                ForwardPath::Postmaster => field.word("for <postmaster>"),
                ForwardPath::Mailbox(mailbox) => field.pieces(&["for <", &mailbox.to_string(), ">"]),
            }
        }
        if let Some(priority) = transaction.parameters.priority {
            // RFC 6710 section 4.1.
            field.line();
            field.pieces(&["PRIORITY ", &priority.to_string()]);
        }
        field.line();
        let mut sender = String::new();
        if let ReversePath::Mailbox(mailbox) = &transaction.reverse_path {
            sender = mailbox.to_string();
            // A quoted local part may hold what would end the comment (RFC 5322 section 3.2.2).
            let ends = |c: char| matches!(c, '(' | ')' | '\\');
            if sender.contains(ends) {
                let escaped = |c: char| ends(c).then_some('\\').into_iter().chain([c]);
                sender = sender.chars().flat_map(escaped).collect();
            }
        }
        field.pieces(&["(envelope-from <", &sender, ">);"]);
        field.line();
        // Formatting into a String never fails.
        let _ = write!(field.text, "{}", MailDate(now.utc));
        field.text.push_str("\r\n");
        Some(TraceHeader { server: self, received: field.text })
    }

    /// What the client calls itself, and beside it what we know of it.
    fn write_client(&self, field: &mut Folded) {
        // A name that is no domain and no literal would break the field: what does not belong becomes `?`.
        let plain = |c: char| match c {
            '.' | '-' | '_' | ':' | '[' | ']' => c,
            c if c.is_ascii_alphanumeric() => c,
            _ => '?',
        };
        field.word("from");
        field.word(&self.hello_name().unwrap_or("unknown").chars().map(plain).collect::<String>());
        // A name that nobody looked up from an address says nothing.
        let Some(address) = self.peer.address else { return };
        let literal = match address {
            IpAddr::V4(v4) => format!("[{v4}])"),
            IpAddr::V6(v6) => format!("[IPv6:{v6}])"),
        };
        match &self.peer.name {
            Some(name) => {
                // RFC 5321 section 4.5.3.1.2: no name is longer.
                let name = name.chars().map(plain).take(DOMAIN_OCTETS_MAX);
                field.pieces(&["(", &name.collect::<String>()]);
                field.word(&literal);
            }
            None => field.pieces(&["(", &literal]),
        }
    }

    /// RFC 3848: the E for EHLO, the S for TLS, the A for AUTH; LMTP has no form without the extensions. RFC 6531
    /// section 4.3: `UTF8SMTP` for a message that came with SMTPUTF8.
    fn protocol_name(&self) -> String {
        let extended = self.hello.as_ref().is_some_and(|hello| hello.extended);
        let extended = self.peer.esmtp.unwrap_or(extended);
        let utf8 = self.transaction.as_ref().is_some_and(|transaction| transaction.parameters.smtp_utf8);
        let base = match (self.config.protocol == Protocol::Lmtp, utf8) {
            (true, true) => "UTF8LMTP",
            (true, false) => "LMTP",
            (false, true) => "UTF8SMTP",
            (false, false) if extended => "ESMTP",
            // HELO has neither TLS nor AUTH beside it in the registry.
            (false, false) => return "SMTP".into(),
        };
        let secured = if self.tls.is_some() { "S" } else { "" };
        let authenticated = if self.authenticated { "A" } else { "" };
        [base, secured, authenticated].concat()
    }
}

/// A field in the making. Its clauses begin on new lines, and so does a word that does not fit on its line.
struct Folded {
    text: String,
    /// How many octets the last line has.
    line: usize,
}

impl Folded {
    fn word(&mut self, word: &str) {
        self.pieces(&[word]);
    }

    /// A word of these pieces.
    fn pieces(&mut self, pieces: &[&str]) {
        let octets = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        if self.line > 1 && self.line + 1 + octets > LINE_OCTETS_WISHED {
            self.line();
        }
        // A new line has its tab already.
        if self.line > 1 {
            self.text.push(' ');
        }
        pieces.iter().for_each(|piece| self.text.push_str(piece));
        self.line += 1 + octets;
    }

    fn line(&mut self) {
        self.text.push_str("\r\n\t");
        self.line = 1;
    }
}

/// A moment as it stands in the header of a message (RFC 5322 section 3.3, without the obsolete forms), in UTC.
///
/// ```
/// use smtp_proto::server::MailDate;
/// use proto_core::UnixTime;
///
/// assert_eq!(MailDate(UnixTime(0)).to_string(), "Thu, 1 Jan 1970 00:00:00 +0000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailDate(pub UnixTime);

impl fmt::Display for MailDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = OffsetDateTime::from_unix_timestamp(self.0.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let weekday = WEEKDAYS[usize::from(date.weekday().number_days_from_monday())];
        let month = MONTHS[usize::from(u8::from(date.month())) - 1];
        write!(f, "{weekday}, {} {month} {:04} ", date.day(), date.year())?;
        write!(f, "{:02}:{:02}:{:02} +0000", date.hour(), date.minute(), date.second())
    }
}

/// RFC 5321 section 4.5.3.1.2.
const DOMAIN_OCTETS_MAX: usize = 255;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::MailParameters;
    use crate::server::session::{HelloSaid, Transaction};
    use crate::server::{Config, HeaderField, Peer};
    use alloc::boxed::Box;
    use alloc::sync::Arc;
    use proto_core::{Instant, TlsInfo};

    #[test]
    fn nothing_that_a_peer_says_breaks_the_field() {
        let now = Now::new(Instant::ORIGIN, UnixTime(0));
        let peer = Peer::new("2001:db8::1".parse().unwrap());
        let mut server = Server::new(now, Arc::new(Config::new("mx.test").unwrap()), peer);
        server.set_peer_name("evil\r\nX: y (");
        let id = QueueId::new("X1").unwrap();
        assert!(server.trace_header(&id, now).is_none());
        server.hello = Some(HelloSaid { name: "(c);<x>".into(), extended: true });
        let mut tls = TlsInfo::default();
        tls.version = "TLSv1.3)\r\n".into();
        tls.cipher = "TLS_X".into();
        server.tls = Some(Arc::new(tls));
        server.transaction = Some(Box::new(Transaction {
            reverse_path: ReversePath::Mailbox(r#""a)b"@x"#.parse().unwrap()),
            parameters: MailParameters::default(),
            recipients: 1,
            recipients_over: 0,
            only_recipient: Some(ForwardPath::Postmaster),
            collected: Collected::default(),
            answered: Default::default(),
            chunks: None,
        }));
        assert_eq!(
            server.trace_header(&id, now).unwrap().to_string(),
            "Received: from ?c???x? (evil??X:?y?? [IPv6:2001:db8::1])\r\n\tby mx.test with ESMTPS (TLSv1.3 TLS_X)\r\n\
             \tid X1\r\n\tfor <postmaster>\r\n\t(envelope-from <\"a\\)b\"@x>);\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
    }

    #[test]
    fn long_names_are_folded() {
        let now = Now::new(Instant::ORIGIN, UnixTime(0));
        let name = Some("n".repeat(300));
        let peer = Peer { address: Some("192.0.2.1".parse().unwrap()), name, ..Peer::default() };
        let mut config = Config::new("h".repeat(255)).unwrap();
        config.trace_hides_submitter = true;
        let mut server = Server::new(now, Arc::new(config), peer);
        server.hello = Some(HelloSaid { name: "c".repeat(255).into(), extended: true });
        let long: ForwardPath =
            ForwardPath::Mailbox([&"l".repeat(64), "@", &"d.".repeat(90), "x"].concat().parse().unwrap());
        server.transaction = Some(Box::new(Transaction {
            reverse_path: ReversePath::Null,
            parameters: MailParameters::default(),
            recipients: 1,
            recipients_over: 0,
            only_recipient: Some(long),
            collected: Collected::default(),
            answered: Default::default(),
            chunks: None,
        }));
        let id = QueueId::new("X1").unwrap();
        let field = server.trace_header(&id, now).unwrap().to_string();
        for line in field.split_terminator("\r\n") {
            assert!(line.len() <= 78 || line.split(' ').count() <= 2, "{line}");
            assert!(line.len() <= 998 && !line.trim().is_empty());
        }
        assert!(field.replace("\r\n\t", " ").contains(&["(", &"n".repeat(255), " [192.0.2.1])"].concat()));
        server.authenticated = true;
        let hidden = server.trace_header(&id, now).unwrap();
        assert!(
            hidden.received().starts_with("Received: by\r\n\thhh")
                && !hidden.received().contains("192.0.2.1")
        );
    }

    #[test]
    fn what_verdicts_added_stands_above_the_latest_on_top() {
        let now = Now::new(Instant::ORIGIN, UnixTime(0));
        let mut server = Server::new(now, Arc::new(Config::new("mx.test").unwrap()), Peer::default());
        let collected = |names: &[&str]| {
            let fields = names.iter().map(|name| HeaderField::new(name, "x").unwrap()).collect();
            Collected { fields, ..Collected::default() }
        };
        server.session_collected.connect = collected(&["A"]);
        server.session_collected.tls = collected(&["B"]);
        server.session_collected.hello = collected(&["C"]);
        server.transaction = Some(Box::new(Transaction {
            reverse_path: ReversePath::Null,
            parameters: MailParameters::default(),
            recipients: 2,
            recipients_over: 0,
            only_recipient: None,
            collected: collected(&["D", "E"]),
            answered: Default::default(),
            chunks: None,
        }));
        let block = server.trace_header(&QueueId::new("X1").unwrap(), now).unwrap().to_string();
        assert!(
            block.starts_with(
                "E: x\r\nD: x\r\nC: x\r\nB: x\r\nA: x\r\nReceived: from unknown\r\n\tby mx.test"
            )
        );
    }

    #[test]
    fn protocol_names() {
        let now = Now::new(Instant::ORIGIN, UnixTime(0));
        let name = |lmtp: bool, extended: bool, utf8: bool, tls: bool, authenticated: bool| {
            let mut config = Config::new("mx.test").unwrap();
            config.protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
            let mut server = Server::new(now, Arc::new(config), Peer::default());
            server.hello = Some(HelloSaid { name: "c".into(), extended });
            server.tls = tls.then(Arc::default);
            server.authenticated = authenticated;
            let parameters = MailParameters { smtp_utf8: utf8, ..MailParameters::default() };
            server.transaction = Some(Box::new(Transaction {
                reverse_path: ReversePath::Null,
                parameters,
                recipients: 0,
                recipients_over: 0,
                only_recipient: None,
                collected: Collected::default(),
                answered: Default::default(),
                chunks: None,
            }));
            server.protocol_name()
        };
        let both = [false, true];
        let mut names = alloc::vec::Vec::new();
        for (lmtp, utf8) in [(false, false), (false, true), (true, false), (true, true)] {
            for (tls, authenticated) in both.iter().flat_map(|tls| both.map(|auth| (*tls, auth))) {
                names.push(name(lmtp, true, utf8, tls, authenticated));
            }
        }
        let expected = "ESMTP ESMTPA ESMTPS ESMTPSA UTF8SMTP UTF8SMTPA UTF8SMTPS UTF8SMTPSA \
                        LMTP LMTPA LMTPS LMTPSA UTF8LMTP UTF8LMTPA UTF8LMTPS UTF8LMTPSA";
        assert_eq!(names.join(" "), expected);
        assert_eq!(name(false, false, false, true, true), "SMTP");
    }

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
        ] {
            assert_eq!(MailDate(UnixTime(seconds)).to_string(), expected);
        }
    }
}
