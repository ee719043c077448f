//! The APIs that the suite deploys and that others have made.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    api::{ApiType, Direction, OperationMatch, Upstream},
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    identity::{ApiId, EnvironmentId, ResourceName, ResourceVersion, RevisionNumber},
    policy::{ApiKeyConsumer, ApiKeyPolicy, CredentialLocation, Policy, SecretVersion},
    revision::{Operation, RevisionContent},
};
use serde_json::json;
use uuid::Uuid;

/// The one secret there is, and its value.
pub(crate) const SECRET: (&str, &str) = ("conformance-key", "conformance-5f3a9b1c77d2");
/// Where keys are looked for.
pub(crate) const KEY_HEADER: &str = "x-api-key";

/// The environment of all tests.
pub(crate) fn environment_id() -> EnvironmentId {
    EnvironmentId(Uuid::from_u128(0x6a7e_0001))
}

/// What an API is that answers below a base path.
pub(crate) fn content(base_path: &str) -> RevisionContent {
    let upstream = Upstream {
        timeout_ms: 1_000,
        connect_timeout_ms: 1_000,
        ..Upstream::at("http://127.0.0.1:10009".to_owned())
    };
    RevisionContent {
        display_name: base_path.trim_start_matches('/').to_owned(),
        version: "v1".to_owned(),
        r#type: ApiType::Rest,
        direction: Direction::Ingress,
        definition: None,
        hostnames: Vec::new(),
        base_path: base_path.to_owned(),
        upstreams: BTreeMap::from([("main".to_owned(), upstream)]),
        policies: Vec::new(),
        operations: vec![operation("GET", "/items"), operation("GET", "/items/{id}")],
    }
}

fn operation(method: &str, path: &str) -> Operation {
    Operation {
        id: None,
        r#match: OperationMatch {
            method: method.to_owned(),
            path: path.to_owned(),
            ..OperationMatch::default()
        },
        summary: None,
        deprecated: false,
        policies: Vec::new(),
        upstream: None,
        traffic: None,
    }
}

/// A desired API, told from others by a number.
pub(crate) fn desired(number: u128) -> DesiredApi {
    desired_as(number, 1, content(&format!("/api-{number}")))
}

/// The same in its second revision, in which it has an operation more.
pub(crate) fn updated(number: u128) -> DesiredApi {
    let mut content = content(&format!("/api-{number}"));
    content.operations.push(operation("POST", "/items"));
    desired_as(number, 2, content)
}

/// The same, for those alone who have the key.
pub(crate) fn guarded(number: u128) -> DesiredApi {
    let mut content = content(&format!("/api-{number}"));
    content.policies.push(Policy::AuthApiKey(ApiKeyPolicy {
        r#in: CredentialLocation::Header,
        name: KEY_HEADER.to_owned(),
        keys: vec![ApiKeyConsumer {
            consumer: name("shop"),
            secret_ref: name(SECRET.0),
        }],
        forward: false,
    }));
    desired_as(number, 1, content)
}

/// A desired API in its first revision, whose policies need no secret.
pub(crate) fn without_secrets(number: u128, content: RevisionContent) -> DesiredApi {
    with_secrets(number, 1, content, Vec::new())
}

pub(crate) fn desired_as(number: u128, revision: u64, content: RevisionContent) -> DesiredApi {
    let has_policies = !content.policies.is_empty();
    let secrets: Vec<SecretVersion> = has_policies
        .then(|| SecretVersion {
            name: name(SECRET.0),
            version: ResourceVersion(1),
        })
        .into_iter()
        .collect();
    with_secrets(number, revision, content, secrets)
}

fn with_secrets(
    number: u128,
    revision: u64,
    content: RevisionContent,
    secrets: Vec<SecretVersion>,
) -> DesiredApi {
    DesiredApi {
        mark: Mark {
            environment_id: environment_id(),
            api_id: ApiId(Uuid::from_u128(number)),
            api_name: name(&format!("api-{number}")),
            revision: RevisionNumber(revision),
        },
        fingerprint: Fingerprint::of_value(&json!({ "content": content, "secrets": secrets })),
        content,
        secrets,
    }
}

#[expect(clippy::expect_used, reason = "constants that every test reads")]
pub(crate) fn name(text: &str) -> ResourceName {
    text.parse().expect("a name of the suite's own")
}
