//! The reconciler of drift: does what the environment's drift policy says when drift is seen.
//!
//! What people did on the gateway again and again is a disagreement that no machine settles: after a while it is told
//! and left, until people decide or the hour is over.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gatehouse_control_plane_store::{
    AuditFilter, Deployment, DeploymentFilter, PageRequest, Resource, Transaction,
};
use gatehouse_schemas::{
    condition::{ConditionStatus, ConditionType},
    drift::{Drift, DriftState},
    environment::DriftPolicy,
    identity::DeploymentId,
    resource::Kind,
    time::Timestamp,
};
use serde_json::json;
use tracing::{debug, error, warn};

use crate::{
    bootstrap::SYSTEM,
    failure::{Answer, chain},
    state::AppState,
    write::{
        deploy::environment_spec,
        drift::{self, Drifted},
        drift_adopt,
    },
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it looks at all drift although nothing happened: what was waited for may be due.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// How often the same field may come back within [`REMEMBERED_MS`] before it is left to people.
const REPEATS_MAX: usize = 5;
const REMEMBERED_MS: i64 = 60 * 60 * 1000;
/// How long the first repetition waits; each further one twice as long.
const FIRST_WAIT_MS: i64 = 5_000;

/// Runs until the server shuts down.
pub(crate) async fn run(state: AppState) {
    let mut refused = Refused::new();
    let (mut seen, mut last) = (None, Instant::now());
    loop {
        let looked = look(&state, &mut refused, seen, last.elapsed() >= LOOK_AGAIN).await;
        match looked {
            Ok((generation, all)) => {
                seen = Some(generation);
                last = if all { Instant::now() } else { last };
            }
            Err(failure) => warn!(
                error = %failure.cause().map(chain).unwrap_or_default(),
                "Could not look for drift: {}; trying again in {LOOK_EVERY:?}", failure.problem().detail
            ),
        }
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Drift that could not be adopted, by the time of the look that saw it: the same again is refused again.
type Refused = BTreeMap<DeploymentId, Option<Timestamp>>;

async fn look(
    state: &AppState,
    refused: &mut Refused,
    seen: Option<u64>,
    again: bool,
) -> Answer<(u64, bool)> {
    let changes = *state.store.changes().borrow();
    if seen == Some(changes) && !again {
        return Ok((changes, false));
    }
    for environment in state.store.all_resources(Kind::Environment).await? {
        let spec = environment_spec(&environment)?;
        if spec.drift_policy != DriftPolicy::Alert && spec.mode.may_write() {
            act_in(state, &environment, spec.drift_policy, refused).await?;
        }
    }
    Ok((changes, true))
}

async fn act_in(
    state: &AppState,
    environment: &Resource,
    policy: DriftPolicy,
    refused: &mut Refused,
) -> Answer<()> {
    let filter = DeploymentFilter {
        environment_id: Some(environment.environment_id()),
        ..DeploymentFilter::default()
    };
    for deployment in state.store.all_deployments(&filter).await? {
        if !is_told(&deployment) {
            continue;
        }
        let id = deployment.id;
        if let Err(failure) = act(state, id, policy, refused).await {
            warn!(
                deployment.id = %id, error = %failure.cause().map(chain).unwrap_or_default(),
                "Drift of `{}` in `{}` was left as it is: {}", deployment.api, deployment.environment,
                failure.problem().detail
            );
        }
    }
    Ok(())
}

fn is_told(deployment: &Deployment) -> bool {
    let mut conditions = deployment.conditions.iter();
    let drifted =
        conditions.any(|it| it.r#type == ConditionType::InSync && it.status == ConditionStatus::False);
    drifted && deployment.confirmed && !deployment.absent
}

async fn act(state: &AppState, id: DeploymentId, policy: DriftPolicy, refused: &mut Refused) -> Answer<()> {
    let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
    let found = transaction.deployment(id).await?.filter(is_told);
    let drifted = match found {
        Some(deployment) => Drifted::read(&mut transaction, deployment).await?,
        None => None,
    };
    let Some(drifted) = drifted else {
        return Ok(());
    };
    let is_there = matches!(drifted.drift.state, DriftState::Drifted | DriftState::Missing);
    if !is_there {
        return Ok(());
    }
    match policy {
        DriftPolicy::Alert => Ok(()),
        DriftPolicy::Revert => revert(transaction, state, &drifted).await,
        DriftPolicy::Adopt => adopt(transaction, state, &drifted, refused).await,
    }
}

async fn revert(mut transaction: Transaction, state: &AppState, drifted: &Drifted) -> Answer<()> {
    let deployment = &drifted.deployment;
    let past = past(&mut transaction, deployment, "drift.reverted").await?;
    match verdict(&past, &drifted.drift, transaction.now()) {
        Verdict::Act => {
            drift::revert(&mut transaction, state, drifted).await?;
            Ok(transaction.commit().await?)
        }
        Verdict::Wait => Ok(()),
        Verdict::Leave(field) => {
            let told = self::past(&mut transaction, deployment, "drift.repeated").await?;
            if told.is_empty() {
                alert(&mut transaction, deployment, &field).await?;
                transaction.commit().await?;
            }
            Ok(())
        }
    }
}

async fn alert(transaction: &mut Transaction, deployment: &Deployment, field: &str) -> Answer<()> {
    let (api, environment) = (&deployment.api, &deployment.environment);
    error!(
        environment.name = %environment, deployment.id = %deployment.id,
        "`{field}` of `{api}` in `{environment}` was put back {REPEATS_MAX} times within an hour and came back each time; \
         find out who changes it, then resolve it with `gatehouse drift resolve {api} --env {environment}` and `--revert` or \
         `--adopt`"
    );
    let details = json!({"api": api, "environment": environment, "fields": [field], "times": REPEATS_MAX});
    transaction
        .audit(
            "drift.repeated",
            &format!("deployment/{}", deployment.id),
            &details,
        )
        .await?;
    Ok(())
}

async fn adopt(
    mut transaction: Transaction,
    state: &AppState,
    drifted: &Drifted,
    refused: &mut Refused,
) -> Answer<()> {
    let id = drifted.deployment.id;
    let looked_at = drifted.observation.as_ref().map(|look| look.at);
    if refused.get(&id) == Some(&looked_at) {
        return Ok(());
    }
    let adopted = match drift_adopt::keeps_protection(drifted) {
        Ok(()) => drift_adopt::adopt(&mut transaction, state, drifted).await,
        Err(failure) => Err(failure),
    };
    match adopted {
        Ok(_) => {
            refused.remove(&id);
            Ok(transaction.commit().await?)
        }
        Err(failure) => {
            debug!(deployment.id = %id, "Drift of `{id}` cannot be adopted");
            refused.insert(id, looked_at);
            Err(failure)
        }
    }
}

/// What was done about a deployment by itself lately: when, and about which fields.
async fn past(
    transaction: &mut Transaction,
    deployment: &Deployment,
    action: &str,
) -> Answer<Vec<(Timestamp, Vec<String>)>> {
    let filter = AuditFilter {
        object: Some(format!("deployment/{}", deployment.id)),
        actor: Some(SYSTEM.to_owned()),
        action: Some(action.to_owned()),
    };
    let request = PageRequest {
        limit: Some(50),
        cursor: None,
    };
    let since = transaction.now().0 - REMEMBERED_MS;
    let events = transaction.audit_events(&filter, &request).await?;
    let lately = events.items.into_iter().filter(|event| event.at.0 > since);
    Ok(lately
        .map(|event| {
            let fields = serde_json::from_value(event.details["fields"].clone()).unwrap_or_default();
            (event.at, fields)
        })
        .collect())
}

/// What to do about drift that may have been there before.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Put it back.
    Act,
    /// Put it back later.
    Wait,
    /// This field came back too often.
    Leave(String),
}

/// Decides by what was put back lately, newest first. An API that is missing counts as its root.
fn verdict(past: &[(Timestamp, Vec<String>)], drift: &Drift, now: Timestamp) -> Verdict {
    let root = [String::new()];
    let mut fields: Vec<&String> = drift.fields.iter().map(|field| &field.path).collect();
    if fields.is_empty() {
        fields.extend(&root);
    }
    let is_about = |put_back: &Vec<String>, field: &String| {
        put_back.contains(field) || put_back.is_empty() && field.is_empty()
    };
    let times = |field: &String| {
        let about = past.iter().filter(|(_, put_back)| is_about(put_back, field));
        about.map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let most = fields
        .iter()
        .map(|field| (times(field), *field))
        .max_by_key(|(times, _)| times.len());
    let Some((times, field)) = most else {
        return Verdict::Act;
    };
    if times.len() >= REPEATS_MAX {
        return Verdict::Leave((*field).clone());
    }
    let Some(last) = times.first() else {
        return Verdict::Act;
    };
    let doublings = u32::try_from(times.len()).unwrap_or(u32::MAX).saturating_sub(1);
    let wait = FIRST_WAIT_MS.saturating_mul(1_i64.checked_shl(doublings).unwrap_or(i64::MAX));
    if now.0.saturating_sub(last.0) < wait {
        Verdict::Wait
    } else {
        Verdict::Act
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::drift::DriftField;

    use super::*;

    fn drift(paths: &[&str]) -> Drift {
        let field = |path: &&str| DriftField {
            path: (*path).to_owned(),
            applied: None,
            desired: None,
            observed: None,
            conflict: false,
        };
        Drift {
            state: DriftState::Drifted,
            fields: paths.iter().map(field).collect(),
            reason: None,
        }
    }

    fn check(past: &[(i64, &[&str])], paths: &[&str], now: i64, expected: &Verdict) {
        let past: Vec<(Timestamp, Vec<String>)> = past
            .iter()
            .map(|(at, fields)| (Timestamp(*at), fields.iter().map(|it| (*it).to_owned()).collect()))
            .collect();
        assert_eq!(verdict(&past, &drift(paths), Timestamp(now)), *expected);
    }

    #[test]
    fn new_drift_is_put_back_at_once_and_the_same_again_later_and_later() {
        check(&[], &["/a"], 0, &Verdict::Act);
        check(&[(0, &["/b"])], &["/a"], 1, &Verdict::Act);
        check(&[(0, &["/a"])], &["/a"], 4_999, &Verdict::Wait);
        check(&[(0, &["/a"])], &["/a"], 5_000, &Verdict::Act);
        check(
            &[(10_000, &["/a"]), (0, &["/a"])],
            &["/a"],
            19_999,
            &Verdict::Wait,
        );
        check(&[(10_000, &["/a"]), (0, &["/a"])], &["/a"], 20_000, &Verdict::Act);
    }

    #[test]
    fn a_field_that_comes_back_five_times_is_left_to_people() {
        let five: Vec<(i64, &[&str])> = (0..5).map(|at| (at, ["/a"].as_slice())).collect();
        check(&five, &["/b", "/a"], 1_000_000, &Verdict::Leave("/a".to_owned()));
        check(&five, &["/b"], 1_000_000, &Verdict::Act);
        check(&five[1..], &["/a"], 1_000_000, &Verdict::Act);
    }

    #[test]
    fn an_api_that_keeps_going_missing_is_left_too() {
        let five: Vec<(i64, &[&str])> = (0..5).map(|at| (at, [].as_slice())).collect();
        check(&five, &[], 1_000_000, &Verdict::Leave(String::new()));
    }
}
