//! The settings of an in-memory environment.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `Environment.spec.settings` of gateway type `memory`.
///
/// ```
/// use gatehouse_connector_sdk::memory::MemorySettings;
/// use serde_json::json;
///
/// let settings = json!({"steps": 3, "delayBeforeEffectMs": 250});
/// let settings: MemorySettings = serde_json::from_value(settings).unwrap();
/// assert_eq!((settings.steps, settings.delay_before_effect_ms), (3, 250));
/// assert!(settings.file.is_none() && settings.credential_may_write);
/// assert!(serde_json::from_value::<MemorySettings>(json!({"step": 3})).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
// People read the schema in forms and references, where the example has no place.
#[schema(description = "`Environment.spec.settings` of gateway type `memory`.")]
pub struct MemorySettings {
    /// A file that holds what the gateway holds, so that it outlives the agent. Without it, what the gateway
    /// holds ends with the agent's process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub file: Option<PathBuf>,
    /// In how many steps a deploy is carried out; all but the last make parts that nothing serves yet.
    #[schema(minimum = 1, maximum = 20)]
    pub steps: u32,
    /// Whether the credential may look at APIs.
    pub credential_may_read: bool,
    /// Whether the credential may change APIs.
    pub credential_may_write: bool,
    /// Whether the gateway tells its agent of changes, as far as somebody lets it. For trying out hints.
    pub tells_of_changes: bool,
    /// How long each step takes before it has its effect, in milliseconds. For trying out interruptions.
    #[schema(maximum = 600_000)]
    pub delay_before_effect_ms: u32,
    /// How long each step takes after it has had its effect, in milliseconds. For trying out interruptions.
    #[schema(maximum = 600_000)]
    pub delay_after_effect_ms: u32,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self {
            file: None,
            steps: 1,
            credential_may_read: true,
            credential_may_write: true,
            tells_of_changes: false,
            delay_before_effect_ms: 0,
            delay_after_effect_ms: 0,
        }
    }
}

impl MemorySettings {
    pub(super) fn delay_before_effect(&self) -> Duration {
        Duration::from_millis(self.delay_before_effect_ms.into())
    }

    pub(super) fn delay_after_effect(&self) -> Duration {
        Duration::from_millis(self.delay_after_effect_ms.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    #[test]
    fn the_schema_says_what_the_settings_are_and_not_how_to_test_with_them() {
        let schema = settings::schema::<MemorySettings>("In-memory gateway settings");
        assert_eq!(
            schema["description"],
            "`Environment.spec.settings` of gateway type `memory`."
        );
    }
}
