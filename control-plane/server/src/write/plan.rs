//! Plans: asked for, worked out when agents answer, kept. What they say will change never changes afterwards.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::{
    admin::{
        CreatePlanRequest, PlanItem, PlanItemAction, PlanItemRequest, PlanItemState, PlanState, PlanStrategy,
    },
    agent::{DesiredState, Task, TaskResult},
    problem::FieldError,
};
use gatehouse_control_plane_store::{
    self as store, Desired, Expected, NewPlan, NewTask, PlanPart, PlanUpdate, Store, Transaction,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::Mark,
    environment::EnvironmentSpec,
    identity::{EnvironmentId, ExternalRef, Generation, PlanId, RevisionNumber},
    resource::Kind,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Writer,
    deploy::{Composer, environment_spec, followed},
    obstacles,
    plan_answer::{Question, fingerprint, work_out},
    plan_item::Intent,
    rollout_patience::Trouble,
};
use crate::{
    agent_api::{assignment::desired_state, tasks},
    failure::{Answer, Failure},
};

/// How many items a plan has at most.
const ITEMS_MAX: usize = 100;

/// A plan with everything that is kept of it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) row: store::Plan,
    pub(crate) items: Vec<PlanItem>,
    pub(crate) internals: Vec<ItemInternals>,
}

/// What only the control plane needs of an item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ItemInternals {
    /// The generation in which it was recorded.
    pub(crate) generation: Option<Generation>,
    /// Where the environment led when the plan was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Fingerprint>,
    /// What was desired before; none if there was no deployment.
    pub(crate) former: Option<Former>,
    /// The generation in which that was put back.
    pub(crate) back: Option<Generation>,
    /// What keeps it from getting on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<Trouble>,
}

/// What was desired of a deployment before a plan changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Former {
    pub(crate) revision: RevisionNumber,
    pub(crate) absent: bool,
    pub(crate) confirmed: bool,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) accept_loss: bool,
    /// What the gateway had to hold for that to be begun, unless it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<Expected>,
    /// The object that was being taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) adopt: Option<ExternalRef>,
}

impl ItemInternals {
    fn of(intent: &Intent) -> Self {
        Self {
            place: Some(place(&intent.spec)),
            ..Self::default()
        }
    }
}

/// Which gateway an environment leads to, and as whom.
fn place(spec: &EnvironmentSpec) -> Fingerprint {
    Fingerprint::of_value(&json!({
        "gatewayType": spec.gateway_type, "settings": spec.settings, "credentials": spec.credentials,
    }))
}

/// Why what people say of an environment voids an item.
pub(super) fn place_moved(
    item: &PlanItem,
    internals: &ItemInternals,
    spec: &EnvironmentSpec,
) -> Option<String> {
    let planned = internals.place.as_ref()?;
    (*planned != place(spec)).then(|| {
        format!(
            "environment `{}` leads to another gateway than when the plan was made (its settings or credentials were \
             changed); make a new plan",
            item.environment
        )
    })
}

impl Kept {
    /// Reads a plan.
    pub(crate) async fn read(transaction: &mut Transaction, id: PlanId) -> Answer<Option<Self>> {
        let Some(row) = transaction.plan(id).await? else {
            return Ok(None);
        };
        let items: Vec<PlanItem> = serde_json::from_value(row.items.clone()).map_err(Failure::internal)?;
        let internals = transaction.plan_internals(id).await?.unwrap_or_default();
        let mut internals: Vec<ItemInternals> =
            serde_json::from_value(internals).map_err(Failure::internal)?;
        internals.resize(items.len(), ItemInternals::default());
        Ok(Some(Self {
            row,
            items,
            internals,
        }))
    }

    /// Reads a plan, or 404.
    pub(crate) async fn find(transaction: &mut Transaction, id: PlanId) -> Answer<Self> {
        let found = Self::read(transaction, id).await?;
        found.ok_or_else(|| Failure::not_found("plan", id))
    }

    /// Writes what moved; the plan stands at `state` from now on.
    pub(crate) async fn write(
        &mut self,
        transaction: &mut Transaction,
        state: store::PlanState,
    ) -> Answer<()> {
        let expected = self.row.state;
        let update = PlanUpdate {
            state,
            items: serde_json::to_value(&self.items).map_err(Failure::internal)?,
            internals: Some(serde_json::to_value(&self.internals).map_err(Failure::internal)?),
            fingerprint: self.row.fingerprint.clone(),
            applied: expected == store::PlanState::Ready && state != store::PlanState::Void,
        };
        if !transaction.update_plan(self.row.id, expected, &update).await? {
            return Err(Failure::internal(format!(
                "plan {} moved under the writer's lock",
                self.row.id
            )));
        }
        if state != expected {
            self.audit(transaction, state).await?;
        }
        self.row.state = state;
        Ok(())
    }

    async fn audit(&self, transaction: &mut Transaction, state: store::PlanState) -> Answer<()> {
        let action = match state {
            store::PlanState::Pending => "plan.requested",
            store::PlanState::Ready => "plan.ready",
            store::PlanState::Refused => "plan.refused",
            store::PlanState::Void => "plan.void",
            store::PlanState::Applying => "plan.applying",
            store::PlanState::Applied => "plan.applied",
            store::PlanState::Incomplete => "plan.incomplete",
            store::PlanState::Compensating => "plan.compensating",
            store::PlanState::Compensated => "plan.compensated",
        };
        let items = self.items.iter().map(|item| {
            json!({"action": item.action, "api": item.api, "environment": item.environment,
                "toRevision": item.to_revision, "state": item.state, "message": item.message})
        });
        let details = json!({"fingerprint": self.row.fingerprint, "items": items.collect::<Vec<_>>()});
        transaction
            .audit(action, &format!("plan/{}", self.row.id), &details)
            .await?;
        Ok(())
    }

    /// Ends working out when every item is worked out.
    async fn settle(&mut self, transaction: &mut Transaction) -> Answer<()> {
        let any = |state| self.items.iter().any(|item| item.state == state);
        if any(PlanItemState::Pending) {
            return self.write(transaction, store::PlanState::Pending).await;
        }
        let state = if any(PlanItemState::Refused) {
            store::PlanState::Refused
        } else {
            store::PlanState::Ready
        };
        self.row.fingerprint = Some(fingerprint(
            &self.items,
            self.row.accept_loss,
            strategy(self.row.strategy),
        ));
        self.write(transaction, state).await
    }
}

/// Asks for a plan. Nothing changes on any gateway.
pub(crate) async fn create(writer: &Writer, request: &CreatePlanRequest) -> Answer<PlanId> {
    check(&request.items)?;
    let mut transaction = writer.begin().await?;
    let composer = Composer::new(&mut transaction, writer.state.online_since()).await?;
    let mut intents = Vec::with_capacity(request.items.len());
    for item in &request.items {
        intents.push(Intent::of(&mut transaction, &composer, item).await?);
    }
    note_conflicts(&mut transaction, &mut intents).await?;
    let items: Vec<PlanItem> = intents.iter().map(Intent::item).collect();
    let new = NewPlan {
        strategy: match request.strategy {
            PlanStrategy::BestEffort => store::PlanStrategy::BestEffort,
            PlanStrategy::AllOrNothing => store::PlanStrategy::AllOrNothing,
        },
        accept_loss: request.accept_loss,
        items: serde_json::to_value(&items).map_err(Failure::internal)?,
        internals: serde_json::to_value(intents.iter().map(ItemInternals::of).collect::<Vec<_>>())
            .map_err(Failure::internal)?,
        targets: items
            .iter()
            .map(|item| (item.api.clone(), item.environment.clone()))
            .collect(),
    };
    let plan = transaction.create_plan(&new).await?;
    ask(&mut transaction, plan.id, &intents, writer.state.online_since()).await?;
    let mut kept = Kept::find(&mut transaction, plan.id).await?;
    kept.audit(&mut transaction, store::PlanState::Pending).await?;
    kept.settle(&mut transaction).await?;
    transaction.commit().await?;
    Ok(plan.id)
}

fn check(items: &[PlanItemRequest]) -> Answer<()> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: String, detail: String| {
        errors.push(FieldError {
            document: None,
            pointer,
            detail,
        });
    };
    if items.is_empty() || items.len() > ITEMS_MAX {
        let detail = format!("there are {} items; a plan has 1 to {ITEMS_MAX}", items.len());
        wrong("/items".to_owned(), detail);
    }
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        if !seen.insert((&item.api, &item.environment)) {
            let detail = format!(
                "api `{}` in environment `{}` is in this plan twice; keep one",
                item.api, item.environment
            );
            wrong(format!("/items/{index}"), detail);
        }
        let takes_revision = !matches!(item.action, PlanItemAction::Undeploy | PlanItemAction::Revert);
        if item.revision.is_some() && !takes_revision {
            let detail = "only `deploy`, `rollback` and `adopt` take a revision; leave it out".to_owned();
            wrong(format!("/items/{index}/revision"), detail);
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(errors))
    }
}

/// Notes the items that would answer what another API answers: one that stays in the environment, or one that the
/// same plan puts there.
pub(super) async fn note_conflicts(transaction: &mut Transaction, intents: &mut [Intent]) -> Answer<()> {
    for index in 0..intents.len() {
        let intent = &intents[index];
        let Some(desired) = intent.desired().filter(|_| intent.obstacle.is_none()) else {
            continue;
        };
        let environment_id = intent.environment.environment_id();
        let around = transaction
            .desired_around(environment_id, &desired.content.base_path)
            .await?;
        let here = || {
            intents
                .iter()
                .filter(|other| other.environment.environment_id() == environment_id)
        };
        let stays = |mark: &Mark| here().all(|other| other.api.api_id() != mark.api_id);
        let others = around
            .iter()
            .filter(|other| stays(&other.mark))
            .chain(here().filter_map(Intent::desired));
        let conflict = obstacles::conflict_with(desired, &intent.environment.metadata.name, others);
        intents[index].obstacle = conflict.map(|failure| failure.problem().detail.clone());
    }
    Ok(())
}

/// Asks the agents about every item that nothing stands in the way of.
async fn ask(
    transaction: &mut Transaction,
    plan_id: PlanId,
    intents: &[Intent],
    online_since: Timestamp,
) -> Answer<()> {
    for (item, intent) in (0..).zip(intents) {
        if intent.obstacle.is_some() {
            continue;
        }
        let known = intent
            .existing
            .as_ref()
            .and_then(|existing| existing.external_ref.clone());
        let task = Task::Plan {
            desired: desired_state(intent.wanted.clone()),
            external_ref: known.or_else(|| intent.adopt.clone()),
            adopt: intent.adopt.clone(),
        };
        let new = NewTask {
            task: serde_json::to_value(&task).map_err(Failure::internal)?,
            expires_at: tasks::expiry(transaction, &intent.spec.gateway_type, online_since).await?,
            plan: Some(PlanPart { plan_id, item }),
        };
        transaction.create_task(&intent.environment, &new).await?;
    }
    Ok(())
}

/// Works out an item from what an agent answered, or from why none did.
pub(crate) async fn answered(
    transaction: &mut Transaction,
    part: PlanPart,
    task: &Task,
    environment_id: EnvironmentId,
    answer: &TaskResult,
) -> Answer<()> {
    let Some(mut kept) = Kept::read(transaction, part.plan_id).await? else {
        return Ok(());
    };
    let index = usize::try_from(part.item).unwrap_or(usize::MAX);
    let (Task::Plan { desired, .. }, Some(item)) = (task, kept.items.get_mut(index)) else {
        return Ok(());
    };
    if item.state != PlanItemState::Pending || kept.row.state != store::PlanState::Pending {
        return Ok(());
    }
    let environment = transaction
        .resource_by_id(Kind::Environment, environment_id.0)
        .await?;
    let Some(environment) = environment else {
        item.state = PlanItemState::Refused;
        item.message = Some(format!(
            "environment `{}` was deleted before this was worked out; plan for one that is there",
            item.environment
        ));
        return kept.settle(transaction).await;
    };
    let spec = environment_spec(&environment)?;
    let mark = match desired {
        DesiredState::Present { api } => &api.mark,
        DesiredState::Absent { mark } => mark,
    };
    let applied = match transaction
        .deployment_of(mark.api_id, mark.environment_id)
        .await?
    {
        Some(deployment) => transaction
            .applied(deployment.id)
            .await?
            .map(|applied| applied.api),
        None => None,
    };
    let sources = transaction.environment_sources(environment_id).await?;
    let source = sources.iter().find(|source| source.api_id == mark.api_id);
    let question = Question {
        desired,
        applied: applied.as_ref(),
        gateway_type: &spec.gateway_type,
        accept_loss: kept.row.accept_loss || spec.accept_loss,
        source: source.map(|source| &source.external_ref),
    };
    work_out(item, &question, answer);
    kept.settle(transaction).await
}

/// Whether a plan that could be applied may be void by now, told without keeping those who write waiting.
pub(crate) async fn may_have_moved(store: &Store, row: &store::Plan) -> Answer<bool> {
    let items: Vec<PlanItem> = serde_json::from_value(row.items.clone()).map_err(Failure::internal)?;
    let internals = store.plan_internals(row.id).await?.unwrap_or_default();
    let mut internals: Vec<ItemInternals> = serde_json::from_value(internals).map_err(Failure::internal)?;
    internals.resize(items.len(), ItemInternals::default());
    for (item, internals) in items.iter().zip(&internals) {
        let environment = store.resource(Kind::Environment, &item.environment).await?;
        let Some(environment) = environment else {
            return Ok(true);
        };
        if place_moved(item, internals, &environment_spec(&environment)?).is_some() {
            return Ok(true);
        }
        let present = match item.deployment_id {
            Some(id) => store.deployment(id).await?,
            None => match store.resource(Kind::Api, &item.api).await? {
                Some(api) => {
                    store
                        .deployment_of(api.api_id(), environment.environment_id())
                        .await?
                }
                None => return Ok(true),
            },
        };
        if generation_moved(item, present.as_ref()).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Notes that a plan which could be applied cannot be any more, as soon as somebody looks. Gives whether it is so.
pub(crate) async fn notice_void(transaction: &mut Transaction, kept: &mut Kept) -> Answer<bool> {
    if kept.row.state != store::PlanState::Ready {
        return Ok(false);
    }
    let mut is_void = false;
    for (item, internals) in kept.items.iter_mut().zip(&kept.internals) {
        if let Some(reason) = moved(transaction, item, internals).await? {
            item.state = PlanItemState::Void;
            item.message = Some(reason);
            is_void = true;
        }
    }
    if is_void {
        kept.write(transaction, store::PlanState::Void).await?;
    }
    Ok(is_void)
}

async fn moved(
    transaction: &mut Transaction,
    item: &PlanItem,
    internals: &ItemInternals,
) -> Answer<Option<String>> {
    let api = transaction.resource(Kind::Api, &item.api).await?;
    let environment = transaction.resource(Kind::Environment, &item.environment).await?;
    let (Some(api), Some(environment)) = (api, environment) else {
        return Ok(Some(format!(
            "api `{}` or environment `{}` was deleted since the plan was made; make a new plan of what is there",
            item.api, item.environment
        )));
    };
    let present = transaction
        .deployment_of(api.api_id(), environment.environment_id())
        .await?;
    let spec = environment_spec(&environment)?;
    Ok(generation_moved(item, present.as_ref()).or_else(|| place_moved(item, internals, &spec)))
}

/// Why the generation of a deployment voids an item.
pub(super) fn generation_moved(item: &PlanItem, present: Option<&store::Deployment>) -> Option<String> {
    let generation = present.map(|deployment| deployment.generation);
    if generation == item.generation {
        return None;
    }
    let told = |generation: Option<Generation>| {
        generation.map_or_else(
            || "not deployed".to_owned(),
            |generation| format!("at generation {generation}"),
        )
    };
    Some(format!(
        "api `{}` in environment `{}` was {} when the plan was made and is {} now; make a new plan",
        item.api,
        item.environment,
        told(item.generation),
        told(generation)
    ))
}

/// A stored strategy as people read it.
pub(crate) fn strategy(strategy: store::PlanStrategy) -> PlanStrategy {
    match strategy {
        store::PlanStrategy::BestEffort => PlanStrategy::BestEffort,
        store::PlanStrategy::AllOrNothing => PlanStrategy::AllOrNothing,
    }
}

/// A stored state as people read it.
pub(crate) fn state(state: store::PlanState) -> PlanState {
    match state {
        store::PlanState::Pending => PlanState::Pending,
        store::PlanState::Ready => PlanState::Ready,
        store::PlanState::Refused => PlanState::Refused,
        store::PlanState::Void => PlanState::Void,
        store::PlanState::Applying => PlanState::Applying,
        store::PlanState::Applied => PlanState::Applied,
        store::PlanState::Incomplete => PlanState::Incomplete,
        store::PlanState::Compensating => PlanState::Compensating,
        store::PlanState::Compensated => PlanState::Compensated,
    }
}

impl Former {
    /// What is desired of a deployment now.
    pub(super) async fn of(transaction: &mut Transaction, deployment: &store::Deployment) -> Answer<Self> {
        let fingerprint = match transaction.desired(deployment.id).await? {
            Some(Desired::Present(api)) => Some(api.fingerprint),
            _ => None,
        };
        let terms = followed(transaction, deployment).await?;
        Ok(Self {
            revision: deployment.revision,
            absent: deployment.absent,
            confirmed: deployment.confirmed,
            fingerprint,
            accept_loss: deployment.terms.accept_loss,
            expected: terms.expected,
            adopt: terms.adopt,
        })
    }
}
