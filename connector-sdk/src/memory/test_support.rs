//! What tests of connectors begin with: an environment, a desired API.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gatehouse_schemas::{
    api::{ApiType, Direction, OperationMatch, Upstream},
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    environment::Mode,
    identity::{ApiId, EnvironmentId, ExternalRef, ResourceName, RevisionNumber},
    observed::{Observation, ObservedApi},
    plan::plan,
    policy::{ApiKeyConsumer, ApiKeyPolicy, CredentialLocation, Policy},
    revision::{Operation, RevisionContent},
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    connector::DeployRequest,
    context::{Context, EnvironmentContext, SecretResolver},
    error::{Error, ErrorKind, Result},
};

/// Knows the secret `key` and no other.
#[derive(Debug)]
struct OneSecret;

#[async_trait]
impl SecretResolver for OneSecret {
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        names
            .iter()
            .map(|name| match name.as_str() {
                "key" => Ok((name.clone(), "value".into())),
                _ => Err(Error::new(ErrorKind::Invalid, format!("no secret `{name}`"))),
            })
            .collect()
    }
}

pub(crate) fn context(mode: Mode) -> Context {
    context_with(mode, Map::new())
}

pub(crate) fn context_with(mode: Mode, settings: Map<String, Value>) -> Context {
    Context {
        journal: Arc::new(crate::journal::NoJournal),
        quotas: Arc::new(crate::scheduler::NoQuotas),
        environment: Arc::new(EnvironmentContext {
            id: environment_id(),
            name: "test".parse().unwrap(),
            mode,
            settings,
            credentials: BTreeMap::new(),
            endpoints: Vec::new(),
        }),
        secrets: Arc::new(OneSecret),
        cancellation: CancellationToken::new(),
    }
}

pub(crate) fn environment_id() -> EnvironmentId {
    EnvironmentId(Uuid::from_u128(7))
}

pub(crate) fn mark(api: u128) -> Mark {
    Mark {
        environment_id: environment_id(),
        api_id: ApiId(Uuid::from_u128(api)),
        api_name: format!("api-{api}").parse().unwrap(),
        revision: RevisionNumber(1),
    }
}

pub(crate) fn content(base_path: &str) -> RevisionContent {
    let upstream = Upstream {
        timeout_ms: 1_000,
        connect_timeout_ms: 1_000,
        ..Upstream::at("http://127.0.0.1:9".to_owned())
    };
    RevisionContent {
        display_name: "Orders".to_owned(),
        version: "v1".to_owned(),
        r#type: ApiType::Rest,
        direction: Direction::Ingress,
        definition: None,
        hostnames: Vec::new(),
        base_path: base_path.to_owned(),
        upstreams: BTreeMap::from([("main".to_owned(), upstream)]),
        policies: Vec::new(),
        operations: Vec::new(),
    }
}

pub(crate) fn desired(api: u128, base_path: &str) -> DesiredApi {
    desired_as(api, content(base_path))
}

pub(crate) fn desired_as(api: u128, content: RevisionContent) -> DesiredApi {
    DesiredApi {
        mark: mark(api),
        fingerprint: Fingerprint::of_value(&json!({ "content": content, "secrets": [] })),
        content,
        secrets: Vec::new(),
    }
}

/// An API of ours as a look at a gateway finds it.
pub(crate) fn observed(api: u128, base_path: &str) -> ObservedApi {
    let desired = desired(api, base_path);
    ObservedApi {
        external_ref: ExternalRef(format!("memory-{api}")),
        name: desired.mark.api_name.to_string(),
        version: None,
        tags: Vec::new(),
        mark: Some(desired.mark),
        endpoint_urls: Vec::new(),
        content: desired.content,
        definition: None,
        fingerprint: desired.fingerprint,
    }
}

/// An operation with policies.
pub(crate) fn operation(method: &str, path: &str, policies: Vec<Policy>) -> Operation {
    Operation {
        id: None,
        r#match: OperationMatch {
            method: method.to_owned(),
            path: path.to_owned(),
            ..OperationMatch::default()
        },
        summary: None,
        deprecated: false,
        policies,
        upstream: None,
        traffic: None,
    }
}

/// A policy that lets in whoever has the key of this secret.
pub(crate) fn api_key(secret: &str) -> Policy {
    Policy::AuthApiKey(ApiKeyPolicy {
        r#in: CredentialLocation::Header,
        name: "x-api-key".to_owned(),
        keys: vec![ApiKeyConsumer {
            consumer: "shop".parse().unwrap(),
            secret_ref: secret.parse().unwrap(),
        }],
        forward: false,
    })
}

/// A deploy to a gateway that holds nothing of it.
pub(crate) fn request(api: u128, base_path: &str) -> DeployRequest {
    let desired = desired(api, base_path);
    DeployRequest {
        adopt: false,
        plan: plan(&desired, &Observation::Absent, None).unwrap(),
        desired,
        external_ref: None,
    }
}
