//! The `Received:` field of a message on its way in.
//!
//! RFC 5321 section 4.4, with the protocol names of RFC 3848. The field is the machine's, since it alone knows who
//! said what; the application puts it before the message, once it has a queue id.

use super::session::Server;
use super::{Protocol, QueueId};
use alloc::string::{String, ToString};
use core::fmt::Write;
use core::net::IpAddr;
use proto_core::address::{ForwardPath, ReversePath};
use proto_core::{Now, UnixTime};
use time::OffsetDateTime;

impl Server {
    /// The `Received:` field for the message of this transaction, folded, each line with its CR LF; the application
    /// writes it before the first [`Event::Body`](super::Event::Body) octet. `None` outside a transaction.
    ///
    /// The recipient is named only when there is one alone: more would tell them of each other (RFC 5321
    /// section 7.2). The date is in UTC, with its offset.
    pub fn trace_header(&self, queue_id: &QueueId, now: Now) -> Option<String> {
        let transaction = self.transaction.as_ref()?;
        let mut field = String::with_capacity(256);
        // Formatting into a String never fails.
        let _ = self.write_trace(&mut field, queue_id);
        if let Some(recipient) = &transaction.only_recipient {
            let _ = match recipient {
                ForwardPath::Postmaster => write!(field, "\r\n\tfor <postmaster>"),
                ForwardPath::Mailbox(mailbox) => write!(field, "\r\n\tfor <{mailbox}>"),
            };
        }
        field.push_str("\r\n\t(envelope-from <");
        if let ReversePath::Mailbox(mailbox) = &transaction.reverse_path {
            // A quoted local part may hold what would end the comment (RFC 5322 section 3.2.2).
            for c in mailbox.to_string().chars() {
                if matches!(c, '(' | ')' | '\\') {
                    field.push('\\');
                }
                field.push(c);
            }
        }
        field.push_str(">);\r\n\t");
        let _ = write_date(&mut field, now.utc);
        field.push_str("\r\n");
        Some(field)
    }

    fn write_trace(&self, field: &mut String, queue_id: &QueueId) -> core::fmt::Result {
        field.push_str("Received: from ");
        // A name that is no domain and no literal would break the field: what does not belong becomes `?`.
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        field.extend(self.hello_name().unwrap_or("unknown").chars().map(|c| if plain(c) { c } else { '?' }));
        // A name that nobody looked up from an address says nothing.
        if let Some(address) = self.peer.address {
            field.push_str(" (");
            if let Some(name) = &self.peer.name {
                field.extend(name.chars().map(|c| if plain(c) { c } else { '?' }));
                field.push(' ');
            }
            match address {
                IpAddr::V4(v4) => write!(field, "[{v4}])")?,
                IpAddr::V6(v6) => write!(field, "[IPv6:{v6}])")?,
            }
        }
        write!(field, "\r\n\tby {} with {}", self.config.hostname(), self.protocol_name())?;
        if let Some(tls) = &self.tls {
            let word = |c: &char| c.is_ascii_alphanumeric() || ".-_".contains(*c);
            field.push_str(" (");
            field.extend(tls.version.chars().filter(word));
            field.push(' ');
            field.extend(tls.cipher.chars().filter(word));
            field.push(')');
        }
        write!(field, "\r\n\tid {queue_id}")
    }

    /// RFC 3848: the E for EHLO, the S for TLS, the A for AUTH; LMTP has no form without the extensions.
    fn protocol_name(&self) -> &'static str {
        if self.config.protocol == Protocol::Lmtp {
            return match (self.tls.is_some(), self.authenticated) {
                (true, true) => "LMTPSA",
                (true, false) => "LMTPS",
                (false, true) => "LMTPA",
                (false, false) => "LMTP",
            };
        }
        let extended = self.hello.as_ref().is_some_and(|hello| hello.extended);
        match (extended, self.tls.is_some(), self.authenticated) {
            (true, true, true) => "ESMTPSA",
            (true, true, false) => "ESMTPS",
            (true, false, true) => "ESMTPA",
            (true, false, false) => "ESMTP",
            (false, ..) => "SMTP",
        }
    }
}

/// RFC 5322 section 3.3, without the obsolete forms.
fn write_date(field: &mut String, utc: UnixTime) -> core::fmt::Result {
    let date = OffsetDateTime::from_unix_timestamp(utc.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let weekday = WEEKDAYS[usize::from(date.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(date.month())) - 1];
    write!(field, "{weekday}, {} {month} {:04} ", date.day(), date.year())?;
    write!(field, "{:02}:{:02}:{:02} +0000", date.hour(), date.minute(), date.second())
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::MailParameters;
    use crate::server::session::{HelloSaid, Transaction};
    use crate::server::{Config, Peer};
    use alloc::sync::Arc;
    use proto_core::{Instant, TlsInfo};

    #[test]
    fn nothing_that_a_peer_says_breaks_the_field() {
        let now = Now::new(Instant::ORIGIN, UnixTime(0));
        let name = Some("evil\r\nX: y (".into());
        let peer = Peer { address: Some("2001:db8::1".parse().unwrap()), name };
        let mut server = Server::new(now, Arc::new(Config::new("mx.test").unwrap()), peer);
        let id = QueueId::new("X1").unwrap();
        assert_eq!(server.trace_header(&id, now), None);
        server.hello = Some(HelloSaid { name: "(c);<x>".into(), extended: true });
        let mut tls = TlsInfo::default();
        tls.version = "TLSv1.3)\r\n".into();
        tls.cipher = "TLS_X".into();
        server.tls = Some(Arc::new(tls));
        server.transaction = Some(Transaction {
            reverse_path: ReversePath::Mailbox(r#""a)b"@x"#.parse().unwrap()),
            parameters: MailParameters::default(),
            recipients: 1,
            recipients_over: 0,
            only_recipient: Some(ForwardPath::Postmaster),
        });
        assert_eq!(
            server.trace_header(&id, now).unwrap(),
            "Received: from ?c???x? (evil??X:?y?? [IPv6:2001:db8::1])\r\n\tby mx.test with ESMTPS (TLSv1.3 TLS_X)\r\n\
             \tid X1\r\n\tfor <postmaster>\r\n\t(envelope-from <\"a\\)b\"@x>);\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
    }

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
        ] {
            let mut field = String::new();
            write_date(&mut field, UnixTime(seconds)).unwrap();
            assert_eq!(field, expected);
        }
    }
}
