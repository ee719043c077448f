use proptest::prelude::*;

use super::*;

fn quota(burst: u32, interval_ms: u64) -> Quota {
    Quota {
        operation: "Create".to_owned(),
        burst,
        interval_ms,
    }
}

/// Takes as many as may be taken at this moment.
fn take_all(bucket: &mut Bucket, priority: Priority, now: Instant) -> u32 {
    let mut taken = 0;
    while bucket.ready_at(priority, now) <= now {
        bucket.take(now);
        taken += 1;
    }
    taken
}

#[test]
fn leaves_a_tenth_to_rollbacks() {
    let now = Instant::now();
    let mut bucket = Bucket::published(&quota(40, 100), now);
    assert_eq!(take_all(&mut bucket, Priority::Normal, now), 35);
    assert_eq!(take_all(&mut bucket, Priority::Background, now), 0);
    assert_eq!(take_all(&mut bucket, Priority::Rollback, now), 4);
}

#[test]
fn a_reserve_never_stops_normal_work() {
    let now = Instant::now();
    for burst in 1..5 {
        let mut bucket = Bucket::published(&quota(burst, 1_000), now);
        assert!(take_all(&mut bucket, Priority::Normal, now) >= 1, "burst {burst}");
        let ready = bucket.ready_at(Priority::Normal, now);
        assert!(ready <= now + Duration::from_millis(2_100), "burst {burst}");
    }
}

#[test]
fn waits_as_long_as_the_vendor_asks() {
    let now = Instant::now();
    let mut bucket = Bucket::published(&quota(40, 100), now);
    bucket.refused(Some(Duration::from_secs(7)), now);
    assert_eq!(
        bucket.ready_at(Priority::Rollback, now),
        now + Duration::from_secs(7)
    );
}

#[test]
fn halves_once_for_refusals_that_come_together_and_recovers_to_the_published_rate() {
    let now = Instant::now();
    let mut bucket = Bucket::published(&quota(40, 100), now);
    let full = bucket.rate().unwrap();
    for _ in 0..5 {
        bucket.refused(None, now);
    }
    assert!((bucket.rate().unwrap() - full / 2.0).abs() < 1e-9);
    bucket.taken(now);
    let risen = bucket.rate().unwrap();
    assert!(risen > full / 2.0 && risen < full);
    for _ in 0..1_000 {
        bucket.taken(now);
    }
    assert!((bucket.rate().unwrap() - full).abs() < 1e-9);
}

#[test]
fn never_stands_still_however_often_it_is_refused() {
    let mut now = Instant::now();
    let mut bucket = Bucket::published(&quota(40, 100), now);
    for _ in 0..100 {
        bucket.refused(None, now);
        now += Duration::from_secs(60);
    }
    assert!(bucket.ready_at(Priority::Rollback, now) <= now + Duration::from_secs(30));
}

#[test]
fn learns_a_rate_where_none_is_published_and_tries_more_later() {
    let begin = Instant::now();
    let mut bucket = Bucket::unlimited(begin);
    for call in 0..100 {
        bucket.take(begin + Duration::from_millis(20 * call));
    }
    let now = begin + Duration::from_secs(2);
    bucket.refused(None, now);
    let learned = bucket.rate().unwrap();
    assert!((20.0..30.0).contains(&learned), "{learned}");
    for _ in 0..200 {
        bucket.taken(now);
    }
    assert!(bucket.rate().unwrap() > 50.0);
}

/// What happens to a bucket.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Take(Priority),
    TakeAndGiveBack,
    Refused,
    Taken,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_u64..2_000).prop_map(Event::Pass),
        6 => prop_oneof![Just(Priority::Background), Just(Priority::Normal), Just(Priority::Rollback)].prop_map(Event::Take),
        1 => Just(Event::TakeAndGiveBack),
        1 => Just(Event::Refused),
        2 => Just(Event::Taken),
    ]
}

proptest! {
    #[test]
    fn never_gives_more_than_burst_and_elapsed_over_interval_in_any_window(
        burst in 1_u32..50,
        interval_ms in 1_u64..5_000,
        events in proptest::collection::vec(event(), 1..300),
    ) {
        let mut now = Instant::now();
        let mut bucket = Bucket::published(&quota(burst, interval_ms), now);
        let mut calls: Vec<Instant> = Vec::new();
        for event in events {
            match event {
                Event::Pass(passed) => now += Duration::from_millis(passed),
                Event::Take(priority) => {
                    while bucket.ready_at(priority, now) <= now {
                        bucket.take(now);
                        calls.push(now);
                    }
                }
                Event::TakeAndGiveBack if bucket.ready_at(Priority::Normal, now) <= now => {
                    bucket.take(now);
                    bucket.give_back();
                }
                Event::TakeAndGiveBack => {}
                Event::Refused => bucket.refused(Some(Duration::from_millis(100)), now),
                Event::Taken => bucket.taken(now),
            }
        }
        for (first, from) in calls.iter().enumerate() {
            for (last, to) in calls.iter().enumerate().skip(first) {
                let window = (*to - *from).as_secs_f64() * 1_000.0;
                let most = f64::from(burst) + window / f64::from(u32::try_from(interval_ms).unwrap());
                let count = f64::from(u32::try_from(last - first + 1).unwrap());
                prop_assert!(count <= most + 1e-3, "{count} calls in {window} ms, at most {most}");
            }
        }
    }

    #[test]
    fn is_ready_when_it_said(
        burst in 1_u32..50,
        interval_ms in 1_u64..5_000,
        calls in 1_u32..200,
        priority in prop_oneof![Just(Priority::Normal), Just(Priority::Rollback)],
    ) {
        let begin = Instant::now();
        let mut bucket = Bucket::published(&quota(burst, interval_ms), begin);
        let foretold = bucket.ready_for(calls.into(), priority, begin);
        let mut now = begin;
        for _ in 0..calls {
            now = bucket.ready_at(priority, now);
            prop_assert!(bucket.ready_at(priority, now) <= now);
            bucket.take(now);
        }
        let off = now.saturating_duration_since(foretold) + foretold.saturating_duration_since(now);
        prop_assert!(off < Duration::from_millis(1), "{off:?}");
    }
}
