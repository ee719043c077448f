//! What a run of the suite found.

use gatehouse_schemas::descriptor::{
    Capabilities, ConformanceLevel as Level, ConformanceNote, ConformanceSummary, Descriptor, PolicySupport,
};
use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Operation};

/// The version of the suite: its behaviours are the contract's, so it is the SDK's.
const SUITE: &str = env!("CARGO_PKG_VERSION");

/// What a run of the suite found about one connector.
///
/// ```
/// use gatehouse_connector_conformance::{Level, MemoryTestGateway, Outcome, Report, run};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let report = run(Level::Core, async || MemoryTestGateway::new()).await;
/// let report = report.reproduced_by("cargo test --test conformance");
///
/// let passed = report.count(|outcome| *outcome == Outcome::Passed);
/// assert!(report.summary().starts_with(&format!("{passed} passed, ")));
/// assert!(report.passed() && report.failures().next().is_none() && report.unproven().is_empty());
///
/// // The file that is checked in, and what the descriptor says of it.
/// let yaml = report.to_yaml().unwrap();
/// assert_eq!(report.for_descriptor().passed as usize, passed);
/// assert_eq!(Report::from_yaml(&yaml), Ok(report));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// The version of the suite.
    pub suite: String,
    /// The command that makes this report.
    pub reproduce: String,
    /// The gateway type.
    pub gateway_type: String,
    /// Which kind of gateway of the type was under test, if the connector knows several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
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

/// A report that cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not a report of the conformance suite: {0}")]
pub struct ReportError(String);

impl Report {
    /// An empty report about a connector.
    pub(crate) fn of(descriptor: &Descriptor, level: Level) -> Self {
        Self {
            suite: SUITE.to_owned(),
            reproduce: String::new(),
            gateway_type: descriptor.gateway_type.to_string(),
            variant: None,
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

    /// With the command that makes it.
    #[must_use]
    pub fn reproduced_by(mut self, command: impl Into<String>) -> Self {
        self.reproduce = command.into();
        self
    }

    /// With which kind of gateway of the type was under test.
    #[must_use]
    pub fn on(mut self, variant: impl Into<String>) -> Self {
        self.variant = Some(variant.into());
        self
    }

    /// What was under test, for people: the gateway type, and which kind of it.
    pub fn title(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}, {variant}", self.gateway_type),
            None => self.gateway_type.clone(),
        }
    }

    /// As it is checked in.
    pub fn to_yaml(&self) -> Result<String, ReportError> {
        // Quoted scalars come back exactly as they were, whatever their line breaks and their length.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let mut text = serde_saphyr::to_string_with_options(self, options)
            .map_err(|error| ReportError(error.to_string()))?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// One that was checked in.
    pub fn from_yaml(text: &str) -> Result<Self, ReportError> {
        serde_saphyr::from_str(text).map_err(|error| ReportError(error.to_string()))
    }

    /// How many behaviours came out like this.
    pub fn count(&self, like: impl Fn(&Outcome) -> bool) -> usize {
        self.behaviours
            .iter()
            .filter(|tested| like(&tested.outcome))
            .count()
    }

    /// What a connector's descriptor says of it.
    pub fn for_descriptor(&self) -> ConformanceSummary {
        let notes = |reason: fn(&Outcome) -> Option<&String>| {
            let note = |tested: &Tested| {
                Some(ConformanceNote {
                    behaviour: tested.sentence.clone(),
                    reason: reason(&tested.outcome)?.clone(),
                })
            };
            self.behaviours.iter().filter_map(note).collect()
        };
        ConformanceSummary {
            suite: self.suite.clone(),
            level: self.level,
            passed: u32::try_from(self.count(|outcome| *outcome == Outcome::Passed)).unwrap_or(u32::MAX),
            skipped: notes(|outcome| match outcome {
                Outcome::Skipped { reason } => Some(reason),
                _ => None,
            }),
            failed: notes(|outcome| match outcome {
                Outcome::Failed { reason } => Some(reason),
                _ => None,
            }),
        }
    }

    /// What came out in numbers: `38 passed, 3 skipped, 0 failed`.
    pub fn summary(&self) -> String {
        format!(
            "{} passed, {} skipped, {} failed",
            self.count(|outcome| *outcome == Outcome::Passed),
            self.count(|outcome| matches!(outcome, Outcome::Skipped { .. })),
            self.count(|outcome| matches!(outcome, Outcome::Failed { .. })),
        )
    }

    /// The operations that the connector declares and that nothing was seen of: all their behaviours were skipped.
    pub fn unproven(&self) -> Vec<Operation> {
        let mut operations: Vec<Operation> = Vec::new();
        for tested in &self.behaviours {
            let operation = tested.operation;
            let of_it = || {
                self.behaviours
                    .iter()
                    .filter(|tested| tested.operation == operation)
            };
            let is_proven = of_it().any(|tested| tested.outcome == Outcome::Passed);
            let is_new = !operations.contains(&operation);
            if is_new && !is_proven && operation.is_declared(&self.capabilities) {
                operations.push(operation);
            }
        }
        operations
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
