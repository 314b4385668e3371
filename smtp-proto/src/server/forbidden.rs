//! [`ForbiddenCommands`]: what no mail client says.

use alloc::sync::Arc;
use core::fmt;

/// Tells of a line that is no command of ours, by its first word, whether no mail client would say it
/// (`smtpd_forbidden_commands` of Postfix): the session ends then.
///
/// ```
/// use smtp_proto::server::{Config, ForbiddenCommands};
///
/// let mut config = Config::new("mx.example.org")?;
/// let forbidden = ForbiddenCommands::new(|word| word.eq_ignore_ascii_case(b"CONNECT"));
/// assert!(forbidden.contains(b"connect") && !forbidden.contains(b"XYZ"));
/// config.forbidden_commands = Some(forbidden);
/// # Ok::<(), smtp_proto::reply::ReplyFault>(())
/// ```
#[derive(Clone)]
pub struct ForbiddenCommands(Arc<IsForbidden>);

type IsForbidden = dyn Fn(&[u8]) -> bool + Send + Sync;

impl ForbiddenCommands {
    /// Those words, of any octets but blanks, of which this is true. It is asked within a session's step, so it must not wait.
    pub fn new(is_forbidden: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_forbidden))
    }

    /// Whether a word is one.
    pub fn contains(&self, word: &[u8]) -> bool {
        (self.0)(word)
    }
}

impl fmt::Debug for ForbiddenCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForbiddenCommands").finish_non_exhaustive()
    }
}
