//! The command line: what `postroom --help` tells.

use crate::config::{FolderName, MaildirLayout};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand};
use postroom::accounts::Scheme;
use postroom::mailstore::{QuotaLimits, SpecialUses};
use std::net::IpAddr;
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
    /// Run the server until SIGTERM or SIGINT; SIGHUP reads configuration, accounts and certificate anew. Lookup
    /// tables that change are read anew by themselves.
    Serve {
        /// The configuration file; without one, the embedded default is served.
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Read a configuration and everything it names, say what is wrong, start nothing.
    ///
    /// What no server starts with is told on standard error. All else is told a line each: an error is served and is certainly not
    /// what was meant, a warning probably, a notice is good to know. The exit status is 0, and `ok` the last line, where there is no
    /// error; else it is 1, so that a reload can wait for it.
    ///
    /// Example: postroom check --config postroom.toml && systemctl reload postroom
    Check {
        /// The configuration file; without one, the embedded default is checked.
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Convert one user's mail from Maildir to mbox files or back, or from one layout to another.
    ///
    /// All mailboxes, with flags, keywords, dates and subscriptions. Nothing is removed from the source. When it was interrupted, be it
    /// by a power cut, what is in the target is whole, and the same command goes on where it ended; a mailbox that holds other
    /// mail already, also such as came in meanwhile, is not touched, and nothing behind it. Messages get new UIDs, so that
    /// clients fetch again what they keep. Stop the server, or at least deliveries to this user, before.
    ///
    /// Example: postroom convert maildir:~/Maildir mbox:~/mail:INBOX=/var/mail/alice
    Convert {
        /// Where the mail is, as Dovecot's mail_location has it: maildir:PATH, maildir:PATH:LAYOUT=fs (A/B in place of .A.B;
        /// what is there tells it when it is not said; :UTF-8 for names), or mbox:PATH:INBOX=PATH.
        ///
        /// ~ and a relative PATH count from the home directory, in every format, as they do for Dovecot and in the
        /// configuration file: what is copied from there means the same here, from wherever it is run. %u, %n and %d are
        /// filled in, and %% is a percent sign.
        from: String,
        /// Where it shall be, in the same form; made if it is not there.
        to: String,
        /// Who %u, %n and %d stand for.
        #[arg(long, short)]
        user: Option<String>,
        /// The home directory; $HOME when it is not said.
        #[arg(long)]
        home: Option<PathBuf>,
    },
    /// Make Maildirs without a server.
    Maildir {
        /// What to do.
        #[command(subcommand)]
        command: MaildirCommand,
    },
    /// Ask a table, or compile it, as Postfix's postmap does.
    ///
    /// Tables are named type:name, as in Postfix: hash:, texthash: and the like are read from their text, which needs no
    /// compiling; cdb:FILE is compiled from FILE into FILE.cdb, in one step; regexp:, pcre:, cidr:, inline: and the others are
    /// read, and what is wrong with them is told with file and line. Without a type it is a text file.
    ///
    /// `postroom policy tables` lists the kinds. A server that runs reads its tables some seconds after they have changed.
    ///
    /// Of Postfix's options, -i and -d are not there: a cdb cannot be changed, only compiled anew from its text.
    ///
    /// Example: postroom postmap -q spam.test texthash:/etc/postroom/access
    ///
    /// Example: postroom postmap -hmq - regexp:/etc/postroom/header_checks < message
    ///
    /// Example: postroom postmap cdb:/etc/postroom/virtual
    #[command(disable_help_flag = true)]
    Postmap {
        #[command(flatten)]
        tables: Tables,
        #[command(flatten)]
        message: OfMessage,
        /// Print this.
        #[arg(long, action = ArgAction::Help)]
        help: Option<bool>,
    },
    /// Ask a table of aliases, or compile it, as Postfix's postalias does: as postmap, with lines `name: value, value`.
    ///
    /// Example: postroom postalias -q postmaster hash:/etc/aliases
    Postalias {
        #[command(flatten)]
        tables: Tables,
    },
    /// Write the configuration of a Postfix as ours.
    ///
    /// Reads main.cf, with every $name in it replaced, and master.cf, whose smtpd services become listeners. What has the same
    /// name here is written under [policy]; what cannot be carried over is told on standard error, with its line and the
    /// reason. Tables are named as they were and not copied. Accounts are to be made.
    ///
    /// Example: postroom import-postfix /etc/postfix --output /etc/postroom
    ImportPostfix {
        /// The directory with main.cf and master.cf; or a file like main.cf, such as what `postconf -n` has printed.
        directory: PathBuf,
        /// Write postroom.toml and an empty users.passwd into this directory, and check them; nothing that is there is
        /// written over. Without it, the configuration is printed.
        #[arg(long, short, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Write the configuration of a qmail as ours.
    ///
    /// Reads locals, rcpthosts, morercpthosts.cdb, virtualdomains, badmailfrom, smtproutes and others in control, users/assign beside it, the
    /// .qmail files of alias and of the users that it names, and the rules of tcpserver. What
    /// cannot be carried over is told on standard error. Mail that qmail would relay for everybody, because there is no
    /// rcpthosts, is refused.
    ///
    /// Example: postroom import-qmail /var/qmail --tcp-rules /etc/tcp.smtp --output /etc/postroom
    ImportQmail {
        /// qmail's directory, or the directory control in it.
        directory: PathBuf,
        /// Who is let in, and who may relay (RELAYCLIENT): the text that tcprules compiles, or what it has made (FILE.cdb).
        #[arg(long, value_name = "FILE")]
        tcp_rules: Option<PathBuf>,
        /// Write postroom.toml, the tables that it names and an empty users.passwd into this directory, and check them;
        /// nothing that is there is written over. Without it, the configuration is printed.
        #[arg(long, short, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Try out who may send where.
    Policy {
        /// What to do.
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Show accepted mail that waits, hold it, let it go, try it again or remove it.
    ///
    /// The server may run or not. Run it as the user whom the server works as, or as root, who becomes that user for it. What HOLD in a table has kept back waits here
    /// (`!` behind its id) until it is released or deleted.
    ///
    /// Example: postroom queue --config postroom.toml release 3ZK0Q4N1XA
    Queue {
        /// The configuration file; without one, the embedded default.
        #[arg(long, short, global = true)]
        config: Option<PathBuf>,
        /// What to do.
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// List the clients that are refused for good again and again, from a log of the server.
    ///
    /// What is printed is a cidr: table, for `check_client_access cidr:FILE` behind permit_mynetworks; an IPv6 client stands there
    /// as its /64 network. Whoever is in it is refused, and counts on: make it anew from a log of the last hours, so that they get out.
    /// What milters refuse does not count: one that fails would have everybody listed. Lines of journalctl are understood.
    ///
    /// Example: postroom logban --over 20 --within 600 /var/log/postroom.log > banned
    Logban {
        /// More refusals than this are too many.
        #[arg(long, value_name = "COUNT", default_value_t = 20)]
        over: usize,
        /// Within so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        within: u64,
        /// The log; standard input when it is not said.
        log: Option<PathBuf>,
    },
    /// Test that DNS lists are alive (RFC 5782 section 5), before they are used and now and then after that.
    ///
    /// A list of addresses must have 127.0.0.2 and not 127.0.0.1, one of names test and not invalid. A list that is dead may list
    /// nobody, or the whole world. The exit status is 1 unless all are alive.
    ///
    /// Example: postroom rbl-selftest --config postroom.toml
    RblSelftest {
        /// The configuration file whose lists are tested, those of postscreen_dnsbl_sites with them.
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// Lists of addresses to test, besides or in place of those of a configuration.
        #[arg(value_name = "ZONE")]
        zones: Vec<String>,
    },
    /// Ask for relaying in all the ways that strangers know (P01 to P30 of the open-relay proofs), and tell what is said to each.
    ///
    /// Without --server, the listeners of a configuration are asked: no server needs to run, nothing is sent, and no DNS and no policy
    /// service is asked. With it, a server that runs is, from this machine: run it from outside its mynetworks. No message is
    /// sent to anybody whom the server takes mail for. The exit status is 1 when anything was relayed, or could not be tried.
    ///
    /// Example: postroom openrelay-selftest --config postroom.toml
    ///
    /// Example: postroom openrelay-selftest --server mail.example.test:25 --domain example.test
    OpenrelaySelftest(OpenrelaySelftest),
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

/// Tables, and what they are asked.
#[derive(Debug, Args)]
pub struct Tables {
    /// Print what the first table that has this key has beside it, and change nothing; - reads keys from standard input,
    /// and prints each that is found with a tab and the text. The exit status is 1 when nothing was found.
    #[arg(long, short, value_name = "KEY")]
    pub query: Option<String>,
    /// The directory that relative names of files count from; the working directory when it is not said.
    #[arg(long, short, value_name = "DIR")]
    pub config_directory: Option<PathBuf>,
    /// Print every key with a tab and the text beside it, in the order of the table, and change nothing. Tables of patterns and
    /// networks have no keys.
    #[arg(long, short, conflicts_with = "query")]
    pub sequence: bool,
    /// The tables.
    #[arg(required = true, value_name = "TYPE:NAME")]
    pub tables: Vec<String>,
}

/// What of a message is looked up.
#[derive(Debug, Clone, Copy, Args)]
pub struct OfMessage {
    /// With -q -: standard input is a message, and the fields of its header are looked up, each whole.
    #[arg(long, short = 'h', requires = "query")]
    pub header: bool,
    /// With -q -: standard input is a message, and the lines of its body are looked up.
    #[arg(long, short, requires = "query")]
    pub body: bool,
    /// With -h or -b: the fields of the headers of parts and of attached messages are of the header, not of the body.
    #[arg(long, short, requires = "query")]
    pub mime: bool,
}

/// What can be tried out.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// List the kinds of lookup tables (`postconf -m`): the word before the colon, and what it means.
    Tables,
    /// Tell what a listener would say to a client, and why: every rule that is looked at, what it found in which line of which
    /// table, and the verdict.
    ///
    /// No server needs to run and nothing is sent. Policy services are not asked, as if they had nothing to say. What aliases make of
    /// the addresses is told, too, and what content checks find in the message. The exit status is 0 when the message is taken, 4 when
    /// it is refused for now, 5 when it is refused for good, and 1 when nothing can be said.
    ///
    /// Example: postroom policy explain --client 192.0.2.1 --helo mx.test --from ann@a.test --to alice@example.test
    Explain(Box<Explain>),
}

/// A client and the message that it wants to send.
#[derive(Debug, Args)]
pub struct Explain {
    /// The configuration file; without one, the embedded default.
    #[arg(long, short)]
    pub config: Option<PathBuf>,
    /// The listener it comes to: its name (smtp#0), protocol, address or port; the first that takes mail when it is not said.
    #[arg(long)]
    pub listener: Option<String>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS")]
    pub client: IpAddr,
    /// The name of that address, as if the DNS had confirmed it; without it, the client has none, unless --dns finds one.
    #[arg(long)]
    pub name: Option<String>,
    /// What it says in EHLO; when it is not said, restrictions on HELO are not looked at.
    #[arg(long)]
    pub helo: Option<String>,
    /// Who it logs in as.
    #[arg(long, value_name = "USER")]
    pub login: Option<String>,
    /// It has begun TLS.
    #[arg(long)]
    pub tls: bool,
    /// It has begun TLS and shown this certificate, in PEM; it counts as verified.
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// The sender; an empty one is the null sender.
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    pub from: String,
    /// The recipient.
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    pub to: String,
    /// The message: content checks look at it as it is, without the fields that a server puts before it; when it is not said, they are
    /// only named.
    #[arg(long, value_name = "FILE")]
    pub message: Option<PathBuf>,
    /// Ask the DNS, through the system's servers; without it, all that would be looked up there fails for now.
    #[arg(long)]
    pub dns: bool,
}

/// Whom to ask for relaying.
#[derive(Debug, Args)]
pub struct OpenrelaySelftest {
    /// The configuration file; without one, the embedded default.
    #[arg(long, short)]
    pub config: Option<PathBuf>,
    /// As which client the configuration is asked; without it, 203.0.113.9 and 2001:db8::9.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server")]
    pub client: Option<IpAddr>,
    /// The running server to ask in place of a configuration, by name or address and port.
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Option<String>,
    /// A domain that this server takes mail for; without it, the first of domains.local in the configuration.
    #[arg(long, requires = "server")]
    pub domain: Option<String>,
    /// A domain that the server has nothing to do with. A running server may refuse one that is not in the DNS for that alone:
    /// name one that is.
    #[arg(long, value_name = "DOMAIN", default_value = "other.test")]
    pub elsewhere: String,
}

/// What can be done to mail that waits.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Show all messages, as Postfix's `postqueue -p` does: `!` for what is on hold, `*` for what is being delivered.
    List,
    /// Put messages on hold (`postsuper -h`): they are kept, and not delivered.
    Hold {
        /// Their ids.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Let messages go that are on hold (`postsuper -H`).
    Release {
        /// Their ids.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Remove messages (`postsuper -d`); nobody is told.
    Delete {
        /// Their ids.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Try messages again at once that wait for another attempt (`postqueue -f`, `postqueue -i`).
    Flush {
        /// Their ids; all, where none is named.
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
}

/// What can be done to a Maildir.
#[derive(Debug, Subcommand)]
pub enum MaildirCommand {
    /// Make a Maildir, or a mailbox in one.
    ///
    /// The Maildir and the directories above it are made where they are missing, for the user who runs this: run it as the
    /// user whom the server works as.
    ///
    /// Example: postroom maildir make -f Lists/rust -q 1000000000S,10000C /var/mail/alice/Maildir
    ///
    /// Example: postroom maildir make -l fs -f Lists/rust /var/mail/alice/Maildir
    Make {
        /// Make this mailbox in it; `/` parts its levels. It must not be there.
        #[arg(long, short)]
        folder: Option<FolderName>,
        /// What the mailbox is for: \All, \Archive, \Drafts, \Flagged, \Junk, \Sent, \Trash; the backslash may be
        /// left out.
        #[arg(long, short, value_name = "USE")]
        special_use: Option<SpecialUses>,
        /// Write this quota down for all programs that use the Maildir: octets and messages, as 1000000000S,10000C.
        #[arg(long, short)]
        quota: Option<QuotaLimits>,
        /// Where the mailboxes lie in it: maildir++ (.A.B) or fs (A/B, Dovecot's LAYOUT=fs); when it is not said, as what
        /// is there already, else maildir++.
        ///
        /// The first mailbox shows it to whoever looks. Where there is INBOX alone, nothing does: storage.layout in the
        /// configuration must say fs then.
        #[arg(long, short, value_name = "LAYOUT")]
        layout: Option<MaildirLayout>,
        /// The Maildir. A relative path counts from the working directory.
        directory: PathBuf,
    },
}

/// The names that stand in a passwd-file. A password that is kept as it is needs no hashing.
fn scheme() -> impl TypedValueParser<Value = Scheme> {
    let made = Scheme::ALL.into_iter().filter(|scheme| *scheme != Scheme::Plain);
    PossibleValuesParser::new(made.map(Scheme::name))
        .map(|name| Scheme::from_name(&name).expect("invariant: one of those names"))
}
