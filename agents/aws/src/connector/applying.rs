//! What AWS would tell of an API right after it was applied: what is compared with what it tells now. What others set beside it
//! stays, and tells the same in both.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::desired::DesiredApi;
use serde_json::{Map, Value, json};

use crate::{
    config::AwsSettings,
    read::{self, Key, MethodSettings, Snapshot},
    record::Record,
    translate::{self, Form},
};

/// What is known of an API by listing, with the document, the stage and the usage plan that were applied.
pub(super) fn applied(now: &Snapshot, record: &Record, settings: &AwsSettings) -> Snapshot {
    let desired = DesiredApi {
        mark: record.mark.clone(),
        content: record.content.clone(),
        secrets: record.secrets.clone(),
        fingerprint: record.fingerprint.clone(),
    };
    let form = translate::form(&desired, settings);
    let stage = with_others(stage(&form), &now.stage, &record.beside.settings);
    let usage_plans = plan(&form, record).into_iter().collect();
    // A snapshot never changes: what the stage still serves reads as it did.
    if now.stage.deployment_id.as_deref() == Some(record.served.id.as_str()) {
        return Snapshot {
            stage,
            usage_plans,
            checks_certificates: form.trust.is_some(),
            ..now.clone()
        };
    }
    let extension = |name: &str| form.document.get(name).filter(|value| !value.is_null()).cloned();
    let named = [
        ("binaryMediaTypes", "x-amazon-apigateway-binary-media-types"),
        (
            "minimumCompressionSize",
            "x-amazon-apigateway-minimum-compression-size",
        ),
    ];
    let of_document = named
        .into_iter()
        .filter_map(|(name, field)| Some((name.to_owned(), extension(field)?)));
    Snapshot {
        policy: None,
        cors: None,
        settings: of_document.collect(),
        stage,
        usage_plans,
        checks_certificates: form.trust.is_some(),
        export: form.document,
        ..now.clone()
    }
}

fn stage(form: &Form) -> read::Stage {
    let stage = &form.stage;
    let mut settings = Map::new();
    if let Some(log) = &stage.access_log {
        let log = json!({"destinationArn": log.destination_arn, "format": log.format});
        settings.insert("accessLogSettings".to_owned(), log);
    }
    if let Some(size) = &stage.cache_cluster_size {
        settings.insert("cacheClusterSize".to_owned(), json!(size));
    }
    if stage.tracing_enabled {
        settings.insert("tracingEnabled".to_owned(), json!(true));
    }
    let methods = stage.methods.iter();
    read::Stage {
        name: stage.name.clone(),
        deployment_id: Some(String::new()),
        method_settings: methods.map(|it| (it.rest_key(), of_method(it))).collect(),
        cache_cluster_enabled: stage.cache_cluster_size.is_some(),
        settings,
        ..read::Stage::default()
    }
}

fn of_method(method: &translate::MethodSettings) -> MethodSettings {
    let level = method.logging_level.as_deref().filter(|level| *level != "OFF");
    let on = |flag: Option<bool>| flag.filter(|on| *on).map(Value::from);
    let others = [
        ("loggingLevel", level.map(Value::from)),
        ("metricsEnabled", on(method.metrics_enabled)),
        ("dataTraceEnabled", on(method.data_trace_enabled)),
    ];
    let others = others
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    MethodSettings {
        throttling_rate_limit: method.throttle.map(|throttle| throttle.rate),
        throttling_burst_limit: method.throttle.map(|throttle| throttle.burst.into()),
        caching_enabled: method.cache_ttl_seconds.map(|_| true),
        cache_ttl_in_seconds: method.cache_ttl_seconds.map(Into::into),
        others: others.collect(),
    }
}

/// With what somebody else set beside, which stays and is no change: stage variables, and what is logged and measured of methods
/// where nothing of that was applied.
fn with_others(applied: read::Stage, now: &read::Stage, recorded: &BTreeMap<String, String>) -> read::Stage {
    let mut stage = read::Stage {
        variables: now.variables.clone(),
        ..applied
    };
    for (method, settings) in &now.method_settings {
        let method = rest_key(method);
        let is_ours = |name: &String| {
            path(name).is_some_and(|path| recorded.contains_key(&format!("/{method}/{path}")))
        };
        let others = settings.others.iter().filter(|(name, _)| !is_ours(name));
        let others: Vec<_> = others
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !others.is_empty() {
            let settings = stage.method_settings.entry(method).or_default();
            settings.others.extend(others);
        }
    }
    stage
}

/// The key of a method among a REST API's settings, of either kind's: `~1pets/GET` of `GET /pets`.
fn rest_key(key: &str) -> String {
    match key.split_once(' ') {
        Some((method, path)) => format!("{}/{method}", path.replace('~', "~0").replace('/', "~1")),
        None if key == "*" => "*/*".to_owned(),
        None => key.to_owned(),
    }
}

/// The path with which a setting of a method is changed, below the method's.
fn path(name: &str) -> Option<&'static str> {
    match name {
        "loggingLevel" => Some("logging/loglevel"),
        "metricsEnabled" | "detailedMetricsEnabled" => Some("metrics/enabled"),
        "dataTraceEnabled" => Some("logging/dataTrace"),
        _ => None,
    }
}

fn plan(form: &Form, record: &Record) -> Option<read::UsagePlan> {
    let (limits, applied) = (form.usage_plan.as_ref()?, record.beside.plan.as_ref()?);
    let throttle = |throttle: translate::Throttle| read::Throttle {
        rate_limit: throttle.rate,
        burst_limit: throttle.burst.into(),
    };
    let methods: BTreeMap<String, read::Throttle> = limits
        .methods
        .iter()
        .map(|(path, it)| (path.clone(), throttle(*it)))
        .collect();
    let keys = applied.keys.iter().map(|(name, id)| Key {
        id: id.clone(),
        name: name.clone(),
        enabled: true,
    });
    Some(read::UsagePlan {
        id: applied.id.clone(),
        name: record.mark.api_name.to_string(),
        throttle: limits.throttle.map(throttle),
        quota: limits.quota.as_ref().map(|quota| read::Quota {
            limit: quota.limit.into(),
            offset: 0,
            period: quota.period.clone(),
        }),
        methods,
        keys: keys.collect(),
    })
}

#[cfg(test)]
mod tests;
