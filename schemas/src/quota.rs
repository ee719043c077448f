//! Vendors' quotas, and how long work takes under them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How often an operation of a vendor may be called on one account: a token bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quota {
    /// The vendor's name of the operation; `*` for all operations of the account together.
    pub operation: String,
    /// How many calls may come at once.
    #[schema(minimum = 1)]
    pub burst: u32,
    /// How long until one more call may come, in milliseconds.
    #[schema(minimum = 1)]
    pub interval_ms: u64,
}

/// How often each operation of a vendor is called by a piece of work.
pub type VendorCalls = BTreeMap<String, u64>;

/// The shortest time in which calls can be made under quotas, in milliseconds, beginning with full
/// buckets: that of the scarcest operation, or of all together under `*`.
pub fn shortest_ms(calls: &VendorCalls, quotas: &[Quota]) -> u64 {
    let total = calls
        .values()
        .fold(0_u64, |total, count| total.saturating_add(*count));
    let needed = |quota: &Quota| {
        let count = match quota.operation.as_str() {
            "*" => total,
            operation => calls.get(operation).copied().unwrap_or_default(),
        };
        count
            .saturating_sub(quota.burst.into())
            .saturating_mul(quota.interval_ms)
    };
    quotas.iter().map(needed).max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
