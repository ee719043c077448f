//! How much: rates, quotas, sizes.

use gatehouse_connector_sdk::schemas::policy::{
    Period, Policy, QuotaPeriod, QuotaPolicy, RateLimit, RateLimitKey, RateLimitPolicy, RequestSizePolicy,
};
use serde_json::json;

use super::config::Config;
use crate::entities::Entity;

const RATES: [(&str, Period); 4] = [
    ("second", Period::Second),
    ("minute", Period::Minute),
    ("hour", Period::Hour),
    ("day", Period::Day),
];
const QUOTAS: [(&str, QuotaPeriod); 3] = [
    ("hour", QuotaPeriod::Hour),
    ("day", QuotaPeriod::Day),
    ("month", QuotaPeriod::Month),
];

/// A plugin that counts on each node for itself limits rates; one that counts for all nodes together, in periods of
/// the calendar, is a quota.
pub(super) fn rate(plugin: &Entity) -> Result<Vec<Policy>, String> {
    let config = Config::of(plugin);
    let (policy, key) = (config.text("policy").unwrap_or("local"), key(config)?);
    match policy {
        "local" => {
            let (limits, fields) = counts(config, &RATES);
            says_only(config, &fields)?;
            let limits = limits.into_iter().map(|(requests, per)| {
                let requests = u32::try_from(requests).map_err(|_| "its limit is beyond reach".to_owned())?;
                Ok(RateLimit { requests, per })
            });
            let limits: Vec<RateLimit> = limits.collect::<Result<_, String>>()?;
            Ok(vec![Policy::RateLimit(RateLimitPolicy {
                limits: some(limits)?,
                key,
            })])
        }
        "cluster" => {
            let (limits, fields) = counts(config, &QUOTAS);
            says_only(config, &fields)?;
            let quota = |(requests, per)| {
                Policy::Quota(QuotaPolicy {
                    requests,
                    per,
                    key: key.clone(),
                })
            };
            some(limits.into_iter().map(quota).collect())
        }
        other => Err(format!("it counts in `{other}`")),
    }
}

fn counts<P: Copy>(config: Config<'_>, periods: &[(&'static str, P)]) -> (Vec<(u64, P)>, Vec<&'static str>) {
    let found: Vec<_> = periods
        .iter()
        .filter_map(|(field, per)| Some((*field, config.number(field).filter(|it| *it > 0)?, *per)))
        .collect();
    let fields = found.iter().map(|(field, ..)| *field).collect();
    (
        found
            .into_iter()
            .map(|(_, requests, per)| (requests, per))
            .collect(),
        fields,
    )
}

fn some<T>(limits: Vec<T>) -> Result<Vec<T>, String> {
    if limits.is_empty() {
        Err("it has no limit that canonical words say".to_owned())
    } else {
        Ok(limits)
    }
}

fn key(config: Config<'_>) -> Result<RateLimitKey, String> {
    match config.text("limit_by").unwrap_or("consumer") {
        "consumer" => Ok(RateLimitKey::Consumer),
        "ip" => Ok(RateLimitKey::Address),
        "service" => Ok(RateLimitKey::Api),
        "header" => Err("requests without the header are counted by address".to_owned()),
        other => Err(format!("it counts by `{other}`")),
    }
}

/// Where a count is kept together makes no difference to a plugin that does not count there.
const UNUSED: [&str; 10] = [
    "redis",
    "redis_database",
    "redis_host",
    "redis_password",
    "redis_port",
    "redis_server_name",
    "redis_ssl",
    "redis_ssl_verify",
    "redis_timeout",
    "redis_username",
];

fn says_only(config: Config<'_>, limits: &[&str]) -> Result<(), String> {
    let defaults = json!({
        "fault_tolerant": true,
        "error_code": 429,
        "error_message": "API rate limit exceeded",
        "sync_rate": -1,
    });
    config.says_only(&[limits, &["limit_by", "policy"], &UNUSED].concat(), &defaults)
}

/// The largest body.
pub(super) fn size(plugin: &Entity) -> Result<Policy, String> {
    let config = Config::of(plugin);
    config.says_only(&["allowed_payload_size", "size_unit"], &json!({}))?;
    let unit = match config.text("size_unit").unwrap_or("megabytes") {
        "megabytes" => 1 << 20,
        "kilobytes" => 1 << 10,
        "bytes" => 1,
        other => return Err(format!("it counts in `{other}`")),
    };
    let size = config.number("allowed_payload_size").unwrap_or(128);
    let max_bytes = size.checked_mul(unit).ok_or("its limit is beyond reach")?;
    Ok(Policy::RequestSize(RequestSizePolicy { max_bytes }))
}
