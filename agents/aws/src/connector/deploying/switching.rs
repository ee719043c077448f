//! Serving: the stage is pointed to a snapshot, and the domain name leads to the stage.

use gatehouse_connector_sdk::{error::Result, journal::Steps};

use super::{Begun, Deploying};
use crate::{
    apis::{Api, Stage, Switch},
    connector::looking::{self, Held},
    record::Record,
};

impl Deploying<'_> {
    /// Points the stage to the snapshot: from here on it is served.
    pub(super) async fn switch(
        &self,
        steps: &mut Steps<'_>,
        api: &Api,
        held: Option<&Stage>,
        record: &Record,
    ) -> Result<Stage> {
        let variables = record.variables();
        let switch = Switch {
            deployment: &record.served.id,
            variables: &variables,
            settings: &record.beside.settings,
        };
        let (calls, stage) = (self.calls(), &self.account.settings.stage);
        let object = Some(api.id.external_ref().0);
        match held {
            Some(held) => {
                let description = format!("switch the stage `{stage}` of {}", self.object);
                steps
                    .take(description, object, calls.switch(&api.id.id, held, &switch))
                    .await
            }
            None => {
                let description = format!("make the stage `{stage}` of {}", self.object);
                let tags = self.tags();
                steps
                    .take(
                        description,
                        object,
                        calls.create_stage(&api.id.id, &switch, &tags),
                    )
                    .await
            }
        }
    }

    /// Lets the stage serve what it serves now until it is switched: one that deploys by itself would serve a definition as
    /// soon as it is put, and cannot be pointed to a snapshot.
    pub(super) async fn hold(&self, steps: &mut Steps<'_>, begun: &Begun) -> Result<()> {
        if !begun.stage.as_ref().is_some_and(|stage| stage.deploys_by_itself) {
            return Ok(());
        }
        let (calls, id) = (self.calls(), &begun.api.id);
        let stage = &self.account.settings.stage;
        let description = format!(
            "let the stage `{stage}` of {} deploy by itself no more",
            self.object
        );
        steps
            .take(
                description,
                Some(id.external_ref().0),
                calls.stop_deploying_by_itself(&id.id),
            )
            .await
    }

    /// The path of the environment's domain name below which the API is reached.
    pub(super) fn path(&self) -> Option<String> {
        self.account.settings.domain_name.as_ref()?;
        let base_path = &self.request.desired.content.base_path;
        Some(base_path.trim_matches('/').to_owned())
    }

    /// Sees that the domain name may lead to the API, before anything is changed: its path is free, or leads to what is ours.
    pub(super) async fn may_lead(&self, own: [&Option<Held>; 2]) -> Result<()> {
        let (Some(domain), Some(path)) = (looking::domain(self.account, self.object), self.path()) else {
            return Ok(());
        };
        let own: Vec<&str> = own
            .into_iter()
            .flatten()
            .map(|held| held.api.id.id.as_str())
            .collect();
        domain.may_lead(&path, &own).await
    }

    /// Leads the domain name to the stage, which serves already, and from the API of the other kind that it takes the place
    /// of. Other paths lead there no more, whether an earlier revision had them or somebody else made them.
    pub(super) async fn lead(
        &self,
        steps: &mut Steps<'_>,
        begun: &Begun,
        other: Option<&Held>,
    ) -> Result<()> {
        let (Some(domain), Some(path)) = (looking::domain(self.account, self.object), self.path()) else {
            return Ok(());
        };
        let (name, api) = (domain.name, &begun.api.id);
        let other = other.map(|other| other.api.id.id.as_str());
        let description = format!("lead `{name}/{path}` to {}", self.object);
        let object = Some(api.external_ref().0);
        steps
            .take(description, object.clone(), domain.lead(&path, &api.id, other))
            .await?;
        if begun.paths.iter().all(|held| *held == path) {
            return Ok(());
        }
        let description = format!("lead other paths of `{name}` to {} no more", self.object);
        steps
            .take(description, object, domain.lead_no_more(&api.id, Some(&path)))
            .await
    }
}
