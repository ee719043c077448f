//! The operations of a connector, by name: for messages, spans, limits and faults.
//!
//! ```
//! use gatehouse_connector_sdk::operation::Operation;
//!
//! let names: Vec<_> = Operation::ALL.iter().map(Operation::to_string).collect();
//! assert_eq!(names, ["check", "discover", "observe", "hints", "deploy", "undeploy"]);
//! ```

use std::fmt;

use gatehouse_schemas::descriptor::Capabilities;

/// An operation of a [`Connector`](crate::connector::Connector) that has effects or reads the gateway.
///
/// ```
/// use gatehouse_connector_sdk::{operation::Operation, schemas::descriptor::Capabilities};
///
/// let read_only = Capabilities { check: true, discover: true, observe: true, ..Capabilities::default() };
/// let missing: Vec<_> = Operation::ALL.into_iter().filter(|it| !it.is_declared_by(&read_only)).collect();
/// assert_eq!(missing, [Operation::Hints, Operation::Deploy, Operation::Undeploy]);
/// assert_eq!(Operation::Deploy.as_str(), "deploy");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `check`.
    Check,
    /// `discover`.
    Discover,
    /// `observe`.
    Observe,
    /// `hints`.
    Hints,
    /// `deploy`.
    Deploy,
    /// `undeploy`.
    Undeploy,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Check,
        Self::Discover,
        Self::Observe,
        Self::Hints,
        Self::Deploy,
        Self::Undeploy,
    ];

    /// Its name, as the trait spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Discover => "discover",
            Self::Observe => "observe",
            Self::Hints => "hints",
            Self::Deploy => "deploy",
            Self::Undeploy => "undeploy",
        }
    }

    /// Whether a connector declares it.
    pub fn is_declared_by(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::Check => capabilities.check,
            Self::Discover => capabilities.discover,
            Self::Observe => capabilities.observe,
            Self::Hints => capabilities.hints,
            Self::Deploy => capabilities.deploy,
            Self::Undeploy => capabilities.undeploy,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
