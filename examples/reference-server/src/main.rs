//! The reference mail server: SMTP, submission, IMAP and POP3 from one configuration file.

fn main() {}
