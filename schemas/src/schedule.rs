//! When scheduled work is due: cron expressions with five fields, in UTC, and a jitter of its own for each
//! environment.

use std::{cmp::Ordering, time::Duration};

use ::time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};
use aws_lc_rs::digest;
use croner::{
    Cron,
    errors::CronError,
    parser::{CronParser, Seconds, Year},
    time::{CivilDateTime, CronDateTime, Resolution, Weekday},
};

use crate::time::Timestamp;

/// Checks an expression like `*/15 * * * *`; the error says what is wrong with it.
pub fn check(expression: &str) -> Result<(), String> {
    let cron = parse(expression)?;
    if occurrence(&cron, Timestamp(0)).is_none() {
        return Err(format!(
            "`{expression}` is never due: no month has that day; {FORM}"
        ));
    }
    Ok(())
}

const FORM: &str =
    "a schedule has five fields in UTC (minute, hour, day of month, month, day of week), like `*/15 * * * *`";

fn parse(expression: &str) -> Result<Cron, String> {
    let fields = expression.split_whitespace().count();
    if fields != 5 {
        return Err(format!("{FORM}; `{expression}` has {fields}"));
    }
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(expression)
        .map_err(|error| format!("`{expression}` is not a schedule ({error}); {FORM}"))
}

/// The first time after `after` at which an expression is due; none if there is none or it is no expression.
///
/// Each time is later by a jitter below `max_jitter`, always the same for one seed, so that a thousand environments
/// with one schedule do not begin together.
pub fn next(
    expression: &str,
    after: Timestamp,
    jitter_seed: u128,
    max_jitter: Duration,
) -> Option<Timestamp> {
    let cron = parse(expression).ok()?;
    let jitter = jitter_ms(jitter_seed, max_jitter);
    let due = occurrence(&cron, Timestamp(after.0.checked_sub(jitter)?))?;
    due.0.checked_add(jitter).map(Timestamp)
}

fn jitter_ms(seed: u128, max_jitter: Duration) -> i64 {
    let hash = digest::digest(&digest::SHA256, &seed.to_be_bytes());
    let number = hash
        .as_ref()
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let range = u64::try_from(max_jitter.as_millis()).unwrap_or(u64::MAX);
    let jitter = number.checked_rem(range).unwrap_or_default();
    i64::try_from(jitter).unwrap_or_default()
}

fn occurrence(cron: &Cron, after: Timestamp) -> Option<Timestamp> {
    let start = Moment::at(after)?;
    let found = cron.find_next_occurrence(&start, false).ok()?;
    let seconds = found.0.assume_utc().unix_timestamp();
    seconds.checked_mul(1000).map(Timestamp)
}

/// A second in UTC, in the words of the cron library. Our own, since we need no time zones and no second library for
/// dates.
#[derive(Debug, Clone, Copy)]
struct Moment(PrimitiveDateTime);

impl Moment {
    /// The second in which a point in time lies. What is due then is due at its beginning: not after it.
    fn at(moment: Timestamp) -> Option<Self> {
        let moment = OffsetDateTime::from_unix_timestamp(moment.0.div_euclid(1000)).ok()?;
        Some(Self(PrimitiveDateTime::new(moment.date(), moment.time())))
    }

    fn of(civil: CivilDateTime) -> Option<Self> {
        let small = |number: u32| u8::try_from(number).ok();
        let month = Month::try_from(small(civil.month())?).ok()?;
        let date = Date::from_calendar_date(civil.year(), month, small(civil.day())?).ok()?;
        let time = Time::from_hms(
            small(civil.hour())?,
            small(civil.minute())?,
            small(civil.second())?,
        );
        Some(Self(PrimitiveDateTime::new(date, time.ok()?)))
    }
}

impl CronDateTime for Moment {
    fn to_civil(&self) -> CivilDateTime {
        let (hour, minute, second) = self.0.as_hms();
        CivilDateTime::new(
            croner::time::CivilDate::from_parts_unchecked(
                self.0.year(),
                u8::from(self.0.month()).into(),
                self.0.day().into(),
            ),
            croner::time::CivilTime::from_parts_unchecked(hour.into(), minute.into(), second.into()),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(self.0.weekday().number_days_from_sunday().into())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        Self::of(civil)
            .map(Resolution::Single)
            .ok_or(CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(::time::Duration::seconds(seconds)).map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests;
