//! Rates, quotas and addresses: `rate-limiting` and `ip-restriction`.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::policy::{
    IpFilterPolicy, Period, QuotaPeriod, QuotaPolicy, RateLimitKey, RateLimitPolicy,
};
use serde_json::{Value, json};

/// The limits of all policies of a place: the smallest of each period holds.
#[derive(Debug, Default)]
pub(super) struct Counter {
    limits: BTreeMap<&'static str, u64>,
    key: Option<RateLimitKey>,
}

impl Counter {
    pub(super) fn rate(&mut self, policy: &RateLimitPolicy) {
        for limit in &policy.limits {
            let period = match limit.per {
                Period::Second => "second",
                Period::Minute => "minute",
                Period::Hour => "hour",
                Period::Day => "day",
            };
            self.limit(period, limit.requests.into());
        }
        self.key = Some(policy.key.clone());
    }

    pub(super) fn quota(&mut self, policy: &QuotaPolicy) {
        let period = match policy.per {
            QuotaPeriod::Hour => "hour",
            QuotaPeriod::Day => "day",
            QuotaPeriod::Month => "month",
            // Told as unsupported, and left out.
            QuotaPeriod::Week => return,
        };
        self.limit(period, policy.requests);
        self.key = Some(policy.key.clone());
    }

    fn limit(&mut self, period: &'static str, requests: u64) {
        let limit = self.limits.entry(period).or_insert(requests);
        *limit = requests.min(*limit);
    }

    /// The plugin's configuration; none without limits. Counters of the node: the shared ones want a database that data
    /// planes do not have, or a Redis.
    pub(super) fn config(&self) -> Option<Value> {
        let key = self.key.as_ref()?;
        let mut config = json!({"policy": "local", "limit_by": limit_by(key)});
        if let RateLimitKey::Header(name) = key {
            config["header_name"] = json!(name);
        }
        // Kong refuses a longer period with fewer requests than a shorter one has; the longer one holds for both.
        let mut least = u64::MAX;
        for period in ["month", "day", "hour", "minute", "second"] {
            if let Some(limit) = self.limits.get(period) {
                least = least.min(*limit);
                config[period] = json!(least);
            }
        }
        Some(config)
    }
}

fn limit_by(key: &RateLimitKey) -> &'static str {
    match key {
        RateLimitKey::Address => "ip",
        RateLimitKey::Consumer => "consumer",
        RateLimitKey::Api => "service",
        RateLimitKey::Header(_) => "header",
        // Told as unsupported, and left out.
        RateLimitKey::Claim(_) => "consumer",
    }
}

/// The configuration of `ip-restriction`; none without filters. What any filter denies is denied.
pub(super) fn addresses(filters: &[&IpFilterPolicy]) -> Option<Value> {
    let mut config = json!({"status": 403});
    let allow: Vec<&String> = filters.iter().flat_map(|filter| &filter.allow).collect();
    let deny: Vec<&String> = filters.iter().flat_map(|filter| &filter.deny).collect();
    // A filter that names nobody lets everybody in, and Kong refuses it.
    if allow.is_empty() && deny.is_empty() {
        return None;
    }
    for (name, list) in [("allow", allow), ("deny", deny)] {
        if !list.is_empty() {
            config[name] = json!(list);
        }
    }
    Some(config)
}
