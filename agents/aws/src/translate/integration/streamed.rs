//! How long answers may take, and whether they are passed on as they come.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{Policy, TimeoutPolicy},
    revision::Operation,
};

use super::Spot;
use crate::translate::{Kind, judge::with, native, scene::Scene};

/// The shortest time that AWS waits for an upstream, in milliseconds.
const SHORTEST_MS: u32 = 50;
/// The longest that it waits for an answer that it passes on as a whole, by the kind of the API.
const LONGEST_REST_MS: u32 = 29_000;
const LONGEST_HTTP_MS: u32 = 30_000;
/// The longest that an answer may take that is passed on as it comes.
const LONGEST_STREAM_MS: u32 = 900_000;

impl Spot<'_> {
    /// Whether answers are passed on as they come: REST APIs can, with what is no answer of their own nor kept.
    pub(super) fn streams(&self) -> bool {
        let answers_itself = |policy: &&Policy| matches!(policy, Policy::Respond(_));
        let is_whole = self.is_cached() || self.policies.iter().any(answers_itself);
        let is_asked = match self.scene.settings.response_streaming.as_str() {
            "always" => true,
            "long" => self.asked_ms().is_some_and(|asked| asked > LONGEST_REST_MS),
            _ => false,
        };
        self.scene.kind == Kind::Rest && (is_asked || self.is_told_to_stream()) && !is_whole
    }

    /// Whether a fragment says so.
    fn is_told_to_stream(&self) -> bool {
        let mut fragments = native::field(&self.policies, "operation").into_iter();
        fragments.any(|fragment| fragment[native::INTEGRATION]["responseTransferMode"] == "STREAM")
    }

    /// How long AWS waits for the upstream.
    pub(super) fn timeout_ms(&self) -> u32 {
        let longest = longest_ms(self.scene.kind, self.streams());
        self.asked_ms().unwrap_or(longest).clamp(SHORTEST_MS, longest)
    }

    fn asked_ms(&self) -> Option<u32> {
        let upstream = self.scene.content.upstreams.get(self.upstream());
        let own = upstream.map(|upstream| upstream.timeout_ms);
        let asked = self.policies.iter().filter_map(|policy| match policy {
            Policy::Timeout(timeout) => Some(timeout.response_ms),
            _ => None,
        });
        asked.chain(own).min()
    }
}

fn longest_ms(kind: Kind, streams: bool) -> u32 {
    match (kind, streams) {
        (Kind::Rest, true) => LONGEST_STREAM_MS,
        (Kind::Rest, false) => LONGEST_REST_MS,
        (Kind::Http, _) => LONGEST_HTTP_MS,
    }
}

/// How faithfully the upstream's time is limited.
pub(in crate::translate) fn of_timeout(
    scene: Scene<'_>,
    timeout: &TimeoutPolicy,
    operation: Option<&Operation>,
) -> Fidelity {
    let is_asked = match scene.settings.response_streaming.as_str() {
        "always" => true,
        "long" => timeout.response_ms > LONGEST_REST_MS,
        _ => false,
    };
    let is_kept = |policy: &&Policy| matches!(policy, Policy::Cache(_));
    let streams = is_asked && scene.kind == Kind::Rest && !scene.in_force(operation).iter().any(is_kept);
    let longest = longest_ms(scene.kind, streams);
    let mut differences = vec!["API Gateway measures up to the end of the upstream's answer".to_owned()];
    if timeout.response_ms > longest {
        differences.push(format!("it waits for {longest} milliseconds at most"));
    }
    if timeout.response_ms < SHORTEST_MS {
        differences.push(format!("it waits for {SHORTEST_MS} milliseconds at least"));
    }
    with(&differences)
}
