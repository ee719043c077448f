//! What the stage of an API is set to.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::policy::Policy;
use serde_json::{Value, json};

use super::{
    Kind,
    form::{AccessLog, MethodSettings, Stage},
    integration::Spot,
    native,
    paths::Place,
    scene::Scene,
    usage,
};

/// The size of a cache where nobody says otherwise, in gigabytes: the smallest.
const CACHE_SIZE: &str = "0.5";

/// The settings of a stage that serves these places.
pub(super) fn stage(scene: Scene<'_>, places: &[Place<'_>], spots: &[Spot<'_>]) -> Stage {
    let policies = scene.expressed(None);
    let fragments = native::field(&policies, "stage");
    let last = |name: &str| fragments.iter().rev().find_map(|fragment| fragment.get(name));
    let methods = methods(scene, places, spots);
    let is_cached = methods.iter().any(|method| method.cache_ttl_seconds.is_some());
    let size = last("cacheClusterSize")
        .and_then(Value::as_str)
        .unwrap_or(CACHE_SIZE);
    Stage {
        name: scene.settings.stage.clone(),
        cache_cluster_size: is_cached.then(|| size.to_owned()),
        access_log: access_log(scene, spots),
        tracing_enabled: last("tracingEnabled")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        methods,
    }
}

/// For all methods, then for those that differ. What is said of one method replaces all that is said of all.
fn methods(scene: Scene<'_>, places: &[Place<'_>], spots: &[Spot<'_>]) -> Vec<MethodSettings> {
    let throttles = usage::of_stage(scene, places);
    let mut all = MethodSettings {
        throttle: throttles.all,
        ..MethodSettings::default()
    };
    let policies = scene.expressed(None);
    for fragment in native::field(&policies, "stage") {
        if let Some(settings) = fragment.get("methodSettings") {
            lay(&mut all, settings);
        }
    }
    let mut methods: BTreeMap<(&str, &str), MethodSettings> = BTreeMap::new();
    for spot in spots {
        let (path, method) = (spot.place.path.as_str(), spot.place.method.as_str());
        let mut own = all.clone();
        own.cache_ttl_seconds = spot.cache_ttl();
        let throttle = throttles.places.get(&(path.to_owned(), method.to_owned()));
        own.throttle = throttle.copied().or(own.throttle);
        for fragment in native::field(&spot.policies, "methodSettings") {
            lay(&mut own, fragment);
        }
        methods.insert((path, method), own);
    }
    let single = methods.into_iter().filter(|(_, own)| *own != all);
    let single: Vec<_> = single
        .map(|((path, method), own)| at(path, method, own))
        .collect();
    let says_nothing = all == MethodSettings::default();
    let all = (!says_nothing).then(|| at("*", "*", all.clone()));
    all.into_iter().chain(single).collect()
}

fn at(path: &str, method: &str, settings: MethodSettings) -> MethodSettings {
    MethodSettings {
        path: path.to_owned(),
        method: method.to_owned(),
        ..settings
    }
}

fn lay(settings: &mut MethodSettings, fragment: &Value) {
    let on = |name: &str| fragment.get(name).and_then(Value::as_bool);
    let level = fragment.get("loggingLevel").and_then(Value::as_str);
    settings.logging_level = level.map(str::to_owned).or(settings.logging_level.take());
    settings.data_trace_enabled = on("dataTraceEnabled").or(settings.data_trace_enabled);
    settings.metrics_enabled = on("metricsEnabled").or(settings.metrics_enabled);
}

/// Where a fragment says that access is logged, and how.
fn fragment(scene: Scene<'_>) -> Option<AccessLog> {
    let policies: Vec<&Policy> = scene.content.policies.iter().collect();
    let fragments = native::field(&policies, "stage");
    let settings = fragments
        .iter()
        .rev()
        .find_map(|fragment| fragment.get("accessLogSettings"))?;
    let text = |name: &str| settings.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_known = scene.kind == Kind::Rest;
    is_known.then_some(AccessLog {
        destination_arn: text("destinationArn")?,
        format: text("format")?,
    })
}

/// Whether there is somewhere to write to.
pub(super) fn can_log(scene: Scene<'_>) -> bool {
    scene.settings.access_log_arn.is_some() || fragment(scene).is_some()
}

fn access_log(scene: Scene<'_>, spots: &[Spot<'_>]) -> Option<AccessLog> {
    let is_log = |policy: &&&Policy| matches!(policy, Policy::Log(_));
    let is_asked = spots
        .iter()
        .flat_map(|spot| &spot.policies)
        .any(|policy| is_log(&policy));
    let arn = scene.settings.access_log_arn.as_ref().filter(|_| is_asked);
    let ours = || {
        Some(AccessLog {
            destination_arn: arn?.clone(),
            format: format(),
        })
    };
    fragment(scene).or_else(ours)
}

/// A line of the access log: as much as our words promise of each request.
fn format() -> String {
    json!({
        "requestId": "$context.requestId",
        "time": "$context.requestTimeEpoch",
        "method": "$context.httpMethod",
        "path": "$context.path",
        "status": "$context.status",
        "latencyMs": "$context.responseLatency",
        "sourceIp": "$context.identity.sourceIp",
    })
    .to_string()
}
