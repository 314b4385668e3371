//! Tables that somebody has changed are read anew, without a reload: as Postfix, which notices it when it looks something up.
//!
//! A change counts when the next look finds the file as the last one did, so that a file is not read while it is being written; the
//! configuration itself is left to SIGHUP.

use postroom::Server;
use postroom::settings::TableFiles;
use std::time::Duration;

/// How often files are looked at. What is changed is read after one to two of these.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What was seen so far.
#[derive(Debug, Default)]
pub struct TableWatch {
    last: TableFiles,
    /// What could not be used, and is told once.
    refused: Option<TableFiles>,
}

impl TableWatch {
    /// Looks, and has the server read its tables where they have changed. It blocks.
    pub fn look(&mut self, server: &Server) {
        let read = server.table_files();
        let now = read.now();
        let has_rested = now == self.last;
        self.last = now;
        if self.last == read || !has_rested || self.refused.as_ref() == Some(&self.last) {
            return;
        }
        match server.reload_tables() {
            Ok(()) => tracing::info!("tables have changed: the new ones are in use"),
            Err(error) => {
                tracing::error!("tables have changed and cannot be used, so the old ones stay: {error}");
                self.refused = Some(self.last.clone());
            }
        }
    }
}
