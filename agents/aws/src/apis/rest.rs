//! REST APIs: the calls of the first version of API Gateway's own API.

mod settings;

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_apigateway::{
    operation::get_deployments::GetDeploymentsOutput,
    types::{Deployment, EndpointConfiguration, EndpointType, PutMode},
};
use aws_smithy_types::Blob;
use gatehouse_connector_sdk::error::Result;
use serde_json::Value;

use self::settings::{of_whole, patches, settings_of};
use super::{Api, ApiId, Calls, Kind, Stage, Switch, absent::unless_missing};
use crate::client::{Account, Clients, LONGEST_PAGE};

/// REST APIs of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest<'a> {
    pub(crate) account: &'a Account<'a>,
    /// What it is about, for messages.
    pub(crate) object: &'a str,
}

/// A stage, as each of three calls answers it in a type of its own.
macro_rules! stage {
    ($answer:expr) => {{
        let answer = $answer;
        let mut settings = settings_of(answer.method_settings.unwrap_or_default());
        settings.extend(of_whole(
            (answer.cache_cluster_enabled, answer.cache_cluster_size),
            answer.access_log_settings,
            answer.tracing_enabled,
        ));
        Stage {
            deployment: answer.deployment_id,
            variables: answer.variables.unwrap_or_default(),
            settings,
            has_canary: answer.canary_settings.is_some(),
            deploys_by_itself: false,
        }
    }};
}
#[async_trait]
impl Calls for Rest<'_> {
    async fn stage(&self, id: &str) -> Result<Option<Stage>> {
        let stage = &self.account.settings.stage;
        let found = self
            .account
            .call("GetStage", self.object, |clients| {
                let call = clients.rest.get_stage().rest_api_id(id);
                call.stage_name(stage).send()
            })
            .await;
        Ok(unless_missing(found)?.map(|found| stage!(found)))
    }

    async fn create(&self, document: &Value, tags: &BTreeMap<String, String>) -> Result<Api> {
        let settings = &self.account.settings;
        let name = document["info"]["title"].as_str().unwrap_or_default();
        let endpoint = EndpointConfiguration::builder()
            .types(EndpointType::from(settings.endpoint_type.to_uppercase().as_str()))
            .set_vpc_endpoint_ids(settings.is_private().then(|| settings.vpc_endpoint_ids.clone()))
            .build();
        let tags: HashMap<String, String> = tags.clone().into_iter().collect();
        let made = self
            .account
            .call_as(
                self.slow("CreateRestApi"),
                "CreateRestApi",
                self.object,
                |clients| {
                    let call = clients.rest.create_rest_api().name(name);
                    call.set_tags(Some(tags.clone()))
                        .endpoint_configuration(endpoint.clone())
                        .send()
                },
            )
            .await?;
        Ok(Api {
            id: rest_id(made.id),
            name: made.name.unwrap_or_default(),
            description: made.description,
            tags,
            created: made.created_date.map_or(0, |created| created.secs()),
            own_address_is_off: made.disable_execute_api_endpoint,
        })
    }

    async fn put(
        &self,
        id: &str,
        document: &Value,
        _tags: &BTreeMap<String, String>,
    ) -> Result<Option<String>> {
        let body = Blob::new(document.to_string());
        let put = self
            .account
            .call("PutRestApi", self.object, |clients| {
                let call = clients.rest.put_rest_api().rest_api_id(id);
                call.mode(PutMode::Overwrite).body(body.clone()).send()
            })
            .await?;
        let warnings = put.warnings.unwrap_or_default();
        match warnings.is_empty() {
            true => Ok(put.description),
            false => Err(super::warned(self.object, &warnings)),
        }
    }

    async fn snapshot(&self, id: &str, description: &str) -> Result<String> {
        let made = self
            .account
            .call("CreateDeployment", self.object, |clients| {
                let call = clients.rest.create_deployment().rest_api_id(id);
                call.description(description).send()
            })
            .await?;
        Ok(made.id.unwrap_or_default())
    }

    async fn snapshots(&self, id: &str) -> Result<BTreeMap<String, String>> {
        let send = |clients: &Clients, position| {
            let call = clients.rest.get_deployments().rest_api_id(id);
            call.limit(LONGEST_PAGE).set_position(position).send()
        };
        let page = |page: GetDeploymentsOutput| (page.items, page.position);
        let all = self.account.every("GetDeployments", self.object, send, page);
        let described = |snapshot: Deployment| Some((snapshot.id?, snapshot.description.unwrap_or_default()));
        Ok(all.await?.into_iter().filter_map(described).collect())
    }

    async fn remove_snapshot(&self, id: &str, snapshot: &str) -> Result<()> {
        let removed = self
            .account
            .call("DeleteDeployment", self.object, |clients| {
                let call = clients.rest.delete_deployment().rest_api_id(id);
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
        let cache_size = switch
            .settings
            .get("/cacheClusterSize")
            .map(|size| size.as_str().into());
        let made = self
            .account
            .call("CreateStage", self.object, |clients| {
                let call = clients.rest.create_stage().rest_api_id(id).stage_name(name);
                call.deployment_id(switch.deployment)
                    .set_variables(Some(switch.variables.clone().into_iter().collect()))
                    .set_cache_cluster_enabled(cache_size.is_some().then_some(true))
                    .set_cache_cluster_size(cache_size.clone())
                    .set_tags(Some(tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        Ok(stage!(made))
    }

    /// No stage of a REST API does.
    async fn stop_deploying_by_itself(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn switch(&self, id: &str, held: &Stage, switch: &Switch<'_>) -> Result<Stage> {
        let name = &self.account.settings.stage;
        let mut stage = held.clone();
        for patches in patches(held, switch) {
            let updated = self
                .account
                .call("UpdateStage", self.object, |clients| {
                    let call = clients.rest.update_stage().rest_api_id(id).stage_name(name);
                    call.set_patch_operations(Some(patches.clone())).send()
                })
                .await?;
            stage = stage!(updated);
        }
        Ok(stage)
    }

    async fn stages(&self, id: &str) -> Result<Vec<String>> {
        let found = self
            .account
            .call("GetStages", self.object, |clients| {
                clients.rest.get_stages().rest_api_id(id).send()
            })
            .await;
        let stages = unless_missing(found)?
            .and_then(|found| found.item)
            .unwrap_or_default();
        Ok(stages.into_iter().filter_map(|stage| stage.stage_name).collect())
    }

    async fn remove_stage(&self, id: &str) -> Result<()> {
        let name = &self.account.settings.stage;
        let removed = self
            .account
            .call("DeleteStage", self.object, |clients| {
                clients
                    .rest
                    .delete_stage()
                    .rest_api_id(id)
                    .stage_name(name)
                    .send()
            })
            .await;
        unless_missing(removed).map(drop)
    }

    async fn tag(&self, id: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let resource = self.account.settings.resource_name(&format!("/restapis/{id}"));
        self.account
            .call("TagResource", self.object, |clients| {
                let call = clients.rest.tag_resource().resource_arn(&resource);
                call.set_tags(Some(tags.clone().into_iter().collect())).send()
            })
            .await
            .map(drop)
    }

    async fn remove(&self, id: &str) -> Result<()> {
        let removed = self
            .account
            .call("DeleteRestApi", self.object, |clients| {
                clients.rest.delete_rest_api().rest_api_id(id).send()
            })
            .await;
        unless_missing(removed).map(drop)
    }
}

impl Rest<'_> {
    /// Edge-optimized APIs have a quota of their own.
    fn slow(&self, operation: &'static str) -> &'static str {
        match (self.account.settings.endpoint_type.as_str(), operation) {
            ("edge", "CreateRestApi") => crate::quotas::CREATE_EDGE_API,
            _ => operation,
        }
    }
}

fn rest_id(id: Option<String>) -> ApiId {
    ApiId {
        kind: Kind::Rest,
        id: id.unwrap_or_default(),
    }
}
