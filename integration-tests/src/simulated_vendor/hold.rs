//! Holding a call just before or just after its effect, so that somebody may be killed meanwhile.

use serde::{Deserialize, Serialize};

use super::operations::Operation;

/// Which call is to be held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HoldRequest {
    /// The how manieth from now on, from 1.
    pub(super) request: u64,
    /// On which side of its effect.
    pub(super) when: Side,
    /// Which calls count: a name of an operation, `read`, `write` or `*`.
    #[serde(default = "writes")]
    pub(super) operation: String,
}

fn writes() -> String {
    "write".to_owned()
}

/// A side of a call's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Side {
    Before,
    After,
}

/// How a held call goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Release {
    /// As if nothing had been.
    #[default]
    Proceed,
    /// The connection ends: before its effect, without it; after it, without an answer.
    Drop,
}

/// A call that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Held {
    pub(super) operation: &'static str,
    pub(super) api: Option<String>,
    pub(super) when: Side,
    /// Its number among all calls.
    pub(super) number: u64,
}

/// What is to be held, what is held.
#[derive(Debug, Default)]
pub(super) struct Hold {
    wanted: Option<HoldRequest>,
    counted: u64,
    pub(super) held: Option<Held>,
}

impl Hold {
    pub(super) fn want(&mut self, request: HoldRequest) {
        *self = Self {
            wanted: Some(request),
            ..Self::default()
        };
    }

    /// How many calls were counted since it was asked for.
    pub(super) fn counted(&self) -> u64 {
        self.counted
    }

    /// Counts a call; says on which side of its effect it is to be held.
    pub(super) fn count(&mut self, operation: Operation) -> Option<Side> {
        let wanted = self.wanted.as_ref()?;
        if !operation.is_meant_by(&wanted.operation) {
            return None;
        }
        self.counted += 1;
        (self.counted == wanted.request).then_some(wanted.when)
    }
}
