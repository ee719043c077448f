//! How much callers may: throttling of a stage and its methods, usage plans of API keys.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{Period, Policy, QuotaPeriod, QuotaPolicy, RateLimit, RateLimitKey, RateLimitPolicy},
    revision::Operation,
};

use super::{
    Kind,
    authorizers::KEY_HEADER,
    form::{Quota, Throttle},
    judge::{unsupported, with},
    paths::Place,
    scene::Scene,
};

/// The rate and the burst that an account has together.
const ACCOUNT: Throttle = Throttle {
    rate: 10_000.0,
    burst: 5_000,
};
/// Rates are written with so many parts of a request per second.
const PARTS: f64 = 1_000_000.0;

/// What throttles a stage: everything, and single places.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Throttles {
    /// For every caller, or every key.
    pub(super) all: Option<Throttle>,
    /// By path and method.
    pub(super) places: BTreeMap<(String, String), Throttle>,
}

/// What throttles all callers together.
pub(super) fn of_stage(scene: Scene<'_>, places: &[Place<'_>]) -> Throttles {
    throttles(scene, places, false)
}

/// What throttles each key.
pub(super) fn of_keys(scene: Scene<'_>, places: &[Place<'_>]) -> Throttles {
    throttles(scene, places, true)
}

fn throttles(scene: Scene<'_>, places: &[Place<'_>], by_key: bool) -> Throttles {
    let of = |policies: &[&Policy]| {
        let throttles = policies.iter().filter_map(|policy| match policy {
            Policy::RateLimit(limit) if counts_by_key(scene, &limit.key) == by_key => throttle(limit),
            _ => None,
        });
        throttles.reduce(Throttle::smaller)
    };
    let all = of(&scene.expressed(None));
    let mut by_place = BTreeMap::new();
    for place in places {
        let here = place.operation.filter(|operation| has_limits(operation));
        let throttle = here.and_then(|operation| of(&scene.expressed(Some(operation))));
        if let Some(throttle) = throttle.filter(|throttle| Some(*throttle) != all) {
            by_place.insert((place.path.clone(), place.method.clone()), throttle);
        }
    }
    Throttles {
        all,
        places: by_place,
    }
}

fn has_limits(operation: &Operation) -> bool {
    operation
        .policies
        .iter()
        .any(|policy| matches!(policy, Policy::RateLimit(_)))
}

/// The quota of each key.
pub(super) fn quota(scene: Scene<'_>) -> Option<Quota> {
    scene.expressed(None).into_iter().find_map(|policy| match policy {
        Policy::Quota(quota) => Some(Quota {
            limit: i32::try_from(quota.requests).ok()?,
            period: period(quota.per)?.to_owned(),
        }),
        _ => None,
    })
}

fn period(per: QuotaPeriod) -> Option<&'static str> {
    match per {
        QuotaPeriod::Hour => None,
        QuotaPeriod::Day => Some("DAY"),
        QuotaPeriod::Week => Some("WEEK"),
        QuotaPeriod::Month => Some("MONTH"),
    }
}

/// The limit with the shortest period: AWS has one rate at a place.
fn throttle(policy: &RateLimitPolicy) -> Option<Throttle> {
    let limit = shortest(policy)?;
    let rate = f64::from(limit.requests) / seconds(limit.per);
    let rate = ((rate * PARTS).round() / PARTS).max(1.0 / PARTS);
    Some(
        Throttle {
            rate,
            burst: limit.requests,
        }
        .smaller(ACCOUNT),
    )
}

fn shortest(policy: &RateLimitPolicy) -> Option<&RateLimit> {
    policy
        .limits
        .iter()
        .min_by_key(|limit| (limit.per.seconds(), limit.requests))
}

fn seconds(per: Period) -> f64 {
    match per {
        Period::Second => 1.0,
        Period::Minute => 60.0,
        Period::Hour => 3_600.0,
        Period::Day => 86_400.0,
    }
}

/// Whether a limit becomes one of the usage plan: it is not for everything together, and every request has a key.
fn counts_by_key(scene: Scene<'_>, key: &RateLimitKey) -> bool {
    scene.kind == Kind::Rest && *key != RateLimitKey::Api && scene.has_keys_everywhere()
}

/// How faithfully a rate is held.
pub(super) fn of_rate(scene: Scene<'_>, policy: &RateLimitPolicy, operation: Option<&Operation>) -> Fidelity {
    let mut differences = vec![
        "API Gateway counts by best effort, in a bucket that fills evenly, and answers without `Retry-After`"
            .to_owned(),
    ];
    differences.push(counted(scene, &policy.key, operation).to_owned());
    if let Some(kept) = shortest(policy).filter(|_| policy.limits.len() > 1) {
        let per = format!("{:?}", kept.per).to_lowercase();
        differences.push(format!(
            "of several limits only {} per {per} holds",
            kept.requests
        ));
    }
    if shortest(policy).is_some_and(|limit| limit.requests > ACCOUNT.burst) {
        differences.push(format!(
            "at most {} requests may come at once, as in the whole account",
            ACCOUNT.burst
        ));
    }
    differences.retain(|difference| !difference.is_empty());
    with(&differences)
}

fn counted(scene: Scene<'_>, key: &RateLimitKey, operation: Option<&Operation>) -> &'static str {
    match (counts_by_key(scene, key), key) {
        (true, RateLimitKey::Consumer) => "",
        (true, RateLimitKey::Header(name)) if name.eq_ignore_ascii_case(KEY_HEADER) => "",
        (true, _) => "it counts each API key, not each address, header or claim",
        (false, RateLimitKey::Api) if operation.is_some() => "",
        (false, RateLimitKey::Api) => "it counts each operation of its own",
        (false, _) => "it counts all callers together, so that one of them can use up what others need",
    }
}

/// How faithfully a quota is held.
pub(super) fn of_quota(
    scene: Scene<'_>,
    quota: &QuotaPolicy,
    operation: Option<&Operation>,
    before: &[&Policy],
) -> Fidelity {
    if operation.is_some() {
        return unsupported(
            "a quota of API Gateway counts the requests to all operations; put it at the API",
        );
    }
    if scene.kind == Kind::Http {
        return unsupported(
            "HTTP APIs know no quotas; set `kind` to `rest` or `auto` in the environment's settings",
        );
    }
    if !scene.has_keys_everywhere() {
        return unsupported(
            "API Gateway counts quotas by API key; ask for one with `auth.apiKey` at the API",
        );
    }
    if before.iter().any(|policy| matches!(policy, Policy::Quota(_))) {
        return unsupported("API Gateway has one quota of a key");
    }
    if period(quota.per).is_none() {
        return unsupported("API Gateway has no hourly quota; choose `day`, `week` or `month`");
    }
    if i32::try_from(quota.requests).is_err() {
        return unsupported(format!("API Gateway counts up to {}", i32::MAX));
    }
    of_counting(&quota.key)
}

fn of_counting(key: &RateLimitKey) -> Fidelity {
    let mut differences = vec!["API Gateway counts by best effort, and begins periods when it does"];
    match key {
        RateLimitKey::Consumer => {}
        RateLimitKey::Header(name) if name.eq_ignore_ascii_case(KEY_HEADER) => {}
        RateLimitKey::Api => {
            return unsupported("API Gateway counts quotas by API key, not all callers together");
        }
        RateLimitKey::Address | RateLimitKey::Header(_) | RateLimitKey::Claim(_) => {
            differences.push("it counts each API key, not each address, header or claim");
        }
    }
    with(&differences)
}
