//! The memory before a resolver, in virtual time.

use postroom::dns::{CacheLimits, Cached};
use postroom::wall::{Later, Records, Resolver};
use proto_core::Backend;
use relay_policy::{Record, RecordKind};
use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, advance, sleep};

/// A resolver whose names say what comes of them: `ttl-5`, `none-5`, `fail`, `slow-2-ttl-5`, `hang`, `panic`, `big`.
#[derive(Debug, Default, Clone)]
struct Oracle {
    asked: Arc<Mutex<Vec<(String, RecordKind)>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Oracle {
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Resolver for Oracle {
    fn records<'a>(&'a self, name: &'a str, kind: RecordKind) -> Later<'a, Result<Records, Backend>> {
        self.asked.lock().unwrap().push((name.into(), kind));
        let parts: Vec<&str> = name.split(['-', '.']).collect();
        let seconds = |at: usize| Duration::from_secs(parts[at].parse().unwrap());
        let text = |octets| vec![Record::Text("x".repeat(octets))];
        match parts[0] {
            "ttl" => Box::pin(ready(Ok(Records::new(text(1), seconds(1))))),
            "none" => Box::pin(ready(Ok(Records::new(Vec::new(), seconds(1))))),
            "big" => Box::pin(ready(Ok(Records::new(text(2_000), seconds(1))))),
            "fail" => Box::pin(ready(Err(Backend::TEMPORARY))),
            "slow" => {
                let (wait, ttl) = (seconds(1), seconds(3));
                Box::pin(async move {
                    let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
                    self.most.fetch_max(running, Ordering::SeqCst);
                    sleep(wait).await;
                    self.running.fetch_sub(1, Ordering::SeqCst);
                    Ok(Records::new(text(1), ttl))
                })
            }
            "panic" => Box::pin(async { panic!("as this test wants it") }),
            _ => Box::pin(pending()),
        }
    }
}

fn memory(change: impl FnOnce(&mut CacheLimits)) -> (Oracle, Cached) {
    let mut limits = CacheLimits::default();
    change(&mut limits);
    let oracle = Oracle::default();
    (oracle.clone(), Cached::new(oracle, limits))
}

async fn ask(cached: &Cached, name: &str) -> Result<Records, Backend> {
    cached.records(name, RecordKind::Txt).await
}

#[tokio::test(start_paused = true)]
async fn what_holds_is_not_asked_for_again() {
    let (oracle, cached) = memory(|_| ());
    assert_eq!(ask(&cached, "ttl-60.test").await.unwrap().ttl, Duration::from_secs(60));
    advance(Duration::from_secs(59)).await;
    // However it is written; and what is left of its time is told.
    assert_eq!(ask(&cached, "TTL-60.test.").await.unwrap().ttl, Duration::from_secs(1));
    assert_eq!(oracle.asked(), 1);
    // Another kind is another question.
    cached.records("ttl-60.test", RecordKind::A).await.unwrap();
    assert_eq!(oracle.asked(), 2);
    advance(Duration::from_secs(1)).await;
    assert_eq!(ask(&cached, "ttl-60.test").await.unwrap().ttl, Duration::from_secs(60));
    assert_eq!(oracle.asked(), 3);
    cached.clear();
    assert!(cached.is_empty());
    ask(&cached, "ttl-60.test").await.unwrap();
    assert_eq!((oracle.asked(), cached.len()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_and_what_failed_is_kept_too() {
    let (oracle, cached) = memory(|limits| limits.failure_ttl = Duration::from_secs(10));
    for (name, seconds) in [("none-30.test", 30), ("fail.test", 10), ("ttl-90000.test", 3600)] {
        let before = oracle.asked();
        let first = ask(&cached, name).await.map(|told| told.records);
        advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
        assert_eq!(ask(&cached, name).await.map(|told| told.records), first);
        assert_eq!(oracle.asked(), before + 1, "{name}");
        advance(Duration::from_millis(1)).await;
        assert_eq!(ask(&cached, name).await.map(|told| told.records), first);
        assert_eq!(oracle.asked(), before + 2, "{name}");
    }
    // What holds for this moment only is not kept.
    for _ in 0..2 {
        ask(&cached, "none-0.test").await.unwrap();
    }
    assert_eq!(oracle.asked(), 8);
}

#[tokio::test(start_paused = true)]
async fn who_asks_the_same_waits_for_the_same() {
    let (oracle, cached) = memory(|_| ());
    let askers: Vec<_> = (0..100)
        .map(|_| {
            let cached = cached.clone();
            tokio::spawn(async move { ask(&cached, "slow-3-ttl-0.test").await })
        })
        .collect();
    let begun = Instant::now();
    for asker in askers {
        assert_eq!(asker.await.unwrap().unwrap().records.len(), 1);
    }
    assert_eq!((oracle.asked(), begun.elapsed()), (1, Duration::from_secs(3)));
    // It held for nobody but them.
    ask(&cached, "slow-3-ttl-0.test").await.unwrap();
    assert_eq!(oracle.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_outlives_who_wanted_it() {
    let (oracle, cached) = memory(|_| ());
    let gave_up = tokio::time::timeout(Duration::from_secs(1), ask(&cached, "slow-3-ttl-60.test")).await;
    assert!(gave_up.is_err());
    let begun = Instant::now();
    ask(&cached, "slow-3-ttl-60.test").await.unwrap();
    assert_eq!((oracle.asked(), begun.elapsed()), (1, Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_asked_for_the_longest_goes_first() {
    let (oracle, cached) = memory(|limits| limits.entries_max = 3);
    for name in ["ttl-61", "ttl-62", "ttl-63", "ttl-61", "ttl-64"] {
        ask(&cached, name).await.unwrap();
    }
    assert_eq!((oracle.asked(), cached.len()), (4, 3));
    for kept in ["ttl-61", "ttl-63", "ttl-64"] {
        ask(&cached, kept).await.unwrap();
    }
    assert_eq!(oracle.asked(), 4);
    ask(&cached, "ttl-62").await.unwrap();
    assert_eq!((oracle.asked(), cached.len()), (5, 3));
}

#[tokio::test(start_paused = true)]
async fn no_more_octets_than_may_be() {
    let (oracle, cached) = memory(|limits| limits.bytes_max = 10_000);
    for number in 0..50 {
        ask(&cached, &format!("big-60.{number}")).await.unwrap();
        assert!(cached.len() <= 4, "{}", cached.len());
    }
    assert!(cached.len() >= 3);
    // One alone that is too large does not push out the others.
    let (_, small) = memory(|limits| limits.bytes_max = 1_000);
    ask(&small, "ttl-60").await.unwrap();
    ask(&small, "big-60").await.unwrap();
    assert_eq!(small.len(), 1);
    let (_, none) = memory(|limits| limits.entries_max = 0);
    ask(&none, "ttl-60").await.unwrap();
    assert!(none.is_empty());
    assert_eq!(oracle.asked(), 50);
}

#[tokio::test(start_paused = true)]
async fn no_more_lookups_at_a_time_than_may_be() {
    let (oracle, cached) = memory(|limits| limits.lookups_max = 5);
    let begun = Instant::now();
    let askers: Vec<_> = (0..20)
        .map(|number| {
            let cached = cached.clone();
            tokio::spawn(async move { ask(&cached, &format!("slow-2-ttl-60.{number}")).await })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap().unwrap();
    }
    assert_eq!(oracle.most.load(Ordering::SeqCst), 5);
    assert_eq!(begun.elapsed(), Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_hangs_fails_and_one_that_panics_too() {
    let (oracle, cached) = memory(|limits| (limits.lookups_max, limits.failure_ttl) = (1, Duration::ZERO));
    let begun = Instant::now();
    assert_eq!(ask(&cached, "hang.test").await, Err(Backend::TEMPORARY));
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    assert_eq!(ask(&cached, "panic.test").await, Err(Backend::TEMPORARY));
    // Neither holds up those who come later.
    assert_eq!(ask(&cached, "panic.test").await, Err(Backend::TEMPORARY));
    assert!(ask(&cached, "ttl-60").await.is_ok());
    assert_eq!(oracle.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_in_nobody_s_way() {
    let (oracle, cached) = memory(|limits| (limits.lookups_max, limits.waiting_max) = (3, 5));
    let gone = async |range: std::ops::Range<u32>| {
        let lookups: Vec<_> = range
            .map(|number| {
                let cached = cached.clone();
                tokio::spawn(async move { ask(&cached, &format!("hang.{number}")).await })
            })
            .collect();
        sleep(Duration::from_secs(1)).await;
        lookups
    };
    let lookups = gone(0..8).await;
    assert_eq!(oracle.asked(), 3, "the others wait");
    let begun = Instant::now();
    assert_eq!(ask(&cached, "ttl-60.test").await, Err(Backend::TEMPORARY), "no more may");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // Those who wanted the last ones go: they are never made. Then the rest go, and what has begun makes room.
    for of_whom in [3..8, 0..3] {
        lookups[of_whom].iter().for_each(tokio::task::JoinHandle::abort);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(oracle.asked(), 3);
    }
    assert!(ask(&cached, "ttl-60.test").await.is_ok());
    assert_eq!(begun.elapsed(), Duration::from_millis(2));
    // Whoever is still wanted stays, and one that begins in the place of an abandoned one does not end it for its new waiters.
    let abandoned = gone(10..12).await;
    abandoned.iter().for_each(tokio::task::JoinHandle::abort);
    sleep(Duration::from_millis(1)).await;
    let again = tokio::spawn({
        let cached = cached.clone();
        async move { ask(&cached, "hang.10").await }
    });
    sleep(Duration::from_millis(1)).await;
    let asked = oracle.asked();
    let others: Vec<_> = (0..2).map(|n| gone(20 + n..21 + n)).collect();
    let others = futures_util::future::join_all(others).await;
    assert_eq!(oracle.asked(), asked + 2, "the one that nobody wanted has made room");
    assert!(!again.is_finished() && others.iter().flatten().all(|other| !other.is_finished()));
}
