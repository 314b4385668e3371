//! The command line: what `postroom --help` tells.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use postroom::accounts::Scheme;
use std::path::PathBuf;

/// A mail server in one program: SMTP, submission, LMTP, IMAP and POP3 over Maildir or mbox files.
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
    /// Convert one user's mail from Maildir to mbox files or back.
    ///
    /// All mailboxes, with flags, keywords, dates and subscriptions. Nothing is removed from the source. When it was interrupted, the
    /// same command goes on where it ended; a mailbox that holds other mail already is not touched. Messages get new
    /// UIDs, so that clients fetch again what they keep. Stop the server, or at least deliveries to this user, before.
    ///
    /// Example: postroom convert maildir:~/Maildir mbox:~/mail:INBOX=/var/mail/alice
    Convert {
        /// Where the mail is: maildir:PATH, or mbox:PATH:INBOX=PATH as Dovecot's mail_location has it.
        from: String,
        /// Where it shall be, in the same form; made if it is not there.
        to: String,
        /// Who %u, %n and %d stand for in a place of mbox files.
        #[arg(long, short)]
        user: Option<String>,
        /// What ~ stands for; $HOME when it is not said.
        #[arg(long)]
        home: Option<PathBuf>,
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
