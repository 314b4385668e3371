//! Two and more at one mailbox.
