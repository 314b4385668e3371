//! Mail on disk that survives a power cut: Maildir, UIDs, and the spool.
