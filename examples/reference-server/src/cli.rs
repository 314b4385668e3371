//! The command line: what `postroom --help` tells.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use postroom::accounts::Scheme;
use std::path::PathBuf;

/// A mail server in one program: SMTP, submission, LMTP, IMAP and POP3 over Maildir.
///
/// Started without arguments it serves an embedded default on loopback ports, with two accounts made at the first
/// start, so that it can be tried at once. Logs go to standard error; the variable RUST_LOG says what is logged
/// (error, warn, info, debug, trace; info when it says nothing).
#[derive(Debug, Parser)]
#[command(name = "postroom", version, max_term_width = 100)]
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
        ///
        /// ARGON2ID is the hardest to guess from. With SCRAM-SHA-256 clients can log in without ever showing the
        /// password.
        #[arg(long, short, value_parser = scheme(), ignore_case = true, default_value = Scheme::Argon2id.name())]
        scheme: Scheme,
    },
}

/// The names that stand in a passwd-file. A password that is kept as it is needs no hashing.
fn scheme() -> impl TypedValueParser<Value = Scheme> {
    let made = Scheme::ALL.into_iter().filter(|scheme| *scheme != Scheme::Plain);
    PossibleValuesParser::new(made.map(Scheme::name))
        .map(|name| Scheme::from_name(&name).expect("invariant: one of those names"))
}
