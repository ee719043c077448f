//! Cron expressions: five fields, checked for form. Whoever runs them computes the times.

/// The fields in their order: name, lowest, highest.
const FIELDS: [(&str, u32, u32); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
];

/// Checks an expression like `*/15 * * * *`.
pub(super) fn expression(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Err(format!(
            "a schedule has five fields (minute, hour, day of month, month, day of week), like `*/15 * * * *`; this one has {}",
            parts.len()
        ));
    }
    for (part, (name, low, high)) in parts.into_iter().zip(FIELDS) {
        if !part.split(',').all(|item| is_item(item, low, high)) {
            return Err(format!(
                "`{part}` is not a {name}: use `*`, numbers from {low} to {high}, ranges `a-b`, steps `/n`, separated by `,`"
            ));
        }
    }
    Ok(())
}

fn is_item(item: &str, low: u32, high: u32) -> bool {
    let (range, step) = item
        .split_once('/')
        .map_or((item, None), |(range, step)| (range, Some(step)));
    let step_fits = step.is_none_or(|step| number(step).is_some_and(|step| (1..=high).contains(&step)));
    let within = |text: &str| number(text).filter(|number| (low..=high).contains(number));
    let range_fits = match range.split_once('-') {
        Some((from, to)) => matches!((within(from), within(to)), (Some(from), Some(to)) if from <= to),
        None => range == "*" || within(range).is_some(),
    };
    step_fits && range_fits
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_usual_forms() {
        for good in [
            "*/15 * * * *",
            "0 3 * * 1-5",
            "0,30 8-18/2 1 1,6 0",
            "  5 4  * * 7 ",
        ] {
            assert_eq!(expression(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_no_scheduler_would_take() {
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
        ] {
            assert!(expression(bad).is_err(), "{bad}");
        }
    }
}
