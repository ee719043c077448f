//! What happens around every request: its id, its span, its problem body, its metrics, caught panics.

use std::{any::Any, panic::AssertUnwindSafe, time::Instant};

use axum::{
    Json,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use gatehouse_control_plane_api::problem::{PROBLEM_MEDIA_TYPE, Problem, ProblemKind};
use http::{HeaderMap, HeaderValue, Method, header};
use tracing::{Instrument as _, Span, debug, field};
use uuid::Uuid;

use crate::{failure::Failure, metrics::NO_ROUTE, state::AppState};

const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_MAX_LENGTH: usize = 128;

/// The id of a request: the client's `x-request-id` where it is a short word, else a new one.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Answers a request, and tells about it.
pub(crate) async fn observe(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let route = route(&request);
    let span = span(&id, &method, &route, request.headers());
    request.extensions_mut().insert(id.clone());
    let response = answer(request, next, &id).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let duration = started.elapsed();
    state.metrics.request(&route, &method, status, duration);
    span.in_scope(|| {
        debug!(
            http.status = status,
            duration_ms = duration.as_millis(),
            "Answered {method} {route}"
        );
    });
    response
}

async fn answer(request: Request, next: Next, id: &RequestId) -> Response {
    let outcome = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = outcome.unwrap_or_else(|panic| panicked(&*panic).into_response());
    if let Some(problem) = response.extensions_mut().remove::<Box<Problem>>() {
        response = written_out(response, *problem, id);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::X_CONTENT_TYPE_OPTIONS)
        .or_insert(HeaderValue::from_static("nosniff"));
    response
}

fn written_out(response: Response, mut problem: Problem, id: &RequestId) -> Response {
    problem.request_id = Some(id.0.clone());
    let (parts, _) = response.into_parts();
    let mut written = (parts.status, Json(problem)).into_response();
    let kept = parts
        .headers
        .into_iter()
        .filter_map(|(name, value)| Some((name?, value)));
    written
        .headers_mut()
        .extend(kept.filter(|(name, _)| name != header::CONTENT_LENGTH));
    written
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
    written
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failure::internal(format!("a panic: {}", text.unwrap_or_default()))
}

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let usable = given.filter(|id| {
            !id.is_empty()
                && id.len() <= REQUEST_ID_MAX_LENGTH
                && id.bytes().all(|byte| byte.is_ascii_graphic())
        });
        Self(usable.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }
}

fn route(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or(NO_ROUTE, MatchedPath::as_str).to_owned()
}

/// The span of a request; the caller's trace (W3C Trace Context) is a field of it.
fn span(id: &RequestId, method: &Method, route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!("request", request.id = %id.0, http.method = %method, http.route = route, trace.id = field::Empty, trace.parent = field::Empty);
    if let Some((trace, parent)) = trace_parent(headers) {
        span.record("trace.id", trace).record("trace.parent", parent);
    }
    span
}

/// Trace and parent ids of a well-formed `traceparent`: `00-TRACE-PARENT-FLAGS`.
fn trace_parent(headers: &HeaderMap) -> Option<(&str, &str)> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut fields = text.split('-');
    let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let hexadecimal = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let nonzero = |text: &str| text.bytes().any(|byte| byte != b'0');
    let well_formed = hexadecimal(version, 2) && version != "ff" && hexadecimal(flags, 2);
    let known = hexadecimal(trace, 32) && nonzero(trace) && hexadecimal(parent, 16) && nonzero(parent);
    (well_formed && known).then_some((trace, parent))
}

/// The answer for paths that do not exist.
pub(crate) async fn no_route(request: Request) -> Failure {
    let path = request.uri().path();
    Failure::new(
        ProblemKind::NotFound,
        format!("there is nothing at `{path}`; `/docs` lists what there is"),
    )
}

/// The answer for paths that exist with other methods; `Allow` names them.
pub(crate) async fn no_method(request: Request) -> Failure {
    let (method, path) = (request.method(), request.uri().path());
    Failure::new(
        ProblemKind::MethodNotAllowed,
        format!("`{method}` is not possible at `{path}`; the `allow` header names what is"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a value"),
        )])
    }

    #[test]
    fn keeps_a_usable_request_id_and_replaces_others() {
        assert_eq!(RequestId::of(&headers(REQUEST_ID, "abc-1")).0, "abc-1");
        for bad in ["", "with space", &"x".repeat(200)] {
            assert_eq!(RequestId::of(&headers(REQUEST_ID, bad)).0.len(), 36, "{bad}");
        }
    }

    #[test]
    fn reads_only_a_well_formed_trace_parent() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = headers("traceparent", good);
        assert_eq!(
            trace_parent(&read),
            Some(("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"))
        );
        for bad in [
            "",
            "00-4bf92f-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_parent(&headers("traceparent", bad)), None, "{bad}");
        }
    }
}
