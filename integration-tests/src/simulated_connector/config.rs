//! The settings of an environment of the simulated vendor, and the quotas that the vendor publishes.

use std::time::Duration;

use gatehouse_schemas::quota::Quota;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The gateway type of the simulated vendor.
pub const GATEWAY_TYPE: &str = "simulated";

/// The name of the one credential.
pub(super) const KEY: &str = "key";

/// `Environment.spec.settings` of gateway type `simulated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimulatedSettings {
    /// Where the vendor's API is.
    #[schema(format = "uri", min_length = 1)]
    pub url: String,
    /// The account that the credential belongs to.
    #[schema(min_length = 1)]
    pub account: String,
    /// The stage that serves what is deployed.
    #[serde(default = "live")]
    #[schema(min_length = 1)]
    pub stage: String,
    /// How many deployments of an API are kept, the one that is served included: what is kept is rolled back to fast.
    #[serde(default = "two")]
    #[schema(minimum = 1, maximum = 10)]
    pub keep_deployments: u32,
    /// How long readers may go on seeing what was there before a change, as the vendor documents it, in milliseconds.
    #[serde(default = "two_seconds")]
    #[schema(maximum = 60_000)]
    pub consistency_window_ms: u32,
    /// How long one call may take, in milliseconds.
    #[serde(default = "ten_seconds")]
    #[schema(minimum = 1, maximum = 120_000)]
    pub request_timeout_ms: u32,
}

fn live() -> String {
    "live".to_owned()
}

fn two() -> u32 {
    2
}

fn two_seconds() -> u32 {
    2_000
}

fn ten_seconds() -> u32 {
    10_000
}

impl SimulatedSettings {
    pub(super) fn consistency_window(&self) -> Duration {
        Duration::from_millis(self.consistency_window_ms.into())
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms.into())
    }
}

/// The vendor's published quotas with their intervals divided; 0 for a vendor without quotas.
pub(super) fn quotas(divisor: u32) -> Vec<Quota> {
    const PUBLISHED: [(&str, u32, u64); 8] = [
        ("*", 40, 100),
        ("CreateApi", 1, 3_000),
        ("DeleteApi", 1, 30_000),
        ("UpdateApi", 1, 1_000),
        ("PutRoutes", 5, 200),
        ("PutPolicies", 5, 200),
        ("CreateDeployment", 1, 5_000),
        ("DeleteDeployment", 5, 200),
    ];
    let quota = |(operation, burst, ms): (&str, u32, u64)| Quota {
        operation: operation.to_owned(),
        burst,
        interval_ms: (ms / u64::from(divisor.max(1))).max(1),
    };
    PUBLISHED.into_iter().filter(|_| divisor > 0).map(quota).collect()
}
