//! A behaviour: one line of the contract, and how it is tested.

use std::fmt;

use futures_util::future::BoxFuture;
use gatehouse_schemas::descriptor::Capabilities;
use serde::{Deserialize, Serialize};

use crate::{Level, subject::Subject, verdict::Verdict};

/// The method of the contract that a behaviour belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// `check`.
    Check,
    /// `discover`.
    Discover,
    /// `observe`.
    Observe,
    /// `translate`.
    Translate,
    /// `estimate`.
    Estimate,
    /// `deploy`.
    Deploy,
    /// `undeploy`.
    Undeploy,
    /// No method of the connector's: what an agent owes around it.
    Agent,
}

impl Operation {
    /// Its name, as the trait spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Discover => "discover",
            Self::Observe => "observe",
            Self::Translate => "translate",
            Self::Estimate => "estimate",
            Self::Deploy => "deploy",
            Self::Undeploy => "undeploy",
            Self::Agent => "agent",
        }
    }

    pub(crate) fn is_declared(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::Check => capabilities.check,
            Self::Discover => capabilities.discover,
            Self::Observe => capabilities.observe,
            Self::Translate | Self::Estimate | Self::Agent => true,
            Self::Deploy => capabilities.deploy,
            Self::Undeploy => capabilities.undeploy,
        }
    }
}

/// How a behaviour is tested.
pub(crate) type Test = fn(Subject) -> BoxFuture<'static, Verdict>;

/// One line of the contract.
#[derive(Clone)]
pub struct Behaviour {
    /// The name of its test.
    pub id: &'static str,
    /// The method it belongs to.
    pub operation: Operation,
    /// From which level on it is tested.
    pub level: Level,
    /// The line, word for word.
    pub sentence: &'static str,
    pub(crate) needs: &'static [Operation],
    pub(crate) test: Test,
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Behaviour({} {})", self.operation.as_str(), self.id)
    }
}

impl Behaviour {
    /// An operation that is needed to see it and that the connector does not declare.
    pub(crate) fn missing(&self, capabilities: &Capabilities) -> Option<&'static str> {
        let mut needed = [self.operation].into_iter().chain(self.needs.iter().copied());
        needed
            .find(|operation| !operation.is_declared(capabilities))
            .map(Operation::as_str)
    }
}
