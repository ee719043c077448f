//! The settings of an in-memory environment.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `Environment.spec.settings` of gateway type `memory`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemorySettings {
    /// A file that holds what the gateway holds, so that it outlives the agent. Without it, what the gateway
    /// holds ends with the agent's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub file: Option<PathBuf>,
    /// How long a deploy takes before it has its effect, in milliseconds. For trying out interruptions.
    #[serde(default)]
    #[schema(maximum = 600_000)]
    pub delay_before_effect_ms: u32,
    /// How long a deploy takes after it has had its effect, in milliseconds. For trying out interruptions.
    #[serde(default)]
    #[schema(maximum = 600_000)]
    pub delay_after_effect_ms: u32,
}

impl MemorySettings {
    pub(super) fn delay_before_effect(&self) -> Duration {
        Duration::from_millis(self.delay_before_effect_ms.into())
    }

    pub(super) fn delay_after_effect(&self) -> Duration {
        Duration::from_millis(self.delay_after_effect_ms.into())
    }
}
