//! Where a line ends, and whether a literal follows it.
//!
//! RFC 3501 §9 `literal`, RFC 7888 §3: a line that ends in `{n}` or `{n+}` goes on with n octets.
//!
//! # Departures
//! RFC 7888 §3 looks for `{n+}` at the end of every line. Inside a quoted string we do not: no string can begin
//! there, the quoted string lacks its end, and what follows is the next command (I02).

/// A literal that a line announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// How many octets; [`u64::MAX`] when the number was larger than that.
    pub octets: u64,
    /// `{n}`: the client waits for the continuation. `{n+}`: it does not.
    pub synchronising: bool,
}

/// Reads a line octet by octet, in any pieces, in constant memory.
#[derive(Debug, Default)]
pub(super) struct LineScanner {
    /// Octets so far.
    octets: usize,
    /// The last one was CR.
    cr: bool,
    quoted: Quoted,
    marker: Marker,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

#[derive(Debug, Default, Clone, Copy)]
enum Marker {
    #[default]
    None,
    /// `{`, then digits, then perhaps `+`.
    Open { at: usize, octets: Option<u64>, plus: bool },
    /// `}`, then perhaps one CR.
    Closed { at: usize, announced: Announced, cr: bool },
}

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineEnd {
    /// The octets before the marker or the line's ending.
    pub(super) text: usize,
    pub(super) announced: Option<Announced>,
}

impl LineScanner {
    /// Goes on with what came. When the line ends in it: how many octets of `input` it took, LF included, and how
    /// it ended; the scanner is then at the start of the next line.
    pub(super) fn feed(&mut self, input: &[u8]) -> Option<(usize, LineEnd)> {
        for (index, &octet) in input.iter().enumerate() {
            if octet == b'\n' {
                return Some((index + 1, core::mem::take(self).end()));
            }
            self.step(octet);
        }
        None
    }

    fn step(&mut self, octet: u8) {
        self.cr = octet == b'\r';
        (self.quoted, self.marker) = match (self.quoted, octet) {
            (Quoted::Outside, b'"') | (Quoted::Escaped, _) => (Quoted::Inside, Marker::None),
            (Quoted::Outside, _) => (Quoted::Outside, self.marker.step(octet, self.octets)),
            (Quoted::Inside, b'"') => (Quoted::Outside, Marker::None),
            (Quoted::Inside, b'\\') => (Quoted::Escaped, Marker::None),
            (Quoted::Inside, _) => (Quoted::Inside, Marker::None),
        };
        self.octets += 1;
    }

    fn end(self) -> LineEnd {
        match self.marker {
            Marker::Closed { at, announced, .. } => LineEnd { text: at, announced: Some(announced) },
            _ => LineEnd { text: self.octets - usize::from(self.cr), announced: None },
        }
    }
}

impl Marker {
    fn step(self, octet: u8, position: usize) -> Marker {
        match (self, octet) {
            (_, b'{') => Marker::Open { at: position, octets: None, plus: false },
            (Marker::Open { at, octets, plus: false }, b'0'..=b'9') => {
                let digit = u64::from(octet - b'0');
                let octets = octets.unwrap_or(0).saturating_mul(10).saturating_add(digit);
                Marker::Open { at, octets: Some(octets), plus: false }
            }
            (Marker::Open { at, octets: octets @ Some(_), plus: false }, b'+') => {
                Marker::Open { at, octets, plus: true }
            }
            (Marker::Open { at, octets: Some(octets), plus }, b'}') => {
                Marker::Closed { at, announced: Announced { octets, synchronising: !plus }, cr: false }
            }
            (Marker::Closed { at, announced, cr: false }, b'\r') => {
                Marker::Closed { at, announced, cr: true }
            }
            _ => Marker::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(line: &str) -> LineEnd {
        let mut scanner = LineScanner::default();
        let (taken, end) = scanner.feed(line.as_bytes()).unwrap();
        assert_eq!(taken, line.len());
        end
    }

    #[test]
    fn what_is_a_marker() {
        for (line, octets, synchronising) in [
            ("a {3}\r\n", 3, true),
            ("a {3}\n", 3, true),
            ("a {3+}\r\n", 3, false),
            ("a {01}\r\n", 1, true),
            ("a {0}\r\n", 0, true),
            ("a {4294967296}\r\n", 4_294_967_296, true),
            ("a {99999999999999999999999}\r\n", u64::MAX, true),
            ("a {{3}\r\n", 3, true),
            ("a \"x\" {3}\r\n", 3, true),
            ("a \"\\\"\"{3}\r\n", 3, true),
        ] {
            let announced = Some(Announced { octets, synchronising });
            assert_eq!(end(line).announced, announced, "{line:?}");
        }
    }

    #[test]
    fn what_is_none() {
        for line in [
            "a {}\r\n",
            "a {-1}\r\n",
            "a {+}\r\n",
            "a {3++}\r\n",
            "a {3+1}\r\n",
            "a {3\r\n",
            "a {3} \r\n",
            "a {3}\r\r\n",
            "a { 3}\r\n",
            "a \"{3}\r\n",
            "a \"\\\"{3}\r\n",
            "a \"x\\\\\\\"{3+}\r\n",
            "a {3}\"\r\n",
        ] {
            assert_eq!(end(line).announced, None, "{line:?}");
        }
    }

    #[test]
    fn the_text_is_what_stands_before_marker_and_ending() {
        assert_eq!(end("a {3}\r\n").text, 2);
        assert_eq!(end("a b\r\n").text, 3);
        assert_eq!(end("a b\n").text, 3);
        assert_eq!(end("a\r\r\n").text, 2);
        assert_eq!(end("\n").text, 0);
    }
}
