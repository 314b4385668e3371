//! The smallest clients that show every octet: SMTP, IMAP and POP3 over a plain socket.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a module of several test programs: each uses its part"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection, read by lines and by octets.
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(octets.as_ref()).unwrap();
    }

    /// One line without its CR LF; empty at the end of the stream.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).unwrap();
        if line.is_empty() {
            return String::new();
        }
        let line = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no CR LF at the end of {line:?}"));
        String::from_utf8_lossy(line).into_owned()
    }

    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = vec![0; count];
        self.0.read_exact(&mut octets).unwrap();
        octets
    }

    /// Everything until the other side closes.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        self.0.read_to_end(&mut octets).unwrap();
        octets
    }
}

/// Doubles leading dots and adds the end of data; a last line without CR LF gets one.
pub fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").map_or(rest.len(), |at| at + 2);
        if rest[0] == b'.' {
            out.push(b'.');
        }
        out.extend(&rest[..end]);
        rest = &rest[end..];
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out.extend(b".\r\n");
    out
}

/// An SMTP session after EHLO.
pub struct Smtp(pub Wire);

impl Smtp {
    pub fn connect(address: SocketAddr) -> Self {
        let mut smtp = Self(Wire::connect(address));
        assert!(smtp.reply().starts_with("220 "));
        assert!(smtp.command("EHLO client.example.test").contains("250"));
        smtp
    }

    /// A whole reply; lines are separated by LF.
    pub fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.0.line();
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push_str(&line);
            if last {
                return reply;
            }
            reply.push('\n');
        }
    }

    pub fn command(&mut self, line: &str) -> String {
        self.0.send(format!("{line}\r\n"));
        self.reply()
    }

    /// Sends one message and returns the reply to its end.
    pub fn send(&mut self, from: &str, to: &str, message: &[u8]) -> String {
        for (command, code) in [
            (format!("MAIL FROM:<{from}>"), "250"),
            (format!("RCPT TO:<{to}>"), "250"),
            ("DATA".into(), "354"),
        ] {
            let reply = self.command(&command);
            assert!(reply.starts_with(code), "{command}: {reply}");
        }
        self.0.send(dot_stuffed(message));
        self.reply()
    }
}

/// A POP3 session after login.
pub struct Pop3(pub Wire);

impl Pop3 {
    pub fn login(address: SocketAddr, user: &str, password: &str) -> Self {
        let mut pop3 = Self(Wire::connect(address));
        assert!(pop3.0.line().starts_with("+OK"));
        pop3.command(&format!("USER {user}"));
        pop3.command(&format!("PASS {password}"));
        pop3
    }

    pub fn command(&mut self, line: &str) -> String {
        self.0.send(format!("{line}\r\n"));
        let reply = self.0.line();
        assert!(reply.starts_with("+OK"), "{line}: {reply}");
        reply
    }

    /// How many messages there are.
    pub fn count(&mut self) -> usize {
        self.command("STAT").split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// What a multi-line reply holds, dots taken away.
    pub fn lines(&mut self, command: &str) -> Vec<u8> {
        self.command(command);
        let mut octets = Vec::new();
        loop {
            let mut line = Vec::new();
            self.0.0.read_until(b'\n', &mut line).unwrap();
            if line == b".\r\n" {
                return octets;
            }
            octets.extend(line.strip_prefix(b".").unwrap_or(&line));
        }
    }
}

/// A value in an IMAP response.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Nil,
    Atom(String),
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            other => panic!("{other:?} is no list"),
        }
    }

    pub fn text(&self) -> &[u8] {
        match self {
            Value::Text(octets) => octets,
            Value::Nil => b"",
            other => panic!("{other:?} is no string"),
        }
    }

    pub fn number(&self) -> usize {
        match self {
            Value::Atom(atom) => atom.parse().unwrap(),
            other => panic!("{other:?} is no number"),
        }
    }

    /// What follows `name` in a FETCH list.
    pub fn item(&self, name: &str) -> &Value {
        let values = self.list();
        let at = values.iter().position(|value| *value == Value::Atom(name.to_owned()));
        &values[at.unwrap_or_else(|| panic!("no {name} in {values:?}")) + 1]
    }
}

/// An IMAP session after login.
pub struct Imap {
    pub wire: Wire,
    tags: usize,
}

impl Imap {
    pub fn login(address: SocketAddr, user: &str, password: &str) -> Self {
        let mut imap = Self { wire: Wire::connect(address), tags: 0 };
        assert!(imap.wire.line().starts_with("* OK"));
        imap.ok(&format!("LOGIN {user} \"{password}\""));
        imap
    }

    /// Sends a command and returns the untagged responses as values; the tagged one must be OK.
    pub fn ok(&mut self, command: &str) -> Vec<Vec<Value>> {
        let (untagged, tagged) = self.command(command);
        assert!(tagged.starts_with("OK"), "{command}: {tagged}");
        untagged
    }

    /// Sends a command and returns the untagged responses and the tagged one without its tag.
    pub fn command(&mut self, command: &str) -> (Vec<Vec<Value>>, String) {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.wire.send(format!("{tag} {command}\r\n"));
        self.until(&tag)
    }

    /// APPENDs a message by a synchronising literal.
    pub fn append(&mut self, mailbox: &str, message: &[u8]) -> String {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.wire.send(format!("{tag} APPEND {mailbox} {{{}}}\r\n", message.len()));
        let go = self.wire.line();
        if !go.starts_with('+') {
            return go;
        }
        self.wire.send(message);
        self.wire.send("\r\n");
        self.until(&tag).1
    }

    fn until(&mut self, tag: &str) -> (Vec<Vec<Value>>, String) {
        let mut untagged = Vec::new();
        loop {
            let line = self.wire.line();
            assert!(!line.is_empty(), "closed while waiting for {tag}");
            if let Some(rest) = line.strip_prefix(tag) {
                return (untagged, rest.trim_start().to_owned());
            }
            let is_status = ["* OK", "* NO", "* BAD", "* BYE"].iter().any(|s| line.starts_with(s));
            if is_status {
                untagged.push(vec![Value::Atom(line[2..].to_owned())]);
                continue;
            }
            let mut input = Input { wire: &mut self.wire, line: line.into_bytes(), at: 2 };
            let mut values = Vec::new();
            while let Some(value) = input.value() {
                values.push(value);
            }
            untagged.push(values);
        }
    }
}

/// A response under the reader's eye: a line, and what follows a literal.
struct Input<'a> {
    wire: &'a mut Wire,
    line: Vec<u8>,
    at: usize,
}

impl Input<'_> {
    fn value(&mut self) -> Option<Value> {
        while self.line.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        match *self.line.get(self.at)? {
            b'(' => {
                self.at += 1;
                let mut values = Vec::new();
                loop {
                    while self.line.get(self.at) == Some(&b' ') {
                        self.at += 1;
                    }
                    if self.line.get(self.at) == Some(&b')') {
                        self.at += 1;
                        return Some(Value::List(values));
                    }
                    values.push(self.value().expect("an open list"));
                }
            }
            b'"' => {
                self.at += 1;
                let mut text = Vec::new();
                loop {
                    match self.line[self.at] {
                        b'"' => break,
                        b'\\' => self.at += 1,
                        _ => {}
                    }
                    text.push(self.line[self.at]);
                    self.at += 1;
                }
                self.at += 1;
                Some(Value::Text(text))
            }
            b'{' => {
                let count =
                    String::from_utf8_lossy(&self.line[self.at + 1..self.line.len() - 1]).parse().unwrap();
                let octets = self.wire.octets(count);
                self.line = self.wire.line().into_bytes();
                self.at = 0;
                Some(Value::Text(octets))
            }
            _ => {
                // An atom, or an item name with its brackets, in which spaces and parentheses may stand.
                let start = self.at;
                let mut depth = 0;
                while let Some(&octet) = self.line.get(self.at) {
                    match octet {
                        b'[' => depth += 1,
                        b']' => depth -= 1,
                        b' ' | b'(' | b')' if depth == 0 => break,
                        _ => {}
                    }
                    self.at += 1;
                }
                let atom = String::from_utf8_lossy(&self.line[start..self.at]).into_owned();
                Some(if atom == "NIL" { Value::Nil } else { Value::Atom(atom) })
            }
        }
    }
}
