//! What was done, and how it came out: [`Action`] and [`Status`].

use core::fmt;

/// What was done for a recipient (RFC 3464 section 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It could not be delivered, and is not tried again.
    Failed,
    /// It could not be delivered yet, and is tried again.
    Delayed,
    /// It was delivered.
    Delivered,
    /// It was passed on to a host that makes no reports.
    Relayed,
    /// It was delivered to a list, or passed on to several addresses.
    Expanded,
}

impl Action {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

/// How it came out: an enhanced status code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status {
    class: u8,
    subject: u16,
    detail: u16,
}

impl Status {
    /// A code of class 2 (done), 4 (not now) or 5 (not at all). Another class counts as 5, and a number above 999 as 0.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        let class = if class == 2 || class == 4 { class } else { 5 };
        let subject = if subject > 999 { 0 } else { subject };
        let detail = if detail > 999 { 0 } else { detail };
        Self { class, subject, detail }
    }

    /// What a reply of SMTP says: its enhanced code, or `X.0.0` by the first digit of its own where it has none of that class.
    /// `None` when it is no final reply.
    ///
    /// ```
    /// use mail_message::report::Status;
    ///
    /// let told = |reply| Status::of_reply(reply).map(|status| status.to_string());
    /// assert_eq!(told("550 5.1.1 no such user").as_deref(), Some("5.1.1"));
    /// assert_eq!(told("451-later\r\n451 still").as_deref(), Some("4.0.0"));
    /// assert_eq!(told("354 go on"), None);
    /// ```
    pub fn of_reply(reply: &str) -> Option<Self> {
        let (code, rest) = reply.split_at_checked(3)?;
        let class = match code.as_bytes() {
            [class @ (b'2' | b'4' | b'5'), b'0'..=b'9', b'0'..=b'9'] => class - b'0',
            _ => return None,
        };
        let text = match rest.as_bytes() {
            [] => rest,
            [b' ' | b'-', ..] => &rest[1..],
            _ => return None,
        };
        let enhanced = Self::split(text).map(|(status, _)| status).filter(|status| status.class == class);
        Some(enhanced.unwrap_or(Self::new(class, 0, 0)))
    }

    /// The code that a text begins with, and the rest of the text.
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut numbers = word.split('.').map(|part| {
            let is_number = (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
            if is_number { part.parse::<u16>().ok() } else { None }
        });
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
        if numbers.next().is_some() { None } else { Some((Self::new(class, subject, detail), rest)) }
    }

    /// 2, 4 or 5.
    pub fn class(self) -> u8 {
        self.class
    }

    /// What it is about: 1 addresses, 2 mailboxes, 3 the mail system, 4 the network and routing, 5 the protocol, 6 the content,
    /// 7 security.
    pub fn subject(self) -> u16 {
        self.subject
    }

    /// The detail within its subject.
    pub fn detail(self) -> u16 {
        self.detail
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_replies_say() {
        for (reply, status) in [
            ("550 5.1.1 <b@b.test>: no", "5.1.1"),
            ("550 no such user", "5.0.0"),
            ("550", "5.0.0"),
            ("550 5.1.1", "5.1.1"),
            ("550 4.1.1 of another class", "5.0.0"),
            ("550 5.1.1.1 x", "5.0.0"),
            ("550 5.1234.1 x", "5.0.0"),
            ("550 5..1 x", "5.0.0"),
            ("550 5.+1.1 x", "5.0.0"),
            ("451 4.7.1 later", "4.7.1"),
            ("452-4.2.2 full\r\n452 4.2.2 full", "4.2.2"),
            ("250 2.1.5 ok", "2.1.5"),
        ] {
            assert_eq!(Status::of_reply(reply).unwrap().to_string(), status, "{reply}");
        }
        for no_reply in ["", "55", "354 go on", "5x0 no", "550x", "\u{e9}\u{e9}\u{e9}", "650 no"] {
            assert_eq!(Status::of_reply(no_reply), None, "{no_reply}");
        }
    }

    #[test]
    fn a_code_at_the_beginning_of_a_text() {
        assert_eq!(Status::split("5.4.4 Host not found"), Some((Status::new(5, 4, 4), "Host not found")));
        assert_eq!(Status::split("4.3.0"), Some((Status::new(4, 3, 0), "")));
        assert_eq!(Status::split("3.3.0 x"), None);
        assert_eq!(Status::split("no 5.4.4"), None);
        assert_eq!(Status::new(7, 1000, 2).to_string(), "5.0.2");
    }
}
