//! Desired APIs in the vendor's words.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    connector::Translation,
    error::{Error, ErrorKind},
    fidelity,
};
use gatehouse_schemas::{
    api::Upstream,
    canonical::Fingerprint,
    desired::DesiredApi,
    identity::ResourceName,
    policy::{Policy, SecretVersion},
    revision::{Operation, RevisionContent},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    form::{Form, FormBackend, FormPolicy, FormRoute, FormSettings, credentials},
    policies,
};

/// The scope of policies for all routes.
pub(super) const EVERY_ROUTE: &str = "*";

/// A desired API in the vendor's words, and how faithfully.
pub(super) fn translate(desired: &DesiredApi) -> Translation {
    Translation {
        vendor_form: json!(form(&desired.content, &desired.secrets)),
        fidelity: fidelity::report(desired, &policies::support()),
    }
}

/// Why the vendor can serve a desired API in no way, if it has no words for something.
pub(super) fn refusal(desired: &DesiredApi) -> Option<Error> {
    let content = &desired.content;
    let of_upstreams = content.upstreams.iter().flat_map(|(name, upstream)| {
        let extras = upstream.extras().into_iter();
        extras.map(move |field| format!("`{field}` of upstream `{name}`"))
    });
    let of_operations = content.operations.iter().filter_map(|operation| {
        let it = &operation.r#match;
        let lacking = operation.beyond_one_upstream()?;
        Some(format!("{lacking} (`{} {}`)", it.method, it.path))
    });
    let lacking: Vec<String> = of_upstreams.chain(of_operations).collect();
    (!lacking.is_empty()).then(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "`{}` cannot be deployed here: the vendor does not know {}; deploy it to another gateway, or change the API",
                desired.mark.api_name,
                lacking.join(", ")
            ),
        )
    })
}

/// A content in the vendor's words, in the normal order, without values of secrets.
pub(super) fn form(content: &RevisionContent, secrets: &[SecretVersion]) -> Form {
    let mut routes: Vec<FormRoute> = content.operations.iter().map(route).collect();
    let of_operations = content
        .operations
        .iter()
        .flat_map(|operation| listed(&route(operation).scope(), &operation.policies, secrets));
    let policies = listed(EVERY_ROUTE, &content.policies, secrets)
        .into_iter()
        .chain(of_operations)
        .collect();
    if routes.is_empty() {
        routes.push(everything());
    }
    let form = Form {
        settings: settings(content),
        routes,
        policies,
    };
    form.sorted()
}

/// The route of an API that serves everything below its base path.
pub(super) fn everything() -> FormRoute {
    FormRoute {
        method: "ANY".to_owned(),
        path: "/{proxy+}".to_owned(),
        ..FormRoute::default()
    }
}

fn listed(scope: &str, policies: &[Policy], secrets: &[SecretVersion]) -> Vec<FormPolicy> {
    policies
        .iter()
        .enumerate()
        .filter_map(|(position, policy)| policies::to_vendor(policy, scope, position, secrets))
        .collect()
}

/// A word of ours as the vendor writes it.
fn shouted<T: Serialize>(word: &T) -> String {
    json!(word).as_str().unwrap_or_default().to_uppercase()
}

fn settings(content: &RevisionContent) -> FormSettings {
    FormSettings {
        title: content.display_name.clone(),
        api_version: content.version.clone(),
        protocol: shouted(&content.r#type),
        direction: shouted(&content.direction),
        hostnames: content.hostnames.clone(),
        base_path: content.base_path.clone(),
        backends: content
            .upstreams
            .iter()
            .map(|(name, upstream)| (name.clone(), backend(upstream)))
            .collect(),
    }
}

fn backend(upstream: &Upstream) -> FormBackend {
    FormBackend {
        url: upstream.url.clone(),
        timeout_ms: upstream.timeout_ms,
        connect_timeout_ms: upstream.connect_timeout_ms,
    }
}

/// An operation as the vendor's route.
pub(super) fn route(operation: &Operation) -> FormRoute {
    let matched = &operation.r#match;
    FormRoute {
        method: match matched.method.as_str() {
            "*" => "ANY".to_owned(),
            method => method.to_owned(),
        },
        path: matched.path.replace("...}", "+}"),
        operation_name: operation.id.clone(),
        summary: operation.summary.clone(),
        deprecated: operation.deprecated,
        backend: operation.upstream.clone(),
        headers: matched.headers.clone(),
        query: matched.query.clone(),
    }
}

/// What must be deployed of a desired API.
#[derive(Debug)]
pub(super) struct Wanted {
    /// As an observation shows it: with the digests of credentials.
    pub(super) form: Form,
    /// The body that puts the policies, with the values of credentials. Never logged.
    pub(super) policies: Value,
    /// The deterministic name of the deployment.
    pub(super) name: String,
    /// The deployment's tags.
    pub(super) tags: BTreeMap<&'static str, String>,
}

/// The tag with the environment of an API object.
pub(super) const ENVIRONMENT: &str = "gatehouse-environment";
/// The tag with the API of an API object.
pub(super) const API: &str = "gatehouse-api";
/// The tag with the API's name.
pub(super) const NAME: &str = "gatehouse-name";
/// The tag with the revision of a deployment.
pub(super) const REVISION: &str = "gatehouse-revision";
/// The tag with the fingerprint of the desired state that a deployment expresses.
pub(super) const FINGERPRINT: &str = "gatehouse-fingerprint";
/// The tag with the hash of the vendor's form of a deployment.
pub(super) const FORM: &str = "gatehouse-form";
/// The tag with the names of the security policies that a deployment must have.
pub(super) const SECURITY: &str = "gatehouse-security";
/// The tag with the content in our words.
pub(super) const CONTENT: &str = "gatehouse-content";
/// The tag with the versions of secrets.
pub(super) const SECRETS: &str = "gatehouse-secrets";

impl Wanted {
    pub(super) fn new(desired: &DesiredApi, values: &BTreeMap<ResourceName, SecretString>) -> Self {
        let bare = form(&desired.content, &desired.secrets);
        let mut shown = bare.clone();
        let mut sent = bare.clone();
        for policy in &mut shown.policies {
            fill(policy, values, "valueDigest", |value| {
                Fingerprint::of_bytes(value.as_bytes()).to_string()
            });
        }
        for policy in &mut sent.policies {
            fill(policy, values, "value", str::to_owned);
        }
        let hash = shown.fingerprint().to_string();
        let short: String = hash.chars().skip("sha256:".len()).take(16).collect();
        Self {
            name: format!("gatehouse-r{}-{short}", desired.mark.revision),
            tags: tags(desired, &hash, &bare),
            policies: json!({"policies": sent.policies}),
            form: shown,
        }
    }
}

fn fill(
    policy: &mut FormPolicy,
    values: &BTreeMap<ResourceName, SecretString>,
    field: &str,
    make: impl Fn(&str) -> String,
) {
    for entry in credentials(&mut policy.config) {
        let label = entry.get("label").and_then(Value::as_str).unwrap_or_default();
        let name = label.split('@').next().unwrap_or_default();
        let value = values.iter().find(|(known, _)| known.as_str() == name);
        if let Some((_, value)) = value {
            let made = make(value.expose_secret());
            entry.insert(field.to_owned(), json!(made));
        }
    }
}

fn tags(desired: &DesiredApi, hash: &str, form: &Form) -> BTreeMap<&'static str, String> {
    let security: Vec<&str> = form
        .policies
        .iter()
        .filter(|policy| policies::from_vendor(policy).is_security())
        .map(|policy| policy.name.as_str())
        .collect();
    BTreeMap::from([
        (REVISION, desired.mark.revision.to_string()),
        (FINGERPRINT, desired.fingerprint.to_string()),
        (FORM, hash.to_owned()),
        (SECURITY, json!(security).to_string()),
        (CONTENT, json!(desired.content).to_string()),
        (SECRETS, json!(desired.secrets).to_string()),
    ])
}
