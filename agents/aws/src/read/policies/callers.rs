//! Who may call: keys, tokens, signatures, functions that decide.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{
    identity::ResourceName,
    observed::resource_name,
    policy::{ApiKeyConsumer, ApiKeyPolicy, CredentialLocation, Policy},
};
use serde_json::{Map, Value, json};

use super::{Reading, kept, tokens};
use crate::read::{
    methods::Method,
    snapshot::{Key, Kind},
};

/// The name of the header that carries a key.
const KEY_HEADER: &str = "x-api-key";
/// Why people must look where nobody else than AWS checks callers.
const OPEN_ELSEWHERE: &str =
    "elsewhere than on AWS nobody checks this; give it a policy of type `auth` before moving it";

/// What a method asks of callers.
pub(super) fn callers(reading: Reading<'_>, method: &Method<'_>, notes: &mut Vec<String>) -> Vec<Policy> {
    let mut policies = Vec::new();
    for (name, scopes) in method.security() {
        let scheme = method.scheme(name).cloned().unwrap_or_default();
        policies.extend(of_scheme(reading, method, (name, &scheme, &scopes), notes));
    }
    let signed = method
        .extension("auth")
        .and_then(|auth| auth.get("type")?.as_str());
    if signed.is_some_and(|kind| kind.eq_ignore_ascii_case("AWS_IAM")) {
        policies.extend(signatures(method, notes));
    }
    policies.dedup();
    policies
}

fn of_scheme(
    reading: Reading<'_>,
    method: &Method<'_>,
    (name, scheme, scopes): (&str, &Map<String, Value>, &[&str]),
    notes: &mut Vec<String>,
) -> Option<Policy> {
    if is_signature(scheme) {
        return signatures(method, notes);
    }
    if is_key(scheme) {
        return keys(reading, method, notes);
    }
    let reason = match scheme.get("x-amazon-apigateway-authorizer") {
        Some(authorizer) => match tokens::tokens(reading, authorizer, scopes, notes) {
            Ok(policy) => return Some(policy),
            Err(reason) => reason,
        },
        None => "the export does not say what checks it".to_owned(),
    };
    let fragment = json!({"name": name, "scheme": scheme, "scopes": scopes});
    kept(
        method,
        (&format!("authorizer `{name}`"), "authorizer", fragment),
        &format!("{reason}; {OPEN_ELSEWHERE}"),
        notes,
    )
}

fn is_signature(scheme: &Map<String, Value>) -> bool {
    let kind = scheme.get("x-amazon-apigateway-authtype").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("awsSigv4"))
}

fn is_key(scheme: &Map<String, Value>) -> bool {
    let text = |field: &str| {
        scheme
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let extended = scheme
        .keys()
        .any(|field| field.starts_with("x-amazon-apigateway-"));
    !extended && text("type") == "apikey" && text("name") == KEY_HEADER
}

fn signatures(method: &Method<'_>, notes: &mut Vec<String>) -> Option<Policy> {
    let reason = format!("callers sign their requests with credentials of AWS; {OPEN_ELSEWHERE}");
    kept(
        method,
        (
            "authorization by IAM",
            "operation",
            json!({"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}),
        ),
        &reason,
        notes,
    )
}

/// The keys of the usage plans that cover the stage. Their values are never read.
fn keys(reading: Reading<'_>, method: &Method<'_>, notes: &mut Vec<String>) -> Option<Policy> {
    let snapshot = reading.snapshot;
    let beyond = |reason: String, notes: &mut Vec<String>| {
        let reason = format!("{reason}; {OPEN_ELSEWHERE}");
        kept(
            method,
            ("that a key is asked for", "apiKeyRequired", json!(true)),
            &reason,
            notes,
        )
    };
    if snapshot.kind != Kind::Rest {
        return beyond("keys of WebSocket APIs are AWS's own".to_owned(), notes);
    }
    if snapshot.api_key_source.as_deref() == Some("AUTHORIZER") {
        return beyond("the authorizer says which key counts".to_owned(), notes);
    }
    let keys: BTreeSet<&Key> = snapshot
        .usage_plans
        .iter()
        .flat_map(|plan| &plan.keys)
        .filter(|key| key.enabled)
        .collect();
    let keys = consumers(reading, keys, notes);
    if keys.is_empty() {
        return beyond(
            "a key is asked for, and no usage plan of the stage has one that is enabled".to_owned(),
            notes,
        );
    }
    Some(Policy::AuthApiKey(ApiKeyPolicy {
        r#in: CredentialLocation::Header,
        name: KEY_HEADER.to_owned(),
        keys,
        forward: true,
    }))
}

fn consumers(reading: Reading<'_>, keys: BTreeSet<&Key>, notes: &mut Vec<String>) -> Vec<ApiKeyConsumer> {
    let mut taken = BTreeSet::new();
    let mut consumers = Vec::new();
    for key in keys {
        let name = key.name.as_str();
        let consumer = resource_name(name).or_else(|| resource_name(&key.id));
        let named = ours(reading, name)
            .or_else(|| recorded(reading, consumer.as_ref()?))
            .or_else(|| {
                let secret_ref = free(&mut taken, &format!("{}-{name}-key", reading.snapshot.name))
                    .or_else(|| free(&mut taken, &format!("{}-key", key.id)))?;
                Some(ApiKeyConsumer {
                    consumer: consumer?,
                    secret_ref,
                    expires_at: None,
                })
            });
        match named {
            Some(named) => consumers.push(named),
            None => notes.push(format!(
                "key `{}` has no name that can be taken along; rename it on AWS",
                key.id
            )),
        }
    }
    consumers
}

/// Keys that we made say which secret they are, `gatehouse.ENVIRONMENT.alices-key.v2`; what was applied says whose.
fn ours(reading: Reading<'_>, key: &str) -> Option<ApiKeyConsumer> {
    let parts: Vec<&str> = key.split('.').collect();
    let ["gatehouse", _, secret, _] = parts[..] else {
        return None;
    };
    let secret_ref: ResourceName = secret.parse().ok()?;
    let known = recorded_keys(reading).find(|key| key.secret_ref == secret_ref);
    Some(known.cloned().unwrap_or_else(|| ApiKeyConsumer {
        consumer: secret_ref.clone(),
        secret_ref,
        expires_at: None,
    }))
}

/// The same consumer's key as it was applied.
fn recorded(reading: Reading<'_>, consumer: &ResourceName) -> Option<ApiKeyConsumer> {
    recorded_keys(reading)
        .find(|key| key.consumer == *consumer)
        .cloned()
}

fn recorded_keys<'r>(reading: Reading<'r>) -> impl Iterator<Item = &'r ApiKeyConsumer> {
    let keys = reading.recorded_policies().filter_map(|policy| match policy {
        Policy::AuthApiKey(policy) => Some(&policy.keys),
        _ => None,
    });
    keys.flatten()
}

/// A name of a secret that is not given yet.
fn free(taken: &mut BTreeSet<ResourceName>, wanted: &str) -> Option<ResourceName> {
    let base: String = resource_name(wanted)?.as_str().chars().take(55).collect();
    let names = std::iter::once(wanted.to_owned()).chain((2..).map(|number| format!("{base}-{number}")));
    let name = names
        .filter_map(|name| resource_name(&name))
        .find(|name| !taken.contains(name))?;
    taken.insert(name.clone());
    Some(name)
}
