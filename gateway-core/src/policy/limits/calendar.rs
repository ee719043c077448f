//! Calendar periods in UTC.

use gatehouse_schemas::policy::QuotaPeriod;
use time::{Date, Duration, OffsetDateTime, Time};

/// The end of the period that a moment is in, in seconds since 1970-01-01 UTC.
pub(crate) fn end(period: QuotaPeriod, moment: i64) -> i64 {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(moment) else {
        // Beyond the year 9999 there are no periods any more.
        return i64::MAX;
    };
    let date = at.date();
    let begin_of = |date: Option<Date>| date.map(|date| date.with_time(Time::MIDNIGHT).assume_utc());
    let end = match period {
        QuotaPeriod::Hour => {
            let begun = Duration::minutes(at.minute().into()) + Duration::seconds(at.second().into());
            at.checked_add(Duration::HOUR - begun)
        }
        QuotaPeriod::Day => begin_of(date.next_day()),
        QuotaPeriod::Week => {
            let days = 7 - i64::from(at.weekday().number_days_from_monday());
            begin_of(date.checked_add(Duration::days(days)))
        }
        QuotaPeriod::Month => {
            let december = date.month() == time::Month::December;
            let year = date.year() + i32::from(december);
            begin_of(Date::from_calendar_date(year, date.month().next(), 1).ok())
        }
    };
    end.map_or(i64::MAX, OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> i64 {
        let timestamp: Timestamp = serde_json::from_value(text.into()).expect("a moment");
        timestamp.0 / 1_000
    }

    #[test]
    fn periods_end_where_the_calendar_says() {
        for (period, moment, end_at) in [
            (QuotaPeriod::Hour, "2026-11-22T11:27:29Z", "2026-11-22T12:00:00Z"),
            (QuotaPeriod::Hour, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
            (QuotaPeriod::Hour, "2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z"),
            (QuotaPeriod::Day, "2028-02-28T00:00:00Z", "2028-02-29T00:00:00Z"),
            (QuotaPeriod::Day, "2026-02-28T12:00:00Z", "2026-03-01T00:00:00Z"),
            // A Sunday, and a Monday.
            (QuotaPeriod::Week, "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"),
            (QuotaPeriod::Week, "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (QuotaPeriod::Week, "2026-12-31T00:00:00Z", "2027-01-04T00:00:00Z"),
            (QuotaPeriod::Month, "2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z"),
            (QuotaPeriod::Month, "2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"),
            (QuotaPeriod::Month, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(
                end(period, seconds(moment)),
                seconds(end_at),
                "{period:?} {moment}"
            );
        }
        assert_eq!(end(QuotaPeriod::Month, i64::MAX), i64::MAX);
        assert_eq!(end(QuotaPeriod::Month, seconds("9999-12-31T12:00:00Z")), i64::MAX);
    }

    proptest! {
        #[test]
        fn a_period_ends_after_every_moment_in_it(moment in 0..200_000_000_000_i64) {
            for (period, longest) in [
                (QuotaPeriod::Hour, 3_600),
                (QuotaPeriod::Day, 86_400),
                (QuotaPeriod::Week, 7 * 86_400),
                (QuotaPeriod::Month, 31 * 86_400),
            ] {
                let end_at = end(period, moment);
                prop_assert!(end_at > moment && end_at - moment <= longest);
                prop_assert_eq!(end(period, end_at - 1), end_at);
                prop_assert!(end(period, end_at) > end_at);
            }
        }
    }
}
