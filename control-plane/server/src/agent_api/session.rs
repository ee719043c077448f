//! Sessions: what the connector is and can do, and which protocol both sides speak.

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    agent::{PROTOCOL_MAX, PROTOCOL_MIN, SessionRequest, SessionResponse},
    problem::{FieldError, Problem, ProblemKind},
};
use gatehouse_schemas::identity::Generation;
use tracing::info;

use super::{assignment, caller::Caller, leases::LeaseHolder};
use crate::{
    extract::Body,
    failure::{Answer, Failure},
    state::AppState,
};

/// Announces the connector and agrees on a protocol version.
///
/// What the connector says of itself is all the control plane knows of the gateway type.
#[utoipa::path(post, path = "/agent/v1/session", operation_id = "openSession", tag = "agent",
    request_body(content = SessionRequest),
    responses(
        (status = 200, description = "What was agreed, and the environments of the agent's type", body = SessionResponse),
        (status = 409, description = "There is no protocol version both speak", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn session(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<SessionRequest>,
) -> Answer<Json<SessionResponse>> {
    let protocol = agree(request.protocol_min, request.protocol_max)?;
    is_own_type(&caller, &request)?;
    let mut transaction = caller.begin().await?;
    transaction
        .begin_session(caller.id(), &request.descriptor, protocol)
        .await?;
    transaction.commit().await?;
    let replicated = request.descriptor.capabilities.replicated;
    let held = LeaseHolder::new(&state, &caller)
        .replicated(replicated)
        .hold(Generation(0))
        .await?;
    let work = held.view.of(caller.id(), Generation(0), held.at)?;
    let environments: Vec<_> = work
        .environments
        .into_iter()
        .filter(|environment| environment.spec.is_some())
        .collect();
    info!(agent.id = %caller.id(), protocol, connector.version = %request.descriptor.version, "Agent `{}` opened a session", caller.agent.name);
    Ok(Json(SessionResponse {
        protocol,
        lease_ms: u64::try_from(state.lease.as_millis()).unwrap_or(u64::MAX),
        environments: environments.into_iter().map(assignment::environment).collect(),
    }))
}

/// The newest version both speak.
fn agree(min: u32, max: u32) -> Answer<u32> {
    let newest = max.min(PROTOCOL_MAX);
    if min <= max && newest >= min.max(PROTOCOL_MIN) {
        return Ok(newest);
    }
    Err(Failure::new(
        ProblemKind::ProtocolUnsupported,
        format!(
            "the agent speaks protocol versions {min} to {max}, this control plane {PROTOCOL_MIN} to {PROTOCOL_MAX}; \
             upgrade the older of the two"
        ),
    ))
}

fn is_own_type(caller: &Caller, request: &SessionRequest) -> Answer<()> {
    let (enrolled, said) = (&caller.agent.gateway_type, &request.descriptor.gateway_type);
    if enrolled == said {
        return Ok(());
    }
    Err(Failure::invalid(vec![FieldError {
        document: None,
        pointer: "/descriptor/gatewayType".to_owned(),
        detail: format!(
            "the agent enrolled for gateway type `{enrolled}`, not for `{said}`; enroll another agent for it"
        ),
    }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_protocol_is_agreed_on() {
        assert_eq!(agree(PROTOCOL_MIN, PROTOCOL_MAX).ok(), Some(PROTOCOL_MAX));
        assert_eq!(agree(0, PROTOCOL_MAX + 5).ok(), Some(PROTOCOL_MAX));
        for (min, max) in [
            (PROTOCOL_MAX + 1, PROTOCOL_MAX + 2),
            (0, PROTOCOL_MIN - 1),
            (2, 1),
        ] {
            let failure = agree(min, max).expect_err("nothing in common");
            assert_eq!(failure.kind(), ProblemKind::ProtocolUnsupported);
            assert!(failure.problem().detail.contains(&format!("{min} to {max}")));
        }
    }
}
