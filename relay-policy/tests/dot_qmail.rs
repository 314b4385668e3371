//! `.qmail` files, carried out line by line.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use proptest::prelude::*;
use relay_policy::qmail::{DotQmailRun, DotQmailStep, DotQmailVerdict, Ended};

/// What is done, one word each, where programs end with these codes and everything else well; and the verdict.
fn run(text: &str, is_executable: bool, codes: &[u8]) -> (Vec<String>, DotQmailVerdict) {
    let (mut run, mut done, mut codes) = (DotQmailRun::new(text, is_executable), Vec::new(), codes.iter());
    loop {
        let (word, ended) = match run.step() {
            DotQmailStep::Over(verdict) => {
                assert!(run.ended(Ended::Done).is_err(), "nothing is left");
                return (done, verdict);
            }
            DotQmailStep::Program(command) => {
                (format!("|{command}"), Ended::of_exit_code(*codes.next().unwrap_or(&0)))
            }
            DotQmailStep::Mailbox(path) => (path.to_string(), Ended::Done),
            DotQmailStep::Forward(addresses) => (format!("&{}", addresses.join(",")), Ended::Done),
            DotQmailStep::Default => ("default".into(), Ended::Done),
            other => panic!("{other:?}"),
        };
        done.push(word);
        run.ended(ended).unwrap();
    }
}

fn verdict(codes: &[u8]) -> (usize, &'static str) {
    let (done, verdict) = run("|first\n./Maildir/\n&ann@a.test\n", false, codes);
    let word = match verdict {
        DotQmailVerdict::Delivered => "delivered",
        DotQmailVerdict::Deferred(_) => "deferred",
        DotQmailVerdict::Bounced(_) => "bounced",
    };
    (done.len(), word)
}

/// QM11, QM12, QM13, and what programs end with besides.
#[test]
fn what_a_program_ends_with_decides() {
    assert_eq!(verdict(&[99]), (1, "delivered"), "QM11");
    assert_eq!(verdict(&[111]), (1, "deferred"), "QM12");
    assert_eq!(verdict(&[100]), (1, "bounced"), "QM13");
    for code in 0..=u8::MAX {
        let expected = match code {
            0 => (3, "delivered"),
            99 => (1, "delivered"),
            64 | 65 | 70 | 76 | 77 | 78 | 100 | 112 => (1, "bounced"),
            _ => (1, "deferred"),
        };
        assert_eq!(verdict(&[code]), expected, "exit code {code}");
    }
}

#[test]
fn in_the_order_of_the_file_and_forwarding_last() {
    let delivered = |text: &str, codes: &[u8]| {
        let (done, verdict) = run(text, false, codes);
        assert_eq!(verdict, DotQmailVerdict::Delivered, "{text}");
        done.join(" ")
    };
    let text = "# ours\n&ann@a.test\n|one x \n\n/var/mail/joe\t\nbob@b.test\n./Maildir/\n|two\n& carl \n";
    assert_eq!(delivered(text, &[]), "|one x /var/mail/joe ./Maildir/ |two &ann@a.test,bob@b.test,carl");
    // What stands behind is not looked at, and what stands in front is done.
    assert_eq!(delivered("ann@a.test\n|one\n|two\nbob@b.test\n", &[99]), "|one &ann@a.test");
    assert_eq!(delivered("|one\n|two\nbob@b.test\n", &[0, 99]), "|one |two");
    assert_eq!(delivered("", &[]), "default");
    assert_eq!(delivered("# nobody gets it\n", &[]), "");
    assert_eq!(delivered("+list\nann@a.test\n", &[]), "&ann@a.test");
    assert_eq!(delivered("|one\n+list\nann@a.test\n", &[]), "|one &ann@a.test");
    assert_eq!(delivered("+other\n|one\n", &[]), "|one");
}

#[test]
fn files_that_are_not_begun_with() {
    let many = "|one\n".repeat(10_001);
    for (text, is_executable) in [
        ("\n|one\n", false),
        (" \t\nann@a.test\n", false),
        ("|one\n", true),
        ("ann@a.test\n./Maildir/\n", true),
        ("+list\nann@a.test\n|one\n", false),
        (&many, false),
    ] {
        let (done, verdict) = run(text, is_executable, &[]);
        assert!(done.is_empty() && matches!(verdict, DotQmailVerdict::Deferred(_)), "{verdict:?}");
    }
    assert_eq!(run("ann@a.test\n", true, &[]).0, ["&ann@a.test"]);
    assert_eq!(run("", true, &[]).0, ["default"], "nothing in it may not be done");
    assert_eq!(run(&many[5..], false, &[]).0.len(), 10_000);
}

proptest! {
    /// Whatever stands in a file and whatever comes of it, the run ends, and what fails is the last that was done.
    #[test]
    fn every_run_ends(
        lines in prop::collection::vec("[|&./+#a]?[ -~]{0,8}", 0..12),
        is_executable in any::<bool>(),
        codes in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let text = lines.join("\n");
        let (done, verdict) = run(&text, is_executable, &codes);
        prop_assert!(done.len() <= lines.len() + 1);
        let programs = done.iter().filter(|word| word.starts_with('|')).count();
        let last = codes.get(programs.wrapping_sub(1)).map(|code| Ended::of_exit_code(*code));
        match verdict {
            DotQmailVerdict::Bounced(_) => prop_assert_eq!(last, Some(Ended::Permanently)),
            DotQmailVerdict::Deferred(_) if !done.is_empty() => prop_assert_eq!(last, Some(Ended::Temporarily)),
            _ => {}
        }
    }
}
