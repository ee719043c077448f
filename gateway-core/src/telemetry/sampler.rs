//! Which requests are recorded.

use super::context::{Context, TraceId};

/// Decides once per trace. Everybody who takes part and decides by the same share comes to the same result, since it
/// follows from the identity of the trace, as OpenTelemetry's `TraceIdRatioBased` has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// The share of new traces that are recorded, from 0 to 1.
    pub share: f64,
    /// Whether a request that comes with a trace is recorded if, and only if, that trace is.
    pub follow_parent: bool,
}

impl Default for Sampler {
    /// All new traces, and of others those that are recorded already.
    fn default() -> Self {
        Self {
            share: 1.0,
            follow_parent: true,
        }
    }
}

impl Sampler {
    pub(super) fn samples(&self, trace: TraceId, parent: Option<Context>) -> bool {
        match parent {
            Some(parent) if self.follow_parent => parent.is_sampled(),
            _ => self.picks(trace),
        }
    }

    fn picks(&self, trace: TraceId) -> bool {
        // Its last 63 bits are a number, the share a point in the range of such numbers.
        let bound = (self.share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        (u128::from_be_bytes(trace.0) as u64) >> 1 < bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(sampler: Sampler, parent: Option<Context>) -> usize {
        (0..10_000)
            .filter(|_| sampler.samples(TraceId::random(), parent))
            .count()
    }

    #[test]
    fn about_the_share_of_new_traces_is_recorded() {
        let share = |share| Sampler {
            share,
            follow_parent: true,
        };
        assert_eq!(picked(share(0.0), None), 0);
        assert_eq!(picked(share(1.0), None), 10_000);
        // Ten standard deviations to either side.
        assert!((2_067..=2_933).contains(&picked(share(0.25), None)));
    }

    #[test]
    fn a_trace_that_goes_on_stays_what_it_is_unless_told_otherwise() {
        let parent = |sampled| Some(Context::root(TraceId::random(), sampled));
        for (follow_parent, sampled, share, expected) in [
            (true, true, 0.0, 10_000),
            (true, false, 1.0, 0),
            (false, true, 0.0, 0),
            (false, false, 1.0, 10_000),
        ] {
            let sampler = Sampler { share, follow_parent };
            assert_eq!(
                picked(sampler, parent(sampled)),
                expected,
                "{sampler:?} {sampled}"
            );
        }
    }

    /// What other implementations of the same rule decide about the same traces at a share of a half.
    #[test]
    fn the_decision_is_in_the_identity_of_the_trace() {
        let half = Sampler {
            share: 0.5,
            follow_parent: true,
        };
        let trace = |low: u64| TraceId((u128::MAX << 64 | u128::from(low)).to_be_bytes());
        assert!(half.samples(trace(0x7fff_ffff_ffff_ffff), None));
        assert!(!half.samples(trace(0x8000_0000_0000_0000), None));
    }
}
