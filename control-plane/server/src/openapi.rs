//! The OpenAPI documents of both HTTP APIs: made from the routes, completed with what every operation has
//! in common, served, and checked in under `schemas/generated/openapi`.

use std::sync::LazyLock;

use axum::{
    extract::Request,
    response::{IntoResponse, Redirect, Response},
};
use bytes::Bytes;
use gatehouse_control_plane_api::problem::{FieldError, PROBLEM_MEDIA_TYPE, Problem, ProblemKind};
use http::header;
use serde_json::{Value, json};
use utoipa::{OpenApi, PartialSchema as _};

use crate::{
    agent_api,
    extract::Path,
    failure::{Answer, Failure},
    routes,
};

/// The extension that names the role an operation needs.
pub(crate) const ROLE_EXTENSION: &str = "x-gatehouse-role";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatehouse Admin API",
        description = "What people and programs use: projects, environments, APIs and their revisions, deployments, \
            discoveries, imports, secrets, tokens, audit events.\n\nEvery request carries `Authorization: Bearer TOKEN`. \
            Errors are problems (RFC 9457) whose `type` is stable. Lists come in pages: send `nextCursor` as `cursor`. \
            Resources have an `ETag`; `If-Match` makes a write depend on it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "Gatehouse", url = "https://gatehouse.dev")
    ),
    servers((url = "/", description = "This control plane")),
    tags(
        (name = "projects", description = "Owners of resources"),
        (name = "environments", description = "Gateways to deploy to and to discover from"),
        (name = "apis", description = "Catalogue entries and their revisions"),
        (name = "policies", description = "Reusable sets of policies, attached to others"),
        (name = "secrets", description = "Values that never leave in clear text"),
        (name = "plans", description = "What will change, approved before it happens"),
        (name = "deployments", description = "API revisions in environments, and how gateways stand to them"),
        (name = "discoveries", description = "What gateways have, and its way into the catalog"),
        (name = "agents", description = "Processes that carry out work on gateways"),
        (name = "access", description = "API tokens and who one is"),
        (name = "apply", description = "Many documents in one transaction"),
        (name = "audit", description = "Who changed what, and when")
    )
)]
struct AdminDocument;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatehouse Agent API",
        description = "How work reaches gateways. Agents call; the control plane never does. All requests but \
            `enroll` and `token` carry `Authorization: Bearer TOKEN` with a token from `POST /agent/v1/token`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "Gatehouse", url = "https://gatehouse.dev")
    ),
    servers((url = "/", description = "This control plane")),
    tags((name = "agent", description = "Enrolment, sessions, work and reports"))
)]
struct AgentDocument;

/// The OpenAPI document of the Admin API.
pub fn admin_document() -> Value {
    let mut document = AdminDocument::openapi();
    document.merge(routes::admin_api().into_openapi());
    completed(
        document,
        "An API token, from `gatehouse token create` or `<data-dir>/admin-token`",
    )
}

/// The OpenAPI document of the Agent API.
pub fn agent_document() -> Value {
    let mut document = AgentDocument::openapi();
    document.merge(agent_api::router().into_openapi());
    completed(document, "A short-lived agent token, from `POST /agent/v1/token`")
}

/// Adds what all operations have in common: the security scheme, and the problems that can occur.
fn completed(document: utoipa::openapi::OpenApi, credential: &str) -> Value {
    // A document of ours is plain data; serialising it cannot fail.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["components"]["securitySchemes"] =
        json!({"token": {"type": "http", "scheme": "bearer", "description": credential}});
    document["components"]["responses"] = common_responses();
    document["components"]["schemas"]["Problem"] = plain(&Problem::schema());
    document["components"]["schemas"]["FieldError"] = plain(&FieldError::schema());
    let items = document["paths"].as_object_mut().into_iter().flatten();
    let operations = items.filter_map(|(_, item)| item.as_object_mut());
    for (_, operation) in operations.flatten() {
        complete(operation);
    }
    document
}

fn plain(schema: &utoipa::openapi::RefOr<utoipa::openapi::Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// Which problems can answer an operation, whatever it does.
fn complete(operation: &mut Value) {
    let has_parameters = operation["parameters"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    let has_body = operation.get("requestBody").is_some();
    let secured = !is_open(operation);
    let needs_role = operation[ROLE_EXTENSION]
        .as_str()
        .is_some_and(|role| role != "viewer");
    let reads_json = operation["requestBody"]["content"]
        .get("application/json")
        .is_some();
    let responses = &mut operation["responses"];
    let mut add = |applies: bool, kind: ProblemKind| {
        let status = kind.parts().0.to_string();
        if applies && responses.get(&status).is_none() {
            responses[status] = json!({"$ref": format!("#/components/responses/{}", component(kind))});
        }
    };
    add(has_parameters || has_body, ProblemKind::MalformedRequest);
    add(secured, ProblemKind::Unauthenticated);
    add(needs_role, ProblemKind::Forbidden);
    add(has_body, ProblemKind::TooLarge);
    add(has_body, ProblemKind::UnsupportedMediaType);
    add(reads_json, ProblemKind::Invalid);
    add(true, ProblemKind::Internal);
    add(true, ProblemKind::Unavailable);
    if secured {
        operation["security"] = json!([{"token": []}]);
    }
}

/// Whether the operation says that it needs no credential.
fn is_open(operation: &Value) -> bool {
    let requirements = operation["security"].as_array();
    requirements.is_some_and(|all| {
        all.iter()
            .all(|one| one.as_object().is_none_or(serde_json::Map::is_empty))
    })
}

const COMMON: [ProblemKind; 12] = [
    ProblemKind::MalformedRequest,
    ProblemKind::Unauthenticated,
    ProblemKind::Forbidden,
    ProblemKind::NotFound,
    ProblemKind::AlreadyExists,
    ProblemKind::PositionTooOld,
    ProblemKind::PreconditionFailed,
    ProblemKind::TooLarge,
    ProblemKind::UnsupportedMediaType,
    ProblemKind::Invalid,
    ProblemKind::Internal,
    ProblemKind::Unavailable,
];

fn component(kind: ProblemKind) -> String {
    let (_, slug, _) = kind.parts();
    let words = slug.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_uppercase())
    });
    words.collect()
}

fn common_responses() -> Value {
    let responses = COMMON.into_iter().map(|kind| {
        let (_, _, title) = kind.parts();
        (component(kind), problem_response(title, kind))
    });
    Value::Object(responses.collect())
}

fn problem_response(description: &str, kind: ProblemKind) -> Value {
    let (_, _, title) = kind.parts();
    json!({
        "description": description,
        "headers": {"x-request-id": {"description": "Names the request in the server's log", "schema": {"type": "string"}}},
        "content": {PROBLEM_MEDIA_TYPE: {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": kind.problem(title),
        }},
    })
}

static ADMIN: LazyLock<Bytes> = LazyLock::new(|| text(&admin_document()).into());
static AGENT: LazyLock<Bytes> = LazyLock::new(|| text(&agent_document()).into());

/// A document as it is checked in: indented, with a line feed at the end.
pub fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

/// `GET /api/v1/openapi.json`
pub(crate) async fn serve_admin() -> Response {
    json_response(ADMIN.clone())
}

/// `GET /agent/v1/openapi.json`
pub(crate) async fn serve_agent() -> Response {
    json_response(AGENT.clone())
}

fn json_response(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

/// The page at `/docs/` and what it consists of.
pub(crate) async fn serve_page(Path(file): Path<String>) -> Answer<Response> {
    page(&file)
}

/// `GET /docs/`
pub(crate) async fn serve_index() -> Answer<Response> {
    page("index.html")
}

/// `GET /docs`
pub(crate) async fn redirect_to_page(_: Request) -> Redirect {
    Redirect::permanent("/docs/")
}

fn page(file: &str) -> Answer<Response> {
    use utoipa_swagger_ui::{Config, Url, serve};
    let config = Config::new([
        Url::with_primary("Admin API", "/api/v1/openapi.json", true),
        Url::new("Agent API", "/agent/v1/openapi.json"),
    ]);
    let config = config.persist_authorization(false).try_it_out_enabled(true);
    match serve(file, config.into()) {
        Ok(Some(found)) => Ok((
            [(header::CONTENT_TYPE, found.content_type)],
            found.bytes.into_owned(),
        )
            .into_response()),
        Ok(None) => Err(Failure::not_found("page", format_args!("/docs/{file}"))),
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}
