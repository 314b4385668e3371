//! Answers a POP3 session: the user's INBOX as a maildrop (RFC 1939).
