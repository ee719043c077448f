//! Everything that AWS says of the environment's stage of an API, and the export of it.

use aws_sdk_apigateway::{operation::get_stage::GetStageOutput, types::MethodSetting};
use aws_sdk_apigatewayv2::{operation::get_stage::GetStageOutput as SecondStage, types::RouteSettings};
use aws_smithy_types::DateTime;
use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};

use super::{ApiId, unless_missing};
use crate::{
    client::Account,
    read::{MethodSettings, Stage},
    translate::Kind,
};

/// The environment's stage of an API, if it has it.
pub(crate) async fn stage(account: &Account<'_>, id: &ApiId, object: &str) -> Result<Option<Stage>> {
    let name = &account.settings.stage;
    match id.kind {
        Kind::Rest => {
            let found = account.call("GetStage", object, |clients| {
                let call = clients.rest.get_stage().rest_api_id(&id.id);
                call.stage_name(name).send()
            });
            Ok(unless_missing(found.await)?.map(of_rest))
        }
        Kind::Http => {
            let found = account.call("GetStage", object, |clients| {
                clients.http.get_stage().api_id(&id.id).stage_name(name).send()
            });
            Ok(unless_missing(found.await)?.map(of_second))
        }
    }
}

/// What the stage serves, as an OpenAPI document with AWS's extensions.
pub(crate) async fn export(account: &Account<'_>, id: &ApiId, object: &str) -> Result<Value> {
    let name = &account.settings.stage;
    let body = match id.kind {
        Kind::Rest => {
            let export = account.call("GetExport", object, |clients| {
                let call = clients.rest.get_export().rest_api_id(&id.id).stage_name(name);
                let call = call.export_type("oas30").accepts("application/json");
                call.parameters("extensions", "apigateway").send()
            });
            export.await?.body
        }
        Kind::Http => {
            let export = account.call("ExportApi", object, |clients| {
                let call = clients.http.export_api().api_id(&id.id).stage_name(name);
                let call = call.specification("OAS30").output_type("JSON");
                call.include_extensions(true).send()
            });
            export.await?.body
        }
    };
    let bytes = body.map(aws_smithy_types::Blob::into_inner).unwrap_or_default();
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(
            ErrorKind::Unexpected,
            format!("the export of {object} is no JSON; see that `endpointUrl` leads to API Gateway"),
        )
        .with_source(error)
    })
}

fn of_rest(answer: GetStageOutput) -> Stage {
    let logged = answer
        .access_log_settings
        .map(|log| json!({"destinationArn": log.destination_arn, "format": log.format}));
    let canary = answer.canary_settings.map(
        |canary| json!({"deploymentId": canary.deployment_id, "percentTraffic": canary.percent_traffic}),
    );
    let size = answer.cache_cluster_size.map(|size| size.as_str().to_owned());
    let others = [
        ("accessLogSettings", logged.unwrap_or_default()),
        ("canarySettings", canary.unwrap_or_default()),
        ("clientCertificateId", json!(answer.client_certificate_id)),
        ("webAclArn", json!(answer.web_acl_arn)),
        (
            "cacheClusterSize",
            json!(size.filter(|_| answer.cache_cluster_enabled)),
        ),
        ("tracingEnabled", json!(answer.tracing_enabled.then_some(true))),
    ];
    let settings = answer.method_settings.unwrap_or_default();
    Stage {
        name: answer.stage_name.unwrap_or_default(),
        deployment_id: answer.deployment_id,
        last_updated: time(answer.last_updated_date),
        variables: answer.variables.unwrap_or_default().into_iter().collect(),
        method_settings: settings
            .into_iter()
            .map(|(key, it)| (key, of_method(it)))
            .collect(),
        cache_cluster_enabled: answer.cache_cluster_enabled,
        settings: said(others),
    }
}

fn of_method(setting: MethodSetting) -> MethodSettings {
    let level = setting
        .logging_level
        .filter(|level| !level.eq_ignore_ascii_case("OFF"));
    let others = [
        ("loggingLevel", json!(level)),
        ("metricsEnabled", json!(setting.metrics_enabled.then_some(true))),
        (
            "dataTraceEnabled",
            json!(setting.data_trace_enabled.then_some(true)),
        ),
    ];
    MethodSettings {
        throttling_rate_limit: Some(setting.throttling_rate_limit),
        throttling_burst_limit: Some(setting.throttling_burst_limit.into()),
        caching_enabled: Some(setting.caching_enabled),
        cache_ttl_in_seconds: Some(setting.cache_ttl_in_seconds.into()),
        others: said(others),
    }
}

fn of_second(answer: SecondStage) -> Stage {
    let logged = answer
        .access_log_settings
        .map(|log| json!({"destinationArn": log.destination_arn, "format": log.format}));
    let others = [
        ("accessLogSettings", logged.unwrap_or_default()),
        ("clientCertificateId", json!(answer.client_certificate_id)),
        (
            "autoDeploy",
            json!(answer.auto_deploy.filter(|automatic| *automatic)),
        ),
    ];
    let routes = answer.route_settings.unwrap_or_default().into_iter();
    let all = answer.default_route_settings.map(|it| ("*".to_owned(), it));
    Stage {
        name: answer.stage_name.unwrap_or_default(),
        deployment_id: answer.deployment_id,
        last_updated: time(answer.last_updated_date),
        variables: answer.stage_variables.unwrap_or_default().into_iter().collect(),
        method_settings: routes.chain(all).map(|(key, it)| (key, of_route(it))).collect(),
        cache_cluster_enabled: false,
        settings: said(others),
    }
}

fn of_route(settings: RouteSettings) -> MethodSettings {
    let level = settings.logging_level.map(|level| level.as_str().to_owned());
    let on = |flag: Option<bool>| json!(flag.filter(|on| *on));
    let others = [
        ("loggingLevel", json!(level.filter(|level| level != "OFF"))),
        ("detailedMetricsEnabled", on(settings.detailed_metrics_enabled)),
        ("dataTraceEnabled", on(settings.data_trace_enabled)),
    ];
    MethodSettings {
        throttling_rate_limit: settings.throttling_rate_limit,
        throttling_burst_limit: settings.throttling_burst_limit.map(Into::into),
        others: said(others),
        ..MethodSettings::default()
    }
}

/// The settings that say something.
fn said<const N: usize>(settings: [(&str, Value); N]) -> Map<String, Value> {
    let said = settings.into_iter().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn time(time: Option<DateTime>) -> Option<String> {
    let time = time?;
    Some(format!("{}.{:09}", time.secs(), time.subsec_nanos()))
}
