//! What a run of the suite found.

use gatehouse_schemas::descriptor::{Capabilities, Descriptor, PolicySupport};
use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Level, Operation};

/// What a run of the suite found about one connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The gateway type.
    pub gateway_type: String,
    /// The connector's name for people.
    pub display_name: String,
    /// The connector's version.
    pub version: String,
    /// Up to which level it was tested.
    pub level: Level,
    /// What the connector says it can do.
    pub capabilities: Capabilities,
    /// How faithfully it says to express policies.
    pub policies: Vec<PolicySupport>,
    /// The behaviours, in the order of the contract.
    pub behaviours: Vec<Tested>,
}

/// A behaviour that was tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tested {
    /// The method it belongs to.
    pub operation: Operation,
    /// The name of its test.
    pub id: String,
    /// The line of the contract.
    pub sentence: String,
    /// From which level on it is tested.
    pub level: Level,
    /// What was found.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What was found about a behaviour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// The connector has it.
    Passed,
    /// It could not be seen.
    Skipped {
        /// Why.
        reason: String,
    },
    /// The connector does not have it.
    Failed {
        /// What was seen instead.
        reason: String,
    },
}

impl Report {
    /// An empty report about a connector.
    pub(crate) fn of(descriptor: &Descriptor, level: Level) -> Self {
        Self {
            gateway_type: descriptor.gateway_type.to_string(),
            display_name: descriptor.display_name.clone(),
            version: descriptor.version.clone(),
            level,
            capabilities: descriptor.capabilities.clone(),
            policies: descriptor.policies.clone(),
            behaviours: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, behaviour: &Behaviour, outcome: Outcome) -> &Tested {
        self.behaviours.push_mut(Tested {
            operation: behaviour.operation,
            id: behaviour.id.to_owned(),
            sentence: behaviour.sentence.to_owned(),
            level: behaviour.level,
            outcome,
        })
    }

    /// Whether nothing failed. What was skipped is not claimed.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// What failed: the behaviour, and what was seen instead.
    pub fn failures(&self) -> impl Iterator<Item = (&Tested, &str)> {
        self.behaviours.iter().filter_map(|tested| match &tested.outcome {
            Outcome::Failed { reason } => Some((tested, reason.as_str())),
            Outcome::Passed | Outcome::Skipped { .. } => None,
        })
    }
}
