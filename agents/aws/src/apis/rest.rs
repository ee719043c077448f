//! REST APIs: the calls of the first version of API Gateway's own API.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_apigateway::types::{
    AccessLogSettings, CacheClusterSize, EndpointConfiguration, EndpointType, MethodSetting, Op,
    PatchOperation, PutMode, RestApi,
};
use aws_smithy_types::Blob;
use gatehouse_connector_sdk::error::{ErrorKind, Result};
use serde_json::Value;

use super::{Api, ApiId, Calls, Kind, Stage, Switch};
use crate::client::Account;

/// As many as a page of a listing may have.
const LONGEST_PAGE: i32 = 500;

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
            answer.cache_cluster_size,
            answer.access_log_settings,
            answer.tracing_enabled,
        ));
        Stage {
            deployment: answer.deployment_id,
            variables: answer.variables.unwrap_or_default(),
            settings,
            has_canary: answer.canary_settings.is_some(),
        }
    }};
}
#[async_trait]
impl Calls for Rest<'_> {
    async fn list(&self) -> Result<Vec<Api>> {
        let mut all = Vec::new();
        let mut position = None;
        loop {
            let next = position.clone();
            let page = self
                .account
                .call("GetRestApis", "the REST APIs", |clients| {
                    let call = clients.rest.get_rest_apis().limit(LONGEST_PAGE);
                    call.set_position(next.clone()).send()
                })
                .await?;
            all.extend(page.items.unwrap_or_default().into_iter().map(api));
            position = page.position.filter(|next| !next.is_empty());
            if position.is_none() {
                return Ok(all);
            }
        }
    }

    async fn get(&self, id: &str) -> Result<Option<Api>> {
        let found = self
            .account
            .call("GetRestApi", self.object, |clients| {
                clients.rest.get_rest_api().rest_api_id(id).send()
            })
            .await;
        let found = found.map(|found| {
            let tags = found.tags.unwrap_or_default();
            Api {
                id: rest_id(found.id),
                name: found.name.unwrap_or_default(),
                description: found.description,
                tags,
                created: found.created_date.map_or(0, |created| created.secs()),
            }
        });
        unless_missing(found)
    }

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
            .set_vpc_endpoint_ids(
                (!settings.vpc_endpoint_ids.is_empty()).then(|| settings.vpc_endpoint_ids.clone()),
            )
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
        })
    }

    async fn put(&self, id: &str, document: &Value, _tags: &BTreeMap<String, String>) -> Result<()> {
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
            true => Ok(()),
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

    async fn snapshots(&self, id: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        let mut position = None;
        loop {
            let next = position.clone();
            let page = self
                .account
                .call("GetDeployments", self.object, |clients| {
                    let call = clients.rest.get_deployments().rest_api_id(id);
                    call.limit(LONGEST_PAGE).set_position(next.clone()).send()
                })
                .await?;
            let items = page.items.unwrap_or_default().into_iter();
            all.extend(items.filter_map(|snapshot| snapshot.id));
            position = page.position.filter(|next| !next.is_empty());
            if position.is_none() {
                return Ok(all);
            }
        }
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

    async fn switch(&self, id: &str, held: &Stage, switch: &Switch<'_>) -> Result<Stage> {
        let name = &self.account.settings.stage;
        let patches = patches(held, switch);
        let updated = self
            .account
            .call("UpdateStage", self.object, |clients| {
                let call = clients.rest.update_stage().rest_api_id(id).stage_name(name);
                call.set_patch_operations(Some(patches.clone())).send()
            })
            .await?;
        Ok(stage!(updated))
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

/// Nothing, where AWS says that there is no such thing.
pub(crate) fn unless_missing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn rest_id(id: Option<String>) -> ApiId {
    ApiId {
        kind: Kind::Rest,
        id: id.unwrap_or_default(),
    }
}

fn api(listed: RestApi) -> Api {
    Api {
        id: rest_id(listed.id),
        name: listed.name.unwrap_or_default(),
        description: listed.description,
        tags: listed.tags.unwrap_or_default(),
        created: listed.created_date.map_or(0, |created| created.secs()),
    }
}

/// What is set for a stage as a whole.
fn of_whole(
    cache: Option<CacheClusterSize>,
    log: Option<AccessLogSettings>,
    is_traced: bool,
) -> impl Iterator<Item = (String, String)> {
    let cached = cache.into_iter().flat_map(|size| {
        let size = size.as_str().to_owned();
        [
            ("/cacheClusterEnabled", true.to_string()),
            ("/cacheClusterSize", size),
        ]
    });
    let logged = log.into_iter().flat_map(|log| {
        [
            (
                "/accessLogSettings/destinationArn",
                log.destination_arn.unwrap_or_default(),
            ),
            ("/accessLogSettings/format", log.format.unwrap_or_default()),
        ]
    });
    let traced = is_traced.then(|| ("/tracingEnabled", true.to_string()));
    cached
        .chain(logged)
        .chain(traced)
        .map(|(path, value)| (path.to_owned(), value))
}

/// Method settings by the paths with which they are changed. The key of a method is `*/*` or `~1pets/GET`.
fn settings_of(methods: HashMap<String, MethodSetting>) -> BTreeMap<String, String> {
    let of_method = |(method, setting): (String, MethodSetting)| {
        let values = [
            ("throttling/rateLimit", setting.throttling_rate_limit.to_string()),
            (
                "throttling/burstLimit",
                setting.throttling_burst_limit.to_string(),
            ),
            ("caching/enabled", setting.caching_enabled.to_string()),
            ("caching/ttlInSeconds", setting.cache_ttl_in_seconds.to_string()),
            (
                "logging/loglevel",
                setting.logging_level.clone().unwrap_or_default(),
            ),
            ("logging/dataTrace", setting.data_trace_enabled.to_string()),
            ("metrics/enabled", setting.metrics_enabled.to_string()),
        ];
        values.map(|(name, value)| (format!("/{method}/{name}"), value))
    };
    methods.into_iter().flat_map(of_method).collect()
}

fn patches(held: &Stage, switch: &Switch<'_>) -> Vec<PatchOperation> {
    let replace = |path: String, value: &str| {
        let patch = PatchOperation::builder().op(Op::Replace);
        patch.path(path).value(value).build()
    };
    let remove = |path: String| PatchOperation::builder().op(Op::Remove).path(path).build();
    let mut patches = vec![replace("/deploymentId".to_owned(), switch.deployment)];
    let variables = switch.variables.iter();
    patches.extend(variables.map(|(name, value)| replace(format!("/variables/{name}"), value)));
    let is_old = |name: &&str| !switch.variables.contains_key(*name);
    let old = held.record_variables().filter(is_old);
    patches.extend(old.map(|name| remove(format!("/variables/{name}"))));
    let settings = switch.settings.iter();
    patches.extend(settings.map(|(path, value)| replace(path.clone(), value)));
    patches
}
