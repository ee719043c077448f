//! HTTP APIs: the calls of the second version of API Gateway's own API.

mod settings;

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_apigatewayv2::{
    operation::{get_deployments::GetDeploymentsOutput, get_stages::GetStagesOutput},
    types::Deployment,
};
use gatehouse_connector_sdk::error::Result;
use serde_json::{Value, json};

use self::settings::{
    access_log, logged, loses_its_log, route_settings, routes_beside, sent, settings_of, variables,
};
use super::{Api, ApiId, Calls, Kind, Stage, Switch, absent::unless_missing};
use crate::client::{Account, Clients, LONGEST_PAGE};

/// HTTP APIs of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Http<'a> {
    pub(crate) account: &'a Account<'a>,
    /// What it is about, for messages.
    pub(crate) object: &'a str,
}

/// A stage, as each of three calls answers it in a type of its own.
macro_rules! stage {
    ($answer:expr) => {{
        let answer = $answer;
        let mut settings = settings_of(answer.default_route_settings, answer.route_settings);
        settings.extend(logged(answer.access_log_settings));
        Stage {
            deployment: answer.deployment_id,
            variables: answer.stage_variables.unwrap_or_default(),
            settings,
            has_canary: false,
            deploys_by_itself: answer.auto_deploy.unwrap_or(false),
        }
    }};
}

#[async_trait]
impl Calls for Http<'_> {
    async fn stage(&self, id: &str) -> Result<Option<Stage>> {
        let name = &self.account.settings.stage;
        let found = self
            .account
            .call("GetStage", self.object, |clients| {
                clients.http.get_stage().api_id(id).stage_name(name).send()
            })
            .await;
        Ok(unless_missing(found)?.map(|found| stage!(found)))
    }

    async fn create(&self, document: &Value, tags: &BTreeMap<String, String>) -> Result<Api> {
        let written = with_tags(document, tags);
        let made = self
            .account
            .call("ImportApi", self.object, |clients| {
                clients.http.import_api().body(&written).send()
            })
            .await?;
        self.refuse_warnings(made.warnings)?;
        Ok(Api {
            id: second_id(made.api_id),
            name: made.name.unwrap_or_default(),
            description: made.description,
            tags: tags.clone().into_iter().collect(),
            created: made.created_date.map_or(0, |created| created.secs()),
            own_address_is_off: made.disable_execute_api_endpoint.unwrap_or(false),
        })
    }

    async fn put(
        &self,
        id: &str,
        document: &Value,
        tags: &BTreeMap<String, String>,
    ) -> Result<Option<String>> {
        let written = with_tags(document, tags);
        let put = self
            .account
            .call("ReimportApi", self.object, |clients| {
                clients.http.reimport_api().api_id(id).body(&written).send()
            })
            .await?;
        self.refuse_warnings(put.warnings)?;
        Ok(put.description)
    }

    async fn snapshot(&self, id: &str, description: &str) -> Result<String> {
        let made = self
            .account
            .call("CreateDeployment", self.object, |clients| {
                let call = clients.http.create_deployment().api_id(id);
                call.description(description).send()
            })
            .await?;
        Ok(made.deployment_id.unwrap_or_default())
    }

    async fn snapshots(&self, id: &str) -> Result<BTreeMap<String, String>> {
        let send = |clients: &Clients, token| {
            let call = clients.http.get_deployments().api_id(id);
            call.max_results(LONGEST_PAGE.to_string())
                .set_next_token(token)
                .send()
        };
        let page = |page: GetDeploymentsOutput| (page.items, page.next_token);
        let all = self.account.every("GetDeployments", self.object, send, page);
        let described =
            |snapshot: Deployment| Some((snapshot.deployment_id?, snapshot.description.unwrap_or_default()));
        Ok(all.await?.into_iter().filter_map(described).collect())
    }

    async fn remove_snapshot(&self, id: &str, snapshot: &str) -> Result<()> {
        let removed = self
            .account
            .call("DeleteDeployment", self.object, |clients| {
                let call = clients.http.delete_deployment().api_id(id);
                call.deployment_id(snapshot).send()
            })
            .await;
        unless_missing(removed).map(drop)
    }

    async fn create_stage(
        &self,
        id: &str,
        switch: &Switch<'_>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Stage> {
        let name = &self.account.settings.stage;
        let (all, each) = route_settings(switch.settings);
        let made = self
            .account
            .call("CreateStage", self.object, |clients| {
                let call = clients.http.create_stage().api_id(id).stage_name(name);
                call.deployment_id(switch.deployment)
                    .auto_deploy(false)
                    .set_stage_variables(Some(switch.variables.clone().into_iter().collect()))
                    .set_default_route_settings(all.clone())
                    .set_route_settings(each.clone())
                    .set_access_log_settings(access_log(switch.settings))
                    .set_tags(Some(tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        Ok(stage!(made))
    }

    async fn stop_deploying_by_itself(&self, id: &str) -> Result<()> {
        let name = &self.account.settings.stage;
        self.account
            .call("UpdateStage", self.object, |clients| {
                let call = clients.http.update_stage().api_id(id).stage_name(name);
                call.auto_deploy(false).send()
            })
            .await
            .map(drop)
    }

    async fn switch(&self, id: &str, held: &Stage, switch: &Switch<'_>) -> Result<Stage> {
        let name = &self.account.settings.stage;
        let (all, each) = route_settings(&sent(held, switch.settings));
        let variables = variables(held, switch);
        // First, since the record that tells of them changes with the stage.
        self.remove_settings(id, held, switch.settings).await?;
        let updated = self
            .account
            .call("UpdateStage", self.object, |clients| {
                let call = clients.http.update_stage().api_id(id).stage_name(name);
                call.deployment_id(switch.deployment)
                    .set_stage_variables(Some(variables.clone()))
                    .set_default_route_settings(all.clone())
                    .set_route_settings(each.clone())
                    .set_access_log_settings(access_log(switch.settings))
                    .send()
            })
            .await?;
        Ok(stage!(updated))
    }

    async fn stages(&self, id: &str) -> Result<Vec<String>> {
        let send = |clients: &Clients, token| {
            let call = clients.http.get_stages().api_id(id);
            call.max_results(LONGEST_PAGE.to_string())
                .set_next_token(token)
                .send()
        };
        let page = |page: GetStagesOutput| (page.items, page.next_token);
        let all = self.account.every("GetStages", self.object, send, page);
        let stages = unless_missing(all.await)?.unwrap_or_default().into_iter();
        Ok(stages.filter_map(|stage| stage.stage_name).collect())
    }

    async fn remove_stage(&self, id: &str) -> Result<()> {
        let name = &self.account.settings.stage;
        let removed = self
            .account
            .call("DeleteStage", self.object, |clients| {
                clients.http.delete_stage().api_id(id).stage_name(name).send()
            })
            .await;
        unless_missing(removed).map(drop)
    }

    async fn tag(&self, id: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let resource = self.account.settings.resource_name(&format!("/apis/{id}"));
        self.account
            .call("TagResource", self.object, |clients| {
                let call = clients.http.tag_resource().resource_arn(&resource);
                call.set_tags(Some(tags.clone().into_iter().collect())).send()
            })
            .await
            .map(drop)
    }

    async fn remove(&self, id: &str) -> Result<()> {
        let removed = self
            .account
            .call("DeleteApi", self.object, |clients| {
                clients.http.delete_api().api_id(id).send()
            })
            .await;
        unless_missing(removed).map(drop)
    }
}

impl Http<'_> {
    /// Takes away what calls that change a stage cannot: settings of single routes, and the access log.
    async fn remove_settings(&self, id: &str, held: &Stage, wanted: &BTreeMap<String, String>) -> Result<()> {
        let name = &self.account.settings.stage;
        for route in routes_beside(held, wanted) {
            let removed = self
                .account
                .call("DeleteRouteSettings", self.object, |clients| {
                    let call = clients.http.delete_route_settings().api_id(id);
                    call.stage_name(name).route_key(&route).send()
                })
                .await;
            unless_missing(removed)?;
        }
        if !loses_its_log(held, wanted) {
            return Ok(());
        }
        let removed = self
            .account
            .call("DeleteAccessLogSettings", self.object, |clients| {
                let call = clients.http.delete_access_log_settings().api_id(id);
                call.stage_name(name).send()
            })
            .await;
        unless_missing(removed).map(drop)
    }

    fn refuse_warnings(&self, warnings: Option<Vec<String>>) -> Result<()> {
        match warnings.unwrap_or_default() {
            warnings if warnings.is_empty() => Ok(()),
            warnings => Err(super::warned(self.object, &warnings)),
        }
    }
}

fn second_id(id: Option<String>) -> ApiId {
    ApiId {
        kind: Kind::Http,
        id: id.unwrap_or_default(),
    }
}

/// An import of an HTTP API takes tags from the document.
fn with_tags(document: &Value, tags: &BTreeMap<String, String>) -> String {
    let mut written = document.clone();
    let tag =
        |(name, value): (&String, &String)| json!({"name": name, "x-amazon-apigateway-tag-value": value});
    written["tags"] = tags.iter().map(tag).collect();
    written.to_string()
}
