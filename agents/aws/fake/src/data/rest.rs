//! REST APIs: from a request to the method of a resource, and on to its integration.

use std::sync::Arc;

use axum::http::HeaderMap;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::answer::{Answer, set};
use super::exchange::Exchange;
use super::routing::best;
use super::upstream::{self, Asked};
use super::{authorizers, gateway_responses, keys, mapping, mock, policy, validation};
use crate::cloud::{Cloud, PlaceName};
use crate::control::partition;
use crate::place::{Definition, Entity, object, text};

/// The longest that an integration of a REST API takes unless it says otherwise.
const USUAL_MS: u64 = 29_000;

/// The largest body that is taken in.
const LARGEST_BODY: usize = 10 << 20;

/// A stage of a REST API, and the snapshot that it serves.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) place: PlaceName,
    pub(crate) stage: Entity,
    pub(crate) snapshot: Arc<Definition>,
    /// Whether it is served at custom domains alone.
    pub(crate) is_closed: bool,
}

/// What is served as a stage of an API, in whichever account and region it is.
pub(crate) fn served(cloud: &Cloud, api: &str, stage: &str) -> Option<Served> {
    cloud.anywhere(|(name, place)| {
        let api = place.rest_apis.get(api)?;
        let stage = api.stages.get(stage)?;
        let deployment = api.deployments.get(text(stage, "deploymentId"))?;
        Some(Served {
            place: name.clone(),
            stage: stage.clone(),
            snapshot: Arc::clone(&deployment.snapshot),
            is_closed: api.is_closed,
        })
    })
}

/// Answers a request to a stage.
pub(crate) async fn answer(cloud: &Cloud, served: &Served, mut exchange: Exchange) -> Answer {
    let answer = match method(served, &mut exchange) {
        Err(refusal) => *refusal,
        Ok(method) => match refusal(cloud, served, &exchange, &method) {
            Some(refusal) => refusal,
            None => integrated(cloud, served, &exchange, &method).await,
        },
    };
    gateway_responses::applied(&served.snapshot, &served.stage, &exchange, answer)
}

/// Why a request does not come to the integration: policy, authorizer, key, limits, validator, in this order.
fn refusal(cloud: &Cloud, served: &Served, exchange: &Exchange, method: &Entity) -> Option<Answer> {
    let (definition, stage) = (&served.snapshot, &served.stage);
    if exchange.body.len() > LARGEST_BODY {
        return Some(Answer::own(
            "REQUEST_TOO_LARGE",
            413,
            "RequestTooLargeException",
            "Request Too Long",
        ));
    }
    let authorizer = definition.authorizers.get(text(method, "authorizerId"));
    let needs_key = method.get("apiKeyRequired").is_some_and(|needed| *needed == true);
    denied(served, exchange)
        .or_else(|| authorizers::refusal(cloud, exchange, stage, authorizer?))
        .or_else(|| unsigned(method))
        .or_else(|| {
            needs_key
                .then(|| keys::refusal(cloud, served, exchange))
                .flatten()
        })
        .or_else(|| throttled(cloud, served, exchange))
        .or_else(|| validation::refusal(definition, exchange, stage, method))
}

/// The refusal of the resource policy.
fn denied(served: &Served, exchange: &Exchange) -> Option<Answer> {
    let policy = served.snapshot.api.get("policy")?.as_str()?;
    let policy = crate::rest::policy_document(policy)?;
    let (account, region) = &served.place;
    let resource = format!(
        "arn:{}:execute-api:{region}:{account}:{}/{}/{}{}",
        partition(region),
        exchange.api,
        exchange.stage,
        exchange.method,
        exchange.path
    );
    let source = policy::Source {
        address: exchange.peer.ip(),
        endpoint: exchange.endpoint.as_deref(),
    };
    if policy::allows(&policy, &resource, source) {
        return None;
    }
    let shown = resource.replace(
        account,
        &format!("********{}", &account[account.len().saturating_sub(4)..]),
    );
    let message =
        format!("User: anonymous is not authorized to perform: execute-api:Invoke on resource: {shown}");
    Some(Answer::own(
        "ACCESS_DENIED",
        403,
        "AccessDeniedException",
        &message,
    ))
}

/// Nobody signs requests to the fake.
fn unsigned(method: &Entity) -> Option<Answer> {
    (text(method, "authorizationType") == "AWS_IAM").then(Answer::no_such_path)
}

fn throttled(cloud: &Cloud, served: &Served, exchange: &Exchange) -> Option<Answer> {
    let (of, limit) = keys::stage_limit(&served.stage, exchange)?;
    let name = format!("{} {} {of}", exchange.api, exchange.stage);
    let within = cloud.traffic.within(&name, limit, cloud.clock().now());
    (!within).then(|| keys::too_many("THROTTLED", "Too Many Requests"))
}

fn method(served: &Served, exchange: &mut Exchange) -> Result<Entity, Box<Answer>> {
    let is_private = served.snapshot.api["endpointConfiguration"]["types"] == json!(["PRIVATE"]);
    let is_far = is_private && exchange.endpoint.is_none();
    if is_far || !exchange.by_domain && served.is_closed {
        return Err(Box::new(Answer::forbidden()));
    }
    let resources = served.snapshot.resources.values();
    let with_methods = resources.filter_map(|resource| {
        let methods = object(resource, "resourceMethods").filter(|methods| !methods.is_empty())?;
        Some((text(resource, "path"), (text(resource, "path"), methods)))
    });
    let Some(found) = best(&exchange.path, with_methods) else {
        return Err(Box::new(Answer::no_such_path()));
    };
    exchange.variables = found.variables;
    let (path, methods) = found.found;
    path.clone_into(&mut exchange.resource);
    let method = methods
        .get(exchange.method.as_str())
        .or_else(|| methods.get("ANY"));
    let method = method.and_then(|method| method.as_object()).cloned();
    method.ok_or_else(|| Box::new(Answer::no_such_path()))
}

async fn integrated(cloud: &Cloud, served: &Served, exchange: &Exchange, method: &Entity) -> Answer {
    let Some(integration) = object(method, "methodIntegration") else {
        return Answer::internal_error();
    };
    if text(integration, "type") == "MOCK" {
        return mock::answer(exchange, &served.stage, integration);
    }
    match asked(exchange, &served.stage, integration) {
        Some(asked) if mapping::is_http_proxy(integration) => {
            upstream::ask(&cloud.traffic.client, asked).await
        }
        _ => Answer::internal_error(),
    }
}

fn asked(exchange: &Exchange, stage: &Entity, integration: &Entity) -> Option<Asked> {
    let method = match text(integration, "httpMethod") {
        "ANY" => exchange.method.clone(),
        method => method.parse().ok()?,
    };
    Some(Asked {
        method,
        url: url(exchange, stage, integration)?,
        headers: headers(exchange, stage, integration),
        body: exchange.body.clone(),
        timeout: mapping::timeout(integration, USUAL_MS),
        streams: text(integration, "responseTransferMode") == "STREAM",
    })
}

/// The URI with its variables, and the query of the request with what is mapped into it. A variable that nothing is
/// mapped to makes it no URI.
fn url(exchange: &Exchange, stage: &Entity, integration: &Entity) -> Option<String> {
    let mut url = mapping::with_stage_variables(text(integration, "uri"), stage);
    for (name, from) in mapping::mappings(integration, "path") {
        let value = mapping::value(exchange, stage, from)?;
        url = url
            .replace(&format!("{{{name}}}"), &value)
            .replace(&format!("{{{name}+}}"), &value);
    }
    if url.contains(['{', '}']) {
        return None;
    }
    let mut query: Vec<String> = exchange
        .query
        .iter()
        .filter(|query| !query.is_empty())
        .cloned()
        .collect();
    for (name, from) in mapping::mappings(integration, "querystring") {
        let mapped = mapping::value(exchange, stage, from);
        let same = from == format!("method.request.querystring.{name}");
        if let Some(value) = mapped.filter(|_| !same) {
            query.push(format!("{}={}", encoded(name), encoded(&value)));
        }
    }
    if query.is_empty() {
        return Some(url);
    }
    let sign = if url.contains('?') { '&' } else { '?' };
    Some(format!("{url}{sign}{}", query.join("&")))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn headers(exchange: &Exchange, stage: &Entity, integration: &Entity) -> HeaderMap {
    let mut headers = upstream::headers(exchange);
    for (name, from) in mapping::mappings(integration, "header") {
        if let Some(value) = mapping::value(exchange, stage, from) {
            set(&mut headers, name, &value);
        }
    }
    headers
}
