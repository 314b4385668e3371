//! [`SimHost`]: a process on the machine that a [`SimFs`] belongs to.

use std::time::Duration;

use super::{SimFs, Split64};
use crate::env::Host;

/// A process whose clock is the disk's; waiting lets that clock run and takes no time.
#[derive(Debug)]
pub struct SimHost {
    fs: SimFs,
    name: String,
    pid: u32,
    boot_id: String,
}

impl SimHost {
    /// A process named by `pid` on the machine of `fs`. It counts as alive until the next power cut, or until
    /// all of this number are dropped.
    pub fn new(fs: &SimFs, pid: u32) -> Self {
        let boot_id = fs.with(|sim| {
            *sim.alive.entry(pid).or_default() += 1;
            format!("boot-{}", sim.boot)
        });
        Self { fs: fs.clone(), name: "sim.example".to_owned(), pid, boot_id }
    }
}

impl Drop for SimHost {
    fn drop(&mut self) {
        self.fs.with(|sim| {
            if let Some(hosts) = sim.alive.get_mut(&self.pid) {
                *hosts -= 1;
                if *hosts == 0 {
                    sim.alive.remove(&self.pid);
                }
            }
        });
    }
}

impl Host for SimHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn now(&self) -> Duration {
        self.fs.now()
    }

    fn pid(&self) -> u32 {
        self.pid
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }

    fn booted(&self) -> Duration {
        self.fs.with(|sim| sim.booted)
    }

    fn is_alive(&self, pid: u32) -> bool {
        self.fs.with(|sim| sim.alive.contains_key(&pid))
    }

    /// The same at every run: a test repeats.
    fn random(&self) -> u64 {
        Split64::new(self.now().as_micros() as u64 ^ u64::from(self.pid) << 48).next()
    }

    fn pause(&self, duration: Duration) {
        self.fs.advance(duration);
        if self.fs.with(|sim| sim.takes_turns) {
            // Who holds the lock may be waiting for a processor, and the calendar of the disk does not.
            std::thread::sleep(Duration::from_millis(1));
        } else {
            std::thread::yield_now();
        }
    }
}
