//! The text of `maildirsize`: a quota definition, then lines of what was added and taken away.
//!
//! ```text
//! 3000S,4C
//!           52            2
//!          -26           -1
//! ```
//!
//! The sum of the lines is the usage. A file that does not read whole, down to its last line end, was torn by a crash
//! and says nothing: it is made anew.

use crate::quota::{QuotaLimits, QuotaUsage};

/// A file that is at least this long is made anew by whoever uses it next; the figure of Maildir++.
pub(super) const BYTES_MAX: u64 = 5120;

/// What a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Maildirsize {
    pub(super) limits: QuotaLimits,
    pub(super) usage: QuotaUsage,
    /// How many lines there are below the first.
    pub(super) lines: usize,
}

/// Reads a file; `None` when it does not read.
pub(super) fn parse(data: &[u8]) -> Option<Maildirsize> {
    let text = std::str::from_utf8(data).ok()?.strip_suffix('\n')?;
    let mut lines = text.split('\n');
    let limits = lines.next()?.parse().ok()?;
    let (mut bytes, mut messages, mut count) = (0_i128, 0_i128, 0);
    for line in lines {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<i64>);
        let (Some(Ok(more_bytes)), Some(Ok(more_messages)), None) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return None;
        };
        bytes += i128::from(more_bytes);
        messages += i128::from(more_messages);
        count += 1;
    }
    let clamp = |sum: i128| u64::try_from(sum.max(0)).unwrap_or(u64::MAX);
    let usage = QuotaUsage { bytes: clamp(bytes), messages: clamp(messages) };
    // Without any line nothing was counted yet.
    (count > 0).then_some(Maildirsize { limits, usage, lines: count })
}

/// A new file.
pub(super) fn text(limits: &QuotaLimits, usage: QuotaUsage) -> String {
    format!("{limits}\n{}", added(usage))
}

/// The line that adds this.
pub(super) fn added(usage: QuotaUsage) -> String {
    format!("{:>12} {:>12}\n", usage.bytes, usage.messages)
}

/// The line that takes this away.
pub(super) fn removed(usage: QuotaUsage) -> String {
    format!("{:>12} {:>12}\n", -i128::from(usage.bytes), -i128::from(usage.messages))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(bytes: u64, messages: u64) -> QuotaUsage {
        QuotaUsage { bytes, messages }
    }

    #[test]
    fn q01_an_empty_maildir() {
        let limits = "3000S,4C".parse().unwrap();
        assert_eq!(text(&limits, usage(0, 0)), "3000S,4C\n           0            0\n");
        assert_eq!(added(usage(26, 1)).len(), 26);
    }

    #[test]
    fn q02_q25_lines_add_and_subtract_with_any_spacing() {
        let read = parse(b"3000S,4C\n           0            0\n26 1\n  26\t1\n-26 -1\n").unwrap();
        assert_eq!((read.usage, read.lines), (usage(26, 1), 4));
        assert_eq!(removed(usage(26, 1)), "         -26           -1\n");
        assert_eq!(parse(b"3000S\n-26 -1\n").unwrap().usage, usage(0, 0));
    }

    #[test]
    fn a_torn_file_says_nothing() {
        let whole = format!("{}{}", text(&"3000S".parse().unwrap(), usage(52, 2)), added(usage(26, 1)));
        for end in 0..whole.len() {
            let torn = &whole[..end];
            let cut_at_a_line = torn.ends_with('\n') && torn.lines().count() > 1;
            assert_eq!(parse(torn.as_bytes()).is_some(), cut_at_a_line, "{torn:?}");
        }
        for bad in ["\n\n", "3000S\n1\n", "3000S\n1 1 1\n", "3000S\nx 1\n", "3000S\n1 1\n\0\0\n", "x\n1 1\n"]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    /// A line is torn, and another program appends behind it: the sum is never wrong, it is none.
    #[test]
    fn what_is_appended_to_a_torn_line_does_not_count_for_it() {
        let (head, torn, next) = ("3000S\n0 0\n", "         -26           -1\n", added(usage(400, 1)));
        for end in 0..torn.len() - 1 {
            let read = parse(format!("{head}{}{next}", &torn[..end]).as_bytes());
            assert!(read.is_none_or(|read| read.usage == usage(400, 1)), "{end}: {read:?}");
        }
    }
}
