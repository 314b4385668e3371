//! Tables that somebody has changed are read anew, without a reload: as Postfix, which notices it when it looks something up.
//!
//! A change counts when the next look finds the file as the last one did, so that a file is not read while it is being written; the
//! configuration itself is left to SIGHUP.

use postroom::Server;
use postroom::settings::TableFiles;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

/// How often files are looked at. What is changed is read after one to two of these.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What was seen so far.
#[derive(Debug)]
pub struct TableWatch {
    looks: Interval,
    /// Under way; where a file system does not answer, for as long as that: files as they were read, and as they are.
    look: Option<JoinHandle<(TableFiles, TableFiles)>>,
    last: TableFiles,
    /// What could not be used, and is told once.
    refused: Option<TableFiles>,
}

impl TableWatch {
    /// Has seen nothing yet. It needs a runtime.
    pub fn new() -> Self {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { looks, look: None, last: TableFiles::default(), refused: None }
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
                    let now = read.now();
                    (read, now)
                })
            });
            let looked = look.await;
            self.look = None;
            let Ok((read, now)) = looked else { continue };
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
