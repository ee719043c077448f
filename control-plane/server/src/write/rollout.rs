//! Carrying out a plan: all of what was approved is recorded in one transaction, or nothing if the world moved.

use gatehouse_control_plane_api::{
    admin::{ApplyPlanRequest, PlanItem, PlanItemAction, PlanItemRequest, PlanItemState},
    problem::{FieldError, ProblemKind},
};
use gatehouse_control_plane_store::{
    Deployment, DeploymentTerms, Desired, Expected, PlanState, Priority, Transaction,
};
use gatehouse_schemas::{
    identity::{Generation, PlanId},
    plan::PlanAction,
};

use super::{
    Writer,
    deploy::{self, Composer},
    plan::{Former, ItemInternals, Kept, generation_moved, note_conflicts, place_moved},
    plan_item::Intent,
};
use crate::failure::{Answer, Failure};

/// Carries out a plan as it was approved. If anything it rests on moved, it is void and nothing else changes.
pub(crate) async fn apply(writer: &Writer, id: PlanId, request: &ApplyPlanRequest) -> Answer<()> {
    let mut transaction = writer.begin().await?;
    let mut kept = Kept::find(&mut transaction, id).await?;
    applicable(&kept, request)?;
    let mut composer = Composer::new(&mut transaction, writer.state.online_since()).await?;
    let intents = intents(&mut transaction, &composer, &mut kept).await?;
    if kept.items.iter().any(|item| item.state == PlanItemState::Void) {
        kept.write(&mut transaction, PlanState::Void).await?;
        transaction.commit().await?;
        return Err(void(&kept));
    }
    for (index, intent) in intents.into_iter().enumerate() {
        let carried = Carried {
            writer,
            composer: &mut composer,
            plan_id: id,
            accept_loss: kept.row.accept_loss,
        };
        let item = &mut kept.items[index];
        kept.internals[index] = carried.out(&mut transaction, item, intent).await?;
    }
    kept.write(&mut transaction, PlanState::Applying).await?;
    Ok(transaction.commit().await?)
}

/// Whether the plan can be applied, going by what it says itself.
fn applicable(kept: &Kept, request: &ApplyPlanRequest) -> Answer<()> {
    let id = kept.row.id;
    let wrong = |detail: String| Err(Failure::new(ProblemKind::WrongState, detail));
    match kept.row.state {
        PlanState::Ready => {}
        PlanState::Pending => {
            return wrong(format!(
                "plan `{id}` is still being worked out; wait until it is `Ready`"
            ));
        }
        PlanState::Refused => {
            return wrong(format!(
                "plan `{id}` cannot be carried out: {}; remove the cause, and make a new plan",
                reasons(&kept.items)
            ));
        }
        PlanState::Void => return Err(void(kept)),
        PlanState::Applying
        | PlanState::Applied
        | PlanState::Incomplete
        | PlanState::Compensating
        | PlanState::Compensated => {
            let by = kept.row.applied_by.as_deref().unwrap_or("somebody");
            let at = kept.row.applied_at.unwrap_or(kept.row.updated_at);
            return wrong(format!(
                "plan `{id}` was applied already, by {by} at {at}; make a new plan to change more"
            ));
        }
    }
    match (&request.fingerprint, &kept.row.fingerprint) {
        (Some(approved), Some(fingerprint)) if approved != fingerprint => Err(Failure::new(
            ProblemKind::PlanVoid,
            format!(
                "plan `{id}` has the fingerprint {fingerprint}, but {approved} was approved; look at the plan again, or \
                 make a new one"
            ),
        )),
        _ => Ok(()),
    }
}

fn reasons(items: &[PlanItem]) -> String {
    let told: Vec<&str> = items.iter().filter_map(|item| item.message.as_deref()).collect();
    told.join("; ")
}

fn void(kept: &Kept) -> Failure {
    let moved = kept
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.state == PlanItemState::Void);
    let errors = moved.map(|(index, item)| FieldError {
        document: None,
        pointer: format!("/items/{index}"),
        detail: item.message.clone().unwrap_or_default(),
    });
    let detail = format!(
        "plan `{}` is void and nothing was changed: {}",
        kept.row.id,
        reasons(&kept.items)
    );
    Failure::new(ProblemKind::PlanVoid, detail).with_errors(errors.collect())
}

/// What the items ask for now; those for which that is not what was planned are void.
async fn intents(transaction: &mut Transaction, composer: &Composer, kept: &mut Kept) -> Answer<Vec<Intent>> {
    let mut intents = Vec::with_capacity(kept.items.len());
    for item in &mut kept.items {
        match Intent::of(transaction, composer, &request_of(item)).await {
            Ok(intent) => intents.push(intent),
            // What the plan is about was deleted.
            Err(failure) if failure.problem().status < 500 => {
                make_void(item, format!("{}; make a new plan", failure.problem().detail));
            }
            Err(failure) => return Err(failure),
        }
    }
    if intents.len() < kept.items.len() {
        return Ok(Vec::new());
    }
    note_conflicts(transaction, &mut intents).await?;
    for ((item, internals), intent) in kept.items.iter_mut().zip(&kept.internals).zip(&intents) {
        let reason = moved(item, intent).or_else(|| place_moved(item, internals, &intent.spec));
        if let Some(reason) = reason {
            make_void(item, reason);
        }
    }
    Ok(intents)
}

fn make_void(item: &mut PlanItem, reason: String) {
    item.state = PlanItemState::Void;
    item.message = Some(reason);
}

fn request_of(item: &PlanItem) -> PlanItemRequest {
    let takes_revision = !matches!(item.action, PlanItemAction::Undeploy | PlanItemAction::Revert);
    PlanItemRequest {
        action: item.action,
        api: item.api.clone(),
        environment: item.environment.clone(),
        revision: item.to_revision.filter(|_| takes_revision),
    }
}

fn moved(item: &PlanItem, intent: &Intent) -> Option<String> {
    if let Some(reason) = generation_moved(item, intent.existing.as_ref()) {
        return Some(reason);
    }
    if let Some(obstacle) = &intent.obstacle {
        return Some(obstacle.clone());
    }
    let planned = item.plan.as_ref().and_then(|plan| plan.desired.as_ref());
    let composed = intent.desired().map(|desired| &desired.fingerprint);
    let same = planned == composed && item.adopt == intent.adopt && item.to_revision == intent.to_revision;
    (!same).then(|| {
        format!(
            "what api `{}` becomes in environment `{}` changed since the plan was made (its policies, labels, secrets, or \
             what it was imported from); make a new plan",
            item.api, item.environment
        )
    })
}

/// Records items of one plan.
struct Carried<'a> {
    writer: &'a Writer,
    composer: &'a mut Composer,
    plan_id: PlanId,
    accept_loss: bool,
}

impl Carried<'_> {
    async fn out(
        self,
        transaction: &mut Transaction,
        item: &mut PlanItem,
        intent: Intent,
    ) -> Answer<ItemInternals> {
        let former = match &intent.existing {
            Some(existing) => Some(Former::of(transaction, existing).await?),
            None => None,
        };
        if is_done(item, &intent, former.as_ref()) {
            item.state = PlanItemState::Applied;
            return Ok(ItemInternals {
                generation: item.generation,
                former,
                ..ItemInternals::default()
            });
        }
        let recorded = self.record(transaction, item, intent).await?;
        item.state = PlanItemState::Applying;
        item.message = None;
        item.deployment_id = Some(recorded.id);
        Ok(ItemInternals {
            generation: Some(recorded.generation),
            former,
            ..ItemInternals::default()
        })
    }

    async fn record(
        self,
        transaction: &mut Transaction,
        item: &PlanItem,
        intent: Intent,
    ) -> Answer<Deployment> {
        let descriptor = transaction.descriptor(&intent.spec.gateway_type).await?;
        let replicated = descriptor.is_some_and(|descriptor| descriptor.capabilities.replicated);
        let terms = DeploymentTerms {
            // A gateway that only holds a copy is always put right; what one of many was seen to hold says nothing.
            expected: expected(item).filter(|_| !replicated),
            adopt: intent.adopt,
            accept_loss: self.accept_loss,
            priority: match item.action {
                PlanItemAction::Rollback => Priority::Rollback,
                _ => Priority::Normal,
            },
            plan_id: Some(self.plan_id),
        };
        match (intent.wanted, &intent.existing) {
            (Desired::Present(desired), existing) => {
                let recorded = self
                    .composer
                    .record(transaction, *desired, existing.as_ref(), terms)
                    .await?;
                deploy::audit(transaction, "deployment.requested", &recorded).await?;
                Ok(recorded)
            }
            (Desired::Absent(_), Some(existing)) => {
                let online_since = self.writer.state.online_since();
                deploy::remove(transaction, existing, terms, online_since).await
            }
            (Desired::Absent(mark), None) => Err(Failure::internal(format!(
                "a plan takes off `{}`, which is not there",
                mark.api_name
            ))),
        }
    }
}

/// What the plan saw.
fn expected(item: &PlanItem) -> Option<Expected> {
    let plan = item.plan.as_ref()?;
    Some(plan.observed.clone().map_or(Expected::Absent, Expected::Present))
}

/// Whether gateway and control plane both hold what is planned already.
fn is_done(item: &PlanItem, intent: &Intent, former: Option<&Former>) -> bool {
    let nothing = item
        .plan
        .as_ref()
        .is_some_and(|plan| plan.action == PlanAction::Nothing);
    let same = former.is_some_and(|former| {
        former.confirmed
            && !former.absent
            && item.to_revision == Some(former.revision)
            && former.fingerprint.as_ref() == intent.desired().map(|desired| &desired.fingerprint)
    });
    nothing && same
}

/// Whether a deployment still is in the generation that an item gave it.
pub(crate) fn is_of(deployment: &Deployment, generation: Option<Generation>) -> bool {
    Some(deployment.generation) == generation
}
