//! All routes of the server, on one page, and who may use them.

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    routing::get,
};
use gatehouse_control_plane_api::admin::Role;
use utoipa::openapi::{PathItem, extensions::ExtensionsBuilder, path::Operation};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use crate::{
    admin_api::{
        agents, apis, apply, audit_events, checks, deployments, discoveries, drift, environments, explain,
        ignored, imports, join_tokens, permissions, plans, policies, projects, removals, revisions, secrets,
        tasks, tokens, whoami,
    },
    agent_api,
    authentication::{identify, require, role_name},
    openapi, request,
    state::AppState,
};

/// The Admin API. Each route says who may use it.
pub(crate) fn admin_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(viewer(routes!(whoami::whoami)))
        .routes(publisher(routes!(apply::apply)))
        // Resources
        .routes(viewer(routes!(projects::list)))
        .routes(admin(routes!(projects::create)))
        .routes(viewer(routes!(projects::read)))
        .routes(admin(routes!(projects::replace)))
        .routes(admin(routes!(projects::delete)))
        .routes(viewer(routes!(environments::list)))
        .routes(admin(routes!(environments::create)))
        .routes(viewer(routes!(environments::read)))
        .routes(admin(routes!(environments::replace)))
        .routes(admin(routes!(environments::delete)))
        .routes(viewer(routes!(permissions::read)))
        .routes(viewer(routes!(apis::list)))
        .routes(publisher(routes!(apis::create)))
        .routes(viewer(routes!(apis::read)))
        .routes(publisher(routes!(apis::replace)))
        .routes(publisher(routes!(apis::delete)))
        .routes(viewer(routes!(policies::list)))
        .routes(publisher(routes!(policies::create)))
        .routes(viewer(routes!(policies::read)))
        .routes(publisher(routes!(policies::replace)))
        .routes(publisher(routes!(policies::delete)))
        .routes(viewer(routes!(explain::read)))
        .routes(viewer(routes!(secrets::list)))
        .routes(admin(routes!(secrets::create)))
        .routes(viewer(routes!(secrets::read)))
        .routes(admin(routes!(secrets::replace)))
        .routes(admin(routes!(secrets::delete)))
        // Revisions and deployments
        .routes(viewer(routes!(revisions::list)))
        .routes(viewer(routes!(revisions::read)))
        .routes(viewer(routes!(revisions::definition)))
        .routes(viewer(routes!(deployments::list)))
        .routes(publisher(routes!(deployments::create)))
        .routes(viewer(routes!(deployments::read)))
        .routes(publisher(routes!(deployments::delete)))
        .routes(viewer(routes!(deployments::history)))
        // Plans and drift
        .routes(viewer(routes!(plans::list)))
        .routes(publisher(routes!(plans::create)))
        .routes(viewer(routes!(plans::read)))
        .routes(publisher(routes!(plans::apply)))
        .routes(viewer(routes!(drift::list)))
        .routes(publisher(routes!(drift::resolve)))
        .routes(publisher(routes!(drift::observe)))
        .routes(publisher(routes!(checks::create)))
        .routes(viewer(routes!(tasks::read)))
        // Discoveries and imports
        .routes(viewer(routes!(discoveries::list)))
        .routes(publisher(routes!(discoveries::create)))
        .routes(viewer(routes!(discoveries::read)))
        .routes(viewer(routes!(discoveries::items)))
        .routes(viewer(routes!(discoveries::item)))
        .routes(publisher(routes!(imports::create)))
        .routes(viewer(routes!(ignored::list)))
        .routes(publisher(routes!(ignored::create)))
        .routes(publisher(routes!(ignored::delete)))
        .routes(viewer(routes!(removals::list)))
        .routes(publisher(routes!(removals::approve)))
        .routes(viewer(routes!(imports::list)))
        .routes(viewer(routes!(imports::read)))
        // Agents and access
        .routes(viewer(routes!(agents::list)))
        .routes(viewer(routes!(agents::read)))
        .routes(admin(routes!(agents::revoke)))
        .routes(admin(routes!(join_tokens::create)))
        .routes(admin(routes!(join_tokens::list)))
        .routes(admin(routes!(join_tokens::delete)))
        .routes(admin(routes!(tokens::create)))
        .routes(admin(routes!(tokens::list)))
        .routes(admin(routes!(tokens::revoke)))
        .routes(viewer(routes!(audit_events::list)))
}

/// Everything the main listener answers.
pub(crate) fn router(state: AppState) -> Router {
    let admin_api: Router<AppState> = admin_api().into();
    let agent_api: Router<AppState> = agent_api::router().into();
    let router = admin_api
        .layer(middleware::from_fn_with_state(state.clone(), identify))
        .merge(agent_api)
        .route("/api/v1/openapi.json", get(openapi::serve_admin))
        .route("/agent/v1/openapi.json", get(openapi::serve_agent))
        .route("/docs", get(openapi::redirect_to_page))
        .route("/docs/", get(openapi::serve_index))
        .route("/docs/{*file}", get(openapi::serve_page));
    observed(router, state)
}

/// Adds what happens around every request.
pub(crate) fn observed(router: Router<AppState>, state: AppState) -> Router {
    router
        .fallback(request::no_route)
        .method_not_allowed_fallback(request::no_method)
        .layer(middleware::from_fn_with_state(state.clone(), request::observe))
        .with_state(state)
}

type Routes = UtoipaMethodRouter<AppState>;

/// For everyone with a valid token.
fn viewer(routes: Routes) -> Routes {
    with_role(Role::Viewer, routes)
}

fn publisher(routes: Routes) -> Routes {
    with_role(Role::Publisher, routes)
}

fn admin(routes: Routes) -> Routes {
    with_role(Role::Admin, routes)
}

/// Wraps the handlers, not the 405 beside them, and says so in the OpenAPI document.
fn with_role(role: Role, (schemas, mut paths, methods): Routes) -> Routes {
    for operation in paths.paths.values_mut().flat_map(operations) {
        let extension = ExtensionsBuilder::new().add(openapi::ROLE_EXTENSION, role_name(role));
        operation
            .extensions
            .get_or_insert_default()
            .merge(extension.build());
    }
    let check = move |request: Request, next: Next| require(role, request, next);
    (schemas, paths, methods.route_layer(middleware::from_fn(check)))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
    methods.into_iter().filter_map(Option::as_mut)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use gatehouse_control_plane_api::problem::Problem;
    use gatehouse_control_plane_store::EncryptionKey;
    use http::StatusCode;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem_and_the_server_goes_on() {
        let key = EncryptionKey::generate().expect("a key");
        let state = AppState::open("sqlite::memory:", key, Duration::from_secs(1))
            .await
            .expect("a state");
        let broken = Router::new()
            .route("/broken", get(async || -> String { panic!("a mistake of ours") }))
            .route("/whole", get(async || "fine"));
        let router = observed(broken, state);
        let ask = |path: &str| {
            router
                .clone()
                .oneshot(Request::get(path).body(Body::empty()).expect("a request"))
        };
        let answer = ask("/broken").await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let bytes = axum::body::to_bytes(answer.into_body(), 10_000)
            .await
            .expect("a body");
        let problem: Problem = serde_json::from_slice(&bytes).expect("a problem");
        assert!(!problem.detail.contains("a mistake of ours"), "{problem:?}");
        assert_eq!(ask("/whole").await.expect("an answer").status(), StatusCode::OK);
    }
}
