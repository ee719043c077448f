//! The settings of a REST API's stage, by the paths with which they are changed.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::types::{AccessLogSettings, CacheClusterSize, MethodSetting, Op, PatchOperation};

use super::super::{Stage, Switch, is_same_value};

const LOG_DESTINATION: &str = "/accessLogSettings/destinationArn";

/// What is set for a stage as a whole. AWS tells the size of a cache also where it is switched off.
pub(super) fn of_whole(
    (is_cached, size): (bool, Option<CacheClusterSize>),
    log: Option<AccessLogSettings>,
    is_traced: bool,
) -> impl Iterator<Item = (String, String)> {
    let cached = size.filter(|_| is_cached).into_iter().flat_map(|size| {
        let size = size.as_str().to_owned();
        [
            ("/cacheClusterEnabled", true.to_string()),
            ("/cacheClusterSize", size),
        ]
    });
    let logged = log.into_iter().flat_map(|log| {
        [
            (LOG_DESTINATION, log.destination_arn.unwrap_or_default()),
            ("/accessLogSettings/format", log.format.unwrap_or_default()),
        ]
    });
    let traced = is_traced.then(|| ("/tracingEnabled", true.to_string()));
    cached
        .chain(logged)
        .chain(traced)
        .map(|(path, value)| (path.to_owned(), value))
}

/// Method settings by the paths with which they are changed. The key of a method is `*/*` or `~1pets/GET`.
pub(super) fn settings_of(methods: HashMap<String, MethodSetting>) -> BTreeMap<String, String> {
    let of_method = |(method, setting): (String, MethodSetting)| {
        let values = [
            ("throttling/rateLimit", setting.throttling_rate_limit.to_string()),
            (
                "throttling/burstLimit",
                setting.throttling_burst_limit.to_string(),
            ),
            ("caching/enabled", setting.caching_enabled.to_string()),
            ("caching/ttlInSeconds", setting.cache_ttl_in_seconds.to_string()),
            (
                "logging/loglevel",
                setting.logging_level.clone().unwrap_or_default(),
            ),
            ("logging/dataTrace", setting.data_trace_enabled.to_string()),
            ("metrics/enabled", setting.metrics_enabled.to_string()),
        ];
        values.map(|(name, value)| (format!("/{method}/{name}"), value))
    };
    methods.into_iter().flat_map(of_method).collect()
}

/// How many changes AWS takes of a stage in one call, as far as anybody knows: of some more it says that the update is too
/// large.
const MOST_PATCHES: usize = 80;

/// What turns the stage as it is held into what it is to be, call by call. What it serves and the record of that change in
/// the last one, all at once; settings that do not fit beside them come before.
pub(super) fn patches(held: &Stage, switch: &Switch<'_>) -> Vec<Vec<PatchOperation>> {
    let mut last = vec![replace("/deploymentId", switch.deployment)];
    let variables = switch.variables.iter();
    last.extend(variables.map(|(name, value)| replace(format!("/variables/{name}"), value)));
    let is_old = |name: &&str| !switch.variables.contains_key(*name);
    let old = held.record_variables().filter(is_old);
    last.extend(old.map(|name| remove(format!("/variables/{name}"))));
    let mut settings = leftovers(held, switch.settings);
    let is_new = |(path, value): &(&String, &String)| {
        !held
            .settings
            .get(*path)
            .is_some_and(|held| is_same_value(held, value))
    };
    let new = switch.settings.iter().filter(is_new);
    settings.extend(new.map(|(path, value)| replace(path.clone(), value)));
    if last.len() + settings.len() <= MOST_PATCHES {
        last.extend(settings);
        return vec![last];
    }
    let mut calls: Vec<Vec<PatchOperation>> = settings.chunks(MOST_PATCHES).map(<[_]>::to_vec).collect();
    calls.push(last);
    calls
}

fn replace(path: impl Into<String>, value: &str) -> PatchOperation {
    let patch = PatchOperation::builder().op(Op::Replace);
    patch.path(path).value(value).build()
}

fn remove(path: impl Into<String>) -> PatchOperation {
    PatchOperation::builder().op(Op::Remove).path(path).build()
}

/// What is to go: settings of methods that are ours to say, and what was applied to the whole stage before.
fn leftovers(held: &Stage, wanted: &BTreeMap<String, String>) -> Vec<PatchOperation> {
    let left = held.leftovers(wanted);
    let mut patches: Vec<PatchOperation> = left.methods.into_iter().map(remove).collect();
    patches.extend(left.values.into_iter().map(|(path, value)| replace(path, &value)));
    let applied = held.applied_beside(wanted);
    let switches = ["/cacheClusterEnabled", "/tracingEnabled"];
    let on = switches.into_iter().filter(|path| applied.contains(*path));
    patches.extend(on.map(|path| replace(path, &false.to_string())));
    if applied.contains(LOG_DESTINATION) {
        patches.push(remove("/accessLogSettings"));
    }
    patches
}
