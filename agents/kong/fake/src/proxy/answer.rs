//! Answers: those that Kong makes up itself and those that it hands on from an upstream.
//!
//! The words and headers are those that Kong 3.9.3 was recorded with.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

/// What the product calls itself in `Server` and `Via`.
const PRODUCT: &str = "kong/3.9.3";

/// An answer on its way to the consumer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// Whether it came from an upstream.
    pub(crate) upstream: bool,
}

impl Answer {
    /// An answer of Kong's own with any body.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Body>) -> Self {
        let mut answer = Self::empty(status);
        set(&mut answer.headers, "content-type", content_type);
        answer.body = body.into();
        answer
    }

    /// An answer of Kong's own without a body.
    pub(crate) fn empty(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            headers: HeaderMap::new(),
            body: Body::empty(),
            upstream: false,
        }
    }

    /// An error as `kong.response.error` writes it.
    pub(crate) fn error(status: u16, message: &str, request_id: &str) -> Self {
        let body = json!({"message": message, "request_id": request_id});
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    /// A message as `kong.response.exit` writes it, without the id of the request.
    pub(crate) fn message(status: u16, message: &str) -> Self {
        Self::new(
            status,
            "application/json; charset=utf-8",
            json!({"message": message}).to_string(),
        )
    }

    /// With a header set.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        set(&mut self.headers, name, value);
        self
    }

    /// The HTTP response, with the headers that Kong puts on everything.
    pub(crate) fn into_response(mut self, request_id: &str, latency_ms: u128) -> Response {
        set(&mut self.headers, "x-kong-request-id", request_id);
        let latency = latency_ms.to_string();
        if self.upstream {
            set(&mut self.headers, "via", &format!("1.1 {PRODUCT}"));
            set(&mut self.headers, "x-kong-upstream-latency", &latency);
            set(&mut self.headers, "x-kong-proxy-latency", "0");
        } else {
            set(&mut self.headers, "server", PRODUCT);
            set(&mut self.headers, "x-kong-response-latency", &latency);
        }
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Sets a header in place of all of its name; what cannot be a header is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

/// Adds a header beside those of its name; what cannot be a header is left out.
pub(crate) fn append(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.append(name, value);
    }
}

/// The first header of a name, as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
