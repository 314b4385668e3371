//! Tables that somebody has changed are read anew, without a reload: as Postfix, which notices it when it looks something up.
//!
//! A change counts when the next look finds the file as the last one did, so that a file is not read while it is being written; the
//! configuration itself is left to SIGHUP.

use postroom::Server;
use postroom::settings::TableFiles;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

/// How often files are looked at. What is changed is read after one to two of these.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What was seen so far.
#[derive(Debug)]
pub struct TableWatch {
    looks: Interval,
    /// Under way; where a file system does not answer, for as long as that.
    look: Option<JoinHandle<Look>>,
    last: TableFiles,
    lost: Lost,
    /// What could not be used, and is told once.
    refused: Option<TableFiles>,
}

/// Files as they were read, as they are, and those that cannot be read now, each with what the system says.
type Look = (TableFiles, TableFiles, BTreeMap<PathBuf, String>);

/// Tables that cannot be read any more, though what was read of them holds.
#[derive(Debug, Default)]
struct Lost {
    /// At the last look; whoever replaces a file may take it away for a moment.
    last: BTreeMap<PathBuf, String>,
    /// Those that were told.
    told: BTreeSet<PathBuf>,
}

impl Lost {
    /// What is to be told: what two looks have found, once, and what is back, of those that are in use.
    fn told(&mut self, in_use: impl Fn(&Path) -> bool, now: BTreeMap<PathBuf, String>) -> Vec<String> {
        let mut told = Vec::new();
        for (path, why) in &now {
            if self.last.contains_key(path) && self.told.insert(path.clone()) {
                told.push(format!(
                    "{}: {why}: what was read of this table stays in use, and no reload or start will go well without it",
                    path.display()
                ));
            }
        }
        self.told.retain(|path| {
            let is_lost = now.contains_key(path);
            if !is_lost && in_use(path) {
                told.push(format!("{}: this table can be read again", path.display()));
            }
            is_lost
        });
        self.last = now;
        told
    }
}

impl TableWatch {
    /// Has seen nothing yet. It needs a runtime.
    pub fn new() -> Self {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { looks, look: None, last: TableFiles::default(), lost: Lost::default(), refused: None }
    }

    /// Looks until tables have changed. It may be dropped at any time.
    pub async fn change(&mut self, server: &Server) {
        loop {
            if self.look.is_none() {
                self.looks.tick().await;
            }
            let look = self.look.get_or_insert_with(|| {
                let read = server.table_files();
                tokio::task::spawn_blocking(|| {
                    let (now, lost) = (read.now(), read.unreadable());
                    (read, now, lost)
                })
            });
            let looked = look.await;
            self.look = None;
            let Ok((read, now, lost)) = looked else { continue };
            for line in self.lost.told(|path| read.has(path), lost) {
                tracing::warn!("{line}");
            }
            let has_rested = now == self.last;
            self.last = now;
            if self.last != read && has_rested && self.refused.as_ref() != Some(&self.last) {
                return;
            }
        }
    }

    /// Has the server read its tables, which have changed. It blocks.
    pub fn follow(&mut self, server: &Server) {
        match server.reload_tables() {
            Ok(()) => tracing::info!("tables have changed: the new ones are in use"),
            Err(error) => {
                tracing::error!("tables have changed and cannot be used, so the old ones stay: {error}");
                self.refused = Some(self.last.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_told_of_when_two_looks_have_missed_it_and_when_it_is_back() {
        let mut lost = Lost::default();
        let gone = || {
            BTreeMap::from([("/t/a", "gone"), ("/t/b", "gone")].map(|(path, why)| (path.into(), why.into())))
        };
        let is_in_use = |path: &Path| path == Path::new("/t/a");
        assert_eq!(lost.told(is_in_use, gone()), [""; 0], "it may be on its way");
        let told = lost.told(is_in_use, gone());
        assert!(told.len() == 2 && told[0].starts_with("/t/a: gone: what was read"), "{told:?}");
        assert_eq!(lost.told(is_in_use, gone()), [""; 0], "once");
        // A reload has left the other one out.
        assert_eq!(lost.told(is_in_use, BTreeMap::new()), ["/t/a: this table can be read again"]);
        assert_eq!(lost.told(is_in_use, BTreeMap::new()), [""; 0]);
    }
}
