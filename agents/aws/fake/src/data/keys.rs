//! API keys and usage plans: who calls, how fast, how often.

use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use super::rest::Served;
use super::traffic::Limit;
use crate::cloud::Cloud;
use crate::place::{Entity, Place, UsagePlan, object, text};

/// A key that is good for a stage, and what its plan allows.
#[derive(Debug)]
struct Admitted {
    key: String,
    plan: Entity,
}

/// Why a request to a method that needs a key is refused, if it is.
pub(crate) fn refusal(cloud: &Cloud, served: &Served, exchange: &Exchange) -> Option<Answer> {
    let Some(value) = exchange.header("x-api-key") else {
        return Some(Answer::forbidden());
    };
    let admitted = cloud.in_place(&served.place, |place| admitted(place, exchange, value));
    let Some(admitted) = admitted else {
        return Some(Answer::forbidden());
    };
    let now = cloud.clock().now();
    let name = format!("{} {}", text(&admitted.plan, "id"), admitted.key);
    let too_fast = limits(&admitted.plan, exchange)
        .into_iter()
        .any(|(of, limit)| !cloud.traffic.within(&format!("{name} {of}"), limit, now));
    if too_fast {
        return Some(too_many("THROTTLED", "Too Many Requests"));
    }
    let quota = object(&admitted.plan, "quota")?;
    let period = period(text(quota, "period"), now.as_secs());
    let limit = quota.get("limit").and_then(Value::as_u64).unwrap_or_default();
    let within = cloud.traffic.use_up(&format!("{name} {period}"), limit);
    (!within).then(|| too_many("QUOTA_EXCEEDED", "Limit Exceeded"))
}

/// The refusal of one request too many.
pub(crate) fn too_many(kind: &'static str, message: &str) -> Answer {
    let error = if kind == "THROTTLED" {
        "TooManyRequestsException"
    } else {
        "LimitExceededException"
    };
    Answer::own(kind, 429, error, message)
}

fn admitted(place: &Place, exchange: &Exchange, value: &str) -> Option<Admitted> {
    let enabled = |key: &&Entity| key.get("enabled") == Some(&Value::Bool(true));
    let mut keys = place.api_keys.values();
    let key = keys.find(|key| text(key, "value") == value).filter(enabled)?;
    let id = text(key, "id");
    let good = |plan: &&UsagePlan| {
        plan.keys.iter().any(|key| key == id) && stage_of(&plan.entity, exchange).is_some()
    };
    let plan = place.usage_plans.values().find(good)?;
    Some(Admitted {
        key: id.to_owned(),
        plan: plan.entity.clone(),
    })
}

fn stage_of<'a>(plan: &'a Entity, exchange: &Exchange) -> Option<&'a Entity> {
    let stages = plan
        .get("apiStages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut stages = stages.filter_map(Value::as_object);
    stages.find(|one| text(one, "apiId") == exchange.api && text(one, "stage") == exchange.stage)
}

/// The limit of the plan, and that of the method in place of it.
fn limits(plan: &Entity, exchange: &Exchange) -> Vec<(String, Limit)> {
    let method = format!("{}/{}", exchange.resource, exchange.method);
    let of_stage = stage_of(plan, exchange).and_then(|stage| object(stage, "throttle"));
    let own = of_stage.and_then(|all| object(all, &method)).and_then(limit);
    match own {
        Some(limit) => vec![(method, limit)],
        None => object(plan, "throttle")
            .and_then(limit)
            .map(|limit| ("*".to_owned(), limit))
            .into_iter()
            .collect(),
    }
}

fn limit(throttle: &Entity) -> Option<Limit> {
    let rate = throttle.get("rateLimit").and_then(Value::as_f64)?;
    let burst = throttle.get("burstLimit").and_then(Value::as_f64).unwrap_or(rate);
    Some(Limit { rate, burst })
}

/// The limit that a stage sets for a method: its own settings, or those of all methods.
pub(crate) fn stage_limit(stage: &Entity, exchange: &Exchange) -> Option<(String, Limit)> {
    let settings = object(stage, "methodSettings")?;
    let escaped = exchange.resource.replace('/', "~1");
    let own = [
        format!("{escaped}/{}", exchange.method),
        format!(
            "{}/{}",
            exchange.resource.trim_start_matches('/'),
            exchange.method
        ),
        "*/*".to_owned(),
    ];
    own.into_iter().find_map(|name| {
        let setting = object(settings, &name)?;
        let rate = setting.get("throttlingRateLimit").and_then(Value::as_f64)?;
        let burst = setting.get("throttlingBurstLimit").and_then(Value::as_f64)?;
        Some((name, Limit { rate, burst }))
    })
}

const DAY: u64 = 24 * 60 * 60;

/// The number of a period; a week begins on a Sunday, a month is one of the calendar.
fn period(kind: &str, seconds: u64) -> String {
    let day = seconds / DAY;
    match kind {
        "DAY" => format!("day {day}"),
        // The first of January 1970 was a Thursday.
        "WEEK" => format!("week {}", (day + 4) / 7),
        _ => {
            let time = i64::try_from(seconds).ok();
            let time = time.and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
            time.map_or_else(String::new, |time| {
                format!("month {} {}", time.year(), time.month())
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_calendar() {
        assert_ne!(period("DAY", DAY - 1), period("DAY", DAY));
        // Saturday and Sunday.
        assert_ne!(period("WEEK", 2 * DAY), period("WEEK", 3 * DAY));
        assert_eq!(period("WEEK", 3 * DAY), period("WEEK", 9 * DAY));
        assert_eq!(period("MONTH", 30 * DAY), period("MONTH", 0));
        assert_ne!(period("MONTH", 31 * DAY), period("MONTH", 0));
    }
}
