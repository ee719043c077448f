//! Which origins' scripts may call and read (Fetch standard).
//!
//! HTTP APIs know CORS themselves, once for the whole API. REST APIs do not: a mock integration answers preflight
//! requests, and answers of the upstream are passed on as they are.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{CorsPolicy, Policy},
    revision::Operation,
};
use serde_json::{Map, Value, json};

use super::{
    Kind,
    judge::{approximated, unsupported, with},
    paths::Place,
    scene::Scene,
};

const ALL_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
/// How long HTTP APIs let browsers keep a preflight answer, in seconds.
const LONGEST_AGE: u32 = 86_400;

/// The CORS configuration of an HTTP API.
pub(super) fn of_http(cors: &CorsPolicy, places: &[Place<'_>]) -> Value {
    let mut configuration = Map::new();
    let methods = methods(cors, places.iter());
    let any = vec!["*".to_owned()];
    let headers = if cors.allow_headers.is_empty() {
        &any
    } else {
        &cors.allow_headers
    };
    configuration.insert("allowOrigins".to_owned(), json!(cors.allow_origins));
    configuration.insert("allowMethods".to_owned(), json!(methods));
    configuration.insert("allowHeaders".to_owned(), json!(headers));
    if !cors.expose_headers.is_empty() {
        configuration.insert("exposeHeaders".to_owned(), json!(cors.expose_headers));
    }
    if cors.allow_credentials {
        configuration.insert("allowCredentials".to_owned(), json!(true));
    }
    if let Some(seconds) = cors.max_age_seconds {
        configuration.insert("maxAge".to_owned(), json!(seconds.min(LONGEST_AGE)));
    }
    Value::Object(configuration)
}

/// The methods that a preflight answer names.
fn methods<'a>(cors: &CorsPolicy, places: impl Iterator<Item = &'a Place<'a>>) -> BTreeSet<String> {
    if !cors.allow_methods.is_empty() {
        return cors.allow_methods.iter().cloned().collect();
    }
    let served: BTreeSet<String> = places.map(|place| place.method.clone()).collect();
    match served.contains("ANY") {
        true => ALL_METHODS.map(str::to_owned).into(),
        false => served,
    }
}

/// The policy that holds at a place.
pub(super) fn at<'a>(policies: &[&'a Policy]) -> Option<&'a CorsPolicy> {
    policies.iter().find_map(|policy| match policy {
        Policy::Cors(cors) => Some(cors),
        _ => None,
    })
}

/// The method that answers preflight requests at a path of a REST API, whose places are these.
pub(super) fn preflight(cors: &CorsPolicy, places: &[&Place<'_>]) -> Value {
    let mut parameters = Vec::new();
    if let Some(place) = places.first() {
        let path =
            |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
        parameters.extend(place.names().map(path));
    }
    let mut method = json!({
        "summary": "Answers browsers that ask before they call",
        "responses": {"204": {"description": "Whether the origin may call"}},
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "contentHandling": "CONVERT_TO_TEXT",
            "passthroughBehavior": "when_no_match",
            "requestTemplates": {"application/json": "{\"statusCode\": 204}"},
            "responses": {"default": {
                "statusCode": "204",
                "responseTemplates": {"application/json": template(cors, places)},
            }},
        },
    });
    if !parameters.is_empty() {
        method["parameters"] = json!(parameters);
    }
    method
}

/// In Velocity: headers for origins that may call, and none for others.
fn template(cors: &CorsPolicy, places: &[&Place<'_>]) -> String {
    let methods: Vec<String> = methods(cors, places.iter().copied()).into_iter().collect();
    let mut lines = vec![
        "#set($origin = $input.params(\"Origin\"))".to_owned(),
        "#if($origin == \"\")#set($origin = $input.params(\"origin\"))#end".to_owned(),
        "#set($asked = $input.params(\"Access-Control-Request-Headers\"))".to_owned(),
        "#if($asked == \"\")#set($asked = $input.params(\"access-control-request-headers\"))#end".to_owned(),
        set(
            "Vary",
            "\"Origin, Access-Control-Request-Method, Access-Control-Request-Headers\"",
        ),
        format!("#if({})", condition(cors)),
    ];
    let allowed = if is_any(cors) && !cors.allow_credentials {
        "\"*\""
    } else {
        "$origin"
    };
    lines.push(set("Access-Control-Allow-Origin", allowed));
    lines.push(set(
        "Access-Control-Allow-Methods",
        &format!("\"{}\"", methods.join(", ")),
    ));
    lines.push(match cors.allow_headers.is_empty() {
        true => format!(
            "#if($asked != \"\"){}#end",
            set("Access-Control-Allow-Headers", "$asked")
        ),
        false => set(
            "Access-Control-Allow-Headers",
            &format!("\"{}\"", cors.allow_headers.join(", ")),
        ),
    });
    if cors.allow_credentials {
        lines.push(set("Access-Control-Allow-Credentials", "\"true\""));
    }
    if let Some(seconds) = cors.max_age_seconds {
        lines.push(set("Access-Control-Max-Age", &format!("\"{seconds}\"")));
    }
    lines.push("#end".to_owned());
    lines.join("\n")
}

fn set(header: &str, value: &str) -> String {
    format!("#set($context.responseOverride.header.{header} = {value})")
}

fn is_any(cors: &CorsPolicy) -> bool {
    cors.allow_origins.iter().any(|origin| origin == "*")
}

/// Whether the origin in `$origin` may call, in Velocity.
fn condition(cors: &CorsPolicy) -> String {
    if is_any(cors) {
        return "$origin != \"\"".to_owned();
    }
    let one = |origin: &String| match origin.split_once("*.") {
        Some((before, after)) => {
            let after = after.replace('.', "[.]");
            format!("$origin.matches(\"{before}[^/@:]+[.]{after}\")")
        }
        None => format!("$origin == \"{origin}\""),
    };
    cors.allow_origins
        .iter()
        .map(one)
        .collect::<Vec<_>>()
        .join(" || ")
}

/// The headers of answers that the gateway gives itself, as far as they are the same for all origins that may call.
pub(super) fn of_gateway(cors: &CorsPolicy) -> Map<String, Value> {
    let mut headers = Map::new();
    let mut add = |header: &str, value: &str| {
        headers.insert(
            format!("gatewayresponse.header.{header}"),
            json!(format!("'{value}'")),
        );
    };
    let [origin] = &cors.allow_origins[..] else {
        return headers;
    };
    if origin.contains("*.") {
        return headers;
    }
    add("Access-Control-Allow-Origin", origin);
    if origin != "*" {
        add("Vary", "Origin");
    }
    if cors.allow_credentials {
        add("Access-Control-Allow-Credentials", "true");
    }
    if !cors.expose_headers.is_empty() {
        add("Access-Control-Expose-Headers", &cors.expose_headers.join(", "));
    }
    headers
}

/// How faithfully cross-origin requests are handled.
pub(super) fn of_cors(scene: Scene<'_>, cors: &CorsPolicy, operation: Option<&Operation>) -> Fidelity {
    match scene.kind {
        Kind::Rest => of_rest(scene, cors, operation),
        Kind::Http => http_fidelity(scene, cors, operation),
    }
}

fn of_rest(scene: Scene<'_>, cors: &CorsPolicy, operation: Option<&Operation>) -> Fidelity {
    if let Some(operation) = operation {
        let path = &operation.r#match.path;
        let mut there = scene
            .content
            .operations
            .iter()
            .filter(|other| other.r#match.path == *path);
        if there.any(|other| at(&scene.in_force(Some(other))) != Some(cors)) {
            return unsupported(format!(
                "a REST API answers preflight requests by path; give all operations at `{path}` the same `cors`"
            ));
        }
    }
    let mut differences = vec![
        "preflight requests are answered, but a REST API passes on the headers of the upstream's answers as they are, so that the upstream must write `Access-Control-Allow-Origin` itself",
    ];
    if cors.allow_origins.len() > 1 || cors.allow_origins.iter().any(|origin| origin.contains("*.")) {
        differences.push("answers of API Gateway itself, such as 401 and 429, cannot be read by scripts");
    }
    if let Some(own) = own_options(scene, operation) {
        differences.push(own);
    }
    with(&differences)
}

/// Where an operation answers `OPTIONS`, one of the two loses.
fn own_options(scene: Scene<'_>, operation: Option<&Operation>) -> Option<&'static str> {
    let concerned =
        |other: &&Operation| operation.is_none_or(|operation| operation.r#match.path == other.r#match.path);
    let concerned: Vec<&str> = scene
        .content
        .operations
        .iter()
        .filter(concerned)
        .map(|other| other.r#match.method.as_str())
        .collect();
    if concerned.contains(&"OPTIONS") {
        return Some("preflight requests go to the upstream where an operation is for `OPTIONS`");
    }
    let is_any = concerned.contains(&"*") || scene.content.operations.is_empty();
    is_any.then_some("no request with `OPTIONS` goes to the upstream")
}

fn http_fidelity(scene: Scene<'_>, cors: &CorsPolicy, operation: Option<&Operation>) -> Fidelity {
    let of_api = at(&scene.in_force(None));
    if operation.is_some() && of_api != Some(cors) {
        return unsupported("an HTTP API has one CORS configuration; put the policy at the API");
    }
    if let Some(origin) = cors.allow_origins.iter().find(|origin| origin.contains("*.")) {
        return unsupported(format!(
            "HTTP APIs know exact origins and `*` only, not `{origin}`"
        ));
    }
    let mut differences = Vec::new();
    if cors.allow_methods.is_empty() {
        differences.push(
            "answers to preflight requests name the methods of all operations, not of those at the path",
        );
    }
    if cors.allow_headers.is_empty() {
        differences.push("answers to preflight requests allow `*`, which browsers take neither for `Authorization` nor with credentials");
    }
    if cors.max_age_seconds.is_some_and(|seconds| seconds > LONGEST_AGE) {
        differences.push("browsers are told to keep answers for a day at most");
    }
    differences.extend(own_options(scene, operation));
    match differences.is_empty() {
        true => Fidelity::Exact,
        false => approximated(differences.join("; ")),
    }
}
