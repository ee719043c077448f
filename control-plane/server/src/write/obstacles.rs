//! What stands in the way of a deployment: the environment's mode, other APIs, policies nobody can enforce.

use gatehouse_control_plane_api::{
    admin::mode_remedy,
    problem::{FieldError, ProblemKind},
};
use gatehouse_control_plane_store::{Resource, Transaction};
use gatehouse_schemas::{
    descriptor::{Descriptor, Fidelity},
    desired::DesiredApi,
    environment::Mode,
    identity::ResourceName,
    policy::Policy,
    route,
};

use super::deploy::environment_spec;
use crate::failure::{Answer, Failure};

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
    for other in around
        .iter()
        .filter(|other| other.mark.api_id != desired.mark.api_id)
    {
        let conflicts = route::conflicts(&desired.content, &other.content);
        if let Some(first) = conflicts.first() {
            let detail = format!(
                "api `{}` and api `{}`, which is deployed in environment `{}`, both answer {} {} on host {}; change the \
                 base path or host names of one of them, or undeploy `{}` first",
                desired.mark.api_name,
                other.mark.api_name,
                environment.metadata.name,
                first.method,
                first.path,
                first.host,
                other.mark.api_name
            );
            let places = conflicts.iter().take(CONFLICTS_MAX).map(|place| FieldError {
                document: None,
                pointer: "/api".to_owned(),
                detail: format!(
                    "{} {} on host {} is `{}`'s",
                    place.method, place.path, place.host, other.mark.api_name
                ),
            });
            return Err(Failure::new(ProblemKind::RouteConflict, detail).with_errors(places.collect()));
        }
    }
    Ok(())
}

/// A security policy that the gateway cannot enforce stops the deploy. What no agent has said yet, the agent itself
/// will refuse.
pub(super) fn enforceable(
    desired: &DesiredApi,
    environment: &ResourceName,
    descriptor: Option<&Descriptor>,
) -> Answer<()> {
    let Some(descriptor) = descriptor else {
        return Ok(());
    };
    let own = desired.content.policies.iter();
    let all = own.chain(
        desired
            .content
            .operations
            .iter()
            .flat_map(|operation| &operation.policies),
    );
    for policy in all.filter(|policy| policy.is_security()) {
        if let Some(reason) = unsupported(descriptor, policy) {
            return Err(Failure::new(
                ProblemKind::PolicyUnsupported,
                format!(
                    "api `{}` asks for the security policy `{}`, which gateways of type `{}` cannot enforce ({reason}); \
                     environment `{}` would serve it unprotected, so it is not deployed there",
                    desired.mark.api_name,
                    policy.type_name(),
                    descriptor.gateway_type,
                    environment
                ),
            ));
        }
    }
    Ok(())
}

fn unsupported(descriptor: &Descriptor, policy: &Policy) -> Option<String> {
    let support = descriptor
        .policies
        .iter()
        .find(|support| support.policy == policy.type_name());
    match support.map(|support| &support.fidelity) {
        Some(Fidelity::Exact | Fidelity::Approximated { .. }) => None,
        Some(Fidelity::Unsupported { reason }) => Some(reason.clone()),
        None => Some("its connector does not list it".to_owned()),
    }
}
