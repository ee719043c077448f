//! Which agents serve which environments.

use clap::ValueEnum;
use serde_json::{Value, json};

/// Which agents serve which environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// All serve one environment, each as a gateway of its own.
    OneEnvironment,
    /// Each serves an environment of its own.
    OneEach,
}

impl Layout {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::OneEnvironment => "all serving one environment",
            Self::OneEach => "each serving an environment of its own",
        }
    }

    /// Whether each agent is a gateway of its own.
    pub(crate) fn is_replicated(self) -> bool {
        self == Self::OneEnvironment
    }

    /// Where deploys go: with one agent each, any of them is as good as the others.
    pub(crate) fn target(self, deploy: usize, agents: usize) -> String {
        match self {
            Self::OneEnvironment => environment(0),
            Self::OneEach => environment(deploy * 37 % agents),
        }
    }

    /// How many agents a deploy concerns.
    pub(crate) fn reached(self, agents: usize) -> usize {
        match self {
            Self::OneEnvironment => agents,
            Self::OneEach => 1,
        }
    }

    /// The gateway type of an agent.
    pub(crate) fn gateway_type(self, agent: usize) -> String {
        match self {
            Self::OneEnvironment => gateway_type(0),
            Self::OneEach => gateway_type(agent),
        }
    }

    /// The environments, as documents.
    pub(crate) fn environments(self, agents: usize) -> Vec<Value> {
        let count = match self {
            Self::OneEnvironment => 1,
            Self::OneEach => agents,
        };
        let document = |number| {
            json!({
                "apiVersion": "gatehouse.dev/v1",
                "kind": "Environment",
                "metadata": {"name": environment(number)},
                "spec": {"gatewayType": gateway_type(number), "mode": "read-write"},
            })
        };
        (0..count).map(document).collect()
    }
}

fn environment(number: usize) -> String {
    format!("edge-{number}")
}

fn gateway_type(number: usize) -> String {
    format!("bench-{number}")
}
