//! How a plan that is being carried out goes: told from the state of its deployments, again and again, whoever looks.
//! What a void or failed item changed is put back.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::admin::{PlanItem, PlanItemState};
use gatehouse_control_plane_store::{Deployment, PlanState, PlanStrategy, Transaction};
use gatehouse_schemas::{
    condition::Phase,
    identity::{PlanId, ResourceName},
    time::Timestamp,
};

use super::{
    plan::{ItemInternals, Kept},
    rollout_back::{Back, Undone, Why, make_again, put_back},
    rollout_fate::{Fate, Hindrance, Recorded, Stand, Waiting, told},
};
use crate::failure::Answer;

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
            strategy: kept.row.strategy,
        };
        let mut fate = recorded.fate(transaction, deployment.as_ref()).await?;
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
        settle(&mut kept.items[index], &mut kept.internals[index], fate);
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

fn settle(item: &mut PlanItem, internals: &mut ItemInternals, fate: Fate) {
    let (state, message) = match fate {
        Fate::Going(waiting) => return wait(item, internals, waiting),
        Fate::Applied => (PlanItemState::Applied, None),
        Fate::Failed(message) => (PlanItemState::Failed, Some(message)),
        Fate::Void(message) => (PlanItemState::Void, Some(message)),
    };
    item.state = state;
    item.message = message;
}

fn wait(item: &mut PlanItem, internals: &mut ItemInternals, waiting: Waiting) {
    internals.trouble = waiting.trouble;
    item.message = waiting.message;
}

async fn found(transaction: &mut Transaction, item: &PlanItem) -> Answer<Option<Deployment>> {
    Ok(match item.deployment_id {
        Some(id) => transaction.deployment(id).await?,
        None => None,
    })
}

/// Begins to put back what the other items changed, and what a failed one may have.
async fn compensate(
    transaction: &mut Transaction,
    kept: &mut Kept,
    online_since: Timestamp,
) -> Answer<PlanState> {
    let (plan, apis) = ((kept.row.id, kept.row.strategy), apis(&kept.items));
    for (item, internals) in kept.items.iter_mut().zip(&mut kept.internals) {
        let was_carried = matches!(
            item.state,
            PlanItemState::Applied | PlanItemState::Applying | PlanItemState::Failed
        );
        if !was_carried || internals.back.is_some() || internals.generation == item.generation {
            continue;
        }
        match back(transaction, item, internals, (plan, &apis, online_since)).await? {
            Back::In(generation) => {
                internals.back = Some(generation);
                if item.state != PlanItemState::Failed {
                    item.state = PlanItemState::Compensating;
                    item.message = None;
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
    ((plan_id, strategy), apis, online_since): ((PlanId, PlanStrategy), &BTreeSet<ResourceName>, Timestamp),
) -> Answer<Back> {
    let deployment = found(transaction, item).await?;
    let recorded = Recorded {
        item,
        internals,
        plan_id,
        strategy,
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
    for (item, internals) in kept.items.iter_mut().zip(&mut kept.internals) {
        if item.state == PlanItemState::Compensating {
            let deployment = found(transaction, item).await?;
            match came_back(transaction, item, internals, deployment.as_ref()).await? {
                Returned::Waiting(waiting) => wait(item, internals, waiting),
                Returned::Ended(state, message) => (item.state, item.message) = (state, message),
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

/// How putting an item back goes.
enum Returned {
    Waiting(Waiting),
    Ended(PlanItemState, Option<String>),
}

impl Returned {
    fn as_before() -> Self {
        Self::Ended(PlanItemState::Compensated, None)
    }

    fn failed(message: String) -> Self {
        Self::Ended(PlanItemState::Failed, Some(message))
    }
}

async fn came_back(
    transaction: &mut Transaction,
    item: &PlanItem,
    internals: &ItemInternals,
    deployment: Option<&Deployment>,
) -> Answer<Returned> {
    let removes = internals.former.as_ref().is_none_or(|former| former.absent);
    let Some(deployment) = deployment else {
        return Ok(if removes {
            Returned::as_before()
        } else {
            Returned::failed(left_as_it_is(item))
        });
    };
    if deployment.phase == Phase::Deployed && !removes {
        return Ok(Returned::as_before());
    }
    let stand = Stand::of(transaction, deployment, internals.trouble.as_ref()).await?;
    Ok(returning(deployment, stand))
}

/// A plan does not wait for ever. What was there before stays desired, so that it comes back in any case.
fn returning(deployment: &Deployment, stand: Stand) -> Returned {
    let message = match &stand.hindrance {
        Some(Hindrance::Failing(failure)) if !failure.retrying => {
            let told = told(deployment, failure);
            return Returned::failed(format!("{NOT_PUT_BACK}: {told}"));
        }
        None => None,
        Some(Hindrance::Failing(failure)) => Some(told(deployment, failure)),
        Some(Hindrance::Unattended(reason)) => Some(reason.clone()),
    };
    match message {
        Some(message) if stand.is_over => Returned::failed(format!(
            "{NOT_PUT_BACK} so far: {message}; it stays desired as it was before, and is put back once the cause is removed"
        )),
        message => Returned::Waiting(Waiting {
            message: message.map(|message| {
                format!(
                    "{message}; the plan waits for it until {}, then ends without it",
                    stand.until()
                )
            }),
            trouble: stand.trouble,
        }),
    }
}
