//! Answers an IMAP session: mailboxes through the hub, messages through its readers, one file for each group of
//! commands (RFC 3501).
