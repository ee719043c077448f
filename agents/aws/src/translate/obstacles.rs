//! What is no policy and that AWS has no words for.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::ApiType,
    route::{Segment, normalise},
};

use super::{Kind, MAIN, native, scene::Scene};

/// The methods that AWS knows.
const METHODS: [&str; 8] = ["*", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// What AWS does not know of an API, each as an object of "it does not know".
pub(super) fn obstacles(scene: Scene<'_>) -> Vec<String> {
    let mut obstacles = of_environment(scene);
    if scene.content.r#type != ApiType::Rest {
        obstacles.push("APIs of another type than REST".to_owned());
    }
    if native::is_open(scene) {
        obstacles.push(
            "what guards callers in a `native` policy, which the fidelity report tells more of".to_owned(),
        );
    }
    obstacles.extend(of_upstreams(scene));
    obstacles.extend(of_operations(scene));
    obstacles.extend(of_siblings(scene));
    obstacles
}

fn of_environment(scene: Scene<'_>) -> Vec<String> {
    let mut obstacles = Vec::new();
    if scene.kind == Kind::Rest && scene.settings.is_private() {
        if scene.settings.vpc_endpoint_ids.is_empty() {
            obstacles.push(
                "private endpoints for everybody (say which in the setting `vpcEndpointIds`)".to_owned(),
            );
        }
        if scene.settings.domain_name.is_some() {
            obstacles.push("private endpoints at public domain names (the setting `domainName`)".to_owned());
        }
    }
    if scene.kind == Kind::Http {
        if scene.settings.vpc_link_id.is_some() {
            obstacles.push("upstreams by URL behind a VPC link (the setting `vpcLinkId`)".to_owned());
        }
        if scene.settings.response_streaming == "always" {
            obstacles
                .push("answers that are passed on as they come (the setting `responseStreaming`)".to_owned());
        }
        if scene.settings.endpoint_type != "regional" {
            obstacles.push(format!("endpoints of type `{}`", scene.settings.endpoint_type));
        }
    }
    obstacles
}

fn of_upstreams(scene: Scene<'_>) -> Vec<String> {
    let mut obstacles = Vec::new();
    for (name, upstream) in &scene.content.upstreams {
        if upstream.url.contains(['{', '}', '$']) {
            obstacles.push(format!("`{{`, `}}` and `$` in the URL of upstream `{name}`"));
        }
        if port(&upstream.url).is_some_and(|port| port < 1024 && port != 80 && port != 443) {
            obstacles.push(format!(
                "upstreams on ports below 1024 other than 80 and 443 (`{name}`)"
            ));
        }
        for field in upstream.extras() {
            obstacles.push(format!("`{field}` of upstream `{name}`"));
        }
    }
    obstacles
}

fn port(url: &str) -> Option<u16> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}

fn of_operations(scene: Scene<'_>) -> Vec<String> {
    let mut obstacles = Vec::new();
    for operation in &scene.content.operations {
        let it = &operation.r#match;
        let (method, path) = (&it.method, &it.path);
        if !it.headers.is_empty() || !it.query.is_empty() {
            obstacles.push(format!("operations by header or query (`{method} {path}`)"));
        }
        if let Some(lacking) = operation.beyond_one_upstream() {
            obstacles.push(format!("{lacking} (`{method} {path}`)"));
        }
        if !METHODS.contains(&method.as_str()) {
            obstacles.push(format!("the method of `{method} {path}`"));
        }
        if let Some(segment) = path.split('/').find(|segment| !is_known(segment)) {
            obstacles.push(format!("the segment `{segment}` of `{path}`"));
        }
        let upstream = operation.upstream.as_deref().unwrap_or(MAIN);
        if !scene.content.upstreams.contains_key(upstream) {
            obstacles.push(format!("the upstream `{upstream}` of `{method} {path}`"));
        }
    }
    if scene.content.operations.is_empty() && !scene.content.upstreams.contains_key(MAIN) {
        obstacles.push(format!("the upstream `{MAIN}`"));
    }
    obstacles
}

/// A segment is a parameter, or a text of few characters.
fn is_known(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    match Segment::of(segment) {
        Segment::Parameter(_) | Segment::Rest(_) => true,
        Segment::Literal(literal) => literal.bytes().all(plain),
        Segment::Mixed(_) => false,
    }
}

/// What stands at one place in a REST API: a parameter or a rest, and a path with or without a slash at its end.
fn of_siblings(scene: Scene<'_>) -> Vec<String> {
    let is_rest_api = scene.kind == Kind::Rest;
    let mut obstacles = Vec::new();
    let mut variables: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut written: BTreeMap<(String, &str), &str> = BTreeMap::new();
    for operation in &scene.content.operations {
        let it = &operation.r#match;
        let mut prefix = String::new();
        for segment in it.path.split('/').skip(1) {
            if let Segment::Parameter(_) | Segment::Rest(_) = Segment::of(segment) {
                let is_rest = matches!(Segment::of(segment), Segment::Rest(_));
                let kind = if is_rest { "{name...}" } else { "{name}" };
                variables.entry(prefix.clone()).or_default().insert(kind);
            }
            prefix = format!("{prefix}/{}", normalise(segment));
        }
        let without = if is_rest_api {
            it.path.trim_end_matches('/')
        } else {
            it.path.as_str()
        };
        let without = normalise(without);
        let other = written.insert((without, &it.method), &it.path);
        if let Some(other) = other.filter(|other| *other != it.path) {
            obstacles.push(format!("`{other}` beside `{}`", it.path));
        }
    }
    let both = variables
        .iter()
        .filter(|(_, kinds)| is_rest_api && kinds.len() > 1);
    obstacles.extend(both.map(|(prefix, _)| format!("`{{name}}` beside `{{name...}}` below `{prefix}/`")));
    obstacles
}
