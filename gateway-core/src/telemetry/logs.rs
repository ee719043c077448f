//! The access log as OTLP log records, with the same fields by OpenTelemetry's names.

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource,
};
use serde_json::{Map, Value};

use super::{
    access::Access,
    values::{Attributes, nanoseconds, scope, text},
};

/// What is sent about some requests.
pub(super) fn request(accesses: &[Box<Access>], resource: &Resource) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource.clone()),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope()),
                log_records: accesses.iter().map(|access| record(access)).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

fn record(access: &Access) -> LogRecord {
    let entry = &access.entry;
    let (status, at) = (access.status.as_u16(), nanoseconds(access.at));
    let own = entry.trace.filter(|trace| trace.own);
    LogRecord {
        time_unix_nano: at,
        observed_time_unix_nano: at,
        severity_number: SeverityNumber::Info.into(),
        severity_text: "INFO".to_owned(),
        body: Some(text(format!(
            "Answered `{} {}` with {status}",
            entry.method, entry.path
        ))),
        attributes: attributes(access).0,
        flags: entry.trace.map_or(0, |trace| trace.context.flags().into()),
        trace_id: entry
            .trace
            .map(|trace| trace.context.trace.0.to_vec())
            .unwrap_or_default(),
        span_id: own.map(|trace| trace.context.span.0.to_vec()).unwrap_or_default(),
        event_name: "gatehouse.access".to_owned(),
        ..LogRecord::default()
    }
}

fn attributes(access: &Access) -> Attributes {
    let entry = &access.entry;
    let mut attributes = Attributes::default();
    attributes.text("http.request.method", entry.method.as_str());
    attributes.text("server.address", &*entry.host);
    attributes.text("url.path", &*entry.path);
    attributes.number("http.response.status_code", access.status.as_u16().into());
    attributes.text("client.address", entry.client.to_canonical().to_string());
    attributes.text("gatehouse.request_id", &*entry.request_id);
    attributes.text_if_any("gatehouse.api", entry.api.as_deref());
    attributes.text_if_any("gatehouse.consumer", entry.consumer.as_deref());
    attributes.number("gatehouse.duration_us", access.duration_us);
    attributes.number("http.response.body.size", access.sent);
    attributes.truth("gatehouse.complete", access.complete);
    if let Some(logged) = &entry.logged {
        headers("http.request.header", logged.request.as_deref(), &mut attributes);
        headers(
            "http.response.header",
            logged.response.as_deref(),
            &mut attributes,
        );
    }
    attributes
}

/// The headers that a `log` policy names, an attribute each.
fn headers(prefix: &str, object: Option<&str>, attributes: &mut Attributes) {
    let object = object.map(serde_json::from_str::<Map<String, Value>>);
    for (name, value) in object.and_then(Result::ok).unwrap_or_default() {
        if let Value::String(value) = value {
            attributes.list_of_one(&format!("{prefix}.{name}"), value);
        }
    }
}
