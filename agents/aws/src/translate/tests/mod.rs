//! What becomes of whole APIs, as tables: each test is one kind of policy or place.

mod certificates;
mod documents;
mod faithful;
mod kinds;
mod private;
mod properties;
mod round_trip;
mod sizes;
mod streaming;

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    descriptor::Fidelity,
    desired::{DesiredApi, Mark},
    identity::{ApiId, EnvironmentId, RevisionNumber},
    policy::SecretVersion,
    revision::RevisionContent,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Form;
use crate::config::AwsSettings;

/// An API at `/shop` with these policies and operations, each `(method, path, policies)`.
fn api(policies: &Value, operations: &[(&str, &str, Value)]) -> DesiredApi {
    let operation = |(number, (method, path, policies)): (usize, &(&str, &str, Value))| json!({"id": format!("o{number}"), "match": {"method": method, "path": path}, "policies": policies});
    let operations: Vec<Value> = operations.iter().enumerate().map(operation).collect();
    let content = json!({
        "displayName": "Shop", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/shop",
        "upstreams": {"main": {"url": "http://shop.internal/api", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": policies, "operations": operations,
    });
    of_content(serde_json::from_value(content).expect("content as it is written"))
}

fn of_content(content: RevisionContent) -> DesiredApi {
    let policies = content
        .policies
        .iter()
        .chain(content.operations.iter().flat_map(|it| &it.policies));
    let names = policies.flat_map(|policy| policy.secret_names());
    let secrets = names.map(|name| SecretVersion {
        name: name.clone(),
        version: serde_json::from_value(json!(3)).expect("a version"),
    });
    let secrets = secrets.collect();
    DesiredApi {
        mark: Mark {
            environment_id: EnvironmentId(Uuid::from_u128(7)),
            api_id: ApiId(Uuid::from_u128(42)),
            api_name: "shop".parse().expect("a name"),
            revision: RevisionNumber(1),
        },
        fingerprint: Fingerprint::of_value(&json!(content)),
        content,
        secrets,
    }
}

/// Settings of an environment with these fields beside region and stage.
fn settings(fields: Value) -> AwsSettings {
    let mut all = json!({"region": "eu-central-1", "stage": "live"});
    for (name, value) in fields.as_object().expect("an object") {
        all[name] = value.clone();
    }
    serde_json::from_value(all).expect("settings as they are written")
}

fn rest() -> AwsSettings {
    settings(json!({"kind": "rest"}))
}

fn http() -> AwsSettings {
    settings(json!({"kind": "http"}))
}

fn form(desired: &DesiredApi, settings: &AwsSettings) -> Form {
    super::form(desired, settings)
}

/// One letter for each policy: exact, approximated, unsupported.
fn letters(policies: &Value, settings: &AwsSettings) -> String {
    let desired = api(policies, &[("GET", "/items/{id}", json!([]))]);
    let letter = |fidelity: &Fidelity| match fidelity {
        Fidelity::Exact => 'e',
        Fidelity::Approximated { .. } => 'a',
        Fidelity::Unsupported { .. } => 'u',
    };
    super::fidelity(&desired, settings)
        .iter()
        .map(|entry| letter(&entry.fidelity))
        .collect()
}

fn key_policy() -> Value {
    json!({"type": "auth.apiKey", "with": {"name": "x-api-key", "keys": [{"consumer": "ann", "secretRef": "ann-key"}]}})
}

fn jwt_policy() -> Value {
    json!({"type": "auth.jwt", "with": {
        "issuer": "https://login.example.com/", "audiences": ["shop"], "requiredScopes": ["read"],
        "jwksUri": "https://login.example.com/keys",
    }})
}
