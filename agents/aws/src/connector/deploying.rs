//! Bringing an API to AWS: everything new is made beside what is served, then the stage is switched to it in one call.
//!
//! The document goes to the API, which stages do not follow; a snapshot of it (AWS calls it a deployment) is served only
//! when the stage is pointed to it. What authenticates callers is part of the snapshot, so the API is never open.

mod kinds;
mod making;
mod snapshots;
mod switching;

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    connector::DeployRequest,
    error::Result,
    journal::Steps,
    schemas::{desired::Mark, identity::ResourceName},
};
use secrecy::SecretString;

use self::making::Made;
use super::{
    keys::{self, Keys},
    looking::{Held, HeldPlan},
    wanting::Wanted,
};
use crate::{
    apis::{Api, Calls, Stage, calls, domains::Truststore, plans::Plans},
    client::Account,
    mark,
    record::{AppliedPlan, Beside, Record, Snapshot},
};

/// One attempt to bring an API to AWS.
pub(super) struct Deploying<'a> {
    pub(super) account: &'a Account<'a>,
    pub(super) request: &'a DeployRequest,
    pub(super) wanted: &'a Wanted,
    pub(super) secrets: &'a BTreeMap<ResourceName, SecretString>,
    /// The truststore that checks callers' certificates, if they must present one.
    pub(super) truststore: Option<Truststore>,
    /// What messages call the API.
    pub(super) object: &'a str,
    /// Whether an earlier attempt did not come to its end.
    pub(super) was_begun: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) api: Api,
    pub(super) record: Record,
    pub(super) stage: Stage,
}

/// What an attempt begins with.
#[derive(Debug)]
struct Begun {
    api: Api,
    /// The environment's stage, if the API has it already.
    stage: Option<Stage>,
    /// What was applied before.
    former: Option<Record>,
    /// The usage plan that lets callers in now.
    plan: Option<HeldPlan>,
    /// The paths of the environment's domain name that lead to the stage now.
    paths: Vec<String>,
    /// Whether there may be parts of the API that no record tells of.
    may_be_others: bool,
    /// How it was made, if this attempt made it.
    made: Option<Made>,
}

impl Deploying<'_> {
    fn calls(&self) -> Box<dyn Calls + '_> {
        calls(self.wanted.kind, self.account, self.object)
    }

    fn mark(&self) -> &Mark {
        &self.request.desired.mark
    }

    fn tags(&self) -> BTreeMap<String, String> {
        mark::tags(self.mark(), self.account.wanted_tags())
    }

    /// Carries it out, from what is held.
    pub(super) async fn carry_out(&self, held: Option<Held>) -> Result<Outcome> {
        let (held, other) = self.of_each_kind(held).await?;
        self.may_lead([&held, &other]).await?;
        let mut steps = Steps::new(self.account.context, if held.is_some() { 3 } else { 4 });
        let begun = self.begun(&mut steps, held).await?;
        let (record, stage) = self.serve(&mut steps, &begun).await?;
        self.lead(&mut steps, &begun, other.as_ref()).await?;
        self.tidy(&mut steps, &begun, &record).await?;
        if let Some(other) = other {
            self.remove_other(other).await?;
        }
        Ok(Outcome {
            api: begun.api,
            record,
            stage,
        })
    }

    /// The API, marked as ours, and what is known of it.
    async fn begun(&self, steps: &mut Steps<'_>, held: Option<Held>) -> Result<Begun> {
        let lost_its_record = held.as_ref().is_some_and(|held| held.record().is_none());
        let ((api, made), stage, plan, paths) = match held {
            Some(held) => (
                (self.adopted(steps, held.api).await?, None),
                held.stage,
                held.plan,
                held.paths,
            ),
            None => {
                let (api, made) = self.create(steps).await?;
                ((api, Some(made)), None, None, Vec::new())
            }
        };
        Ok(Begun {
            api,
            former: stage.as_ref().and_then(Stage::record),
            stage,
            plan,
            paths,
            may_be_others: self.was_begun || lost_its_record,
            made,
        })
    }

    /// Makes everything beside what is served, and serves it.
    async fn serve(&self, steps: &mut Steps<'_>, begun: &Begun) -> Result<(Record, Stage)> {
        let keys = self.keys(begun);
        self.hold(steps, begun).await?;
        // Until the plan has them: in between, the keys that were found look as if nobody let them in.
        let _found = match self.wanted.keys.is_empty() {
            true => None,
            false => Some(self.account.callers.read().await),
        };
        let made = keys.made(steps).await?;
        let served = self.snapshot(steps, begun).await?;
        let plan = match &begun.stage {
            Some(_) => keys.let_in(steps, &made).await?,
            None => None,
        };
        let mut record = self.record(begun, served, plan);
        let api = &begun.api;
        let mut stage = self.switch(steps, api, begun.stage.as_ref(), &record).await?;
        if begun.stage.is_none() {
            record.beside.plan = keys.let_in(steps, &made).await?;
            if record.beside.plan.is_some() || !stage.has(&self.wanted.settings) {
                stage = self.switch(steps, api, Some(&stage), &record).await?;
            }
        }
        Ok((record, stage))
    }

    fn keys<'k>(&'k self, begun: &'k Begun) -> Keys<'k> {
        let former = begun.former.as_ref();
        Keys {
            deploying: self,
            api: &begun.api,
            former: former.and_then(|record| record.beside.plan.as_ref()),
            held: begun.plan.as_ref(),
            may_be_others: begun.may_be_others,
        }
    }

    /// What the stage is to remember.
    fn record(&self, begun: &Begun, served: Snapshot, plan: Option<AppliedPlan>) -> Record {
        let beside = Beside {
            name: self.wanted.name().to_owned(),
            settings: self.wanted.settings.clone(),
            plan,
            path: self.path(),
            truststore: self.truststore.clone(),
            tags: self.recorded_tags(begun.former.as_ref(), &served),
        };
        let most = self.account.settings.kept_deployments;
        let kept = snapshots::kept(begun.former.as_ref(), &served, most);
        Record::new(&self.request.desired, served, kept, beside)
    }

    /// Removes what is not served any more, and not kept.
    async fn tidy(&self, steps: &mut Steps<'_>, begun: &Begun, record: &Record) -> Result<()> {
        let keys = self.keys(begun);
        keys.remove_others(steps, record.beside.plan.as_ref()).await?;
        let former = begun.former.as_ref();
        self.forget(steps, &begun.api, former, record, begun.may_be_others)
            .await?;
        keys::remove_left_behind(&self.plans(), steps, self.mark()).await
    }

    /// Removes what earlier attempts left behind of an API that is as it is desired.
    pub(super) async fn clean_up(&self, held: &Held, record: &Record) -> Result<()> {
        if !self.was_begun {
            return Ok(());
        }
        let mut steps = Steps::new(self.account.context, 1);
        self.forget(&mut steps, &held.api, None, record, true).await?;
        keys::remove_left_behind(&self.plans(), &mut steps, self.mark()).await?;
        self.clean_up_the_other_kind().await
    }

    fn plans(&self) -> Plans<'_> {
        Plans {
            account: self.account,
            object: self.object,
        }
    }

    /// Puts our mark to what people chose to adopt.
    async fn adopted(&self, steps: &mut Steps<'_>, api: Api) -> Result<Api> {
        if mark::is_of(self.mark(), &api.tags) {
            return Ok(api);
        }
        let (calls, tags) = (self.calls(), self.tags());
        let description = format!("mark the {} `{}` as ours", api.id.kind.title(), api.name);
        let object = Some(api.id.external_ref().0);
        steps
            .take(description, object, calls.tag(&api.id.id, &tags))
            .await?;
        Ok(api)
    }
}
