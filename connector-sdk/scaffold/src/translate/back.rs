//! What the gateway holds, in our words.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::{ApiType, Direction, OperationMatch, Upstream},
    canonical::Fingerprint,
    identity::{ExternalRef, ResourceName, ResourceVersion},
    observed::{ObservedApi, resource_name},
    policy::{
        ApiKeyConsumer, ApiKeyPolicy, CredentialLocation, HeaderChanges, HeadersPolicy, Policy, SecretVersion,
    },
    revision::{Operation, RevisionContent},
};
use serde_json::json;

use super::{
    DEFAULT_UPSTREAM, MAIN, key_policy,
    labels::{Applied, applied_of, mark_of},
    secret_names,
};
use crate::client::documents::{Api, KeyCheck, Route, Service};

/// An API as the gateway holds it. `reached_at` is where consumers reach the gateway.
pub(crate) fn observed(api: Api, reached_at: &[String]) -> ObservedApi {
    let (labels, service) = (&api.document.labels, &api.document.service);
    let (mark, applied) = (mark_of(labels), applied_of(labels));
    let (content, fingerprint) = match &applied {
        Some(applied) if applied.service == *service => {
            (applied.content.clone(), applied.fingerprint.clone())
        }
        _ => {
            let content = content(service, applied.as_ref());
            let fingerprint = match mark {
                Some(_) => fingerprint(&content, &secrets(&content, service, applied.as_ref())),
                None => Fingerprint::of_value(&json!(content)),
            };
            (content, fingerprint)
        }
    };
    ObservedApi {
        endpoint_urls: endpoint_urls(reached_at, &content.base_path),
        external_ref: ExternalRef(api.id),
        name: service.name.clone(),
        version: Some(api.version.to_string()),
        tags: api.document.tags,
        mark,
        content,
        definition: None,
        fingerprint,
    }
}

fn endpoint_urls(reached_at: &[String], base_path: &str) -> Vec<String> {
    let url = |base: &String| format!("{}{base_path}", base.trim_end_matches('/'));
    reached_at.iter().map(url).collect()
}

fn fingerprint(content: &RevisionContent, secrets: &[SecretVersion]) -> Fingerprint {
    Fingerprint::of_value(&json!({ "content": content, "secrets": secrets }))
}

/// The versions of secrets that the gateway holds; 0, which no secret has, if somebody changed the keys.
fn secrets(content: &RevisionContent, service: &Service, applied: Option<&Applied>) -> Vec<SecretVersion> {
    let intact = applied.filter(|applied| applied.service.key_check == service.key_check);
    let version = |name: &ResourceName| {
        let known = intact.into_iter().flat_map(|applied| &applied.secrets);
        let mut known = known.filter(|secret| secret.name == *name);
        known.next().map_or(ResourceVersion(0), |secret| secret.version)
    };
    let names: BTreeSet<_> = secret_names(content).into_iter().collect();
    let secret = |name| SecretVersion {
        version: version(&name),
        name,
    };
    names.into_iter().map(secret).collect()
}

/// What was applied, with each part that somebody changed as it is now.
fn content(service: &Service, applied: Option<&Applied>) -> RevisionContent {
    let Some(applied) = applied else {
        return read(service, None);
    };
    let known = &applied.content;
    let (written, now) = (read(&applied.service, Some(known)), read(service, Some(known)));
    let mut content = known.clone();
    if now.display_name != written.display_name {
        content.display_name = now.display_name;
    }
    if now.base_path != written.base_path {
        content.base_path = now.base_path;
    }
    if now.upstreams != written.upstreams {
        content.upstreams.extend(now.upstreams);
    }
    if now.operations != written.operations {
        content.operations = operations(now.operations, &known.operations);
    }
    for policy in ["auth.apiKey", "headers"] {
        let now = of_type(&now.policies, policy);
        if now != of_type(&written.policies, policy) {
            content.policies.retain(|other| other.type_name() != policy);
            content.policies.extend(now);
        }
    }
    content
}

fn of_type(policies: &[Policy], policy: &str) -> Vec<Policy> {
    let of_type = policies.iter().filter(|other| other.type_name() == policy);
    of_type.cloned().collect()
}

/// An operation that was there before is what it was.
fn operations(now: Vec<Operation>, known: &[Operation]) -> Vec<Operation> {
    let before = |operation: &Operation| known.iter().find(|other| other.r#match == operation.r#match);
    now.into_iter()
        .map(|operation| before(&operation).cloned().unwrap_or(operation))
        .collect()
}

/// A service in our words. What the gateway does not say is as in what is known, or else usual.
fn read(service: &Service, known: Option<&RevisionContent>) -> RevisionContent {
    let mut operations: Vec<_> = service.routes.iter().map(operation).collect();
    operations.sort_by(|one, other| one.order().cmp(&other.order()));
    RevisionContent {
        display_name: service.name.clone(),
        version: "v1".to_owned(),
        r#type: ApiType::Rest,
        direction: Direction::Ingress,
        definition: None,
        hostnames: Vec::new(),
        base_path: service.base_path.clone(),
        upstreams: BTreeMap::from([(MAIN.to_owned(), upstream(service, known))]),
        policies: policies(service, known),
        operations,
    }
}

fn upstream(service: &Service, known: Option<&RevisionContent>) -> Upstream {
    let known = known.and_then(|known| known.upstreams.get(MAIN));
    Upstream {
        timeout_ms: service.timeout_ms,
        connect_timeout_ms: known.unwrap_or(&DEFAULT_UPSTREAM).connect_timeout_ms,
        ..Upstream::at(service.upstream_url.clone())
    }
}

fn operation(route: &Route) -> Operation {
    Operation {
        id: None,
        r#match: OperationMatch {
            method: route.method.clone(),
            path: route.path.clone(),
            ..OperationMatch::default()
        },
        summary: None,
        deprecated: false,
        policies: Vec::new(),
        upstream: None,
        traffic: None,
    }
}

fn policies(service: &Service, known: Option<&RevisionContent>) -> Vec<Policy> {
    let keys = service.key_check.as_ref();
    let keys = keys.map(|check| Policy::AuthApiKey(key_policy_of(check, &service.name, known)));
    let headers = (!service.response_headers.is_empty()).then(|| {
        let response = HeaderChanges {
            set: service.response_headers.clone(),
            ..HeaderChanges::default()
        };
        Policy::Headers(HeadersPolicy {
            response,
            ..HeadersPolicy::default()
        })
    });
    let policies = keys.into_iter().chain(headers);
    policies.map(|policy| policy.canonical()).collect()
}

/// The keys that the gateway takes. Their values are not seen: a key that we did not write is named as a secret that
/// people have to make, and until then the API is deployed nowhere without it.
fn key_policy_of(check: &KeyCheck, api: &str, known: Option<&RevisionContent>) -> ApiKeyPolicy {
    let known = known.and_then(key_policy);
    let consumer = |consumer: &str| {
        let mut known = known.into_iter().flat_map(|policy| &policy.keys);
        let known = known.find(|key| key.consumer.as_str() == consumer).cloned();
        known.or_else(|| {
            Some(ApiKeyConsumer {
                consumer: resource_name(consumer)?,
                secret_ref: resource_name(&format!("{api}-{consumer}-key"))?,
            })
        })
    };
    ApiKeyPolicy {
        r#in: CredentialLocation::Header,
        name: check.header.clone(),
        keys: check
            .keys
            .iter()
            .filter_map(|key| consumer(&key.consumer))
            .collect(),
        forward: check.forward,
    }
}
