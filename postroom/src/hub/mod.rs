//! Opened mailboxes, shared: every session on one mailbox has the same snapshot, and hears what the others do.
