//! What one item of a plan asks for: which desired state, from which present one, and what stands in its way.

use gatehouse_control_plane_api::admin::{PlanItem, PlanItemAction, PlanItemRequest, PlanItemState};
use gatehouse_control_plane_store::{Deployment, Desired, Resource, Transaction};
use gatehouse_schemas::{
    ability::Action,
    desired::Mark,
    environment::EnvironmentSpec,
    identity::{ExternalRef, ResourceName, RevisionNumber},
    resource::Kind,
};

use super::{
    abilities,
    deploy::{Composer, environment_spec, find, revision, still_adopting},
    obstacles, rollback,
};
use crate::failure::Answer;

/// What one item of a plan asks for.
#[derive(Debug)]
pub(super) struct Intent {
    /// What.
    pub(super) action: PlanItemAction,
    /// The API.
    pub(super) api: Resource,
    /// The environment.
    pub(super) environment: Resource,
    /// What people say of the environment.
    pub(super) spec: EnvironmentSpec,
    /// The deployment that is there now, removals included.
    pub(super) existing: Option<Deployment>,
    /// What should be there.
    pub(super) wanted: Desired,
    /// The revision that will be there; none for an undeploy.
    pub(super) to_revision: Option<RevisionNumber>,
    /// The one object without our mark that may be taken over.
    pub(super) adopt: Option<ExternalRef>,
    /// Why it cannot be done, in a sentence that says what to do.
    pub(super) obstacle: Option<String>,
}

impl Intent {
    /// Finds out what a request asks for. What does not exist fails; what exists and cannot be done is an obstacle.
    pub(super) async fn of(
        transaction: &mut Transaction,
        composer: &Composer,
        request: &PlanItemRequest,
    ) -> Answer<Self> {
        let api = find(transaction, Kind::Api, &request.api).await?;
        let environment = find(transaction, Kind::Environment, &request.environment).await?;
        let spec = environment_spec(&environment)?;
        let existing = transaction
            .deployment_of(api.api_id(), environment.environment_id())
            .await?;
        let seed = Seed {
            request,
            api: &api,
            environment: &environment,
            present: existing.as_ref().filter(|deployment| !deployment.absent),
        };
        let aim = seed.aim(transaction, composer).await?;
        let obstacle = match obstacles::may_write(&environment) {
            Err(failure) => Some(failure.problem().detail.clone()),
            Ok(()) => match aim.obstacle {
                Some(obstacle) => Some(obstacle),
                None => seed.inability(transaction, &aim.wanted).await?,
            },
        };
        Ok(Self {
            action: request.action,
            spec,
            existing,
            wanted: aim.wanted,
            to_revision: aim.to_revision,
            adopt: aim.adopt,
            obstacle,
            api,
            environment,
        })
    }

    /// The API that should be there, if one should.
    pub(super) fn desired(&self) -> Option<&gatehouse_schemas::desired::DesiredApi> {
        match &self.wanted {
            Desired::Present(api) => Some(api),
            Desired::Absent(_) => None,
        }
    }

    /// The item as it begins.
    pub(super) fn item(&self) -> PlanItem {
        let present = self.existing.as_ref().filter(|deployment| !deployment.absent);
        PlanItem {
            action: self.action,
            api: self.api.metadata.name.clone(),
            environment: self.environment.metadata.name.clone(),
            from_revision: present.map(|deployment| deployment.revision),
            to_revision: self.to_revision,
            generation: self.existing.as_ref().map(|deployment| deployment.generation),
            plan: None,
            fidelity: Vec::new(),
            calls: Default::default(),
            eta_ms: None,
            adopt: self.adopt.clone(),
            notes: Vec::new(),
            warnings: Vec::new(),
            state: self
                .obstacle
                .as_ref()
                .map_or(PlanItemState::Pending, |_| PlanItemState::Refused),
            message: self.obstacle.clone(),
            deployment_id: self.existing.as_ref().map(|deployment| deployment.id),
            progress: None,
        }
    }
}

/// What an intent follows from.
struct Seed<'a> {
    request: &'a PlanItemRequest,
    api: &'a Resource,
    environment: &'a Resource,
    present: Option<&'a Deployment>,
}

/// Where an item leads.
struct Aim {
    wanted: Desired,
    to_revision: Option<RevisionNumber>,
    adopt: Option<ExternalRef>,
    obstacle: Option<String>,
}

impl Seed<'_> {
    /// What the environment's agent lacks for it.
    async fn inability(&self, transaction: &mut Transaction, wanted: &Desired) -> Answer<Option<String>> {
        let action = match self.request.action {
            PlanItemAction::Deploy => Action::PlanDeploy,
            PlanItemAction::Undeploy => Action::PlanUndeploy,
            PlanItemAction::Rollback | PlanItemAction::Revert => Action::PlanRollback,
            PlanItemAction::Adopt => Action::Adopt,
        };
        let lacks = abilities::inability(transaction, self.environment, action).await?;
        match (lacks, wanted) {
            (None, Desired::Present(desired)) => {
                abilities::cannot_take(transaction, self.environment, desired, self.present).await
            }
            (lacks, _) => Ok(lacks),
        }
    }

    async fn aim(&self, transaction: &mut Transaction, composer: &Composer) -> Answer<Aim> {
        match self.request.action {
            PlanItemAction::Undeploy => Ok(self.nothing()),
            PlanItemAction::Deploy | PlanItemAction::Rollback => {
                let number = self.number(transaction).await?;
                self.place(transaction, composer, number).await
            }
            PlanItemAction::Revert => {
                let number = self.present.map(|deployment| deployment.revision);
                let mut aim = self.place(transaction, composer, number).await?;
                aim.obstacle = self.present.is_none().then(|| self.not_there("put back"));
                Ok(aim)
            }
            PlanItemAction::Adopt => self.adoption(transaction, composer).await,
        }
    }

    async fn number(&self, transaction: &mut Transaction) -> Answer<Option<RevisionNumber>> {
        if self.request.action == PlanItemAction::Rollback && self.request.revision.is_none() {
            return rollback::previous(transaction, self.api, self.environment, self.present)
                .await
                .map(Some);
        }
        Ok(self.request.revision)
    }

    async fn place(
        &self,
        transaction: &mut Transaction,
        composer: &Composer,
        number: Option<RevisionNumber>,
    ) -> Answer<Aim> {
        let (number, content) = revision(transaction, self.api, number).await?;
        let (api, environment) = (&self.api.metadata, &self.environment.metadata.name);
        let gateway_type = &environment_spec(self.environment)?.gateway_type;
        let desired = composer.compose(self.mark(number), api, environment, gateway_type, &content);
        // An object that is being taken over stays the one that may be, until it carries our mark.
        let adopt = self.present.and_then(still_adopting);
        Ok(Aim {
            wanted: Desired::Present(Box::new(desired)),
            to_revision: Some(number),
            adopt,
            obstacle: None,
        })
    }

    async fn adoption(&self, transaction: &mut Transaction, composer: &Composer) -> Answer<Aim> {
        let mut aim = self.place(transaction, composer, self.request.revision).await?;
        let (api, environment) = (&self.api.metadata.name, &self.environment.metadata.name);
        let sources = transaction
            .environment_sources(self.environment.environment_id())
            .await?;
        let mut sources = sources.into_iter();
        match sources.find(|source| source.api_id == self.api.api_id()) {
            Some(source) if self.present.is_none() => aim.adopt = Some(source.external_ref),
            Some(_) => {
                aim.obstacle = Some(format!(
                    "api `{api}` is deployed in environment `{environment}` already, so Gatehouse manages it there; \
                     deploy it to change it"
                ));
            }
            None => aim.obstacle = Some(not_imported(api, environment)),
        }
        Ok(aim)
    }

    fn nothing(&self) -> Aim {
        let revision = self.present.map(|deployment| deployment.revision);
        Aim {
            wanted: Desired::Absent(self.mark(revision.unwrap_or_default())),
            to_revision: None,
            adopt: None,
            obstacle: self.present.is_none().then(|| self.not_there("take off")),
        }
    }

    fn not_there(&self, what: &str) -> String {
        let (api, environment) = (&self.api.metadata.name, &self.environment.metadata.name);
        format!("api `{api}` is not deployed in environment `{environment}`; there is nothing to {what}")
    }

    fn mark(&self, revision: RevisionNumber) -> Mark {
        Mark {
            environment_id: self.environment.environment_id(),
            api_id: self.api.api_id(),
            api_name: self.api.metadata.name.clone(),
            revision,
        }
    }
}

fn not_imported(api: &ResourceName, environment: &ResourceName) -> String {
    format!(
        "api `{api}` was not imported from environment `{environment}`, so there is nothing to adopt; discover and \
         import it there first, or deploy it with `gatehouse deploy {api} --to {environment}`"
    )
}
