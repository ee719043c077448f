//! Moments and spans of time as people read and write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatehouse_schemas::time::Timestamp;

/// The time it is.
pub(crate) fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

/// How long ago something was, in its largest unit: `3s`, `5m`, `2h`, `40d`.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.0.saturating_sub(then.0).max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// An estimated span of time in people's words: `under a second`, `about 45 s`, `about 12 min`, `about 3 h 20 min`.
pub(crate) fn span(milliseconds: u64) -> String {
    let seconds = milliseconds.div_ceil(1000);
    match seconds {
        0 | 1 if milliseconds < 1000 => "under a second".to_owned(),
        0..120 => format!("about {seconds} s"),
        120..7_200 => format!("about {} min", seconds.div_ceil(60)),
        _ => format!("about {} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Reads a span of time: `500ms`, `60s`, `5m`, `2h`, `7d`, or seconds without a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let wrong =
        || format!("`{text}` is not a span of time; write for example `500ms`, `60s`, `5m`, `2h` or `7d`");
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => Some(1),
        "s" | "" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let total = milliseconds
        .and_then(|unit| number.checked_mul(unit))
        .ok_or_else(wrong)?;
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_told_in_the_unit_people_would_use() {
        for (milliseconds, text) in [
            (0, "under a second"),
            (999, "under a second"),
            (1_000, "about 1 s"),
            (6_200, "about 7 s"),
            (300_000, "about 5 min"),
            (5_000_000, "about 84 min"),
            (12_000_000, "about 3 h 20 min"),
        ] {
            assert_eq!(span(milliseconds), text);
        }
    }

    #[test]
    fn reads_spans_of_time() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("60s", 60_000),
            ("60", 60_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "s",
            "5 m",
            "-1s",
            "1.5s",
            "5y",
            "99999999999999999999s",
            "18446744073709551615d",
            "µs",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tells_ages_in_their_largest_unit() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(Timestamp(0), Timestamp(seconds * 1000)), expected);
        }
        assert_eq!(age(Timestamp(5_000), Timestamp(0)), "0s", "clocks may differ");
    }
}
