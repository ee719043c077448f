//! HTTP APIs: the calls of the second version of API Gateway's own API.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{AccessLogSettings, Api as ListedApi, RouteSettings};
use gatehouse_connector_sdk::error::{ErrorKind, Result};
use serde_json::{Value, json};

use super::{Api, ApiId, Calls, Kind, Stage, Switch, rest::unless_missing};
use crate::client::Account;

/// As many as a page of a listing may have.
const LONGEST_PAGE: &str = "500";
/// What the settings of every route are called among those of single routes.
const ALL: &str = "*/*";

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
        }
    }};
}

#[async_trait]
impl Calls for Http<'_> {
    async fn list(&self) -> Result<Vec<Api>> {
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let next = token.clone();
            let page = self
                .account
                .call("GetApis", "the HTTP APIs", |clients| {
                    let call = clients.http.get_apis().max_results(LONGEST_PAGE);
                    call.set_next_token(next.clone()).send()
                })
                .await?;
            all.extend(page.items.unwrap_or_default().into_iter().map(api));
            token = page.next_token.filter(|next| !next.is_empty());
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn get(&self, id: &str) -> Result<Option<Api>> {
        let found = self
            .account
            .call("GetApi", self.object, |clients| {
                clients.http.get_api().api_id(id).send()
            })
            .await;
        Ok(unless_missing(found)?.map(|found| Api {
            id: second_id(found.api_id),
            name: found.name.unwrap_or_default(),
            description: found.description,
            tags: found.tags.unwrap_or_default(),
            created: found.created_date.map_or(0, |created| created.secs()),
        }))
    }

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
        })
    }

    async fn put(&self, id: &str, document: &Value, tags: &BTreeMap<String, String>) -> Result<()> {
        let written = with_tags(document, tags);
        let put = self
            .account
            .call("ReimportApi", self.object, |clients| {
                clients.http.reimport_api().api_id(id).body(&written).send()
            })
            .await?;
        self.refuse_warnings(put.warnings)
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

    async fn snapshots(&self, id: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let next = token.clone();
            let page = self
                .account
                .call("GetDeployments", self.object, |clients| {
                    let call = clients.http.get_deployments().api_id(id);
                    call.max_results(LONGEST_PAGE).set_next_token(next.clone()).send()
                })
                .await?;
            let items = page.items.unwrap_or_default().into_iter();
            all.extend(items.filter_map(|snapshot| snapshot.deployment_id));
            token = page.next_token.filter(|next| !next.is_empty());
            if token.is_none() {
                return Ok(all);
            }
        }
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

    async fn switch(&self, id: &str, held: &Stage, switch: &Switch<'_>) -> Result<Stage> {
        let name = &self.account.settings.stage;
        let (all, each) = route_settings(switch.settings);
        let variables = variables(held, switch);
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
        let found = self
            .account
            .call("GetStages", self.object, |clients| {
                let call = clients.http.get_stages().api_id(id);
                call.max_results(LONGEST_PAGE).send()
            })
            .await;
        let stages = unless_missing(found)?
            .and_then(|found| found.items)
            .unwrap_or_default();
        Ok(stages.into_iter().filter_map(|stage| stage.stage_name).collect())
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

fn api(listed: ListedApi) -> Api {
    Api {
        id: second_id(listed.api_id),
        name: listed.name.unwrap_or_default(),
        description: listed.description,
        tags: listed.tags.unwrap_or_default(),
        created: listed.created_date.map_or(0, |created| created.secs()),
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

/// Variables that are to go are set to nothing: the map that is sent is laid over what is there.
fn variables(held: &Stage, switch: &Switch<'_>) -> HashMap<String, String> {
    let is_old = |name: &&str| !switch.variables.contains_key(*name);
    let old = held.record_variables().filter(is_old);
    let old = old.map(|name| (name.to_owned(), String::new()));
    old.chain(switch.variables.clone()).collect()
}

/// Settings by the paths with which a REST API's would be changed, as those of routes: `/~1pets/GET/…` is of `GET /pets`.
fn route_settings(
    settings: &BTreeMap<String, String>,
) -> (Option<RouteSettings>, Option<HashMap<String, RouteSettings>>) {
    let mut by_method: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (path, value) in settings {
        if let Some((method, name)) = path.trim_start_matches('/').split_once("/throttling/") {
            by_method.entry(method).or_default().push((name, value));
        }
    }
    let all = by_method.remove(ALL).map(|values| throttled(&values));
    let each = by_method
        .into_iter()
        .filter_map(|(method, values)| Some((route_key(method)?, throttled(&values))));
    let each: HashMap<String, RouteSettings> = each.collect();
    (all, (!each.is_empty()).then_some(each))
}

const LOG_DESTINATION: &str = "/accessLogSettings/destinationArn";
const LOG_FORMAT: &str = "/accessLogSettings/format";

fn access_log(settings: &BTreeMap<String, String>) -> Option<AccessLogSettings> {
    let log = AccessLogSettings::builder().destination_arn(settings.get(LOG_DESTINATION)?);
    Some(log.format(settings.get(LOG_FORMAT)?).build())
}

fn logged(log: Option<AccessLogSettings>) -> impl Iterator<Item = (String, String)> {
    let of = |log: AccessLogSettings| {
        let destination = log.destination_arn.map(|arn| (LOG_DESTINATION.to_owned(), arn));
        let format = log.format.map(|format| (LOG_FORMAT.to_owned(), format));
        destination.into_iter().chain(format)
    };
    log.into_iter().flat_map(of)
}

fn throttled(values: &[(&str, &str)]) -> RouteSettings {
    let value = |wanted: &str| {
        values
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| *value)
    };
    RouteSettings::builder()
        .set_throttling_rate_limit(value("rateLimit").and_then(|value| value.parse().ok()))
        .set_throttling_burst_limit(value("burstLimit").and_then(|value| value.parse().ok()))
        .build()
}

fn route_key(method: &str) -> Option<String> {
    let (path, method) = method.rsplit_once('/')?;
    Some(format!("{method} {}", path.replace("~1", "/").replace("~0", "~")))
}

fn settings_of(
    all: Option<RouteSettings>,
    each: Option<HashMap<String, RouteSettings>>,
) -> BTreeMap<String, String> {
    let of_all = all.map(|settings| (ALL.to_owned(), settings));
    let of_each = each
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(key, settings)| {
            let (method, path) = key.split_once(' ')?;
            let path = path.replace('~', "~0").replace('/', "~1");
            Some((format!("{path}/{method}"), settings))
        });
    let values = |(method, settings): (String, RouteSettings)| {
        let rate = settings
            .throttling_rate_limit
            .map(|rate| ("rateLimit", rate.to_string()));
        let burst = settings
            .throttling_burst_limit
            .map(|burst| ("burstLimit", burst.to_string()));
        let values = [rate, burst].into_iter().flatten();
        values
            .map(move |(name, value)| (format!("/{method}/throttling/{name}"), value))
            .collect::<Vec<_>>()
    };
    of_all.into_iter().chain(of_each).flat_map(values).collect()
}

/// An endpoint that knows nothing of the kind, as some partitions and test servers, holds none.
pub(crate) fn none_where_unknown<T>(listed: Result<Vec<T>>) -> Result<Vec<T>> {
    match listed {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Vec::new()),
        listed => listed,
    }
}
