//! Fragments that keep somebody out.

use gatehouse_connector_sdk::schemas::{descriptor::Fidelity, policy::Policy, revision::Operation};

use super::asks;
use crate::{
    config::GATEWAY_TYPE,
    translate::{judge::judge, scene::Scene},
};

/// Fields of a fragment that keep somebody out.
const GUARDS: [&str; 3] = ["apiKeyRequired", "authorizer", "resourcePolicy"];
/// Whether an API has a fragment that guards callers and is not understood.
pub(in crate::translate) fn is_open(scene: Scene<'_>) -> bool {
    let of_api = scene.expressed(None);
    let mut operations = scene.content.operations.iter();
    is_lost(scene, &scene.content.policies, None, &[])
        || operations.any(|operation| is_lost(scene, &operation.policies, Some(operation), &of_api))
}

fn is_lost(scene: Scene<'_>, policies: &[Policy], at: Option<&Operation>, of_api: &[&Policy]) -> bool {
    policies.iter().enumerate().any(|(index, policy)| {
        let others = of_api.iter().copied().filter(|other| *other != policy);
        let before: Vec<&Policy> = others.chain(&policies[..index]).collect();
        guards(policy) && matches!(judge(scene, policy, at, &before), Fidelity::Unsupported { .. })
    })
}

fn guards(policy: &Policy) -> bool {
    match policy {
        Policy::Native(native) => {
            let is_ours = native.gateway_type.to_string() == GATEWAY_TYPE;
            let guards = GUARDS.iter().any(|field| native.config.contains_key(*field));
            is_ours && (guards || asks(native))
        }
        _ => false,
    }
}
