//! How long a plan waits for an item that does not get on.
//!
//! It is counted from the moment at which the trouble began, not from the plan's: under a vendor's quotas an item's turn
//! may come late, and then it has as long as the first.

use gatehouse_control_plane_api::agent::DeploymentOutcome;
use gatehouse_control_plane_store::{Deployment, Report};
use gatehouse_schemas::{
    condition::{ConditionStatus, ConditionType},
    identity::Generation,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// How long an agent may try again, and how long an environment that nobody serves is waited for. What is desired
/// stays desired after that, so it is carried out whenever that is possible again.
pub(super) const PATIENCE_MS: i64 = 10 * 60 * 1000;

/// What keeps an item from being carried out, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trouble {
    kind: TroubleKind,
    /// Another generation is another beginning.
    generation: Generation,
    since: Timestamp,
}

/// What keeps an item from being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TroubleKind {
    /// An agent fails and tries again.
    Failing,
    /// Nobody is there who could or may carry it out.
    Unattended,
}

impl Trouble {
    /// The trouble after a look. That an agent is at it again does not mean that it will not fail again.
    pub(super) fn after(
        before: Option<&Self>,
        seen: Option<TroubleKind>,
        generation: Generation,
        now: Timestamp,
    ) -> Option<Self> {
        let before = before.filter(|before| before.generation == generation);
        let kind = seen.or(before
            .map(|before| before.kind)
            .filter(|kind| *kind == TroubleKind::Failing))?;
        let since = before
            .filter(|before| before.kind == kind)
            .map_or(now, |before| before.since);
        Some(Self {
            kind,
            generation,
            since,
        })
    }

    /// When the plan's patience ends.
    pub(super) fn until(&self) -> Timestamp {
        Timestamp(self.since.0.saturating_add(PATIENCE_MS))
    }
}

/// Why nobody carries a deployment out, and what to do: no agent is there, the mode forbids it, or a removal waits for
/// gateways that are away.
pub(super) fn unattended(deployment: &Deployment, reports: &[Report]) -> Option<String> {
    let condition = |wanted: ConditionType| {
        let mut conditions = deployment.conditions.iter();
        conditions.find(|condition| condition.r#type == wanted)
    };
    let accepted = condition(ConditionType::Accepted);
    if let Some(refused) = accepted.filter(|it| it.status != ConditionStatus::True) {
        return Some(refused.message.clone());
    }
    let removed = |report: &Report| {
        report.generation >= deployment.generation
            && matches!(
                serde_json::from_value(report.outcome.clone()),
                Ok(DeploymentOutcome::Removed)
            )
    };
    let waits = deployment.absent && reports.iter().any(removed);
    condition(ConditionType::Deployed)
        .filter(|_| waits)
        .map(|condition| condition.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: Generation = Generation(7);

    fn trouble(kind: TroubleKind, since: i64) -> Trouble {
        Trouble {
            kind,
            generation: GENERATION,
            since: Timestamp(since),
        }
    }

    fn after(before: &Trouble, seen: Option<TroubleKind>) -> Option<Trouble> {
        Trouble::after(Some(before), seen, GENERATION, Timestamp(500))
    }

    #[test]
    fn it_is_counted_from_its_beginning() {
        use TroubleKind::{Failing, Unattended};
        assert_eq!(Trouble::after(None, None, GENERATION, Timestamp(500)), None);
        assert_eq!(
            Trouble::after(None, Some(Failing), GENERATION, Timestamp(500)),
            Some(trouble(Failing, 500))
        );
        let failing = trouble(Failing, 100);
        assert_eq!(after(&failing, Some(Failing)), Some(failing.clone()));
        assert_eq!(after(&failing, None), Some(failing.clone()), "another attempt");
        assert_eq!(after(&failing, Some(Unattended)), Some(trouble(Unattended, 500)));
        let unattended = trouble(Unattended, 100);
        assert_eq!(after(&unattended, Some(Unattended)), Some(unattended.clone()));
        assert_eq!(after(&unattended, None), None, "somebody is there");
        assert_eq!(after(&unattended, Some(Failing)), Some(trouble(Failing, 500)));
        let other = Trouble::after(Some(&failing), None, Generation(8), Timestamp(500));
        assert_eq!(other, None, "something else is desired now");
        assert_eq!(failing.until(), Timestamp(100 + PATIENCE_MS));
    }
}
