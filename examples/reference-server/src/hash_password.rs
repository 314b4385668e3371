//! `postroom hash-password`: a password in, a passwd-file field out.

use postroom::accounts::{Scheme, hash_password};
use postroom::entropy::SystemEntropy;
use postroom::proto_core::Secret;
use std::error::Error;
use std::io::{self, BufRead, IsTerminal, Write};

/// Reads one line and prints its hash.
///
/// # Errors
/// When there is no line, or the scheme cannot hold the password.
pub fn run(scheme: Scheme) -> Result<(), Box<dyn Error>> {
    if io::stdin().is_terminal() {
        // The terminal shows what is typed: hiding it is left to `stty -echo` and to pipes.
        write!(io::stderr(), "Password (it will be seen): ")?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let password = Secret::from(line.trim_end_matches(['\r', '\n']).to_owned());
    writeln!(io::stdout(), "{}", hash_password(scheme, &password, &SystemEntropy)?)?;
    Ok(())
}
