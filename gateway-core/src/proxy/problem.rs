//! The gateway's own answers: problem documents (RFC 9457), each cause with a type of its own.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// A refusal, with everything its answer says.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    kind: &'static Kind,
    pub(crate) detail: Cow<'static, str>,
    /// What is wrong where in the request, if more can be said than in a sentence.
    violations: Vec<Violation>,
    /// Headers beyond those that every problem has.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether the connection must not be used again.
    pub(crate) close: bool,
    /// The answer of somebody else, in place of the document.
    answered: Option<Box<Bytes>>,
}

/// What all problems of a type have in common; kept apart, since problems are results and should be small.
#[derive(Debug)]
struct Kind {
    uri: &'static str,
    title: &'static str,
}

/// One thing that is wrong with a request.
#[derive(Debug)]
pub(crate) struct Violation {
    /// Where, in the request: `/query/limit`, `/body/items/0`.
    location: String,
    /// Whether that is in the body.
    in_body: bool,
    /// What is wrong, without the value that is.
    pub(crate) detail: String,
}

/// What the locations of bodies begin with.
const BODY: &str = "/body";

impl Violation {
    /// Something is wrong outside of the body.
    pub(crate) fn at(location: String, detail: impl Into<String>) -> Self {
        Self {
            location,
            in_body: false,
            detail: detail.into(),
        }
    }

    /// Something is wrong at a JSON Pointer (RFC 6901) into the body; empty for all of it.
    pub(crate) fn in_body(pointer: String, detail: impl Into<String>) -> Self {
        Self {
            location: format!("{BODY}{pointer}"),
            in_body: true,
            detail: detail.into(),
        }
    }

    /// Where, as a sentence says it: in the body, from its own root.
    pub(crate) fn place(&self) -> &str {
        match self.in_body {
            true => self.pointer(),
            false => &self.location,
        }
    }

    fn pointer(&self) -> &str {
        self.location.strip_prefix(BODY).unwrap_or_default()
    }

    fn document(&self) -> serde_json::Value {
        let mut document = serde_json::json!({"location": self.location, "detail": self.detail});
        if self.in_body {
            // In a document, a pointer is a fragment (RFC 6901, section 6).
            document["pointer"] = format!("#{}", self.pointer()).into();
        }
        document
    }
}

macro_rules! problems {
    ($($(#[$docs:meta])* $name:ident = $status:ident, $kind:literal, $title:literal;)+) => {$(
        $(#[$docs])*
        pub(crate) fn $name(detail: impl Into<Cow<'static, str>>) -> Self {
            Self::new(
                StatusCode::$status,
                &Kind {
                    uri: concat!("https://gatehouse.dev/problems/gateway/", $kind),
                    title: $title,
                },
                detail.into(),
            )
        }
    )+};
}

impl Problem {
    problems! {
        /// The request cannot be understood safely.
        bad_request = BAD_REQUEST, "bad-request", "Bad request";
        /// No API answers here.
        no_route = NOT_FOUND, "no-route", "No route";
        /// The connection is for another host.
        misdirected = MISDIRECTED_REQUEST, "misdirected", "Misdirected request";
        /// The path is served, for other methods.
        method_not_allowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed";
        /// The protocol that is to be switched to is not spoken here.
        unsupported_protocol = NOT_IMPLEMENTED, "unsupported-protocol", "Unsupported protocol";
        /// No or no valid credential.
        unauthenticated = UNAUTHORIZED, "unauthenticated", "Not authenticated";
        /// A valid credential that does not suffice.
        forbidden = FORBIDDEN, "forbidden", "Forbidden";
        /// The body is larger than the API takes.
        too_large = PAYLOAD_TOO_LARGE, "too-large", "Request too large";
        /// The body is of a type that the API does not take.
        unsupported_type = UNSUPPORTED_MEDIA_TYPE, "unsupported-type", "Unsupported type of body";
        /// More requests than a limit lets through.
        rate_limited = TOO_MANY_REQUESTS, "rate-limited", "Too many requests";
        /// More requests than a period's quota lets through.
        quota_exceeded = TOO_MANY_REQUESTS, "quota-exceeded", "Quota exceeded";
        /// The body did not come in time.
        too_slow = REQUEST_TIMEOUT, "too-slow", "Request too slow";
        /// There is no memory for the body at this moment.
        overloaded = SERVICE_UNAVAILABLE, "overloaded", "Overloaded";
        /// The keys to check a credential with cannot be had.
        keys_unavailable = SERVICE_UNAVAILABLE, "keys-unavailable", "Keys unavailable";
        /// Nobody says whether the request may go on.
        authorizer_unavailable = SERVICE_UNAVAILABLE, "authorizer-unavailable", "Authorizer unavailable";
        /// A policy's module does not do what it is for.
        policy_failed = SERVICE_UNAVAILABLE, "policy-failed", "Policy failed";
        /// The authorization server cannot be asked about a token.
        authorization_server_unavailable = SERVICE_UNAVAILABLE, "authorization-server-unavailable", "Authorization server unavailable";
        /// No connection to the upstream.
        upstream_unreachable = BAD_GATEWAY, "upstream-unreachable", "Upstream unreachable";
        /// The upstream's answer cannot be used.
        upstream_failed = BAD_GATEWAY, "upstream-failed", "Upstream failed";
        /// The upstream has as many requests as it may have.
        upstream_busy = SERVICE_UNAVAILABLE, "upstream-busy", "Upstream busy";
        /// Only the cache was to be asked, and it has no answer.
        not_cached = GATEWAY_TIMEOUT, "not-cached", "Not in the cache";
        /// No answer from the upstream in time.
        upstream_timeout = GATEWAY_TIMEOUT, "upstream-timeout", "Upstream timed out";
    }

    fn new(status: StatusCode, kind: &'static Kind, detail: Cow<'static, str>) -> Self {
        Self {
            status,
            kind,
            detail,
            violations: Vec::new(),
            headers: Vec::new(),
            close: false,
            answered: None,
        }
    }

    /// Its type in one word, as in the URI.
    pub(crate) fn kind(&self) -> &'static str {
        let uri = self.kind.uri;
        uri.rsplit_once('/').map_or(uri, |(_, name)| name)
    }

    /// What somebody else answers, in place of this one's status and document.
    pub(crate) fn answered(mut self, status: StatusCode, body: Bytes) -> Self {
        self.status = status;
        self.answered = Some(Box::new(body));
        self
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says in full what is wrong with the request, as `errors` (RFC 9457, section 3).
    pub(crate) fn listing(mut self, violations: Vec<Violation>) -> Self {
        self.violations = violations;
        self
    }

    /// Ends the connection with this answer.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The document.
    pub(crate) fn body(&self, request_id: &str) -> Bytes {
        if let Some(answered) = &self.answered {
            return Bytes::clone(answered);
        }
        let mut document = serde_json::json!({
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "requestId": request_id,
        });
        if !self.violations.is_empty() {
            document["errors"] = self.violations.iter().map(Violation::document).collect();
        }
        Bytes::from(document.to_string())
    }

    /// Puts in the headers of the answer, in place of any that are there.
    pub(crate) fn write_headers(self, request_id: &str, headers: &mut HeaderMap) {
        for (name, _) in &self.headers {
            headers.remove(name);
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        if self.answered.is_none() {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/problem+json"),
            );
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::try_from(request_id) {
            headers.insert(super::head::REQUEST_ID, id);
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}
