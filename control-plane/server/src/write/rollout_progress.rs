//! How a plan that is being carried out goes: told from the state of its deployments, again and again, whoever looks.
//! What a void or failed item changed is put back.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::{
    admin::{PlanItem, PlanItemState},
    agent::DeploymentOutcome,
};
use gatehouse_control_plane_store::{Deployment, PlanState, PlanStrategy, Transaction};
use gatehouse_schemas::{
    condition::{ConditionType, Phase},
    identity::{PlanId, ResourceName},
    time::Timestamp,
};

use super::{
    plan::{ItemInternals, Kept},
    rollout::is_of,
    rollout_back::{Back, Undone, Why, make_again, put_back},
};
use crate::failure::Answer;

/// How long an agent may try again before the plan goes on without the item. The agent goes on trying.
const PATIENCE_MS: i64 = 10 * 60 * 1000;

/// The agent's word for a gateway that moved since a plan was made.
const PLAN_VOID: &str = "PlanVoid";

/// Takes the next step with a plan, if there is one to take. Gives whether anything changed.
pub(crate) async fn advance(
    transaction: &mut Transaction,
    id: PlanId,
    online_since: Timestamp,
) -> Answer<bool> {
    let Some(mut kept) = Kept::read(transaction, id).await? else {
        return Ok(false);
    };
    let before = (kept.row.state, kept.items.clone(), kept.internals.clone());
    let state = match kept.row.state {
        PlanState::Applying => applying(transaction, &mut kept, online_since).await?,
        PlanState::Compensating => compensating(transaction, &mut kept).await?,
        other => other,
    };
    if (state, &kept.items, &kept.internals) == (before.0, &before.1, &before.2) {
        return Ok(false);
    }
    kept.write(transaction, state).await?;
    Ok(true)
}

async fn applying(
    transaction: &mut Transaction,
    kept: &mut Kept,
    online_since: Timestamp,
) -> Answer<PlanState> {
    let since = kept.row.applied_at.unwrap_or(kept.row.updated_at);
    let apis = apis(&kept.items);
    for index in 0..kept.items.len() {
        let (item, internals) = (&kept.items[index], &kept.internals[index]);
        if item.state != PlanItemState::Applying {
            continue;
        }
        let deployment = found(transaction, item).await?;
        let recorded = Recorded {
            item,
            internals,
            plan_id: kept.row.id,
        };
        let mut fate = recorded.fate(transaction, deployment.as_ref(), since).await?;
        if let (Fate::Void(told), Some(deployment)) = (&fate, &deployment) {
            let undone = Undone {
                item,
                internals,
                apis: &apis,
                online_since,
            };
            match put_back(transaction, deployment, undone, Why::NothingWasDone).await? {
                Back::In(generation) => kept.internals[index].back = Some(generation),
                Back::Left(reason) => fate = Fate::Failed(format!("{told}; {reason}")),
            }
        }
        settle(&mut kept.items[index], fate);
    }
    let any = |state| kept.items.iter().any(|item| item.state == state);
    let broken = any(PlanItemState::Failed) || any(PlanItemState::Void);
    if broken && kept.row.strategy == PlanStrategy::AllOrNothing {
        return compensate(transaction, kept, online_since).await;
    }
    if any(PlanItemState::Applying) {
        return Ok(PlanState::Applying);
    }
    Ok(ended(&kept.items))
}

fn apis(items: &[PlanItem]) -> BTreeSet<ResourceName> {
    items.iter().map(|item| item.api.clone()).collect()
}

fn ended(items: &[PlanItem]) -> PlanState {
    let all = |state| items.iter().all(|item| item.state == state);
    if all(PlanItemState::Applied) {
        PlanState::Applied
    } else if all(PlanItemState::Void) {
        PlanState::Void
    } else {
        PlanState::Incomplete
    }
}

/// What became of an item that was recorded.
enum Fate {
    Going,
    Applied,
    Failed(String),
    Void(String),
}

fn settle(item: &mut PlanItem, fate: Fate) {
    let (state, message) = match fate {
        Fate::Going => return,
        Fate::Applied => (PlanItemState::Applied, None),
        Fate::Failed(message) => (PlanItemState::Failed, Some(message)),
        Fate::Void(message) => (PlanItemState::Void, Some(message)),
    };
    item.state = state;
    item.message = message;
}

async fn found(transaction: &mut Transaction, item: &PlanItem) -> Answer<Option<Deployment>> {
    Ok(match item.deployment_id {
        Some(id) => transaction.deployment(id).await?,
        None => None,
    })
}

/// An item that was recorded.
#[derive(Clone, Copy)]
struct Recorded<'a> {
    item: &'a PlanItem,
    internals: &'a ItemInternals,
    plan_id: PlanId,
}

impl Recorded<'_> {
    /// Whether what is desired is still the plan's: policies or secrets that were written meanwhile give the same
    /// another generation.
    fn is_in(&self, deployment: &Deployment) -> bool {
        is_of(deployment, self.internals.generation) || deployment.terms.plan_id == Some(self.plan_id)
    }

    async fn fate(
        &self,
        transaction: &mut Transaction,
        deployment: Option<&Deployment>,
        since: Timestamp,
    ) -> Answer<Fate> {
        let item = self.item;
        let removes = item.to_revision.is_none();
        let (api, environment) = (&item.api, &item.environment);
        let Some(deployment) = deployment else {
            return Ok(if removes {
                Fate::Applied
            } else {
                Fate::Failed(format!(
                    "api `{api}` was taken off environment `{environment}` meanwhile; if it should be there, make a new plan"
                ))
            });
        };
        // Policies or secrets that were written meanwhile give the same revision another generation.
        let ours = deployment.absent == removes && (removes || item.to_revision == Some(deployment.revision));
        if !ours {
            return Ok(Fate::Failed(format!(
                "something else was asked for meanwhile: api `{api}` in environment `{environment}` is at generation {} now; make \
                 a new plan to change that",
                deployment.generation
            )));
        }
        if deployment.phase == Phase::Deployed && !removes {
            return Ok(Fate::Applied);
        }
        let Some(failure) = failure(transaction, deployment).await? else {
            return Ok(Fate::Going);
        };
        if failure.reason == PLAN_VOID && self.is_in(deployment) {
            return Ok(Fate::Void(format!(
                "the gateway moved since the plan was made, and nothing was changed there: {}; make a new plan",
                failure.message
            )));
        }
        let is_over = transaction.now().0 - since.0 > PATIENCE_MS;
        Ok(if failure.retrying && !is_over {
            Fate::Going
        } else {
            Fate::Failed(told(deployment, failure))
        })
    }
}

struct Failed {
    reason: String,
    message: String,
    retrying: bool,
}

/// What agents say went wrong with the present generation; what nobody tries again comes first.
async fn failure(transaction: &mut Transaction, deployment: &Deployment) -> Answer<Option<Failed>> {
    let reports = transaction.reports(deployment.id).await?;
    let present = reports
        .into_iter()
        .filter(|report| report.generation >= deployment.generation);
    let mut failures: Vec<Failed> = present
        .filter_map(|report| match serde_json::from_value(report.outcome) {
            Ok(DeploymentOutcome::Failed {
                reason,
                message,
                retrying,
            }) => Some(Failed {
                reason,
                message,
                retrying,
            }),
            _ => None,
        })
        .collect();
    failures.sort_by_key(|failure| failure.retrying);
    Ok(failures.into_iter().next())
}

/// The condition's sentence says more than the report's: who it was, and what happens next.
fn told(deployment: &Deployment, failure: Failed) -> String {
    let mut conditions = deployment.conditions.iter();
    let deployed = conditions.find(|condition| condition.r#type == ConditionType::Deployed);
    deployed
        .filter(|condition| condition.reason == failure.reason)
        .map_or(failure.message, |condition| condition.message.clone())
}

/// Begins to put back what the other items changed, and what a failed one may have.
async fn compensate(
    transaction: &mut Transaction,
    kept: &mut Kept,
    online_since: Timestamp,
) -> Answer<PlanState> {
    let (plan_id, apis) = (kept.row.id, apis(&kept.items));
    for (item, internals) in kept.items.iter_mut().zip(&mut kept.internals) {
        let was_carried = matches!(
            item.state,
            PlanItemState::Applied | PlanItemState::Applying | PlanItemState::Failed
        );
        if !was_carried || internals.back.is_some() || internals.generation == item.generation {
            continue;
        }
        match back(transaction, item, internals, (plan_id, &apis, online_since)).await? {
            Back::In(generation) => {
                internals.back = Some(generation);
                if item.state != PlanItemState::Failed {
                    item.state = PlanItemState::Compensating;
                }
            }
            // Why it failed says more.
            Back::Left(_) if item.state == PlanItemState::Failed => {}
            Back::Left(reason) => {
                item.state = PlanItemState::Failed;
                item.message = Some(reason);
            }
        }
    }
    compensating(transaction, kept).await
}

/// Puts one item back, if nobody else has changed it meanwhile.
async fn back(
    transaction: &mut Transaction,
    item: &mut PlanItem,
    internals: &ItemInternals,
    (plan_id, apis, online_since): (PlanId, &BTreeSet<ResourceName>, Timestamp),
) -> Answer<Back> {
    let deployment = found(transaction, item).await?;
    let recorded = Recorded {
        item,
        internals,
        plan_id,
    };
    let made = match deployment {
        Some(deployment) if recorded.is_in(&deployment) => {
            let undone = Undone {
                item,
                internals,
                apis,
                online_since,
            };
            return put_back(transaction, &deployment, undone, Why::AnotherFailed).await;
        }
        // An undeploy that was carried out left no deployment behind: it is made anew.
        None if item.to_revision.is_none() => {
            make_again(transaction, item, internals, apis, online_since).await?
        }
        _ => None,
    };
    Ok(made.unwrap_or_else(|| Back::Left(left_as_it_is(item))))
}

fn left_as_it_is(item: &PlanItem) -> String {
    format!(
        "another item failed, but api `{}` in environment `{}` was changed by somebody else meanwhile; it was left as it is, \
         `gatehouse drift {}` shows how it stands",
        item.api, item.environment, item.environment
    )
}

async fn compensating(transaction: &mut Transaction, kept: &mut Kept) -> Answer<PlanState> {
    for (item, internals) in kept.items.iter_mut().zip(&kept.internals) {
        if item.state == PlanItemState::Compensating {
            let deployment = found(transaction, item).await?;
            if let Some(message) = came_back(transaction, item, internals, deployment.as_ref()).await? {
                (item.state, item.message) = message;
            }
        }
    }
    let mut items = kept.items.iter();
    if items.any(|item| item.state == PlanItemState::Compensating) {
        return Ok(PlanState::Compensating);
    }
    let changed = |(item, internals): (&PlanItem, &ItemInternals)| {
        item.state == PlanItemState::Failed && internals.back.is_none()
            || item
                .message
                .as_deref()
                .is_some_and(|message| message.starts_with(NOT_PUT_BACK))
    };
    let stuck = kept.items.iter().zip(&kept.internals).any(changed);
    let all_void = kept.items.iter().all(|item| item.state == PlanItemState::Void);
    Ok(if all_void {
        PlanState::Void
    } else if stuck {
        PlanState::Incomplete
    } else {
        PlanState::Compensated
    })
}

const NOT_PUT_BACK: &str = "it could not be put back";

type Settled = (PlanItemState, Option<String>);

/// How putting an item back ended; none while it goes on.
async fn came_back(
    transaction: &mut Transaction,
    item: &PlanItem,
    internals: &ItemInternals,
    deployment: Option<&Deployment>,
) -> Answer<Option<Settled>> {
    let removes = internals.former.as_ref().is_none_or(|former| former.absent);
    let Some(deployment) = deployment else {
        return Ok(Some(if removes {
            (PlanItemState::Compensated, None)
        } else {
            (PlanItemState::Failed, Some(left_as_it_is(item)))
        }));
    };
    if deployment.phase == Phase::Deployed && !removes {
        return Ok(Some((PlanItemState::Compensated, None)));
    }
    let failure = failure(transaction, deployment).await?;
    Ok(failure.filter(|failure| !failure.retrying).map(|failure| {
        let message = format!("{NOT_PUT_BACK}: {}", told(deployment, failure));
        (PlanItemState::Failed, Some(message))
    }))
}
