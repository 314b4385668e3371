//! [`QuotaRoot`]: the quota of one user's Maildirs, kept in `maildirsize` together with other programs.
//!
//! A check reads that one small file, however many messages there are. It exists where limits are set, or where
//! another program has put it; then its own definition holds.
//!
//! # Order of operations
//! * **Adding**: check and append the line that adds, in one step among our threads; the message is written; line and
//!   message are made durable together; only then the message is placed. If it is not placed, a line takes it back.
//! * **Removing**: the messages go, durably; then a line takes them away. It is not synced, and a failure to write it is
//!   no failure of the removal.
//! * **Recounting** (`recount.rs`): a new file replaces the old one, durably. No thread of ours places or removes a
//!   message meanwhile. A message whose line is written and which is not placed yet counts as if it were there; one
//!   that was removed, and whose line is still to come, too.
//!
//! # What a crash can leave
//!
//! | `maildirsize` | when | what follows |
//! | --- | --- | --- |
//! | a line for a message that is not there | between line and message | too much is counted |
//! | no line for messages that are gone | between removal and line | too much is counted |
//! | a part of a line, or zeros | in an append | it does not read, and is counted anew by the next to use it |
//! | old or new, whole | in a recount | either is right |
//!
//! Too much counted does no harm: before anything is refused the messages are counted. Too little is counted only
//! after another program's race, when the line for a `\Deleted` that was taken back is lost, or when a power cut in a move
//! left a message in two mailboxes that count; until the next recount.
//!
//! # Limits
//! Among our threads nothing goes over the limit together. With another process that delivers at the same moment, one
//! message may (Maildir++ has no lock).
//!
//! # Departures
//! A recount that finds the directories changed under it twice is discarded, as in Maildir++, but not tried again for a
//! minute when the old file still reads: a mailbox that never rests would be counted all the time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::maildirsize::{self, Maildirsize};
use super::paths::MailboxPaths;
use super::recount;
use super::store::OnWarning;
use super::tree::Tree;
use super::under_way::State;
use crate::env::{Env, Held};
use crate::error::{ErrorKind, Result, StoreError};
use crate::fs::{self, File, OpenMode};
use crate::name::MailboxName;
use crate::quota::{Adding, Quota, QuotaRules, QuotaUsage};

/// A file with one line that says "over quota" is believed when it is younger than this; the figure of Maildir++.
const BELIEVED_FOR: Duration = Duration::from_secs(15 * 60);

/// How long a recount is not tried again after the mailboxes did not rest.
const REST: Duration = Duration::from_secs(60);

/// The quota of one user.
pub(super) struct QuotaRoot {
    pub(super) env: Env,
    pub(super) root: PathBuf,
    pub(super) rules: QuotaRules,
    pub(super) tree: Tree,
    /// Who is told that it is nearly full.
    pub(super) on_warning: Option<OnWarning>,
    state: Arc<Mutex<State>>,
}

/// `maildirsize` as it was read.
#[derive(Debug, Clone, Copy)]
struct Known {
    file: Maildirsize,
    age: Duration,
}

impl std::fmt::Debug for QuotaRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuotaRoot")
            .field("root", &self.root)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl QuotaRoot {
    pub(super) fn new(
        env: Env,
        root: PathBuf,
        rules: QuotaRules,
        tree: Tree,
        on_warning: Option<OnWarning>,
    ) -> Self {
        let state = env.under_way().of(&root);
        Self { env, root, rules, tree, on_warning, state }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.root.join("maildirsize")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps our threads from the file.
    fn hold(&self) -> Held {
        self.env.hold(&self.path())
    }

    /// Whether messages with these letters count in this mailbox.
    pub(super) fn counts(&self, mailbox: &MailboxName, letters: &str) -> bool {
        self.rules.counts(mailbox) && (self.rules.count_trash || !letters.contains('T'))
    }

    /// How it stands; `None` where there is no quota.
    pub(super) fn quota(&self) -> Result<Option<Quota>> {
        let held = self.hold();
        let known = self.load(&held)?;
        Ok(known.map(|known| Quota { usage: known.file.usage, limits: known.file.limits }))
    }

    /// Whether there is a file to keep.
    pub(super) fn is_kept(&self) -> bool {
        !matches!(self.env.fs().metadata(&self.path()), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
    }

    /// # Errors
    /// `OverQuota` when `added` may not come in.
    pub(super) fn check(&self, mailbox: &MailboxName, added: QuotaUsage, by: Adding) -> Result<()> {
        if self.rules.counts(mailbox) {
            let held = self.hold();
            self.check_held(&held, mailbox, added, by)?;
        }
        Ok(())
    }

    /// As [`check`](Self::check), for messages that count in one mailbox and go to another: they are in the usage already,
    /// so only a limit of the other's own can keep them out.
    ///
    /// # Errors
    /// `OverQuota`.
    pub(super) fn check_move(&self, from: &MailboxName, to: &MailboxName) -> Result<()> {
        if self.rules.deviate_alike(from, to) {
            return Ok(());
        }
        self.check(to, QuotaUsage::default(), Adding::User)
    }

    /// Returns whether there is a quota at all.
    fn check_held(&self, held: &Held, mailbox: &MailboxName, added: QuotaUsage, by: Adding) -> Result<bool> {
        let Some(mut known) = self.load(held)? else { return Ok(false) };
        let admits =
            |known: &Known| self.rules.admit(&known.file.limits, mailbox, known.file.usage, added, by);
        if !admits(&known) && (known.file.lines > 1 || known.age >= BELIEVED_FOR) {
            known = self.recount(held, Some(known))?.unwrap_or(known);
        }
        if admits(&known) {
            return Ok(true);
        }
        let text = self.rules.exceeded_message.to_string();
        let Maildirsize { usage, limits, .. } = known.file;
        let detail = format!("{added} more, beside {usage}; all mailboxes together may hold {limits}");
        Err(StoreError::new(ErrorKind::OverQuota, "adding a message to", text)
            .at(&self.root)
            .with_detail(detail))
    }

    /// Counts `added` in, if it may come in. `None` when it does not count.
    ///
    /// # Errors
    /// `OverQuota`.
    pub(super) fn reserve(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        added: QuotaUsage,
        by: Adding,
    ) -> Result<Option<Reserved>> {
        if added.is_zero() || !self.rules.counts(mailbox) {
            return Ok(None);
        }
        let held = self.hold();
        if !self.check_held(&held, mailbox, added, by)? {
            return Ok(None);
        }
        let failed = |error: std::io::Error| StoreError::io("writing", &self.path(), &error);
        let mut file = self.env.fs().open(&self.path(), OpenMode::Append).map_err(failed)?;
        file.append(maildirsize::added(added).as_bytes()).map_err(failed)?;
        let mut state = self.state();
        state.missing = state.missing.plus(added);
        Ok(Some(Reserved { root: Arc::clone(self), added, file: Some(file), placed: false }))
    }

    /// Reads the file, and makes it where it is missing or of no use.
    fn load(&self, held: &Held) -> Result<Option<Known>> {
        let path = self.path();
        let failed = |error: std::io::Error| StoreError::io("reading", &path, &error);
        let file = match self.env.fs().open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // Nothing is counted where nobody has set a limit: most mailboxes, at every delivery.
                return if self.rules.limits.is_none() { Ok(None) } else { self.recount(held, None) };
            }
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        let data = fs::read_open(&*file).map_err(failed)?;
        let age = self.env.host().now().saturating_sub(metadata.mtime);
        let read = maildirsize::parse(&data).map(|file| Known { file, age });
        match read {
            Some(known) if self.rules.limits.is_some_and(|limits| limits != known.file.limits) => {
                self.recount(held, None)
            }
            Some(known) if data.len() as u64 >= maildirsize::BYTES_MAX => self.recount(held, Some(known)),
            Some(known) => Ok(Some(known)),
            None => self.recount(held, None),
        }
    }

    /// Counts everything, and writes it down. `known` is a file that reads: it holds on when the mailboxes do not rest.
    /// `None` when no limits are set and none are written down.
    fn recount(&self, _held: &Held, known: Option<Known>) -> Result<Option<Known>> {
        let now = self.env.host().now();
        if known.is_some() && self.state().rests_until > now {
            return Ok(known);
        }
        let limits = match (self.rules.limits, known) {
            (Some(limits), _) => limits,
            (None, Some(known)) => known.file.limits,
            (None, None) => match self.defined()? {
                Some(limits) => limits,
                None => return Ok(None),
            },
        };
        let mut counted = recount::count(self)?;
        if !counted.at_rest {
            counted = recount::count(self)?;
        }
        let state = self.state();
        let usage = counted.usage.plus(state.missing).minus(state.unwritten);
        drop(state);
        let file = Maildirsize { limits, usage, lines: 1 };
        if !counted.at_rest && known.is_some() {
            self.state().rests_until = now + REST;
            return Ok(Some(Known { file, age: Duration::ZERO }));
        }
        let path = self.path();
        let scratch = self.root.join("tmp").join(self.env.unique_name());
        fs::replace_durably(self.env.fs(), &path, &scratch, maildirsize::text(&limits, usage).as_bytes())
            .map_err(|error| StoreError::io("writing", &path, &error))?;
        Ok(Some(Known { file, age: Duration::ZERO }))
    }

    /// The definition of a file whose lines do not read.
    fn defined(&self) -> Result<Option<crate::quota::QuotaLimits>> {
        match fs::read(self.env.fs(), &self.path()) {
            Ok(data) => Ok(std::str::from_utf8(&data).ok().and_then(|text| {
                let (first, _) = text.split_once('\n')?;
                first.parse().ok()
            })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("reading", &self.path(), &error)),
        }
    }

    /// Appends a line, if there is a file. Nobody depends on it: what is missing is found by a recount.
    fn note(&self, line: &str) {
        if let Ok(mut file) = self.env.fs().open(&self.path(), OpenMode::Append) {
            let _ = file.append(line.as_bytes());
        }
    }
}

/// Messages that are counted, and not placed yet. Dropped before [`Reserved::placed`], they are taken back.
#[derive(Debug)]
pub(super) struct Reserved {
    root: Arc<QuotaRoot>,
    added: QuotaUsage,
    file: Option<Box<dyn File>>,
    placed: bool,
}

impl Reserved {
    /// The file to be made durable before the messages are placed; once.
    pub(super) fn take_file(&mut self) -> Option<Box<dyn File>> {
        self.file.take()
    }

    /// Makes it durable.
    pub(super) fn sync(&mut self) -> Result<()> {
        let Some(file) = self.take_file() else { return Ok(()) };
        let synced = self.root.env.syncs().sync_file(file).1;
        synced.map_err(|error| StoreError::io("writing", &self.root.path(), &error))
    }

    /// Places the messages where a recount finds them; if there is a quota, no recount runs meanwhile.
    pub(super) fn place<T>(reserved: &mut Option<Self>, place: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(reserved) = reserved else { return place() };
        let _held = reserved.root.hold();
        let placed = place()?;
        if !std::mem::replace(&mut reserved.placed, true) {
            let mut state = reserved.root.state();
            state.missing = state.missing.minus(reserved.added);
        }
        Ok(placed)
    }

    /// As [`place`](Self::place), where others may have made it more or less than was counted in: `place` tells how much
    /// it is.
    pub(super) fn place_counted(
        reserved: &mut Option<Self>,
        place: impl FnOnce() -> Result<QuotaUsage>,
    ) -> Result<()> {
        let Some(reserved) = reserved else { return place().map(drop) };
        let _held = reserved.root.hold();
        let size = place()?;
        let counted = std::mem::replace(&mut reserved.added, size);
        if size != counted {
            reserved.root.note(&(maildirsize::added(size) + &maildirsize::removed(counted)));
        }
        reserved.placed = true;
        let mut state = reserved.root.state();
        state.missing = state.missing.minus(counted);
        Ok(())
    }

    /// Removes again what was placed, all or some.
    pub(super) fn take_back(reserved: &mut Option<Self>, remove: impl FnOnce()) {
        let Some(reserved) = reserved else { return remove() };
        let _held = reserved.root.hold();
        remove();
        if std::mem::take(&mut reserved.placed) {
            let mut state = reserved.root.state();
            state.missing = state.missing.plus(reserved.added);
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.placed {
            return;
        }
        let _held = self.root.hold();
        self.root.note(&maildirsize::removed(self.added));
        let mut state = self.root.state();
        state.missing = state.missing.minus(self.added);
    }
}

/// Messages that begin or cease to count in one mailbox. What changed is written down when this is dropped: after the
/// change is durable.
#[derive(Debug)]
pub(super) struct Shift {
    root: Arc<QuotaRoot>,
    is_kept: bool,
    removed: QuotaUsage,
    added: QuotaUsage,
}

impl Shift {
    pub(super) fn new(paths: &MailboxPaths) -> Self {
        let root = Arc::clone(&paths.quota);
        let is_kept = root.rules.counts(&paths.name) && (root.rules.limits.is_some() || root.is_kept());
        Self { root, is_kept, removed: QuotaUsage::default(), added: QuotaUsage::default() }
    }

    /// Makes a change after which `usage` does not count any more; if there is a quota, no recount runs meanwhile.
    pub(super) fn remove<T, E>(
        &mut self,
        usage: impl FnOnce() -> Result<QuotaUsage, E>,
        change: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.change(usage, change, |shift, state| (&mut shift.removed, &mut state.missing))
    }

    /// Makes a change after which `usage` counts too; if there is a quota, no recount runs meanwhile.
    pub(super) fn add<T, E>(
        &mut self,
        usage: impl FnOnce() -> Result<QuotaUsage, E>,
        change: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.change(usage, change, |shift, state| (&mut shift.added, &mut state.unwritten))
    }

    /// Makes a change; when it is made, `usage` comes to both of `sums`: what this writes down, and what a recount allows for
    /// until then.
    fn change<T, E>(
        &mut self,
        usage: impl FnOnce() -> Result<QuotaUsage, E>,
        change: impl FnOnce() -> Result<T, E>,
        sums: impl for<'a> FnOnce(&'a mut Self, &'a mut State) -> (&'a mut QuotaUsage, &'a mut QuotaUsage),
    ) -> Result<T, E> {
        if !self.is_kept {
            return change();
        }
        let root = Arc::clone(&self.root);
        let _held = root.hold();
        let usage = usage()?;
        let changed = change()?;
        let mut state = root.state();
        let (own, under_way) = sums(self, &mut state);
        (*own, *under_way) = (own.plus(usage), under_way.plus(usage));
        Ok(changed)
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        if self.added.is_zero() && self.removed.is_zero() {
            return;
        }
        let _held = self.root.hold();
        if !self.added.is_zero() {
            self.root.note(&maildirsize::added(self.added));
        }
        if !self.removed.is_zero() {
            self.root.note(&maildirsize::removed(self.removed));
        }
        let mut state = self.root.state();
        state.missing = state.missing.minus(self.removed);
        state.unwritten = state.unwritten.minus(self.added);
    }
}
