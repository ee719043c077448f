//! Permissions: what the gateway's own access control should allow an agent, and not more.

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    admin::Permissions,
    problem::{Problem, ProblemKind},
};
use gatehouse_schemas::{
    descriptor::{Descriptor, MissingSetting, PermissionSet},
    environment::{EnvironmentSpec, Mode},
    identity::ResourceName,
    resource::Kind,
};
use serde::Deserialize;

use crate::{
    extract::{Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::deploy::environment_spec,
};

/// For which mode.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PermissionsQuery {
    /// The mode; without it, the environment's own.
    #[param(inline)]
    mode: Option<Mode>,
}

/// Reads the least-privilege policy, in the vendor's language, for a mode of an environment. What its connector says
/// is filled in with the environment's settings.
#[utoipa::path(get, path = "/api/v1/environments/{name}/permissions", operation_id = "readPermissions", tag = "environments",
    params(("name" = ResourceName, Path, description = "Which environment"), PermissionsQuery),
    responses(
        (status = 200, description = "The policy", body = Permissions),
        (status = 404, description = "There is no such environment, or the connector offers no policy for the mode", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "No agent of the gateway type has connected yet, or a setting is missing", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    Path(name): Path<ResourceName>,
    Query(query): Query<PermissionsQuery>,
) -> Answer<Json<Permissions>> {
    let environment = state.store.resource(Kind::Environment, &name).await?;
    let environment = environment.ok_or_else(|| Failure::not_found("environment", &name))?;
    let spec = environment_spec(&environment)?;
    let descriptor = state.store.descriptor(&spec.gateway_type).await?;
    let descriptor = descriptor.ok_or_else(|| never_connected(&spec))?;
    let mode = query.mode.unwrap_or(spec.mode);
    let offered = descriptor.permissions.iter().find(|set| set.mode == mode);
    let offered = offered.ok_or_else(|| not_offered(&descriptor, mode))?;
    permissions(&name, &spec, &descriptor, offered).map(Json)
}

fn permissions(
    name: &ResourceName,
    spec: &EnvironmentSpec,
    descriptor: &Descriptor,
    offered: &PermissionSet,
) -> Answer<Permissions> {
    let filled = offered.filled(&spec.settings, &descriptor.settings_schema);
    let filled = filled.map_err(|MissingSetting(setting)| {
        let detail = format!(
            "the policy refers to the setting `{setting}`, which environment `{name}` does not have; \
             add `spec.settings.{setting}` to it"
        );
        Failure::new(ProblemKind::WrongState, detail)
    })?;
    Ok(Permissions {
        environment: name.clone(),
        mode: offered.mode,
        language: offered.language.clone(),
        document: filled.document,
        instructions: filled.instructions,
    })
}

fn never_connected(spec: &EnvironmentSpec) -> Failure {
    let gateway_type = &spec.gateway_type;
    Failure::new(
        ProblemKind::WrongState,
        format!(
            "no agent for gateway type `{gateway_type}` has connected yet, and only its connector knows the permissions; \
             start one with a token from `gatehouse agent join-token --type {gateway_type}`"
        ),
    )
}

fn not_offered(descriptor: &Descriptor, mode: Mode) -> Failure {
    let gateway_type = &descriptor.gateway_type;
    let detail = if descriptor.permissions.is_empty() {
        format!(
            "the connector for gateway type `{gateway_type}` offers no permission policies; \
             its documentation says what its credential needs"
        )
    } else {
        let offered: Vec<String> = descriptor
            .permissions
            .iter()
            .map(|set| format!("`{}`", word(set.mode)))
            .collect();
        format!(
            "the connector for gateway type `{gateway_type}` offers no permission policy for mode `{}`, only for {}; ask for \
             one of those with `--mode` (`mode`)",
            word(mode),
            offered.join(", ")
        )
    };
    Failure::new(ProblemKind::NotFound, detail)
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadOnly => "read-only",
        Mode::WriteOnly => "write-only",
        Mode::ReadWrite => "read-write",
    }
}
