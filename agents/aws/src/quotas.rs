//! How often AWS lets an account call.
//!
//! The figures are AWS's published quotas for creating, deploying and managing an API in API Gateway, per account and
//! region. They are fixed: AWS raises none of them.

use gatehouse_connector_sdk::schemas::quota::Quota;

/// Creating an edge-optimized API is ten times as scarce as creating another one.
pub(crate) const CREATE_EDGE_API: &str = "CreateRestApi (edge)";

/// What AWS lets through to every account of most regions where nobody says less, a second and at once. As a limit of a stage
/// or of a method it stands for none: AWS writes it where only something else was set.
pub(crate) const NO_LIMIT: (f64, f64) = (10_000.0, 5_000.0);

/// The same in younger regions, such as Cape Town and Zurich.
const NO_LIMIT_OF_YOUNGER_REGIONS: (f64, f64) = (2_500.0, 1_250.0);

/// Whether a limit is what AWS writes where nobody set any: that of the account, whose owner may have had it raised.
pub(crate) fn is_of_account((rate, burst): (f64, f64)) -> bool {
    let is_raised = rate >= NO_LIMIT.0 && burst >= NO_LIMIT.1;
    is_raised || (rate, burst) == NO_LIMIT_OF_YOUNGER_REGIONS
}

/// The published quotas.
pub(crate) fn published() -> Vec<Quota> {
    let table = [
        ("*", 40, 100),
        ("CreateRestApi", 1, 3_000),
        (CREATE_EDGE_API, 1, 30_000),
        ("ImportRestApi", 1, 3_000),
        ("PutRestApi", 1, 1_000),
        ("CreateDeployment", 1, 5_000),
        ("DeleteRestApi", 1, 30_000),
        ("GetResources", 5, 400),
        ("CreateApiKey", 5, 200),
        ("UpdateUsagePlan", 1, 20_000),
        ("UpdateDomainName", 1, 30_000),
    ];
    let quota = |(operation, burst, interval_ms): (&str, u32, u64)| Quota {
        operation: operation.to_owned(),
        burst,
        interval_ms,
    };
    table.map(quota).to_vec()
}
