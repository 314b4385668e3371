//! Mailbox names as LIST looks for them: its wildcards. Their form on the wire is [`mail_message::mutf7`].

pub(crate) mod matcher;
