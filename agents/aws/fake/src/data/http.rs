//! HTTP APIs: from a request to a route, and on to its integration.

use std::sync::Arc;

use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use super::routing::best;
use super::traffic::Limit;
use super::upstream::{self, Asked};
use super::{authorizers, cors, jwt, mapping, parameters};
use crate::cloud::Cloud;
use crate::place::{Entity, HttpDefinition, object, text};

/// The longest that an integration of an HTTP API takes unless it says otherwise.
const USUAL_MS: u64 = 30_000;
/// The stage that has no part in the path.
const DEFAULT: &str = "$default";

/// A stage of an HTTP API, and the snapshot that it serves.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) stage: Entity,
    pub(crate) snapshot: Arc<HttpDefinition>,
    /// Whether the part of the path where the stage's name is belongs to the path.
    pub(crate) whole_path: bool,
}

/// What is served as a stage of an API, in whichever account and region it is.
pub(crate) fn served(cloud: &Cloud, api: &str, stage: &str) -> Option<Served> {
    cloud.anywhere(|(_, place)| {
        let api = place.http_apis.get(api)?;
        let named = api.stages.get(stage);
        let (stage, whole_path) = match named {
            Some(stage) => (stage, false),
            None => (api.stages.get(DEFAULT)?, true),
        };
        let deployment = api.deployments.get(text(stage, "deploymentId"))?;
        Some(Served {
            stage: stage.clone(),
            snapshot: Arc::clone(&deployment.snapshot),
            whole_path,
        })
    })
}

/// Answers a request to a stage.
pub(crate) async fn answer(cloud: &Cloud, served: &Served, mut exchange: Exchange) -> Answer {
    if served.whole_path {
        exchange.path = format!("/{}{}", exchange.stage, exchange.path);
        DEFAULT.clone_into(&mut exchange.stage);
    }
    let api = &served.snapshot.api;
    if !exchange.by_domain
        && api
            .get("disableExecuteApiEndpoint")
            .is_some_and(|disabled| *disabled == true)
    {
        return not_found();
    }
    let cors = object(api, "corsConfiguration");
    if let Some(preflight) = cors.and_then(|cors| cors::preflight(cors, &exchange)) {
        return preflight;
    }
    let mut answer = routed(cloud, served, &mut exchange).await;
    if let Some(cors) = cors {
        cors::apply(cors, &exchange, &mut answer);
    }
    answer
}

async fn routed(cloud: &Cloud, served: &Served, exchange: &mut Exchange) -> Answer {
    let Some(route) = route(served, exchange) else {
        return not_found();
    };
    if let Some(refusal) = refusal(cloud, served, exchange, &route).await {
        return refusal;
    }
    let target = text(&route, "target")
        .strip_prefix("integrations/")
        .unwrap_or_default();
    let Some(integration) = served.snapshot.integrations.get(target) else {
        return Answer::internal_error();
    };
    match asked(exchange, &served.stage, integration) {
        Some(asked) => upstream::ask(&cloud.traffic.client, asked).await,
        None => Answer::internal_error(),
    }
}

fn not_found() -> Answer {
    Answer::own("RESOURCE_NOT_FOUND", 404, "NotFoundException", "Not Found")
}

/// The route that fits best; of two with the same path, the one that names the method.
fn route(served: &Served, exchange: &mut Exchange) -> Option<Entity> {
    let routes = &served.snapshot.routes;
    let of_method = |wanted: String| {
        let split = routes
            .values()
            .filter_map(|route| Some((text(route, "routeKey").split_once(' ')?, route)));
        split
            .filter(move |((method, _), _)| *method == wanted)
            .map(|((_, path), route)| (path, route))
    };
    let all = of_method(exchange.method.to_string()).chain(of_method("ANY".to_owned()));
    if let Some(found) = best(&exchange.path, all) {
        exchange.variables = found.variables;
        text(found.found, "routeKey").clone_into(&mut exchange.resource);
        return Some(found.found.clone());
    }
    let route = routes.values().find(|route| text(route, "routeKey") == DEFAULT);
    DEFAULT.clone_into(&mut exchange.resource);
    route.cloned()
}

async fn refusal(cloud: &Cloud, served: &Served, exchange: &Exchange, route: &Entity) -> Option<Answer> {
    if text(route, "authorizationType") == "AWS_IAM" {
        return Some(Answer::own(
            "ACCESS_DENIED",
            403,
            "ForbiddenException",
            "Forbidden",
        ));
    }
    if let Some(authorizer) = served.snapshot.authorizers.get(text(route, "authorizerId")) {
        let refused = match text(authorizer, "authorizerType") {
            "JWT" => jwt::refusal(cloud, exchange, authorizer, route).await,
            _ => by_function(cloud, exchange, &served.stage, authorizer),
        };
        if refused.is_some() {
            return refused;
        }
    }
    throttled(cloud, served, exchange)
}

fn by_function(cloud: &Cloud, exchange: &Exchange, stage: &Entity, authorizer: &Entity) -> Option<Answer> {
    let sources = authorizer
        .get("identitySource")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let tokens = sources
        .filter_map(Value::as_str)
        .map(|source| parameters::selected(exchange, stage, source));
    let tokens: Option<Vec<String>> = tokens.collect();
    let Some(token) = tokens.and_then(|tokens| tokens.into_iter().next()) else {
        return Some(authorizers::unauthorized());
    };
    let function = authorizers::function(text(authorizer, "authorizerUri"));
    let denied = authorizers::decided(cloud.decision(function, &token))?;
    Some(if denied.status == 403 {
        Answer::own("ACCESS_DENIED", 403, "ForbiddenException", "Forbidden")
    } else {
        denied
    })
}

fn throttled(cloud: &Cloud, served: &Served, exchange: &Exchange) -> Option<Answer> {
    let own = object(&served.stage, "routeSettings").and_then(|all| object(all, &exchange.resource));
    let (of, limit) = match own.and_then(limit) {
        Some(limit) => (exchange.resource.as_str(), limit),
        None => ("*", limit(object(&served.stage, "defaultRouteSettings")?)?),
    };
    let name = format!("{} {} {of}", exchange.api, exchange.stage);
    let within = cloud.traffic.within(&name, limit, cloud.clock().now());
    (!within).then(|| super::keys::too_many("THROTTLED", "Too Many Requests"))
}

fn limit(settings: &Entity) -> Option<Limit> {
    let rate = settings.get("throttlingRateLimit").and_then(Value::as_f64)?;
    let burst = settings.get("throttlingBurstLimit").and_then(Value::as_f64)?;
    Some(Limit { rate, burst })
}

fn asked(exchange: &Exchange, stage: &Entity, integration: &Entity) -> Option<Asked> {
    if !matches!(text(integration, "integrationType"), "HTTP_PROXY") {
        return None;
    }
    let method = match text(integration, "integrationMethod") {
        "ANY" => exchange.method.clone(),
        method => method.parse().ok()?,
    };
    let mut url = mapping::with_stage_variables(text(integration, "integrationUri"), stage);
    for (name, value) in &exchange.variables {
        url = url
            .replace(&format!("{{{name}}}"), value)
            .replace(&format!("{{{name}+}}"), value);
    }
    let mut asked = Asked {
        method,
        url,
        headers: upstream::headers(exchange),
        body: exchange.body.clone(),
        timeout: mapping::timeout(integration, USUAL_MS),
        streams: false,
    };
    parameters::apply(exchange, stage, integration, &mut asked)?;
    Some(asked)
}
