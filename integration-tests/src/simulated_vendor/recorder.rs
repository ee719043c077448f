//! Every call, and how often each operation was called.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// So many of the latest calls are kept.
const KEPT: usize = 100_000;

/// A call as it was answered.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recorded {
    /// Its number, from 1.
    pub(super) number: u64,
    pub(super) at_ms: u64,
    pub(super) account: String,
    pub(super) operation: &'static str,
    pub(super) api: Option<String>,
    /// 0 while it is under way, or if its answer was lost.
    pub(super) status: u16,
}

/// How often an operation was called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Count {
    /// Calls that were not throttled.
    pub(super) calls: u64,
    /// Calls that were answered 429.
    pub(super) throttled: u64,
    /// Calls that were answered 400 or more, those with 429 aside, or not at all.
    pub(super) failed: u64,
}

/// All calls.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) calls: VecDeque<Recorded>,
    pub(super) counts: BTreeMap<&'static str, Count>,
    numbers: u64,
}

impl Recorder {
    pub(super) fn begin(&mut self, call: Recorded) -> u64 {
        self.numbers += 1;
        self.counts.entry(call.operation).or_default().calls += 1;
        self.calls.push_back(Recorded {
            number: self.numbers,
            ..call
        });
        if self.calls.len() > KEPT {
            self.calls.pop_front();
        }
        self.numbers
    }

    pub(super) fn throttled(&mut self, operation: &'static str) {
        self.counts.entry(operation).or_default().throttled += 1;
    }

    pub(super) fn end(&mut self, number: u64, status: u16) {
        let first = self.calls.front().map_or(number, |call| call.number);
        let index = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        let Some(call) = self.calls.get_mut(index).filter(|call| call.number == number) else {
            return;
        };
        call.status = status;
        if status == 0 || status >= 400 {
            self.counts.entry(call.operation).or_default().failed += 1;
        }
    }

    pub(super) fn reset(&mut self) {
        self.calls.clear();
        self.counts.clear();
    }
}
