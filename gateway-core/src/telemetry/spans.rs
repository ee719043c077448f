//! Spans of the requests that were recorded, with OpenTelemetry's attributes for HTTP (stable) and gRPC.

#[cfg(test)]
mod tests;

use std::time::Duration;

use http::{HeaderValue, Method, Version};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Link, SpanKind},
        status::StatusCode as SpanStatus,
    },
};

use super::{
    context::Context,
    served::{Attempt, Outcome, Served},
    values::{Attributes, nanoseconds, scope},
};
use crate::api::Route;

/// The context has been looked at whether it came from elsewhere (bit 8), and it did (bit 9).
const PARENT_IS_OURS: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x300;

/// Methods that are said as they are; others are a matter of whoever writes them, and without number.
const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
];

/// What gRPC's codes are called, in order.
const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Those of them that a server is to blame for.
const GRPC_FAULTS: [&str; 6] = [
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
];

/// What is sent about some requests.
pub(super) fn request(served: &[Box<Served>], resource: &Resource) -> ExportTraceServiceRequest {
    let spans = served.iter().flat_map(|served| of(served)).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// The gateway's own span, then those of its attempts.
fn of(served: &Served) -> Vec<Span> {
    let mut spans = vec![server(served)];
    let attempts = served.attempts.iter().enumerate();
    spans.extend(attempts.map(|(again, attempt)| client(served, attempt, again)));
    spans
}

fn server(served: &Served) -> Span {
    let asked = &served.request;
    let error = server_error(served);
    let mut attributes = Attributes::default();
    let method = method(&asked.method, &mut attributes);
    attributes.text("url.path", &*asked.path);
    attributes.text("url.scheme", scheme(asked.secure));
    if let Some(host) = asked.host.as_deref() {
        address(host, None, &mut attributes);
    }
    attributes.text("client.address", asked.address.to_canonical().to_string());
    attributes.text_if_any("network.protocol.version", version(asked.version));
    if let Some(status) = served.status {
        attributes.number("http.response.status_code", status.as_u16().into());
        attributes.truth("gatehouse.complete", served.whole);
    }
    let template = served.route.as_deref().map(Route::template);
    attributes.text_if_any("http.route", template.as_deref());
    if let Some(route) = served.route.as_deref() {
        attributes.text("gatehouse.api", &*route.api);
        attributes.text_if_any("gatehouse.operation", route.operation_name());
        if let Some(mark) = &route.config.mark {
            attributes.text("gatehouse.revision", mark.revision.to_string());
        }
    }
    attributes.text_if_any("gatehouse.request_id", served.request_id.as_deref());
    attributes.text_if_any("gatehouse.problem", served.problem);
    grpc(served, &mut attributes);
    attributes.text_if_any("error.type", error.as_deref());
    let name = match &template {
        Some(template) => format!("{method} {template}"),
        None => method.to_owned(),
    };
    Span {
        parent_span_id: served.parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
        flags: flags(served.context, PARENT_IS_REMOTE),
        links: served.link.map(link).into_iter().collect(),
        ..span(
            served,
            served.context,
            name,
            SpanKind::Server,
            attributes,
            error.is_some(),
        )
    }
    .during(served, Duration::ZERO, None)
}

fn client(served: &Served, attempt: &Attempt, again: usize) -> Span {
    let mut attributes = Attributes::default();
    let method = method(&served.request.method, &mut attributes);
    let authority = text(&attempt.authority);
    let scheme = scheme(attempt.secure);
    // Without its query, which may hold what is secret.
    attributes.text(
        "url.full",
        format!("{scheme}://{authority}{}", attempt.uri.path()),
    );
    address(
        authority,
        Some(if attempt.secure { 443 } else { 80 }),
        &mut attributes,
    );
    if again > 0 {
        attributes.number("http.request.resend_count", again as u64);
    }
    let error = match attempt.outcome {
        Some(Outcome::Answered(status, spoken)) => {
            attributes.number("http.response.status_code", status.as_u16().into());
            attributes.text_if_any("network.protocol.version", version(spoken));
            (status.as_u16() >= 400).then(|| status.as_str().to_owned())
        }
        Some(Outcome::Failed(kind)) => Some(kind.to_owned()),
        // The caller left before there was an answer.
        None => Some("cancelled".to_owned()),
    };
    attributes.text_if_any("error.type", error.as_deref());
    let context = attempt.context;
    Span {
        parent_span_id: served.context.span.0.to_vec(),
        flags: flags(context, PARENT_IS_OURS),
        ..span(
            served,
            context,
            method.to_owned(),
            SpanKind::Client,
            attributes,
            error.is_some(),
        )
    }
    .during(served, attempt.began, attempt.ended)
}

/// What all spans have.
fn span(
    served: &Served,
    context: Context,
    name: String,
    kind: SpanKind,
    attributes: Attributes,
    failed: bool,
) -> Span {
    Span {
        trace_id: context.trace.0.to_vec(),
        span_id: context.span.0.to_vec(),
        trace_state: served.state.as_deref().unwrap_or_default().to_owned(),
        name,
        kind: kind.into(),
        attributes: attributes.0,
        status: failed.then(|| Status {
            code: SpanStatus::Error.into(),
            ..Status::default()
        }),
        ..Span::default()
    }
}

trait During {
    /// From one moment of the request to another one; to its end if there is none.
    fn during(self, served: &Served, from: Duration, to: Option<Duration>) -> Self;
}

impl During for Span {
    fn during(mut self, served: &Served, from: Duration, to: Option<Duration>) -> Self {
        let to = to.or(served.took).unwrap_or(from).max(from);
        self.start_time_unix_nano = nanoseconds(served.began + from);
        self.end_time_unix_nano = nanoseconds(served.began + to);
        self
    }
}

fn flags(context: Context, parent: u32) -> u32 {
    u32::from(context.flags()) | parent
}

fn link(context: Context) -> Link {
    Link {
        trace_id: context.trace.0.to_vec(),
        span_id: context.span.0.to_vec(),
        flags: flags(context, PARENT_IS_REMOTE),
        ..Link::default()
    }
}

/// Why the gateway's own span is one of a failure, if it is. Refusals for which the caller is to blame are not.
fn server_error(served: &Served) -> Option<String> {
    let Some(status) = served.status else {
        return Some("cancelled".to_owned());
    };
    if served.broken {
        return Some("response_broken_off".to_owned());
    }
    if status.is_server_error() {
        let problem = served.problem.map(str::to_owned);
        return Some(problem.unwrap_or_else(|| status.as_str().to_owned()));
    }
    let code = grpc_code(served)?;
    GRPC_FAULTS.contains(&code).then(|| code.to_owned())
}

fn grpc_code(served: &Served) -> Option<&'static str> {
    GRPC_CODES.get(usize::from(served.grpc_status?)).copied()
}

/// A gRPC call says which method, and how it ended.
fn grpc(served: &Served, attributes: &mut Attributes) {
    if !served.request.grpc {
        return;
    }
    attributes.text("rpc.system.name", "grpc");
    // The last two segments, whatever base path the API has.
    let mut segments = served.request.path.rsplit('/');
    if let (Some(name), Some(service)) = (segments.next(), segments.next())
        && served.route.is_some()
    {
        attributes.text("rpc.method", format!("{service}/{name}"));
    }
    attributes.text_if_any("rpc.response.status_code", grpc_code(served));
}

/// The method as conventions want it, which is also how spans begin to be called.
fn method(method: &Method, attributes: &mut Attributes) -> &'static str {
    match METHODS.into_iter().find(|known| method == known) {
        Some(known) => {
            attributes.text("http.request.method", known);
            known
        }
        None => {
            attributes.text("http.request.method", "_OTHER");
            attributes.text("http.request.method_original", method.as_str());
            "HTTP"
        }
    }
}

/// Host and port of an authority. Of what is none nothing is said: who writes it wrong may have written a password.
fn address(authority: &str, standard_port: Option<u16>, attributes: &mut Attributes) {
    let parsed: Result<http::uri::Authority, _> = authority.parse();
    let Ok(parsed) = parsed else {
        return;
    };
    let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
    attributes.text("server.address", host);
    if let Some(port) = parsed.port_u16().or(standard_port) {
        attributes.number("server.port", port.into());
    }
}

fn scheme(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}
