use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    serde_json::from_value(text.into()).expect("a point in time")
}

fn exact(expression: &str, after: &str) -> String {
    let next = next(expression, at(after), 7, Duration::ZERO);
    next.map_or("never".to_owned(), |next| next.to_string())
}

#[test]
fn expressions_are_due_when_cron_says() {
    for (expression, after, expected) in [
        ("*/15 * * * *", "2026-01-31T12:00:00Z", "2026-01-31T12:15:00Z"),
        ("*/15 * * * *", "2026-01-31T12:14:59.999Z", "2026-01-31T12:15:00Z"),
        ("*/15 * * * *", "2026-01-31T12:15:00.001Z", "2026-01-31T12:30:00Z"),
        ("0 3 * * *", "2026-12-31T03:00:00Z", "2027-01-01T03:00:00Z"),
        ("0 3 * * 1-5", "2026-11-20T03:00:00Z", "2026-11-23T03:00:00Z"),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("5 4 * * 7", "2026-11-21T00:00:00Z", "2026-11-22T04:05:00Z"),
        ("0 0 * jan mon", "2026-11-21T00:00:00Z", "2027-01-04T00:00:00Z"),
        (
            "  0,30 8-18/2 1 1,6 *  ",
            "2026-01-01T08:00:00Z",
            "2026-01-01T08:30:00Z",
        ),
    ] {
        assert_eq!(exact(expression, after), expected, "{expression} after {after}");
    }
}

#[test]
fn takes_the_usual_forms_and_refuses_what_no_scheduler_would_take() {
    for good in [
        "*/15 * * * *",
        "0 3 * * 1-5",
        "0,30 8-18/2 1 1,6 0",
        "  5 4  * * 7 ",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "* * * *",
        "60 * * * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "a * * * *",
        "* * * * * *",
        "-1 * * * *",
        "@daily",
        "0 0 31 2 *",
        "@daily 1 2 3 4",
    ] {
        assert!(check(bad).is_err(), "{bad}");
        if bad != "0 0 31 2 *" {
            assert_eq!(exact(bad, "2026-01-01T00:00:00Z"), "never", "{bad}");
        }
    }
}

#[test]
fn a_refusal_says_what_is_wrong_and_what_a_schedule_looks_like() {
    let texts = ["@daily", "60 * * * *", "0 0 31 2 *"].map(|text| check(text).expect_err("refused"));
    expect![[r#"
        a schedule has five fields in UTC (minute, hour, day of month, month, day of week), like `*/15 * * * *`; `@daily` has 1
        `60 * * * *` is not a schedule (Component error: Number out of bounds.); a schedule has five fields in UTC (minute, hour, day of month, month, day of week), like `*/15 * * * *`
        `0 0 31 2 *` is never due: no month has that day; a schedule has five fields in UTC (minute, hour, day of month, month, day of week), like `*/15 * * * *`"#]].assert_eq(&texts.join("\n"));
}

#[test]
fn no_time_is_too_early_or_too_late_to_ask() {
    for extreme in [i64::MIN, i64::MIN / 1000, -1, i64::MAX / 1000, i64::MAX] {
        let _ = next("* * * * *", Timestamp(extreme), 1, Duration::MAX);
        let _ = next("0 0 29 2 *", Timestamp(extreme), 1, Duration::from_secs(60));
    }
}

#[test]
fn environments_begin_at_different_times_each_always_at_its_own() {
    let hour = Duration::from_secs(3600);
    let after = at("2026-01-31T12:30:00Z");
    let starts: std::collections::BTreeSet<Timestamp> = (0..100)
        .filter_map(|seed| next("0 * * * *", after, seed, hour))
        .collect();
    assert!(starts.len() > 95, "{} different times", starts.len());
    for seed in 0..100 {
        assert_eq!(
            next("0 * * * *", after, seed, hour),
            next("0 * * * *", after, seed, hour)
        );
    }
}

proptest! {
    #[test]
    fn runs_follow_each_other_without_gaps_or_repetitions(
        after in 0_i64..4_000_000_000_000, seed in any::<u128>(), jitter_ms in 0_u64..10_000_000
    ) {
        let max = Duration::from_millis(jitter_ms);
        let first = next("*/10 * * * *", Timestamp(after), seed, max).expect("a time");
        let second = next("*/10 * * * *", first, seed, max).expect("a time");
        prop_assert!(first.0 > after && first.0 <= after + 600_000);
        prop_assert_eq!(second.0 - first.0, 600_000);
        let jitter = first.0.rem_euclid(600_000);
        prop_assert!(!max.is_zero() || jitter == 0);
    }

    #[test]
    fn any_text_is_an_expression_or_is_refused(text in "[-0-9*/,LW#?+@a-z ]{0,20}") {
        let _ = next(&text, Timestamp(1_700_000_000_000), 1, Duration::ZERO);
        let _ = check(&text);
    }
}
