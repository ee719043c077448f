//! Policies in force: for an API or one of its operations, each with where it comes from.

mod operation;

use axum::{Json, extract::State};
use gatehouse_control_plane_api::{
    admin::{ExplainedPolicy, OverriddenPolicy, PolicyExplanation},
    problem::{Problem, ProblemKind},
};
use gatehouse_control_plane_store::Resource;
use gatehouse_schemas::{
    desired::layers,
    identity::{GatewayType, ResourceName, RevisionNumber},
    policy::explain,
    resource::Kind,
    revision::RevisionContent,
};
use serde::Deserialize;

use self::operation::Wanted;
use crate::{
    extract::{Path, Query},
    failure::{Answer, Failure},
    state::AppState,
    write::{deploy::environment_spec, policy_sets},
};

/// Of which operation, and where.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplanationQuery {
    /// The environment: with the policies attached to it, of the revision that is deployed there. Without it, or where
    /// the API is not deployed, of the newest revision.
    #[param(value_type = Option<String>)]
    environment: Option<ResourceName>,
    /// The operation by its place in the revision, counted from 0; in place of `method` and `path`, which several
    /// operations may share.
    #[param(minimum = 0)]
    operation: Option<usize>,
    /// The method of the operation; together with `path`.
    #[param(example = "GET")]
    method: Option<String>,
    /// The path of the operation below the base path: as it is written (`/orders/{id}`), or as a request has it.
    #[param(example = "/orders/{id}")]
    path: Option<String>,
}

/// Explains the policies in force for an API, or for one of its operations.
#[utoipa::path(get, path = "/api/v1/apis/{name}/effective-policies", operation_id = "explainPolicies", tag = "policies",
    params(("name" = ResourceName, Path, description = "Which API"), ExplanationQuery),
    responses(
        (status = 200, description = "What is in force and why, and what is not and why not", body = PolicyExplanation),
        (status = 404, description = "There is no such API, environment or operation", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    State(state): State<AppState>,
    Path(name): Path<ResourceName>,
    Query(query): Query<ExplanationQuery>,
) -> Answer<Json<PolicyExplanation>> {
    let wanted = Wanted::of(query.operation, query.method, query.path)?;
    let api = state.store.resource(Kind::Api, &name).await?;
    let api = api.ok_or_else(|| Failure::not_found("api", &name))?;
    let place = match &query.environment {
        Some(environment) => Some(Place::read(&state, &api, environment).await?),
        None => None,
    };
    let deployed = place.as_ref().and_then(|place| place.revision);
    let content = content(&state, &api, deployed).await?;
    let index = match &wanted {
        Some(wanted) => wanted.find(&name, &content)?,
        None => None,
    };
    let sets = policy_sets(&state.store.all_resources(Kind::Policy).await?)?;
    let environment = query.environment.as_ref();
    let meeting = layers(&api.metadata, environment, &sets, &content, index);
    let explanation = explain(&meeting, place.as_ref().map(|place| &place.gateway_type));
    Ok(Json(PolicyExplanation {
        api: name,
        operation: wanted.map(|wanted| wanted.told(&content, index)),
        environment: query.environment,
        effective: explanation.effective.into_iter().map(effective).collect(),
        overridden: explanation.overridden.into_iter().map(overridden).collect(),
    }))
}

/// An environment, and the revision that is deployed there.
struct Place {
    gateway_type: GatewayType,
    revision: Option<RevisionNumber>,
}

impl Place {
    async fn read(state: &AppState, api: &Resource, name: &ResourceName) -> Answer<Self> {
        let found = state.store.resource(Kind::Environment, name).await?;
        let found = found.ok_or_else(|| Failure::not_found("environment", name))?;
        let deployed = state
            .store
            .deployment_of(api.api_id(), found.environment_id())
            .await?;
        Ok(Self {
            gateway_type: environment_spec(&found)?.gateway_type,
            revision: deployed
                .filter(|deployment| !deployment.absent)
                .map(|deployment| deployment.revision),
        })
    }
}

async fn content(
    state: &AppState,
    api: &Resource,
    deployed: Option<RevisionNumber>,
) -> Answer<RevisionContent> {
    let number = match deployed {
        Some(number) => Some(number),
        None => {
            let latest = state.store.latest_revision(api.api_id()).await?;
            latest.map(|latest| latest.number)
        }
    };
    let found = match number {
        Some(number) => state.store.revision_content(api.api_id(), number).await?,
        None => None,
    };
    found.ok_or_else(|| Failure::internal(format!("{} has no revision", api.object())))
}

fn effective(policy: gatehouse_schemas::policy::ExplainedPolicy) -> ExplainedPolicy {
    ExplainedPolicy {
        policy: policy.policy,
        origins: policy.origins,
        locked: policy.locked,
    }
}

fn overridden(policy: gatehouse_schemas::policy::OverriddenPolicy) -> OverriddenPolicy {
    OverriddenPolicy {
        policy: policy.policy,
        origin: policy.origin,
        reason: policy.reason,
    }
}

/// A parameter that makes no sense.
fn malformed(detail: &str) -> Failure {
    Failure::new(ProblemKind::MalformedRequest, detail)
}
