//! The command line: what `postroom --help` tells.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A mail server in one program: SMTP, submission, LMTP, IMAP and POP3 over Maildir.
///
/// Started without arguments it serves an embedded default on loopback ports, with two accounts made at the first
/// start, so that it can be tried at once. Logs go to standard error; the variable RUST_LOG says what is logged
/// (error, warn, info, debug, trace; info when it says nothing).
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server until SIGTERM or SIGINT; SIGHUP reads configuration, accounts and certificate anew.
    Serve {
        /// The configuration file; without one, the embedded default is served.
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Read a configuration and everything it names, say what is wrong, start nothing.
    Check {
        /// The configuration file; without one, the embedded default is checked.
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Read a password (from the terminal or standard input) and print it as a passwd-file wants it.
    HashPassword {
        /// The scheme to hash with.
        #[arg(long, short, value_enum, default_value_t = Scheme::Argon2id)]
        scheme: Scheme,
    },
}

/// A password scheme that can be made; those that can be read are more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scheme {
    /// Argon2id (RFC 9106): the best choice.
    Argon2id,
    /// SHA-512 crypt, as `mkpasswd -m sha-512` makes it.
    Sha512Crypt,
    /// bcrypt.
    BlfCrypt,
}
