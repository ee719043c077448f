//! The operations of a connector, by name: for messages, spans, limits and faults.

use std::fmt;

use gatehouse_schemas::descriptor::Capabilities;

/// An operation of a [`Connector`](crate::connector::Connector) that has effects or reads the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `check`.
    Check,
    /// `discover`.
    Discover,
    /// `observe`.
    Observe,
    /// `deploy`.
    Deploy,
    /// `undeploy`.
    Undeploy,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Check,
        Self::Discover,
        Self::Observe,
        Self::Deploy,
        Self::Undeploy,
    ];

    /// Its name, as the trait spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Discover => "discover",
            Self::Observe => "observe",
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
