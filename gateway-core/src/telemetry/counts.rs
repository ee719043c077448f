//! How much was exported, and how much was lost and why.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Why something was not exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Too much was waiting already.
    QueueFull,
    /// The receiver could not be reached or was too busy, also not a while later.
    NotSent,
    /// The receiver did not want it.
    Refused,
}

impl Lost {
    const ALL: [(Self, &'static str); 3] = [
        (Self::QueueFull, "queue_full"),
        (Self::NotSent, "not_sent"),
        (Self::Refused, "refused"),
    ];
}

/// What became of the records of one signal.
#[derive(Debug, Default)]
pub(super) struct Counts {
    exported: AtomicU64,
    lost: [AtomicU64; Lost::ALL.len()],
}

impl Counts {
    /// Counts records that the receiver took.
    pub(super) fn exported(&self, records: usize) {
        self.exported.fetch_add(records as u64, Relaxed);
    }

    /// Counts records that are gone.
    pub(super) fn lost(&self, why: Lost, records: usize) {
        self.lost[why as usize].fetch_add(records as u64, Relaxed);
    }

    pub(super) fn of(&self, why: Lost) -> u64 {
        self.lost[why as usize].load(Relaxed)
    }

    /// How many are gone, for whatever reason.
    pub(super) fn all_lost(&self) -> u64 {
        Lost::ALL.iter().map(|(why, _)| self.of(*why)).sum()
    }
}

/// The counts by signal in Prometheus' text format.
pub(super) fn text(signals: &[(&str, &Counts)]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "# HELP gatehouse_gateway_telemetry_exported_total Spans, log records and metric points that a receiver took.\n\
         # TYPE gatehouse_gateway_telemetry_exported_total counter"
    );
    for (signal, counts) in signals {
        let count = counts.exported.load(Relaxed);
        let _ = writeln!(
            text,
            "gatehouse_gateway_telemetry_exported_total{{signal=\"{signal}\"}} {count}"
        );
    }
    let _ = writeln!(
        text,
        "# HELP gatehouse_gateway_telemetry_dropped_total Spans, log records and metric points that no receiver got.\n\
         # TYPE gatehouse_gateway_telemetry_dropped_total counter"
    );
    for (signal, counts) in signals {
        for (why, reason) in Lost::ALL {
            let count = counts.of(why);
            let _ = writeln!(
                text,
                "gatehouse_gateway_telemetry_dropped_total{{signal=\"{signal}\",reason=\"{reason}\"}} {count}"
            );
        }
    }
    text
}
