//! What stands in the way of a deployment: the environment's mode, other APIs, policies nobody can enforce.

use gatehouse_control_plane_api::{
    admin::mode_remedy,
    problem::{FieldError, ProblemKind},
};
use gatehouse_control_plane_store::{Resource, Transaction};
use gatehouse_schemas::{
    api::OperationMatch,
    descriptor::{Descriptor, Fidelity},
    desired::DesiredApi,
    environment::Mode,
    fidelity::{PolicyFidelity, losses},
    identity::{GatewayType, ResourceName},
    policy::Policy,
    route::{self, RouteConflict},
};

use super::deploy::environment_spec;
use crate::failure::{Answer, Failure};

/// How many losses a problem names.
const LOSSES_MAX: usize = 10;

/// How many places of a route conflict a problem lists.
const CONFLICTS_MAX: usize = 20;

/// Refuses to change what a read-only environment's gateway has.
pub(super) fn may_write(environment: &Resource) -> Answer<()> {
    let mode = environment_spec(environment)?.mode;
    if mode.may_write() {
        return Ok(());
    }
    Err(mode_forbids(&environment.metadata.name, mode, "deployed to"))
}

/// The environment's mode forbids it; says what to do.
pub(crate) fn mode_forbids(environment: &ResourceName, mode: Mode, what: &str) -> Failure {
    let word = match mode {
        Mode::ReadOnly => "read-only",
        Mode::WriteOnly => "write-only",
        Mode::ReadWrite => "read-write",
    };
    Failure::new(
        ProblemKind::ModeForbids,
        format!(
            "environment `{environment}` is {word} and cannot be {what}; {}",
            mode_remedy(mode)
        ),
    )
}

/// Refuses an API that would answer what another API of the environment answers.
pub(super) async fn no_conflict(
    transaction: &mut Transaction,
    desired: &DesiredApi,
    environment: &Resource,
) -> Answer<()> {
    let around = transaction
        .desired_around(environment.environment_id(), &desired.content.base_path)
        .await?;
    conflict_with(desired, &environment.metadata.name, &around).map_or(Ok(()), Err)
}

/// Another API among `others` that answers what this one would answer.
pub(super) fn conflict_with<'a>(
    desired: &DesiredApi,
    environment: &ResourceName,
    others: impl IntoIterator<Item = &'a DesiredApi>,
) -> Option<Failure> {
    let foreign = |other: &&DesiredApi| other.mark.api_id != desired.mark.api_id;
    others.into_iter().filter(foreign).find_map(|other| {
        let conflicts = route::conflicts(&desired.content, &other.content);
        (!conflicts.is_empty()).then(|| route_conflict(desired, other, environment, &conflicts))
    })
}

fn route_conflict(
    desired: &DesiredApi,
    other: &DesiredApi,
    environment: &ResourceName,
    conflicts: &[RouteConflict],
) -> Failure {
    let (this, that) = (&desired.mark.api_name, &other.mark.api_name);
    let first = conflicts
        .first()
        .map(|first| format!("{} {} on host {}", first.method, first.path, first.host))
        .unwrap_or_default();
    let detail = format!(
        "api `{this}` and api `{that}`, which is deployed in environment `{environment}`, both answer {first}; change the \
         base path or host names of one of them, or undeploy `{that}` first",
    );
    let places = conflicts.iter().take(CONFLICTS_MAX).map(|place| FieldError {
        document: None,
        pointer: "/api".to_owned(),
        detail: format!(
            "{} {} on host {} is `{that}`'s",
            place.method, place.path, place.host
        ),
    });
    Failure::new(ProblemKind::RouteConflict, detail).with_errors(places.collect())
}

/// What the connector's own words about policy types mean for a desired API. What no agent has said yet, the agent
/// itself will refuse.
pub(super) fn expressible(
    desired: &DesiredApi,
    environment: &ResourceName,
    descriptor: Option<&Descriptor>,
    accept_loss: bool,
) -> Answer<()> {
    let Some(descriptor) = descriptor else {
        return Ok(());
    };
    let report = by_descriptor(desired, descriptor);
    tolerable(
        desired,
        environment,
        &descriptor.gateway_type,
        &report,
        accept_loss,
    )
}

/// Refuses what a fidelity report says cannot be enforced, and other losses that nobody accepted.
pub(super) fn tolerable(
    desired: &DesiredApi,
    environment: &ResourceName,
    gateway_type: &GatewayType,
    report: &[PolicyFidelity],
    accept_loss: bool,
) -> Answer<()> {
    let losses = losses(desired, report);
    let api = &desired.mark.api_name;
    if let Some(first) = losses.unenforceable.first() {
        return Err(Failure::new(
            ProblemKind::PolicyUnsupported,
            format!(
                "api `{api}` asks for the security policy `{}`{}, which gateways of type `{gateway_type}` cannot enforce \
                 ({}); environment `{environment}` would serve it unprotected, so it is not deployed there; protect \
                 it with a policy that this gateway can enforce, or deploy it to another",
                first.policy,
                place(first),
                reason(&first.fidelity)
            ),
        ));
    }
    if accept_loss || losses.others.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = losses
        .others
        .iter()
        .take(LOSSES_MAX)
        .map(|loss| {
            let level = match loss.fidelity {
                Fidelity::Approximated { .. } => "approximated",
                Fidelity::Exact | Fidelity::Unsupported { .. } => "lost",
            };
            format!(
                "`{}`{} is {level} ({})",
                loss.policy,
                place(loss),
                reason(&loss.fidelity)
            )
        })
        .collect();
    Err(Failure::new(
        ProblemKind::LossNotAccepted,
        format!(
            "the gateway of environment `{environment}` cannot express all of api `{api}`: {}; accept that with \
             `--accept-loss` (`acceptLoss`) or for the whole environment with `spec.acceptLoss`, or change the policies",
            told.join(", ")
        ),
    ))
}

fn place(loss: &PolicyFidelity) -> String {
    loss.operation.as_ref().map_or_else(String::new, |operation| {
        format!(" at {} {}", operation.method, operation.path)
    })
}

fn reason(fidelity: &Fidelity) -> &str {
    match fidelity {
        Fidelity::Exact => "exact",
        Fidelity::Approximated { difference } => difference,
        Fidelity::Unsupported { reason } => reason,
    }
}

/// The report that follows from a connector's descriptor alone: by policy type.
fn by_descriptor(desired: &DesiredApi, descriptor: &Descriptor) -> Vec<PolicyFidelity> {
    let entry = |pointer: String, policy: &Policy, operation: Option<&OperationMatch>| PolicyFidelity {
        pointer,
        policy: policy.type_name().to_owned(),
        operation: operation.cloned(),
        fidelity: support(descriptor, policy),
    };
    let content = &desired.content;
    let own = content.policies.iter().enumerate();
    let mut report: Vec<PolicyFidelity> = own
        .map(|(index, policy)| entry(format!("/policies/{index}"), policy, None))
        .collect();
    for (number, operation) in content.operations.iter().enumerate() {
        let policies = operation.policies.iter().enumerate();
        report.extend(policies.map(|(index, policy)| {
            let pointer = format!("/operations/{number}/policies/{index}");
            entry(pointer, policy, Some(&operation.r#match))
        }));
    }
    report
}

fn support(descriptor: &Descriptor, policy: &Policy) -> Fidelity {
    let mut listed = descriptor.policies.iter();
    let support = listed.find(|support| support.policy == policy.type_name());
    support.map_or_else(
        || Fidelity::Unsupported {
            reason: "its connector does not list it".to_owned(),
        },
        |support| support.fidelity.clone(),
    )
}
