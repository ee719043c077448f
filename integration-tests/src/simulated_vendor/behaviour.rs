//! How the vendor behaves: quotas, how late readers see changes, how long calls take.

use serde::{Deserialize, Serialize};

/// The quotas that the vendor publishes, per account: operation, burst, and how long until one more call may come,
/// in milliseconds. The figures are those of Amazon API Gateway for the operations that resemble its own.
pub const PUBLISHED_QUOTAS: [(&str, u32, u64); 8] = [
    ("*", 40, 100),
    ("CreateApi", 1, 3_000),
    ("DeleteApi", 1, 30_000),
    ("UpdateApi", 1, 1_000),
    ("PutRoutes", 5, 200),
    ("PutPolicies", 5, 200),
    ("CreateDeployment", 1, 5_000),
    ("DeleteDeployment", 5, 200),
];

/// What can be changed about the vendor while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Behaviour {
    /// By what the published intervals are divided; 0 switches quotas off.
    pub(super) quota_divisor: u32,
    /// How long readers go on seeing what was there before a change.
    pub(super) consistency_ms: u64,
    /// How long each call takes at least.
    pub(super) latency_ms: u64,
    /// How long the position of a listing is good for.
    pub(super) position_ms: u64,
    /// How many items a page has at most.
    pub(super) page_limit: usize,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            quota_divisor: 0,
            consistency_ms: 0,
            latency_ms: 0,
            position_ms: 300_000,
            page_limit: 500,
        }
    }
}

impl Behaviour {
    /// The quotas in force: operation, burst, interval in microseconds.
    pub(super) fn quotas(&self) -> impl Iterator<Item = (&'static str, u32, u64)> {
        let divisor = u64::from(self.quota_divisor);
        PUBLISHED_QUOTAS
            .into_iter()
            .filter(move |_| divisor > 0)
            .map(move |(operation, burst, ms)| (operation, burst, ms * 1_000 / divisor.max(1)))
    }
}
