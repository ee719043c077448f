//! What the conformance suite saw of a connector, as its descriptor carries it.
//!
//! ```
//! use gatehouse_connector_sdk::conformance;
//!
//! // In a connector: `conformance: conformance::checked_in(include_str!("conformance.json"))`.
//! let summary = conformance::checked_in(r#"{"suite": "0.1.0", "level": "extended", "passed": 41}"#);
//! assert!(summary.is_some_and(|summary| summary.failed.is_empty()));
//! ```

use gatehouse_schemas::descriptor::ConformanceSummary;

/// The summary that `gatehouse connector report --summary FILE` has written, kept beside the connector's sources. None if
/// the file holds none yet: a descriptor then claims nothing.
///
/// ```
/// use gatehouse_connector_sdk::conformance::checked_in;
///
/// let summary = checked_in(r#"{"suite": "0.1.0", "level": "core", "passed": 30}"#);
/// assert_eq!(summary.map(|summary| summary.passed), Some(30));
/// assert_eq!(checked_in(""), None);
/// ```
pub fn checked_in(summary: &str) -> Option<ConformanceSummary> {
    serde_json::from_str(summary).ok()
}
