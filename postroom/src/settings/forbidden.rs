//! `smtpd_forbidden_commands`.

use relay_policy::access::AccessError;
use relay_policy::table::{Answers, Opener, Warning};
use relay_policy::{MatchList, Parameters, ParsedList};
use smtp_proto::server::ForbiddenCommands;

/// The words that end a session, one by one or as tables have them.
///
/// # Errors
/// For an element that makes no sense.
pub(super) fn commands(
    parameters: &Parameters,
    opener: &Opener<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<ForbiddenCommands, AccessError> {
    let text = parameters.smtpd_forbidden_commands.join(" ");
    let ParsedList { list, unusable, warnings: told } = MatchList::parse(&text, false, opener);
    if let Some(wrong) = unusable.first() {
        let (parameter, what) = ("smtpd_forbidden_commands", wrong.to_string());
        return Err(AccessError::Entry { parameter, what });
    }
    warnings.extend(told);
    // A table that has no answer at hand forbids nothing.
    Ok(ForbiddenCommands::new(move |word| {
        let word = String::from_utf8_lossy(word);
        list.matches_name(&word, &Answers::default()).is_ok_and(|found| found.is_some())
    }))
}
