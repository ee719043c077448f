//! What agents of older protocols are given: only what their protocol has words for, and what they cannot get wrong.
//!
//! An agent reads an answer whole or not at all, so one word that it does not know would keep everything else from it.
//! What is withheld stays where it is until the agent is updated; people are told when they ask for it.

use std::sync::LazyLock;

use gatehouse_control_plane_api::agent::{DiscoveryWork, PROTOCOL_WITH_TASKS};
use gatehouse_control_plane_store::{Work, WorkDeployment};
use gatehouse_schemas::{desired::DesiredApi, environment::DiscoveryFilter};
use jsonschema::Validator;
use serde::Serialize;
use serde_json::{Value, json};
use tracing::warn;

use super::assignment;

/// The Agent API's document of protocol 1.
const FIRST: &str = include_str!("../../../api/protocols/agent-1.json");

/// Types of protocol 1 that hold what people write.
struct First {
    api: Option<Validator>,
    filter: Option<Validator>,
    discovery: Option<Validator>,
    environment: Option<Validator>,
}

static FIRST_TYPES: LazyLock<First> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(FIRST).unwrap_or_default();
    First {
        api: validator(&document, "DesiredApi"),
        filter: validator(&document, "DiscoveryFilter"),
        discovery: validator(&document, "DiscoveryWork"),
        environment: validator(&document, "EnvironmentAssignment"),
    }
});

fn validator(document: &Value, name: &str) -> Option<Validator> {
    let schema = json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": document.get("components")?,
    });
    jsonschema::validator_for(&schema).ok()
}

/// The first place of a value that a type has no words for. A type that cannot be looked up lets nothing through.
fn unknown(validator: Option<&Validator>, value: &impl Serialize) -> Option<String> {
    let (Some(validator), Ok(value)) = (validator, serde_json::to_value(value)) else {
        return Some("/".to_owned());
    };
    let mut errors = validator.iter_errors(&value);
    errors.next().map(|error| error.instance_path().to_string())
}

fn is_old(protocol: u32) -> bool {
    protocol < PROTOCOL_WITH_TASKS
}

/// Whether pages of a discovery come without the connector's position, whatever is after them.
pub(super) fn tells_no_positions(protocol: Option<u32>) -> bool {
    is_old(protocol.unwrap_or_default())
}

/// The first place of a desired API that a protocol has no words for, as a JSON Pointer.
pub(crate) fn unknown_in_api(protocol: u32, desired: &DesiredApi) -> Option<String> {
    match is_old(protocol) {
        true => unknown(FIRST_TYPES.api.as_ref(), desired),
        false => None,
    }
}

/// The first place of a filter that a protocol has no words for, as a JSON Pointer.
pub(crate) fn unknown_in_filter(protocol: u32, filter: &DiscoveryFilter) -> Option<String> {
    match is_old(protocol) {
        true => unknown(FIRST_TYPES.filter.as_ref(), filter),
        false => None,
    }
}

/// Takes away what an agent of this protocol must not be given.
pub(super) fn given(mut work: Work, protocol: Option<u32>) -> Work {
    // Without a session there is no protocol; the first one is the least that can be given.
    if !is_old(protocol.unwrap_or_default()) {
        return work;
    }
    work.tasks.clear();
    let first = &*FIRST_TYPES;
    work.environments.retain(|row| {
        let told = assignment::environment(row.clone());
        unknown(first.environment.as_ref(), &told).is_none()
    });
    work.discoveries.retain(|row| {
        let told: DiscoveryWork = assignment::discovery(row.clone());
        unknown(first.discovery.as_ref(), &told).is_none()
    });
    work.deployments.retain(|row| match withheld(row) {
        None => true,
        Some(why) => {
            warn!(deployment.id = %row.id, generation = %row.generation, "Deployment `{}` waits until its agent is updated: {why}", row.id);
            false
        }
    });
    work
}

/// Why a deployment is not for an agent of protocol 1. It would overlook on what terms it may be begun, and what was
/// begun already.
fn withheld(row: &WorkDeployment) -> Option<&'static str> {
    let terms = &row.terms;
    if terms.expected.is_some() {
        return Some("it comes from an approved plan, and protocol 1 does not look whether that still holds");
    }
    if terms.adopt.is_some() {
        return Some("it takes over an object in place, which protocol 1 does not do");
    }
    if !row.steps.is_empty() {
        return Some("an attempt at it took steps, which protocol 1 does not go on with");
    }
    let desired = assignment::desired_state(row.desired.clone());
    match desired {
        gatehouse_control_plane_api::agent::DesiredState::Present { api } => {
            let unknown = unknown(FIRST_TYPES.api.as_ref(), &api);
            unknown.map(|_| "it has policies or fields that protocol 1 has no words for")
        }
        gatehouse_control_plane_api::agent::DesiredState::Absent { .. } => None,
    }
}
