//! Taking an API off AWS. What is gone already is no error.

use gatehouse_connector_sdk::{error::Result, journal::Steps, schemas::desired::Mark};

use super::{
    keys,
    looking::{self, Held},
};
use crate::{
    apis::{Api, calls, domains::Domain, plans::Plans},
    client::Account,
    mark,
    record::AppliedPlan,
    translate::Kind,
};

/// The removal of one API.
pub(super) struct Removal<'a> {
    pub(super) account: &'a Account<'a>,
    pub(super) mark: &'a Mark,
    /// What messages call it.
    pub(super) object: &'a str,
    /// Whether an earlier attempt did not come to its end.
    pub(super) was_begun: bool,
}

impl Removal<'_> {
    /// Removes what is held, and what attempts left behind.
    pub(super) async fn carry_out(&self, held: Option<Held>) -> Result<()> {
        let mut steps = Steps::new(self.account.context, 1);
        self.let_nobody_in(&mut steps, held.as_ref()).await?;
        if let Some(held) = held {
            self.remove(&mut steps, &held.api).await?;
        }
        if self.was_begun {
            for kind in looking::kinds(self.account) {
                for api in looking::marked_in(*kind, self.account, self.mark).await? {
                    self.remove(&mut steps, &api).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes the usage plan and its keys: AWS refuses to remove an API that a plan lets in to, and without its plan, the API
    /// lets nobody in.
    async fn let_nobody_in(&self, steps: &mut Steps<'_>, held: Option<&Held>) -> Result<()> {
        match held.and_then(Held::record) {
            Some(record) if !self.was_begun => match &record.beside.plan {
                Some(applied) => self.remove_plan(steps, applied).await,
                None => Ok(()),
            },
            _ => self.remove_keys(steps).await,
        }
    }

    /// Removes the plan that was applied, and the keys that no other plan has.
    async fn remove_plan(&self, steps: &mut Steps<'_>, applied: &AppliedPlan) -> Result<()> {
        let plans = Plans {
            account: self.account,
            object: self.object,
        };
        if let Some(plan) = plans.get(&applied.id, "").await? {
            let description = format!("remove the usage plan of {}", self.object);
            steps
                .take(description, Some(plan.id.clone()), plans.remove(&plan))
                .await?;
        }
        for (name, id) in &applied.keys {
            keys::remove_unused(&plans, steps, (name, id)).await?;
        }
        Ok(())
    }

    /// Removes one API of two that have the mark, and whom it let in: only REST APIs let callers with keys in.
    pub(super) async fn carry_out_one(&self, held: Held) -> Result<()> {
        let mut steps = Steps::new(self.account.context, 1);
        if held.api.id.kind == Kind::Rest {
            self.let_nobody_in(&mut steps, Some(&held)).await?;
        }
        self.remove(&mut steps, &held.api).await
    }

    /// Removes the API, or only the environment's stage of it where others have stages of theirs.
    async fn remove(&self, steps: &mut Steps<'_>, api: &Api) -> Result<()> {
        let calls = calls(api.id.kind, self.account, self.object);
        let (id, stage) = (&api.id.id, &self.account.settings.stage);
        let object = Some(api.id.external_ref().0);
        if let Some(name) = &self.account.settings.domain_name {
            let domain = Domain {
                account: self.account,
                name,
                object: self.object,
            };
            let description = format!("lead `{name}` to {} no more", self.object);
            steps
                .take(description, object.clone(), domain.lead_no_more(id, None))
                .await?;
        }
        let stages = calls.stages(id).await?;
        if stages.iter().any(|other| other != stage) {
            let description = format!("remove the stage `{stage}` of {}", self.object);
            return steps.take(description, object, calls.remove_stage(id)).await;
        }
        let description = format!("remove the {} `{id}` of {}", api.id.kind.title(), self.object);
        steps.take(description, object, calls.remove(id)).await
    }

    /// Removes what no record tells of.
    async fn remove_keys(&self, steps: &mut Steps<'_>) -> Result<()> {
        let plans = Plans {
            account: self.account,
            object: self.object,
        };
        for plan in plans.list().await? {
            if mark::is_of(self.mark, &plan.tags) {
                let description = format!("remove the usage plan of {}", self.object);
                steps
                    .take(description, Some(plan.id.clone()), plans.remove(&plan))
                    .await?;
            }
        }
        for key in plans.keys_named(keys::BEGINNING).await? {
            if mark::is_of_environment(self.mark, &key.tags) {
                keys::remove_unused(&plans, steps, (&key.name, &key.id)).await?;
            }
        }
        Ok(())
    }
}
