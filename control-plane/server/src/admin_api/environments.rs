//! Environments: gateways to deploy to and to discover from.

use std::collections::BTreeMap;

use axum::{Json, extract::State, response::Response};
use gatehouse_control_plane_api::{
    admin::{EnvironmentDocument, EnvironmentResource, EnvironmentStatus, Page},
    problem::Problem,
};
use gatehouse_control_plane_store::{Lease, Resource};
use gatehouse_schemas::{
    condition::{Condition, ConditionStatus, ConditionType},
    descriptor::Descriptor,
    environment::EnvironmentSpec,
    identity::{GatewayType, Generation, ResourceName},
    resource::Kind,
    time::Timestamp,
};
use http::StatusCode;
use serde_json::Value;

use super::{
    resources::{self, ResourceQuery, View},
    settings,
};
use crate::{
    extract::{Body, Path, Precondition, PreconditionHeaders, Query},
    failure::Answer,
    state::AppState,
    write::Writer,
};

impl View for EnvironmentResource {
    const KIND: Kind = Kind::Environment;

    async fn of(state: &AppState, resources: Vec<Resource>) -> Answer<Vec<Self>> {
        let counts = state.store.deployment_counts().await?;
        let mut descriptors = BTreeMap::new();
        let mut views = Vec::with_capacity(resources.len());
        for resource in resources {
            let id = resource.environment_id();
            let spec: EnvironmentSpec = resources::spec(&resource)?;
            let connection = Connection::read(state, &resource, &spec).await?;
            let descriptor = descriptor(state, &mut descriptors, &spec.gateway_type).await?;
            let mut conditions = vec![connection.condition()];
            conditions.push(settings_condition(&connection, &spec, descriptor));
            views.push(Self {
                api_version: resources::api_version(),
                kind: Kind::Environment,
                metadata: resource.metadata,
                spec,
                status: EnvironmentStatus {
                    conditions,
                    agent_id: connection.live.first().map(|lease| lease.agent_id),
                    deployments: counts.get(&id).copied().unwrap_or_default(),
                },
            });
        }
        Ok(views)
    }
}

async fn descriptor<'a>(
    state: &AppState,
    known: &'a mut BTreeMap<GatewayType, Option<Descriptor>>,
    gateway_type: &GatewayType,
) -> Answer<Option<&'a Descriptor>> {
    if !known.contains_key(gateway_type) {
        known.insert(gateway_type.clone(), state.store.descriptor(gateway_type).await?);
    }
    Ok(known.get(gateway_type).and_then(Option::as_ref))
}

/// Who may act in an environment now.
struct Connection {
    live: Vec<Lease>,
    last: Option<Lease>,
    /// When the agent that acts now began its session.
    since: Option<Timestamp>,
    generation: Generation,
    created_at: Timestamp,
    updated_at: Timestamp,
    gateway_type: GatewayType,
}

impl Connection {
    async fn read(state: &AppState, environment: &Resource, spec: &EnvironmentSpec) -> Answer<Self> {
        let (id, now) = (environment.environment_id(), state.now());
        let leases = state.store.leases_in(id).await?;
        let last = leases.iter().max_by_key(|lease| lease.expires_at).cloned();
        let live: Vec<Lease> = leases.into_iter().filter(|lease| lease.is_live(now)).collect();
        let agent = match live.first() {
            Some(lease) => state.store.agent(lease.agent_id).await?,
            None => None,
        };
        let announced = state.store.environment_state(id).await?;
        Ok(Self {
            live,
            last,
            since: agent.and_then(|agent| agent.session_at),
            generation: announced
                .map(|announced| announced.generation)
                .unwrap_or_default(),
            created_at: environment.metadata.created_at.unwrap_or(now),
            updated_at: environment.metadata.updated_at.unwrap_or(now),
            gateway_type: spec.gateway_type.clone(),
        })
    }

    fn condition(&self) -> Condition {
        let gateway_type = &self.gateway_type;
        let (status, reason, message) = match (self.live.as_slice(), &self.last) {
            ([], None) => (
                ConditionStatus::False,
                "NeverConnected",
                format!(
                    "no agent for gateway type `{gateway_type}` has served it yet; `gatehouse agent join-token --type {gateway_type}` gives a token to start one with"
                ),
            ),
            ([], Some(last)) => (
                ConditionStatus::False,
                "AgentOffline",
                format!(
                    "agent {} has not been heard of since {}; start it again",
                    last.agent_id, last.expires_at
                ),
            ),
            ([one], _) => (
                ConditionStatus::True,
                "Connected",
                format!("agent {} serves it", one.agent_id),
            ),
            (many, _) => (
                ConditionStatus::True,
                "Connected",
                format!("{} agents serve it", many.len()),
            ),
        };
        let ended = self.last.as_ref().map_or(self.created_at, |last| last.expires_at);
        let changed = if self.live.is_empty() {
            ended
        } else {
            self.since.unwrap_or(self.created_at)
        };
        self.told(ConditionType::Connected, status, reason, message, changed)
    }

    fn told(
        &self,
        r#type: ConditionType,
        status: ConditionStatus,
        reason: &str,
        message: String,
        changed: Timestamp,
    ) -> Condition {
        Condition {
            r#type,
            status,
            reason: reason.to_owned(),
            message,
            observed_generation: self.generation,
            last_transition_time: changed,
        }
    }
}

fn settings_condition(
    connection: &Connection,
    spec: &EnvironmentSpec,
    descriptor: Option<&Descriptor>,
) -> Condition {
    let gateway_type = &spec.gateway_type;
    let (status, reason, message) = match descriptor.map(|it| settings::problems(it, &spec.settings)) {
        None => (
            ConditionStatus::Unknown,
            "NoDescriptor",
            format!("no agent for gateway type `{gateway_type}` has said yet which settings it takes"),
        ),
        Some(wrong) => match wrong.first() {
            None => (
                ConditionStatus::True,
                "Valid",
                format!("the settings are what the connector for `{gateway_type}` takes"),
            ),
            Some(first) => (
                ConditionStatus::False,
                "Invalid",
                format!("spec.settings{}: {}", first.pointer, first.detail),
            ),
        },
    };
    connection.told(
        ConditionType::SettingsValid,
        status,
        reason,
        message,
        connection.updated_at,
    )
}

/// Lists environments, by name.
#[utoipa::path(get, path = "/api/v1/environments", operation_id = "listEnvironments", tag = "environments", params(ResourceQuery), responses(
    (status = 200, description = "A page of environments", body = Page<EnvironmentResource>),
))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ResourceQuery>,
) -> Answer<Json<Page<EnvironmentResource>>> {
    resources::list(&state, query).await
}

/// Creates an environment that must not exist yet.
#[utoipa::path(post, path = "/api/v1/environments", operation_id = "createEnvironment", tag = "environments",
    request_body(content = EnvironmentDocument, example = json!({"metadata": {"name": "kong-eu", "project": "default"}, "spec": {"gatewayType": "kong", "mode": "read-write", "settings": {"adminUrl": "http://127.0.0.1:8001"}, "endpoints": [{"url": "https://api.example.com"}]}})),
    responses(
        (status = 201, description = "Created", body = EnvironmentResource, headers(
            ("location" = String, description = "Its path"),
            ("etag" = String, description = "Its version"),
        )),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(writer: Writer, Body(body): Body<Value>) -> Answer<Response> {
    resources::create::<EnvironmentResource>(&writer, body).await
}

/// Reads an environment.
#[utoipa::path(get, path = "/api/v1/environments/{name}", operation_id = "readEnvironment", tag = "environments",
    params(("name" = ResourceName, Path, description = "Its name")),
    responses(
        (status = 200, description = "The environment", body = EnvironmentResource, headers(("etag" = String, description = "Its version"))),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(state): State<AppState>, Path(name): Path<ResourceName>) -> Answer<Response> {
    resources::read::<EnvironmentResource>(&state, &name).await
}

/// Creates or replaces an environment. The same content again changes nothing.
#[utoipa::path(put, path = "/api/v1/environments/{name}", operation_id = "replaceEnvironment", tag = "environments",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    request_body(content = EnvironmentDocument, example = json!({"metadata": {"name": "kong-eu", "project": "default"}, "spec": {"gatewayType": "kong", "mode": "read-write", "settings": {"adminUrl": "http://127.0.0.1:8001"}, "endpoints": [{"url": "https://api.example.com"}]}})),
    responses(
        (status = 200, description = "Replaced, or unchanged", body = EnvironmentResource, headers(("etag" = String, description = "Its version"))),
        (status = 201, description = "Created", body = EnvironmentResource, headers(
            ("location" = String, description = "Its path"),
            ("etag" = String, description = "Its version"),
        )),
        (status = 409, description = "Other objects do not allow the change", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` or `If-None-Match` expects", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn replace(
    writer: Writer,
    Path(name): Path<ResourceName>,
    precondition: Precondition,
    Body(body): Body<Value>,
) -> Answer<Response> {
    resources::replace::<EnvironmentResource>(&writer, &name, precondition, body).await
}

/// Deletes an environment that nothing depends on.
#[utoipa::path(delete, path = "/api/v1/environments/{name}", operation_id = "deleteEnvironment", tag = "environments",
    params(("name" = ResourceName, Path, description = "Its name"), PreconditionHeaders),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "There is no such environment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Other objects depend on it, or do not allow it; the problem names them", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not as `If-Match` or `If-None-Match` expects", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    writer: Writer,
    Path(name): Path<ResourceName>,
    precondition: Precondition,
) -> Answer<StatusCode> {
    resources::delete(&writer, Kind::Environment, &name, precondition).await
}
