//! What was asked of a mailbox in the life that a test plays, what was answered, and which UIDs somebody was told: what
//! must hold whenever that life is cut off.

use std::cell::RefCell;

use mail_message::{FlagSet, Uid, UidValidity};
use mailstore::fs::SimFs;
use mailstore::{Mailbox, MailboxName, Result};

use super::{message, read_all};

/// Something that was asked for: before which operation it began, and by which it had been answered.
#[derive(Debug, Clone)]
pub struct Step<W> {
    pub begun: u64,
    pub answered: Option<u64>,
    pub what: W,
}

impl<W> Step<W> {
    /// Whether it had been answered before operation `op`.
    pub fn is_answered(&self, op: u64) -> bool {
        self.answered.is_some_and(|at| at <= op)
    }
}

/// A UID that somebody was told.
#[derive(Debug, Clone)]
pub struct Told {
    pub at: u64,
    pub mailbox: MailboxName,
    pub uid_validity: UidValidity,
    pub uid: Uid,
    pub number: u32,
}

#[derive(Debug)]
pub struct Journal<W> {
    pub steps: Vec<Step<W>>,
    pub told: Vec<Told>,
}

impl<W> Default for Journal<W> {
    fn default() -> Self {
        Self { steps: Vec::new(), told: Vec::new() }
    }
}

impl<W> Journal<W> {
    /// Does something that is several things to be kept.
    pub fn steps<T>(
        this: &RefCell<Self>,
        fs: &SimFs,
        whats: Vec<W>,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let (begun, first) = (fs.ops(), this.borrow().steps.len());
        this.borrow_mut().steps.extend(whats.into_iter().map(|what| Step { begun, answered: None, what }));
        let result = run();
        if result.is_ok() {
            this.borrow_mut().steps[first..].iter_mut().for_each(|step| step.answered = Some(fs.ops()));
        }
        result
    }

    pub fn step<T>(this: &RefCell<Self>, fs: &SimFs, what: W, run: impl FnOnce() -> Result<T>) -> Result<T> {
        Self::steps(this, fs, vec![what], run)
    }

    pub fn tell(
        this: &RefCell<Self>,
        fs: &SimFs,
        mailbox: &MailboxName,
        uid_validity: UidValidity,
        uid: Uid,
        number: u32,
    ) {
        let mailbox = mailbox.clone();
        this.borrow_mut().told.push(Told { at: fs.ops(), mailbox, uid_validity, uid, number });
    }

    /// Tells of every message of an opened mailbox.
    pub fn tell_all(
        this: &RefCell<Self>,
        fs: &SimFs,
        name: &MailboxName,
        mailbox: &mut dyn Mailbox,
    ) -> Result<()> {
        for (uid, number, _) in contents(mailbox)? {
            Self::tell(this, fs, name, mailbox.uid_validity(), uid, number);
        }
        Ok(())
    }
}

/// What the deliverer writes before a message.
pub const TRACE: &str = "Return-Path: <s@example.test>\r\n";

/// Which message this is; 0 when it is only a part of one.
pub fn number(content: &[u8]) -> u32 {
    let content = content.strip_prefix(TRACE.as_bytes()).unwrap_or(content);
    (1..=100).find(|&number| content == message(number)).unwrap_or(0)
}

/// Reads every message of an opened mailbox: UID, number, flags.
pub fn contents(mailbox: &mut dyn Mailbox) -> Result<Vec<(Uid, u32, FlagSet)>> {
    let entries = mailbox.entries().to_vec();
    let mut contents = Vec::new();
    for entry in entries {
        let read = read_all(&mut *mailbox.message(entry.uid)?)?;
        contents.push((entry.uid, number(&read), entry.flags));
    }
    Ok(contents)
}
