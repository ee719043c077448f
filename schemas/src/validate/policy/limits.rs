//! The rules of rates, quotas, times and attempts.

use super::{headers, method, not_empty, note, within};
use crate::{
    issue::Issue,
    policy::{QuotaPolicy, RateLimitKey, RateLimitPolicy, RetryCondition, RetryPolicy, TimeoutPolicy},
};

/// Why nothing is let through by a limit of zero.
const AT_LEAST_ONE: &str = "at least 1; to refuse every request, undeploy the API";

pub(super) fn rate_limit(policy: &RateLimitPolicy, at: &str, issues: &mut Vec<Issue>) {
    not_empty(issues, policy.limits.len(), &format!("{at}/limits"), "limit");
    for (index, limit) in policy.limits.iter().enumerate() {
        if limit.requests == 0 {
            issues.push(Issue::new(format!("{at}/limits/{index}/requests"), AT_LEAST_ONE));
        }
    }
    key(&policy.key, at, issues);
}

pub(super) fn quota(policy: &QuotaPolicy, at: &str, issues: &mut Vec<Issue>) {
    if policy.requests == 0 {
        issues.push(Issue::new(format!("{at}/requests"), AT_LEAST_ONE));
    }
    key(&policy.key, at, issues);
}

fn key(key: &RateLimitKey, at: &str, issues: &mut Vec<Issue>) {
    match key {
        RateLimitKey::Header(header) => note(issues, format!("{at}/key/header"), headers::name(header)),
        RateLimitKey::Claim(claim) if claim.is_empty() => {
            issues.push(Issue::new(format!("{at}/key/claim"), "the claim needs a name"));
        }
        RateLimitKey::Claim(_) | RateLimitKey::Address | RateLimitKey::Consumer | RateLimitKey::Api => {}
    }
}

pub(super) fn timeout(policy: &TimeoutPolicy, at: &str, issues: &mut Vec<Issue>) {
    let place = format!("{at}/responseMs");
    within(issues, place, policy.response_ms.into(), (1, 3_600_000));
}

pub(super) fn retry(policy: &RetryPolicy, at: &str, issues: &mut Vec<Issue>) {
    within(issues, format!("{at}/attempts"), policy.attempts.into(), (1, 10));
    within(
        issues,
        format!("{at}/backoffMs"),
        policy.backoff_ms.into(),
        (0, 60_000),
    );
    if let Some(time) = policy.per_try_timeout_ms {
        let place = format!("{at}/perTryTimeoutMs");
        within(issues, place.clone(), time.into(), (1, 3_600_000));
        if !policy.on.contains(&RetryCondition::Timeout) {
            issues.push(Issue::new(
                place,
                "a request whose attempt took too long is sent again only with `timeout` in `on`; add it",
            ));
        }
    }
    not_empty(issues, policy.on.len(), &format!("{at}/on"), "condition");
    for (index, status) in policy.statuses.iter().enumerate() {
        within(
            issues,
            format!("{at}/statuses/{index}"),
            (*status).into(),
            (400, 599),
        );
    }
    not_empty(issues, policy.methods.len(), &format!("{at}/methods"), "method");
    for (index, text) in policy.methods.iter().enumerate() {
        note(issues, format!("{at}/methods/{index}"), method(text));
    }
}
