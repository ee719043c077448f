//! What goes wrong with calls to come.

use serde::{Deserialize, Serialize};

use super::operations::Operation;

/// A fault: which calls it hits, and what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Fault {
    /// A name of an operation, `read`, `write` or `*`.
    #[serde(default = "any")]
    pub(super) operation: String,
    /// Only calls on this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) api: Option<String>,
    /// How many such calls go well first.
    #[serde(default)]
    pub(super) skip: u64,
    /// How many such calls it then hits; absent for all until it is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<u64>,
    /// What happens.
    pub(super) effect: FaultEffect,
}

fn any() -> String {
    "*".to_owned()
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind",
    deny_unknown_fields
)]
pub(super) enum FaultEffect {
    /// It is answered with this status and has no effect.
    Status {
        status: u16,
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
    /// The connection ends before it has an effect.
    Reset,
    /// It has its effect, and then the connection ends.
    LostReply,
    /// It has its effect, and half of the answer's body is missing.
    Truncated,
    /// It has its effect, and the answer has no body.
    Empty,
    /// A listing says that there is nothing.
    EmptyList,
    /// It takes this long, and then goes on.
    Delay { ms: u64 },
}

/// The faults to come, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) waiting: Vec<Fault>,
}

impl Faults {
    /// What happens to this call: the first fault that hits it.
    pub(super) fn next(&mut self, operation: Operation, api: Option<&str>) -> Option<FaultEffect> {
        let meant = |fault: &Fault| {
            operation.is_meant_by(&fault.operation)
                && fault.api.as_deref().is_none_or(|wanted| api == Some(wanted))
        };
        for fault in self.waiting.iter_mut().filter(|fault| meant(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
            }
            let effect = fault.effect.clone();
            self.waiting.retain(|fault| fault.times != Some(0));
            return Some(effect);
        }
        None
    }
}
