//! The times of attempts that the specification computes (tables-and-routing 14.1), by their numbers.

use proptest::prelude::*;
use proto_core::UnixTime;
use relay_policy::retry::{Backoff, RetrySchedule};
use std::time::Duration;

/// When a message that arrives at 0 is tried, each attempt failing at once, up to the one after which it is given up.
fn attempts(schedule: &RetrySchedule, has_null_sender: bool) -> Vec<i64> {
    let next =
        |now: &i64| schedule.after_failure(UnixTime(*now), UnixTime(0), has_null_sender).map(|at| at.0);
    std::iter::successors(Some(0), next).collect()
}

fn doubling(minimal: u64, maximal: u64) -> RetrySchedule {
    let mut schedule = RetrySchedule::default();
    schedule.backoff =
        Backoff::Doubling { minimal: Duration::from_secs(minimal), maximal: Duration::from_secs(maximal) };
    schedule
}

fn steps(times: &[i64]) -> Vec<i64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn k01_waits_double_from_five_minutes_to_4000_seconds() {
    let times = attempts(&RetrySchedule::default(), false);
    assert_eq!(times[..8], [0, 300, 600, 1200, 2400, 4800, 8800, 12800]);
    assert!(steps(&times[6..]).iter().all(|step| *step == 4000));
}

#[test]
fn k02_the_last_attempt_is_the_113th() {
    let times = attempts(&RetrySchedule::default(), false);
    assert_eq!((times.len(), times.last()), (113, Some(&432_800)));
}

#[test]
fn k03_both_bounds_can_be_set() {
    let times = attempts(&doubling(60, 600), false);
    assert_eq!(times[..8], [0, 60, 120, 240, 480, 960, 1560, 2160]);
    assert!(steps(&times[6..]).iter().all(|step| *step == 600));
}

#[test]
fn k04_without_a_lifetime_there_is_one_attempt() {
    let mut schedule = RetrySchedule::default();
    schedule.maximal_queue_lifetime = Duration::ZERO;
    assert_eq!(attempts(&schedule, false), [0]);
    assert_eq!(attempts(&schedule, true), [0], "and never more for a report");
}

#[test]
fn k05_equal_bounds_are_an_interval() {
    assert!(steps(&attempts(&doubling(300, 300), false)).iter().all(|step| *step == 300));
}

#[test]
fn k06_what_is_due_between_runs_of_the_queue_waits_for_the_next() {
    let ideal = RetrySchedule::default();
    let mut every_five_minutes = ideal;
    every_five_minutes.queue_run_delay = Duration::from_secs(300);
    for now in attempts(&ideal, false) {
        let at = |schedule: &RetrySchedule| schedule.after_failure(UnixTime(now), UnixTime(0), false);
        let rounded = at(&ideal).map(|due| UnixTime((due.0 + 299) / 300 * 300));
        assert_eq!(at(&every_five_minutes), rounded);
    }
    // An attempt that was made late has the next one later.
    let times = attempts(&every_five_minutes, false);
    assert_eq!(times[..8], [0, 300, 600, 1200, 2400, 4800, 9000, 13_200]);
}

#[test]
fn k07_four_hours_are_nobodys_default() {
    assert_eq!(RetrySchedule::default().lifetime(false), Duration::from_secs(5 * 86_400));
    assert!(attempts(&RetrySchedule::default(), false).iter().any(|at| *at > 4 * 3600));
}

#[test]
fn k08_reports_may_have_a_shorter_life() {
    let mut schedule = RetrySchedule::default();
    schedule.bounce_queue_lifetime = Duration::from_secs(86_400);
    let times = attempts(&schedule, true);
    assert_eq!(times[..6], [0, 300, 600, 1200, 2400, 4800]);
    assert!(steps(&times[5..]).iter().all(|step| *step == 4000));
    assert_eq!(times.last(), Some(&88_800));
    assert_eq!(attempts(&schedule, false).last(), Some(&432_800));
    schedule.bounce_queue_lifetime = Duration::from_secs(10 * 86_400);
    assert_eq!(attempts(&schedule, true).last(), Some(&432_800), "but no longer one");
}

#[test]
fn k09_qmail_to_other_hosts() {
    let times = attempts(&RetrySchedule::qmail_remote(), false);
    assert_eq!(times, (0..=39).map(|n| (20 * n) * (20 * n)).collect::<Vec<i64>>());
    assert_eq!(times.last(), Some(&608_400));
}

#[test]
fn k10_qmail_to_its_own_mailboxes() {
    let times = attempts(&RetrySchedule::qmail_local(), false);
    assert_eq!(times, (0..=78).map(|n| (10 * n) * (10 * n)).collect::<Vec<i64>>());
    assert_eq!(times.last(), Some(&608_400));
}

prop_compose! {
    fn any_schedule()(
        quadratic in any::<Option<u32>>(),
        seconds in any::<[u64; 5]>(),
        short in any::<bool>(),
    ) -> RetrySchedule {
        let [minimal, maximal, lifetime, reports, run] =
            seconds.map(|seconds| Duration::from_secs(if short { seconds % 100_000 } else { seconds }));
        let mut schedule = RetrySchedule::default();
        schedule.backoff =
            quadratic.map_or(Backoff::Doubling { minimal, maximal }, |step| Backoff::Quadratic { step });
        schedule.maximal_queue_lifetime = lifetime;
        schedule.bounce_queue_lifetime = reports;
        schedule.queue_run_delay = run;
        schedule
    }
}

proptest! {
    #[test]
    fn an_attempt_is_always_later_and_a_message_never_lives_on(
        schedule in any_schedule(), now in any::<i64>(), arrival in any::<i64>(), null in any::<bool>(),
    ) {
        let age = now.saturating_sub(arrival).max(0).unsigned_abs();
        let lifetime = schedule.lifetime(null).as_secs();
        match schedule.after_failure(UnixTime(now), UnixTime(arrival), null) {
            Some(next) => {
                prop_assert!(next.0 > now || now == i64::MAX);
                prop_assert!(age <= lifetime);
            }
            None => prop_assert!(age >= lifetime),
        }
    }
}
