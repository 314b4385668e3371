//! The reference server: Postroom's crates as one mail server, from one configuration file.
//!
//! | module | holds |
//! | --- | --- |
//! | [`cli`] | the command line |
//! | [`config`] | the configuration file |
//! | [`first_start`] | what the first start makes: directory, certificate, accounts |
//! | [`doubts`] | what a configuration hardly can mean |
//! | [`import`] | the configuration of other servers |
//! | [`privileges`] | whom the server runs as |
//! | [`place`] | the stores that a command line names |
//! | [`control`] | the socket of a running server |
//! | [`table_watch`] | tables that change while the server runs |
//! | [`wiring`] | from a configuration to a running engine |
//! | [`serve`], [`check`], [`explain`], [`rbl_selftest`], [`openrelay_selftest`], [`queue`], [`logban`], [`convert`], [`make`], [`tables`], [`hash_password`] | the commands |
#![allow(unreachable_pub, reason = "a program: nothing in it can be reached from outside")]

mod check;
mod cli;
mod config;
mod control;
mod convert;
mod doubts;
mod explain;
mod first_start;
mod hash_password;
mod import;
mod logban;
mod make;
mod openrelay_selftest;
mod place;
mod privileges;
mod queue;
mod rbl_selftest;
mod serve;
mod table_watch;
mod tables;
mod wiring;

#[cfg(test)]
mod tests;

use clap::Parser;
use cli::{Cli, Command, MaildirCommand, PolicyCommand};
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve { config: None });
    let done = match command {
        Command::Serve { config } => serve::run(config.as_deref()),
        Command::Check { config } => match check::run(config.as_deref()) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
        Command::Convert { from, to, user, home } => {
            convert::run(&from, &to, user.as_deref(), home.as_deref())
        }
        Command::Maildir {
            command: MaildirCommand::Make { folder, special_use, quota, layout, directory },
        } => make::run(&directory, folder.as_ref(), special_use, quota, layout),
        Command::ImportPostfix { directory, output } => import::postfix::run(&directory, output.as_deref()),
        Command::ImportQmail { directory, tcp_rules, output } => {
            import::qmail::run(&directory, tcp_rules.as_deref(), output.as_deref())
        }
        Command::Policy { command: PolicyCommand::Explain(arguments) } => match explain::run(&arguments) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
        Command::Queue { config, command } => queue::run(config.as_deref(), &command),
        Command::Logban { over, within, log } => logban::run(log.as_deref(), over, within),
        Command::RblSelftest { config, zones } => rbl_selftest::run(config.as_deref(), &zones),
        Command::OpenrelaySelftest(arguments) => openrelay_selftest::run(&arguments),
        Command::Policy { command: PolicyCommand::Tables } => tables::kinds(),
        Command::Postmap { tables, message, help: _ } => return ask_or_make(&tables, false, Some(message)),
        Command::Postalias { tables } => return ask_or_make(&tables, true, None),
        Command::HashPassword { scheme } => hash_password::run(scheme),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// A key that was asked for and not found is nothing to complain of, and yet a failure.
fn ask_or_make(tables: &cli::Tables, aliases: bool, message: Option<cli::OfMessage>) -> ExitCode {
    if let Some(directory) = &tables.config_directory
        && let Err(error) = std::env::set_current_dir(directory)
    {
        complain(&*Box::<dyn Error>::from(format!("{}: {error}", directory.display())));
        return ExitCode::FAILURE;
    }
    let message = message.filter(|of| of.header || of.body || of.mime);
    let done = match (&tables.query, message) {
        (Some(key), Some(of)) => tables::query_message(key, &tables.tables, of),
        (Some(key), None) => tables::query(key, &tables.tables, aliases),
        (None, _) if tables.sequence => tables::list(&tables.tables, aliases).map(|()| true),
        (None, _) => tables::make(&tables.tables, aliases).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "an error of a command line program belongs there")]
fn complain(error: &dyn Error) {
    eprintln!("postroom: {error}");
}
