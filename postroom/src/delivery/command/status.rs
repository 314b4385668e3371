//! What the end of a command says of the message: the exit codes of `sysexits.h`, as Postfix's local(8) reads them.

use super::Failure;
use mail_message::report::Status;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// The code, the enhanced status code (RFC 3463) and what it means.
const CODES: [(i32, &str, &str); 15] = [
    (64, "5.3.0", "command line usage error"),
    (65, "5.6.0", "data format error"),
    (66, "5.3.0", "cannot open input"),
    (67, "5.1.1", "user unknown"),
    (68, "5.1.2", "host name unknown"),
    (69, "5.3.0", "service unavailable"),
    (70, "5.3.0", "internal software error"),
    (71, "4.3.0", "system resource problem"),
    (72, "5.3.0", "critical OS file missing"),
    (73, "5.2.0", "can't create user output file"),
    (74, "5.3.0", "input/output error"),
    (75, "4.3.0", "temporary failure"),
    (76, "5.5.0", "remote error in protocol"),
    (77, "5.7.0", "permission denied"),
    (78, "5.3.5", "local configuration error"),
];

/// What became of the message; `output` is what the command has written.
///
/// # Errors
/// When it has not taken the message.
pub(super) fn outcome(status: ExitStatus, output: &str) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    let Some(code) = status.code() else {
        let signal = status.signal().unwrap_or_default();
        return Err(Failure::said(with_output(format!("4.3.0 command died with signal {signal}"), output)));
    };
    if is_enhanced(output) {
        return Err(Failure::said(output.to_owned()));
    }
    if let Some((_, status, why)) = CODES.iter().find(|(known, ..)| *known == code) {
        return Err(Failure::said(with_output(format!("{status} {why}"), output)));
    }
    // A shell says so when there is no such program, which whoever wrote the alias can mend, or when it died with a signal.
    let status = if matches!(code, 126 | 127 | 129..=192) { "4.3.0" } else { "5.3.0" };
    Err(Failure::said(with_output(format!("{status} command died with status {code}"), output)))
}

/// Why a command has not taken a message, and what it has written.
pub(super) fn with_output(why: String, output: &str) -> String {
    match output {
        "" => why,
        output => format!("{why}. Command output: {output}"),
    }
}

/// Whether a text begins with an enhanced status code of a failure.
fn is_enhanced(text: &str) -> bool {
    Status::split(text).is_some_and(|(status, _)| matches!(status.class(), 4 | 5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::Class;

    fn said(wait_status: i32, output: &str) -> Option<(Class, String)> {
        let failure = outcome(ExitStatus::from_raw(wait_status), output).err()?;
        Some((failure.class, failure.text))
    }

    fn exited(code: i32, output: &str) -> Option<(Class, String)> {
        said(code << 8, output)
    }

    /// R109: the table of the specification.
    #[test]
    fn each_code_has_its_status() {
        assert_eq!(exited(0, "4.7.1 not yet"), None);
        for (code, status) in [
            (64, "5.3.0"),
            (65, "5.6.0"),
            (66, "5.3.0"),
            (67, "5.1.1"),
            (68, "5.1.2"),
            (69, "5.3.0"),
            (70, "5.3.0"),
            (71, "4.3.0"),
            (72, "5.3.0"),
            (73, "5.2.0"),
            (74, "5.3.0"),
            (75, "4.3.0"),
            (76, "5.5.0"),
            (77, "5.7.0"),
            (78, "5.3.5"),
            (1, "5.3.0"),
            (127, "4.3.0"),
            (137, "4.3.0"),
            (255, "5.3.0"),
        ] {
            let (class, text) = exited(code, "").unwrap();
            assert!(text.starts_with(status), "{code}: {text}");
            assert_eq!(class == Class::Permanent, status.starts_with('5'), "{code}");
        }
    }

    #[test]
    fn what_a_command_says_comes_first_where_it_is_a_status() {
        assert_eq!(exited(67, "4.7.1 not yet"), Some((Class::Temporary, "4.7.1 not yet".into())));
        assert_eq!(exited(75, "5.7.1 never"), Some((Class::Permanent, "5.7.1 never".into())));
        for no_status in ["2.0.0 fine", "4.7", "4.7.1x", "4.7777.1 x", "not 4.7.1"] {
            let said = format!("5.1.1 user unknown. Command output: {no_status}");
            assert_eq!(exited(67, no_status), Some((Class::Permanent, said)));
        }
        let killed = "4.3.0 command died with signal 9. Command output: 5.7.1 never";
        assert_eq!(said(9, "5.7.1 never"), Some((Class::Temporary, killed.into())));
    }
}
