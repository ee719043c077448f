//! Policies in the vendor's words, and back.

use gatehouse_schemas::{
    descriptor::{Fidelity, PolicySupport},
    policy::{Policy, SecretVersion},
};
use serde_json::{Value, json};

use super::{
    config::GATEWAY_TYPE,
    form::{FormPolicy, credentials},
};

/// The vendor's kind of each type that it can express, and what differs.
const KINDS: [(&str, &str, Option<&str>); 11] = [
    ("auth.apiKey", "KEY_REQUIRED", None),
    ("auth.jwt", "TOKEN_REQUIRED", None),
    ("auth.basic", "PASSWORD_REQUIRED", None),
    ("ip.filter", "ADDRESS_FILTER", None),
    ("headers", "HEADERS", None),
    ("request.size", "BODY_LIMIT", None),
    ("timeout", "TIMEOUT", None),
    ("quota", "QUOTA", None),
    ("native", "NATIVE", None),
    (
        "cors",
        "CORS",
        Some(
            "browsers keep preflight answers for as long as the vendor decides, whatever `maxAgeSeconds` says",
        ),
    ),
    (
        "ratelimit",
        "RATE_LIMIT",
        Some(
            "requests are counted in each zone of the vendor by itself, so that a little more may come through",
        ),
    ),
];

/// The types that the vendor cannot express, and why.
const UNSUPPORTED: [(&str, &str); 12] = [
    (
        "auth.mtls",
        "the vendor ends TLS before its gateway and never asks for client certificates",
    ),
    (
        "auth.oauth2",
        "the vendor does not ask authorization servers about tokens",
    ),
    ("auth.conditions", "the vendor evaluates no conditions"),
    ("ext.authz", "the vendor asks nobody about requests"),
    ("ext.wasm", "the vendor runs no modules"),
    ("request.validate", "the vendor does not look into requests"),
    ("rewrite", "the vendor passes paths on as they are"),
    ("transform", "the vendor passes bodies on as they are"),
    ("respond", "the vendor has no answers of its own"),
    ("retry", "the vendor sends each request once"),
    ("cache", "the vendor keeps no answers"),
    ("log", "the vendor writes its own log, which cannot be changed"),
];

/// How faithfully each type is expressed.
pub(super) fn support() -> Vec<PolicySupport> {
    let expressed = KINDS.iter().map(|(policy, _, difference)| PolicySupport {
        policy: (*policy).to_owned(),
        fidelity: match difference {
            None => Fidelity::Exact,
            Some(difference) => Fidelity::Approximated {
                difference: (*difference).to_owned(),
            },
        },
    });
    let others = UNSUPPORTED.iter().map(|(policy, reason)| PolicySupport {
        policy: (*policy).to_owned(),
        fidelity: Fidelity::Unsupported {
            reason: (*reason).to_owned(),
        },
    });
    expressed.chain(others).collect()
}

/// A policy in the vendor's words; none if the vendor cannot express it. `position` is that in its list.
pub(super) fn to_vendor(
    policy: &Policy,
    scope: &str,
    position: usize,
    secrets: &[SecretVersion],
) -> Option<FormPolicy> {
    let type_name = policy.type_name();
    let (_, kind, _) = KINDS.iter().find(|(name, ..)| *name == type_name)?;
    let mut config = json!(policy)["with"].take();
    if type_name == "cors" {
        config
            .as_object_mut()
            .map(|fields| fields.remove("maxAgeSeconds"));
    }
    for entry in credentials(&mut config) {
        if let Some(Value::String(name)) = entry.remove("secretRef") {
            let version = secrets.iter().find(|secret| secret.name.as_str() == name);
            let version = version.map(|secret| secret.version.0).unwrap_or_default();
            entry.insert("label".to_owned(), json!(format!("{name}@{version}")));
        }
    }
    Some(FormPolicy {
        name: format!("{scope}#{position:03}:{type_name}"),
        scope: scope.to_owned(),
        kind: (*kind).to_owned(),
        config,
    })
}

/// A policy of the vendor in our words; what has none becomes a fragment in the vendor's own.
pub(super) fn from_vendor(policy: &FormPolicy) -> Policy {
    let known = KINDS.iter().find(|(_, kind, _)| *kind == policy.kind);
    let ours = known.and_then(|(type_name, ..)| {
        let mut with = policy.config.clone();
        for entry in credentials(&mut with) {
            entry.remove("valueDigest");
            if let Some(Value::String(label)) = entry.remove("label") {
                let name = label.split('@').next().unwrap_or_default();
                entry.insert("secretRef".to_owned(), json!(name));
            }
        }
        serde_json::from_value::<Policy>(json!({"type": type_name, "with": with})).ok()
    });
    ours.unwrap_or_else(|| fragment(policy))
}

fn fragment(policy: &FormPolicy) -> Policy {
    let config = json!({"kind": policy.kind, "config": policy.config});
    let fragment = json!({"type": "native", "with": {"gatewayType": GATEWAY_TYPE, "config": config}});
    serde_json::from_value(fragment).expect("a fragment takes any object")
}
