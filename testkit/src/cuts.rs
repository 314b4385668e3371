//! How the input of a transcript is cut into segments.

use crate::rng::Rng;
use crate::text::Unit;

/// One way to cut a whole transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// At the marks of the transcript.
    AsWritten,
    /// Each group of input in one segment.
    Whole,
    /// Segments of so many octets.
    Every(usize),
    /// One cut, after so many octets of the whole input.
    At(usize),
    /// Anywhere, by a seed.
    Random(u64),
}

/// Transcripts with more input than this are not cut at each single place.
const EACH_PLACE_BYTES_MAX: usize = 600;

impl Cut {
    /// All ways to cut an input of `bytes` octets, with `random` seeded ones at the end.
    pub(crate) fn all(bytes: usize, random: usize, rng: &mut Rng) -> Vec<Cut> {
        let mut cuts = vec![Cut::Whole, Cut::Every(1), Cut::Every(2)];
        if bytes <= EACH_PLACE_BYTES_MAX {
            cuts.extend((1..bytes).map(Cut::At));
        }
        cuts.extend((0..random).map(|_| Cut::Random(rng.next_u64())));
        cuts
    }
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AsWritten => f.write_str("as written"),
            Self::Whole => f.write_str("whole groups"),
            Self::Every(n) => write!(f, "every {n} octets"),
            Self::At(at) => write!(f, "once, after octet {at}"),
            Self::Random(seed) => write!(f, "at random by {seed:#x}"),
        }
    }
}

/// Input that the transcript writes at once, with the marks in it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) octets: Vec<u8>,
    /// Places (octets before them) where the transcript cuts.
    cuts: Vec<usize>,
    /// Places where nothing may cut.
    joins: Vec<usize>,
}

impl Group {
    /// Adds a line.
    pub(crate) fn push(&mut self, units: &[Unit]) -> Result<(), String> {
        for unit in units {
            match unit {
                Unit::Octet(octet) => self.octets.push(*octet),
                Unit::Cut => self.cuts.push(self.octets.len()),
                Unit::Join => self.joins.push(self.octets.len()),
                Unit::Any => return Err("free text (…) cannot be sent".into()),
            }
        }
        Ok(())
    }

    /// The group's segments. `before` octets of the transcript's input came in earlier groups.
    pub(crate) fn segments(&self, cut: Cut, before: usize) -> Vec<&[u8]> {
        let end = self.octets.len();
        let mut places: Vec<usize> = match cut {
            Cut::AsWritten => self.cuts.clone(),
            Cut::Whole => Vec::new(),
            Cut::Every(n) => (n..end).step_by(n).collect(),
            Cut::At(at) => at.checked_sub(before).into_iter().collect(),
            Cut::Random(seed) => random_places(end, Rng::new(seed ^ before as u64)),
        };
        places.retain(|place| (1..end).contains(place) && !self.joins.contains(place));
        places.push(end);
        let mut start = 0;
        places
            .into_iter()
            .map(|place| {
                let segment = &self.octets[start..place];
                start = place;
                segment
            })
            .filter(|segment| !segment.is_empty())
            .collect()
    }
}

/// Short and long segments mixed, so that cuts come both close together and far apart.
fn random_places(end: usize, mut rng: Rng) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    while at < end {
        let longest = *rng.pick(&[2, 5, 40, 1500]);
        at += rng.between(1, longest);
        places.push(at);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vars::Setup;

    fn group(written: &str) -> Group {
        let mut group = Group::default();
        let text = crate::text::Text::parse(written).unwrap();
        group.push(&text.units(&Setup::default()).unwrap()).unwrap();
        group
    }

    #[test]
    fn every_way_gives_all_octets_in_order_and_respects_joins() {
        let group = group("ab¦cd‿ef{rep:50:x}gh");
        for cut in Cut::all(group.octets.len(), 50, &mut Rng::new(1)).into_iter().chain([Cut::AsWritten]) {
            let segments = group.segments(cut, 0);
            assert_eq!(segments.concat(), group.octets, "{cut}");
            let places = segments.iter().scan(0, |at, segment| {
                *at += segment.len();
                Some(*at)
            });
            assert!(!places.into_iter().any(|place| place == 4), "{cut}");
        }
        assert_eq!(group.segments(Cut::AsWritten, 0)[0], b"ab");
        assert_eq!(group.segments(Cut::Every(1), 0)[3], b"de");
        assert_eq!(group.segments(Cut::At(13), 10)[0], b"abc");
    }
}
