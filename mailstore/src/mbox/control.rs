//! What is kept beside a mailbox: its UIDVALIDITY, and a UID above all that were ever given.
//!
//! The mailbox file holds both in its first message (`X-IMAPbase`), but an empty file holds nothing, and a program that
//! deletes the first message deletes them with it. `NAME.base` is what is left then. So that it need not be written
//! with every UID, it holds a *ceiling*: UIDs up to it may have been given. It is durable before the first of them is.

use mail_message::UidValidity;

use super::place::Place;
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs;
use crate::lock::DotLock;

/// How many UIDs a ceiling lies ahead.
const AHEAD: u32 = 1000;

/// The content of `NAME.base`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) uid_validity: UidValidity,
    /// No UID above it was given.
    pub(super) ceiling: u32,
}

impl Control {
    /// Reads it; `None` when there is none, or it is worthless.
    pub(super) fn load(place: &Place) -> Result<Option<Self>> {
        let path = place.base();
        match fs::read(place.env.fs(), &path) {
            Ok(data) => Ok(Self::parse(&data)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("reading", &path, &error)),
        }
    }

    fn parse(data: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(data).ok()?.strip_suffix('\n')?;
        let (uid_validity, ceiling) = text.split_once(' ')?;
        Some(Self {
            uid_validity: UidValidity::new(uid_validity.parse().ok()?)?,
            ceiling: ceiling.parse().ok()?,
        })
    }

    /// Makes it durable, with a ceiling of at least `last_uid`, unless it is so already.
    ///
    /// # Errors
    /// `UidsExhausted`.
    pub(super) fn cover(place: &Place, uid_validity: UidValidity, last_uid: u32) -> Result<()> {
        // 2³²−1 is never given.
        if last_uid == u32::MAX {
            let error = StoreError::new(ErrorKind::UidsExhausted, "giving a UID", "none is left");
            return Err(error.at(&place.path));
        }
        match Self::load(place)? {
            Some(now) if now.uid_validity == uid_validity && now.ceiling >= last_uid => return Ok(()),
            _ => {}
        }
        let ceiling = last_uid.saturating_add(AHEAD).min(u32::MAX - 1);
        Self { uid_validity, ceiling }.save(place)
    }

    /// Makes it durable as it is.
    pub(super) fn save(&self, place: &Place) -> Result<()> {
        let text = format!("{} {}\n", self.uid_validity, self.ceiling);
        let path = place.base();
        fs::replace_durably(place.env.fs(), &path, &place.scratch(), text.as_bytes())
            .map_err(|error| StoreError::io("writing", &path, &error))
    }
}

/// A UIDVALIDITY greater than all this user's mailboxes ever had: the time, or one more than the last.
pub(super) fn next_uid_validity(place: &Place) -> Result<UidValidity> {
    let path = place.control.join("uidvalidity");
    let _lock = DotLock::take(&place.env, &path, &place.control)?;
    let last = match fs::read(place.env.fs(), &path) {
        Ok(data) => std::str::from_utf8(&data).ok().and_then(|text| text.trim().parse::<u32>().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::io("reading", &path, &error)),
    };
    let now = u32::try_from(place.env.host().now().as_secs()).unwrap_or(u32::MAX);
    let next = last.map_or(now, |last| now.max(last.saturating_add(1)));
    let next = UidValidity::new(next).unwrap_or(UidValidity::MIN);
    fs::replace_durably(place.env.fs(), &path, &place.scratch(), format!("{next}\n").as_bytes())
        .map_err(|error| StoreError::io("writing", &path, &error))?;
    Ok(next)
}
