//! How much: usage plans, and the throttling of a stage.

use gatehouse_connector_sdk::schemas::policy::{
    Period, Policy, QuotaPeriod, QuotaPolicy, RateLimit, RateLimitKey, RateLimitPolicy,
};
use serde_json::{Map, Value, json};

use super::kept;
use crate::{
    quotas::NO_LIMIT,
    read::{
        methods::Method,
        native,
        snapshot::{MethodSettings, Quota, Snapshot, Throttle, UsagePlan},
    },
};

const PERIODS: [Period; 4] = [Period::Second, Period::Minute, Period::Hour, Period::Day];

/// What holds for the whole stage: its throttling, and what usage plans say of each key.
pub(in crate::read) fn of_api(
    snapshot: &Snapshot,
    asks_for_keys: bool,
    notes: &mut Vec<String>,
) -> Vec<Policy> {
    let mut policies = Vec::new();
    if let Some(throttle) = everywhere(snapshot).and_then(throttle) {
        policies.extend(limited(throttle, RateLimitKey::Api, "the stage", notes));
    }
    match &snapshot.usage_plans[..] {
        [] => {}
        plans if !asks_for_keys => {
            let names: Vec<String> = plans.iter().map(|plan| format!("`{}`", plan.name)).collect();
            notes.push(format!(
                "usage plan {} covers the stage, and no method asks for a key, so it limits nobody",
                names.join(", ")
            ));
        }
        [first, others @ ..] if others.iter().all(|plan| same_limits(first, plan)) => {
            policies.extend(of_plan(first, notes));
        }
        plans => policies.extend(kept_plans(plans, notes)),
    }
    policies
}

fn same_limits(one: &UsagePlan, other: &UsagePlan) -> bool {
    (one.throttle, &one.quota, &one.methods) == (other.throttle, &other.quota, &other.methods)
}

fn of_plan(plan: &UsagePlan, notes: &mut Vec<String>) -> Vec<Policy> {
    let what = format!("usage plan `{}`", plan.name);
    let throttle = plan.throttle.filter(|throttle| *throttle != Throttle::default());
    let limited = throttle.and_then(|it| limited(it, RateLimitKey::Consumer, &what, notes));
    let mut policies: Vec<Policy> = limited.into_iter().collect();
    match plan.quota.as_ref().map(|it| quota(it, &what, notes)) {
        Some(Ok(quota)) => policies.push(quota),
        Some(Err(reason)) => {
            notes.push(format!(
                "{what}: its quota is kept as a `native` policy: {reason}"
            ));
            policies.extend(native::policy(
                "usagePlans",
                json!([{"name": plan.name, "quota": plan.quota}]),
            ));
        }
        None => {}
    }
    policies
}

/// Plans that say different things of their keys, for which canonical words have one.
fn kept_plans(plans: &[UsagePlan], notes: &mut Vec<String>) -> Option<Policy> {
    notes.push(
        "several usage plans cover the stage and limit their keys differently; they are kept as a `native` policy, and \
         elsewhere than on AWS nobody is limited by them"
            .to_owned(),
    );
    let told = plans.iter().map(|plan| {
        let keys: Vec<&str> = plan.keys.iter().map(|key| key.name.as_str()).collect();
        json!({
            "name": plan.name, "throttle": plan.throttle, "quota": plan.quota, "methods": plan.methods, "keys": keys,
        })
    });
    native::policy("usagePlans", Value::Array(told.collect()))
}

fn quota(quota: &Quota, what: &str, notes: &mut Vec<String>) -> Result<Policy, String> {
    let per = match quota.period.as_str() {
        "DAY" => QuotaPeriod::Day,
        "WEEK" => QuotaPeriod::Week,
        "MONTH" => QuotaPeriod::Month,
        other => return Err(format!("there is no period `{other}`")),
    };
    if per == QuotaPeriod::Week {
        notes.push(format!(
            "{what}: weeks begin on Sunday on AWS, and on Monday elsewhere"
        ));
    }
    if quota.offset != 0 {
        notes.push(format!(
            "{what}: the first period of a key has {} requests less, on AWS alone",
            quota.offset
        ));
    }
    let requests = u64::try_from(quota.limit)
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or("it lets nothing through")?;
    Ok(Policy::Quota(QuotaPolicy {
        requests,
        per,
        key: RateLimitKey::Consumer,
    }))
}

/// What holds for one method beyond what holds for all.
pub(super) fn of_method(snapshot: &Snapshot, method: &Method<'_>, notes: &mut Vec<String>) -> Vec<Policy> {
    let mut policies = Vec::new();
    let everywhere = everywhere(snapshot).and_then(throttle);
    let own = settings(snapshot, method);
    if let Some(throttle) = own.and_then(throttle).filter(|own| Some(*own) != everywhere) {
        policies.extend(limited(throttle, RateLimitKey::Api, &method.title(), notes));
    }
    let others = own.map(|own| own.others.clone()).unwrap_or_default();
    if !others.is_empty() {
        let names: Vec<String> = others.keys().map(|name| format!("`{name}`")).collect();
        let reason = format!("no canonical policy says {}", names.join(", "));
        policies.extend(kept(
            method,
            (
                "what the stage says of it",
                "methodSettings",
                Value::Object(others),
            ),
            &reason,
            notes,
        ));
    }
    if let [plan] = &snapshot.usage_plans[..]
        && let Some(throttle) = of_plan_for(plan, method)
    {
        let what = format!("usage plan `{}` at {}", plan.name, method.title());
        policies.extend(limited(throttle, RateLimitKey::Consumer, &what, notes));
    }
    policies
}

fn of_plan_for(plan: &UsagePlan, method: &Method<'_>) -> Option<Throttle> {
    let name = if method.method == "*" {
        "ANY"
    } else {
        method.method
    };
    plan.methods.get(&format!("{}/{name}", method.template)).copied()
}

/// What holds for every method of the stage.
pub(in crate::read) fn everywhere(snapshot: &Snapshot) -> Option<&MethodSettings> {
    ["*/*", "*"]
        .iter()
        .find_map(|key| snapshot.stage.method_settings.get(*key))
}

/// What is said of one method alone.
pub(super) fn settings<'s>(snapshot: &'s Snapshot, method: &Method<'_>) -> Option<&'s MethodSettings> {
    let wanted = spelled(&method.title());
    let all = snapshot.stage.method_settings.iter();
    all.into_iter()
        .find(|(key, _)| !key.starts_with('*') && spelled(&of_rest(key)) == wanted)
        .map(|(_, it)| it)
}

/// `~1orders~1{id}/GET`, `orders/{id}/GET`: path and method as one writes them.
fn of_rest(key: &str) -> String {
    if key.contains(' ') {
        return key.to_owned();
    }
    let path = key.replace("~1", "/").replace("~0", "~");
    match path.rsplit_once('/') {
        Some((path, method)) => format!("{method} /{}", path.trim_start_matches('/')),
        None => path,
    }
}

fn spelled(title: &str) -> String {
    title.replace(" $default", " /$default").replace("ANY ", "* ")
}

fn throttle(settings: &MethodSettings) -> Option<Throttle> {
    let throttle = Throttle {
        rate_limit: settings.throttling_rate_limit?,
        burst_limit: settings.throttling_burst_limit.unwrap_or(0),
    };
    // AWS writes what holds for the account where only something else was set.
    #[expect(clippy::cast_precision_loss, reason = "limits have few digits")]
    let limit = (throttle.rate_limit, throttle.burst_limit as f64);
    let said = limit != NO_LIMIT && throttle.rate_limit >= 0.0 && throttle != Throttle::default();
    said.then_some(throttle)
}

/// A rate with what may come at once: so many in the period in which the rate gives as many.
fn limited(throttle: Throttle, key: RateLimitKey, what: &str, notes: &mut Vec<String>) -> Option<Policy> {
    let burst = u32::try_from(throttle.burst_limit).unwrap_or(0);
    let period = PERIODS
        .into_iter()
        .find(|period| is_rate(throttle.rate_limit, burst, *period));
    let limit = match period {
        Some(per) => RateLimit { requests: burst, per },
        None => {
            notes.push(format!(
                "{what}: {} requests in a second and {} at once; elsewhere than on AWS, the rate alone counts",
                throttle.rate_limit, throttle.burst_limit
            ));
            rounded(throttle.rate_limit)
        }
    };
    Some(Policy::RateLimit(RateLimitPolicy {
        limits: vec![limit],
        key,
    }))
}

/// Whether a rate gives so many requests in a period; rates are written with few digits.
fn is_rate(rate: f64, requests: u32, period: Period) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "at most 86,400")]
    let seconds = period.seconds() as f64;
    let wanted = f64::from(requests) / seconds;
    requests > 0 && (rate - wanted).abs() <= wanted * 0.001
}

/// A rate in whole requests: of the shortest period in which it gives whole ones, or else at least one.
fn rounded(rate: f64) -> RateLimit {
    let limits = PERIODS.map(|per| RateLimit {
        requests: in_period(rate, per),
        per,
    });
    let exact = limits
        .into_iter()
        .find(|limit| is_rate(rate, limit.requests, limit.per));
    let nearest = || limits.into_iter().find(|limit| limit.requests > 0);
    exact.or_else(nearest).unwrap_or(RateLimit {
        requests: 1,
        per: Period::Day,
    })
}

fn in_period(rate: f64, period: Period) -> u32 {
    #[expect(clippy::cast_precision_loss, reason = "at most 86,400")]
    let requests = (rate * period.seconds() as f64).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "floats are cut off at the bounds"
    )]
    let requests = requests as u32;
    requests
}

/// What holds for all methods and no canonical policy says.
pub(in crate::read) fn other_settings(snapshot: &Snapshot) -> Map<String, Value> {
    everywhere(snapshot)
        .map(|settings| settings.others.clone())
        .unwrap_or_default()
}
