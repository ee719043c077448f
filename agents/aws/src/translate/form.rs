//! An API in AWS's words: everything that is made for it.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    desired::DesiredApi,
    identity::{ResourceName, ResourceVersion},
    policy::Policy,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Kind, certificates, document, integration::Spot, kind::chosen, paths::Place, scene::Scene, stage, usage,
};
use crate::config::{AwsSettings, MutualTls};

/// Everything that is made for an API. No secret is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Form {
    /// REST API or HTTP API.
    pub(crate) kind: Kind,
    /// The OpenAPI document, with AWS's extensions.
    pub(crate) document: Value,
    /// Where a REST API is reached from.
    pub(crate) endpoint: Endpoint,
    /// What must check callers' certificates, if they must present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trust: Option<Trust>,
    /// What the stage is set to.
    pub(crate) stage: Stage,
    /// What callers with keys may, if there are keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage_plan: Option<UsagePlan>,
    /// The keys that open the API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<Key>,
}

/// Where a REST API is reached from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoint {
    /// `REGIONAL`, `EDGE` or `PRIVATE`.
    pub(crate) r#type: String,
    /// The interface endpoints of a private one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) vpc_endpoint_ids: Vec<String>,
}

/// The domain name that checks callers' certificates: nothing else leads to the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trust {
    /// The domain name.
    pub(crate) domain_name: String,
    /// The truststore that it must have; none if any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) truststore: Option<MutualTls>,
}

/// What a stage is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stage {
    /// Its name.
    pub(crate) name: String,
    /// The size of its cache in gigabytes, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_cluster_size: Option<String>,
    /// Where and what is written of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access_log: Option<AccessLog>,
    /// Whether X-Ray traces requests.
    #[serde(default)]
    pub(crate) tracing_enabled: bool,
    /// What holds for methods: for all, then for single ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) methods: Vec<MethodSettings>,
}

/// Where and what is written of requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessLog {
    /// The log group or stream.
    pub(crate) destination_arn: String,
    /// A line, with variables.
    pub(crate) format: String,
}

/// What a stage says of a method, or of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MethodSettings {
    /// The resource; `*` for all.
    pub(crate) path: String,
    /// The method; `*` for all.
    pub(crate) method: String,
    /// How much it lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) throttle: Option<Throttle>,
    /// How long its answers are kept, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_ttl_seconds: Option<u32>,
    /// What the stage's log holds of it: `ERROR`, `INFO` or `OFF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) logging_level: Option<String>,
    /// Whether that log holds requests and answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data_trace_enabled: Option<bool>,
    /// Whether CloudWatch gets figures of each method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metrics_enabled: Option<bool>,
}

impl MethodSettings {
    /// How version 1 of AWS's interface calls it in patches and in a stage's `methodSettings`: `~1pets/GET`, `*/*`.
    pub(crate) fn rest_key(&self) -> String {
        format!("{}/{}", self.path.replace('/', "~1"), self.method)
    }
}

/// A bucket: how fast it fills, and how much is in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Throttle {
    /// Requests per second.
    pub(crate) rate: f64,
    /// Requests at once.
    pub(crate) burst: u32,
}

impl Throttle {
    /// What both let through.
    pub(super) fn smaller(self, other: Self) -> Self {
        Self {
            rate: self.rate.min(other.rate),
            burst: self.burst.min(other.burst),
        }
    }
}

/// What callers with keys may.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsagePlan {
    /// For each key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) throttle: Option<Throttle>,
    /// For each key at a method, by `/path/METHOD`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) methods: BTreeMap<String, Throttle>,
    /// In a period, for each key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quota: Option<Quota>,
}

/// So many requests in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quota {
    /// How many.
    pub(crate) limit: i32,
    /// `DAY`, `WEEK` or `MONTH`.
    pub(crate) period: String,
}

/// A key of a consumer. Its value is the secret's, and is put in when it is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Key {
    /// Whose it is.
    pub(crate) consumer: ResourceName,
    /// The secret.
    pub(crate) secret: ResourceName,
    /// The secret's version.
    pub(crate) version: ResourceVersion,
}

/// A desired API in AWS's words.
pub(crate) fn form(desired: &DesiredApi, settings: &AwsSettings) -> Form {
    let content = &desired.content;
    let kind = chosen(content, settings).kind;
    let scene = Scene {
        content,
        settings,
        kind,
    };
    let places = scene.places();
    let spots: Vec<Spot<'_>> = places.iter().map(|place| scene.spot(place)).collect();
    let keys = keys(desired, &spots);
    Form {
        kind,
        document: document::document(scene, &desired.mark.api_name, &spots),
        endpoint: Endpoint {
            r#type: settings.endpoint_type.to_ascii_uppercase(),
            vpc_endpoint_ids: match settings.is_private() {
                true => settings.vpc_endpoint_ids.clone(),
                false => Vec::new(),
            },
        },
        trust: certificates::trust(scene),
        stage: stage::stage(scene, &places, &spots),
        usage_plan: (!keys.is_empty()).then(|| usage_plan(scene, &places)),
        keys,
    }
}

fn keys(desired: &DesiredApi, spots: &[Spot<'_>]) -> Vec<Key> {
    let policies = spots.iter().flat_map(|spot| &spot.policies);
    let keys = policies.filter_map(|policy| match policy {
        Policy::AuthApiKey(keys) => Some(&keys.keys),
        _ => None,
    });
    let key = |key: &gatehouse_connector_sdk::schemas::policy::ApiKeyConsumer| {
        let mut secrets = desired.secrets.iter();
        let secret = secrets.find(|secret| secret.name == key.secret_ref);
        Key {
            consumer: key.consumer.clone(),
            secret: key.secret_ref.clone(),
            version: secret.map(|secret| secret.version).unwrap_or_default(),
        }
    };
    let mut keys: Vec<Key> = keys.flatten().map(key).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn usage_plan(scene: Scene<'_>, places: &[Place<'_>]) -> UsagePlan {
    let throttles = usage::of_keys(scene, places);
    let methods = throttles.places.into_iter();
    UsagePlan {
        throttle: throttles.all,
        methods: methods
            .map(|((path, method), throttle)| (format!("{path}/{method}"), throttle))
            .collect(),
        quota: usage::quota(scene),
    }
}
