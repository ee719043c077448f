//! Everything that an account holds of one API, as AWS says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which of AWS's kinds of API it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A REST API (v1).
    #[default]
    Rest,
    /// An HTTP API (v2).
    Http,
    /// A WebSocket API (v2).
    WebSocket,
}

/// One API with its stage and everything that stands before it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    /// Its kind.
    pub kind: Kind,
    /// AWS's identity for it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The version that people gave it.
    pub version: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `REGIONAL`, `EDGE` or `PRIVATE`.
    pub endpoint_types: Vec<String>,
    /// The interface endpoints of a private one.
    pub vpc_endpoint_ids: Vec<String>,
    /// Whether it is reached by its custom domain names alone.
    pub disable_execute_api_endpoint: bool,
    /// The resource policy, as JSON in a text.
    pub policy: Option<String>,
    /// Where keys are looked for: `HEADER` or `AUTHORIZER`.
    pub api_key_source: Option<String>,
    /// What else the list says of it that is not as usual: binary media types, the smallest answer that is compressed.
    pub settings: Map<String, Value>,
    /// Cross-origin settings of an HTTP API.
    pub cors: Option<Value>,
    /// The stage.
    pub stage: Stage,
    /// The export of the stage, with extensions.
    pub export: Value,
    /// The usage plans that cover the stage.
    pub usage_plans: Vec<UsagePlan>,
    /// The custom domain names that lead to the stage.
    pub mappings: Vec<Mapping>,
    /// Whether callers present certificates as it was applied, and cannot go round that.
    #[serde(skip)]
    pub checks_certificates: bool,
    /// Where AWS serves the stage, unless that is switched off.
    pub own_url: String,
    /// Where AWS serves the stage of a private API, in place of that.
    pub private_urls: Vec<String>,
}

/// A stage: the place where a deployment is served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// The deployment it serves.
    pub deployment_id: Option<String>,
    /// When it was changed last.
    pub last_updated: Option<String>,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// What holds for methods, by `*/*` or `path/METHOD` (v1), or by `*` or the route's key (v2).
    pub method_settings: BTreeMap<String, MethodSettings>,
    /// Whether it has a cache.
    pub cache_cluster_enabled: bool,
    /// What else it says, by AWS's names: `accessLogSettings`, `canarySettings`, `clientCertificateId`,
    /// `cacheClusterSize`, `tracingEnabled`, `webAclArn`, `autoDeploy`.
    pub settings: Map<String, Value>,
}

/// What holds for one method, or for all of a stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub struct MethodSettings {
    pub throttling_rate_limit: Option<f64>,
    pub throttling_burst_limit: Option<i64>,
    pub caching_enabled: Option<bool>,
    pub cache_ttl_in_seconds: Option<i64>,
    /// What else it says, by AWS's names, where it is not as usual.
    pub others: Map<String, Value>,
}

/// So many requests in a second, and so many at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub struct Throttle {
    pub rate_limit: f64,
    pub burst_limit: i64,
}

/// So many requests in a calendar period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub struct Quota {
    pub limit: i64,
    pub offset: i64,
    /// `DAY`, `WEEK` or `MONTH`.
    pub period: String,
}

/// A usage plan, as far as it is about one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UsagePlan {
    /// AWS's identity for it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What holds for each key.
    pub throttle: Option<Throttle>,
    /// What holds for each key over a period.
    pub quota: Option<Quota>,
    /// What holds for each key at single methods, by `/path/METHOD`.
    pub methods: BTreeMap<String, Throttle>,
    /// The keys it is for; never their values.
    pub keys: Vec<Key>,
}

/// An API key, without its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Key {
    /// AWS's identity for it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it opens anything.
    pub enabled: bool,
}

/// A custom domain name that leads to the stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mapping {
    /// The domain name.
    pub domain: String,
    /// The path below which it leads there, without slashes at its ends; empty for all paths.
    pub base_path: String,
    /// Where the domain name's trusted authorities are kept, if callers must present a certificate.
    pub truststore: Option<String>,
}
