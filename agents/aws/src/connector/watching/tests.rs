//! What silence is worth.

use serde_json::json;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn api(id: &str) -> ExternalRef {
    ExternalRef(format!("restapis/{id}"))
}

fn listed(text: &str) -> Fingerprint {
    Fingerprint::of_value(&json!(text))
}

/// `orders` was looked at a second after an event of another API.
fn watch(start: Instant) -> Watch {
    let mut watch = Watch::default();
    watch.hear(&[Hint::Api(api("stock"))], start);
    watch.paused = Some(start);
    let look = Look {
        began: start + SECOND,
        listed: listed("as it was"),
        version: "1".to_owned(),
    };
    watch.looks.insert(api("orders"), look);
    watch
}

fn spares(watch: &Watch, now: Instant) -> bool {
    watch.spares(&api("orders"), &listed("as it was"), "1", now)
}

#[test]
fn what_no_event_named_is_not_looked_at_again() {
    let start = Instant::now();
    let mut watch = watch(start);
    assert!(spares(&watch, start + 2 * SECOND));
    watch.hear(&[Hint::Api(api("stock"))], start + 3 * SECOND);
    assert!(spares(&watch, start + 4 * SECOND));
    let now = start + 4 * SECOND;
    assert!(!watch.spares(&api("orders"), &listed("with another tag"), "1", now));
    assert!(!watch.spares(&api("orders"), &listed("as it was"), "2", now));
    assert!(!watch.spares(&api("stock"), &listed("as it was"), "1", now));
}

#[test]
fn what_an_event_may_be_about_is_looked_at() {
    let start = Instant::now();
    for hint in [Hint::Api(api("orders")), Hint::Something] {
        let mut watch = watch(start);
        watch.hear(&[hint], start + 2 * SECOND);
        assert!(!spares(&watch, start + 3 * SECOND));
    }
}

#[test]
fn an_event_that_comes_during_a_look_leads_to_another_look() {
    let start = Instant::now();
    let mut watch = watch(start);
    // What the look saw may be older than what the event tells of.
    watch.hear(&[Hint::Api(api("orders"))], start + SECOND);
    assert!(!spares(&watch, start + 2 * SECOND));
}

/// Reads the queue from a time on, in which nothing is told, until a read ends at another one.
fn read_on(watch: &mut Watch, from: Instant, until: Instant) {
    let mut now = from;
    while now < until {
        watch.listen(now);
        now = until.min(now + 20 * SECOND);
        watch.hear(&[], now);
        watch.paused = Some(now);
    }
}

#[test]
fn silence_is_trusted_only_from_a_queue_that_is_read_and_filled() {
    let start = Instant::now();
    let mut unread = watch(start);
    assert!(!spares(&unread, start + LISTENING));
    read_on(&mut unread, start + SECOND, start + LISTENING);
    assert!(spares(&unread, start + LISTENING));
    let silent = Watch {
        is_filled: false,
        ..watch(start)
    };
    assert!(!spares(&silent, start + 2 * SECOND));
}

#[test]
fn what_was_looked_at_before_a_gap_is_looked_at_again() {
    for (gap, is_spared) in [(LONGEST_GAP, true), (LONGEST_GAP + SECOND, false)] {
        let start = Instant::now();
        let mut watch = watch(start);
        // Another agent may have taken an event in the meantime.
        read_on(&mut watch, start + gap, start + gap + SECOND);
        assert_eq!(spares(&watch, start + gap + 2 * SECOND), is_spared, "{gap:?}");
    }
}

#[test]
fn a_change_that_shows_after_its_event_is_seen_by_the_next_look() {
    let start = Instant::now();
    let mut watch = watch(start);
    let look = |began: Instant| Look {
        began,
        ..watch.looks[&api("orders")].clone()
    };
    let (at_once, settled) = (look(start + SECOND), look(start + SECOND + SETTLING));
    watch.hear(&[Hint::Api(api("orders"))], start);
    watch.looks.insert(api("orders"), at_once);
    assert!(!spares(&watch, start + 2 * SECOND));
    watch.hear(&[], settled.began);
    watch.looks.insert(api("orders"), settled.clone());
    assert!(spares(&watch, settled.began + SECOND));
}

#[test]
fn looks_at_apis_that_are_gone_are_forgotten() {
    let start = Instant::now();
    let mut watch = watch(start);
    watch.forget_old(start + LONGEST);
    assert_eq!((watch.looks.len(), watch.heard.len()), (1, 0));
    watch.forget_old(start + SECOND + LONGEST);
    assert!(watch.looks.is_empty());
}

#[test]
fn more_names_than_anybody_has_are_as_one_that_may_be_about_any() {
    let start = Instant::now();
    let mut watch = watch(start);
    let names: Vec<Hint> = (0..=MOST)
        .map(|number| Hint::Api(api(&number.to_string())))
        .collect();
    watch.hear(&names, start + 2 * SECOND);
    assert!(watch.heard.is_empty());
    assert!(!spares(&watch, start + 3 * SECOND));
}

#[test]
fn everything_is_looked_at_again_after_some_hours() {
    let start = Instant::now();
    let mut watch = watch(start);
    let late = start + SECOND + LONGEST;
    read_on(&mut watch, start + SECOND, late);
    assert!(!spares(&watch, late));
    assert!(spares(&watch, late - SECOND));
}
