//! What becomes of an item of a plan once it was recorded: told from its deployment and from what agents say of it.

use gatehouse_control_plane_api::{admin::PlanItem, agent::DeploymentOutcome};
use gatehouse_control_plane_store::{Deployment, PlanStrategy, Report, Transaction};
use gatehouse_schemas::{
    condition::{ConditionType, Phase},
    identity::PlanId,
};

use super::{
    plan::ItemInternals,
    rollout::is_of,
    rollout_patience::{Trouble, TroubleKind, unattended},
};
use crate::failure::Answer;

/// The agent's word for a gateway that moved since a plan was made.
pub(crate) const PLAN_VOID: &str = "PlanVoid";

/// What became of an item that was recorded.
pub(super) enum Fate {
    /// It goes on.
    Going(Waiting),
    /// It was carried out.
    Applied,
    /// It was not, for this reason.
    Failed(String),
    /// The gateway moved before the first step.
    Void(String),
}

/// What an item that goes on waits for.
pub(super) struct Waiting {
    /// What keeps it from getting on, and since when.
    pub(super) trouble: Option<Trouble>,
    /// What to do about it, and how long it is waited for; none if nothing is to be said beyond the agent's words.
    pub(super) message: Option<String>,
}

/// An item that was recorded.
#[derive(Clone, Copy)]
pub(super) struct Recorded<'a> {
    pub(super) item: &'a PlanItem,
    pub(super) internals: &'a ItemInternals,
    pub(super) plan_id: PlanId,
    pub(super) strategy: PlanStrategy,
}

impl Recorded<'_> {
    /// Whether what is desired is still the plan's: policies or secrets that were written meanwhile give the same
    /// another generation.
    pub(super) fn is_in(&self, deployment: &Deployment) -> bool {
        is_of(deployment, self.internals.generation) || deployment.terms.plan_id == Some(self.plan_id)
    }

    /// How it goes.
    pub(super) async fn fate(
        &self,
        transaction: &mut Transaction,
        deployment: Option<&Deployment>,
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
        let stand = Stand::of(transaction, deployment, self.internals.trouble.as_ref()).await?;
        if let Some(Hindrance::Failing(failure)) = &stand.hindrance
            && failure.reason == PLAN_VOID
            && self.is_in(deployment)
        {
            return Ok(Fate::Void(format!(
                "the gateway moved since the plan was made, and nothing was changed there: {}; make a new plan",
                failure.message
            )));
        }
        Ok(self.patient(deployment, stand))
    }

    /// With all or nothing, the other items wait with the one whose environment nobody serves. Otherwise nobody does,
    /// and it is carried out whenever somebody is there.
    fn patient(&self, deployment: &Deployment, stand: Stand) -> Fate {
        let going = |message| {
            Fate::Going(Waiting {
                trouble: stand.trouble.clone(),
                message,
            })
        };
        match &stand.hindrance {
            None => going(None),
            Some(Hindrance::Failing(failure)) if failure.retrying && !stand.is_over => going(None),
            Some(Hindrance::Failing(failure)) => Fate::Failed(told(deployment, failure)),
            Some(Hindrance::Unattended(reason)) => match self.strategy {
                PlanStrategy::BestEffort => going(Some(reason.clone())),
                PlanStrategy::AllOrNothing if stand.is_over => Fate::Failed(reason.clone()),
                PlanStrategy::AllOrNothing => going(Some(format!(
                    "{reason}; the plan waits for it until {}, then puts the other items back",
                    stand.until()
                ))),
            },
        }
    }
}

/// How a deployment stands that is not yet what a plan wants.
pub(super) struct Stand {
    /// What keeps it from getting there, if anything.
    pub(super) hindrance: Option<Hindrance>,
    /// The same, to be remembered.
    pub(super) trouble: Option<Trouble>,
    /// Whether that has lasted longer than the plan has patience.
    pub(super) is_over: bool,
}

/// What keeps a deployment from what a plan wants.
pub(super) enum Hindrance {
    /// An agent says so.
    Failing(Failed),
    /// Nobody is there who could or may do it, for this reason.
    Unattended(String),
}

impl Stand {
    pub(super) async fn of(
        transaction: &mut Transaction,
        deployment: &Deployment,
        before: Option<&Trouble>,
    ) -> Answer<Self> {
        let reports = transaction.reports(deployment.id).await?;
        let unattended = || unattended(deployment, &reports).map(Hindrance::Unattended);
        let hindrance = failure(deployment, &reports)
            .map(Hindrance::Failing)
            .or_else(unattended);
        let kind = hindrance.as_ref().map(|hindrance| match hindrance {
            Hindrance::Failing(_) => TroubleKind::Failing,
            Hindrance::Unattended(_) => TroubleKind::Unattended,
        });
        let now = transaction.now();
        let trouble = Trouble::after(before, kind, deployment.generation, now);
        Ok(Self {
            is_over: trouble.as_ref().is_some_and(|trouble| now > trouble.until()),
            hindrance,
            trouble,
        })
    }

    /// When the plan's patience ends, in words.
    pub(super) fn until(&self) -> String {
        self.trouble
            .as_ref()
            .map_or_else(|| "then".to_owned(), |trouble| trouble.until().to_string())
    }
}

/// What an agent says went wrong.
pub(super) struct Failed {
    /// The agent's word for it.
    pub(super) reason: String,
    /// What happened.
    pub(super) message: String,
    /// Whether it tries again.
    pub(super) retrying: bool,
}

/// What agents say went wrong with the present generation; what nobody tries again comes first.
pub(super) fn failure(deployment: &Deployment, reports: &[Report]) -> Option<Failed> {
    let present = reports
        .iter()
        .filter(|report| report.generation >= deployment.generation);
    let mut failures: Vec<Failed> = present
        .filter_map(|report| match serde_json::from_value(report.outcome.clone()) {
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
    failures.into_iter().next()
}

/// The condition's sentence says more than the report's: who it was, and what happens next.
pub(super) fn told(deployment: &Deployment, failure: &Failed) -> String {
    let mut conditions = deployment.conditions.iter();
    let deployed = conditions.find(|condition| condition.r#type == ConditionType::Deployed);
    deployed
        .filter(|condition| condition.reason == failure.reason)
        .map_or(failure.message.clone(), |condition| condition.message.clone())
}
