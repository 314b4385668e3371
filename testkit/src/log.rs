//! What an application was told, in a form that can be compared between runs.
//!
//! Split invariance says that events are the same however the octets are cut, with one freedom: a body may come
//! in other chunks. [`Log`] therefore joins body chunks that are next to each other.

/// A comparable log of events; a fixture writes it, a runner compares it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    entries: Vec<Vec<u8>>,
    in_body: bool,
}

/// What a body entry begins with.
const BODY: &[u8] = b"body ";

impl Log {
    /// Notes an event.
    pub fn event(&mut self, text: impl std::fmt::Display) {
        self.in_body = false;
        self.entries.push(text.to_string().into_bytes());
    }

    /// Notes a body chunk, joined to the one before when nothing happened between them. The entry reads
    /// `body ` and the octets. An empty chunk leaves no trace.
    pub fn body(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        match self.entries.last_mut() {
            Some(last) if self.in_body => last.extend_from_slice(chunk),
            _ => self.entries.push([BODY, chunk].concat()),
        }
        self.in_body = true;
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.entries.iter().map(Vec::as_slice)
    }

    /// All bodies, oldest first, each the joined chunks that came without another event between them.
    pub fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        self.entries().filter_map(|entry| entry.strip_prefix(BODY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_one_body_are_one_entry() {
        let mut log = Log::default();
        log.body(b"a");
        log.body(b"");
        log.body(b"b");
        log.event("end");
        log.body(b"c");
        assert_eq!(log.entries().collect::<Vec<_>>(), [&b"body ab"[..], b"end", b"body c"]);
        assert_eq!(log.bodies().collect::<Vec<_>>(), [&b"ab"[..], b"c"]);
    }
}
