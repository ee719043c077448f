//! Problems: the error body of both HTTP APIs (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a problem.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The prefix of every problem `type`.
pub const PROBLEM_TYPE_PREFIX: &str = "https://gatehouse.dev/problems/";

/// What went wrong, with which object, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A stable URI that names the kind of problem; programs decide by it. Of reports, `…/stale` says that
    /// generation or lease are out of date, and the next answer to a request for work has the present ones;
    /// after `…/wrong-state`, `…/not-found` and other refusals, sending the same again does not help. After
    /// 5xx, 429 and no answer at all, it does.
    #[schema(example = "https://gatehouse.dev/problems/not-found")]
    pub r#type: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence: what happened, to which object, what to do next.
    pub detail: String,
    /// The request, as found in the server's log and in the `x-request-id` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The places in the request that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One wrong place in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// Which document of a request with several, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
    /// Where in it, as a JSON Pointer.
    pub pointer: String,
    /// What is wrong there and what would be right.
    pub detail: String,
}

/// The kinds of problems there are. The last path segment of `type` is in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// 400: the request is not well formed (broken JSON, bad parameter).
    MalformedRequest,
    /// 401: no credential, or one that is unknown, expired or revoked.
    Unauthenticated,
    /// 403: the credential's role does not allow this.
    Forbidden,
    /// 404: there is no such object.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: an object of this name exists.
    AlreadyExists,
    /// 409: other objects depend on this one.
    InUse,
    /// 409: the environment's mode forbids it.
    ModeForbids,
    /// 409: host and path are taken by another API.
    RouteConflict,
    /// 409: a security policy cannot be enforced by the environment's gateway.
    PolicyUnsupported,
    /// 409: the world moved since the plan was made; make a new one.
    PlanVoid,
    /// 409: the gateway cannot express all policies, and nobody accepted that.
    LossNotAccepted,
    /// 409: the report speaks of an older generation or lease.
    Stale,
    /// 409: the state of the object does not allow this now.
    WrongState,
    /// 409: the environment's agent lacks a capability or a protocol that this takes.
    CapabilityLacking,
    /// 409: agent and control plane speak no common protocol version.
    ProtocolUnsupported,
    /// 410: the position in the stream of work is too old; take everything.
    PositionTooOld,
    /// 412: the object changed since it was read.
    PreconditionFailed,
    /// 413: the request is larger than the limit.
    TooLarge,
    /// 415: the content type is not one the endpoint takes.
    UnsupportedMediaType,
    /// 422: well formed, but it does not satisfy the schema or its rules.
    Invalid,
    /// 500: our fault; the log has the details under the request id.
    Internal,
    /// 503: the database or another part cannot be reached now.
    Unavailable,
}

impl ProblemKind {
    /// HTTP status, last segment of the type, title.
    pub fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (400, "malformed-request", "The request is not well formed"),
            Self::Unauthenticated => (401, "unauthenticated", "No valid credential"),
            Self::Forbidden => (403, "forbidden", "The role does not allow this"),
            Self::NotFound => (404, "not-found", "No such object"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "The method is not allowed here"),
            Self::AlreadyExists => (409, "already-exists", "The name is taken"),
            Self::InUse => (409, "in-use", "Other objects depend on this one"),
            Self::ModeForbids => (409, "mode-forbids", "The environment's mode forbids this"),
            Self::RouteConflict => (409, "route-conflict", "Host and path are taken"),
            Self::PolicyUnsupported => (
                409,
                "policy-unsupported",
                "The gateway cannot enforce a security policy",
            ),
            Self::PlanVoid => (409, "plan-void", "The world moved since the plan was made"),
            Self::LossNotAccepted => (
                409,
                "loss-not-accepted",
                "The gateway cannot express all policies",
            ),
            Self::Stale => (409, "stale", "The report speaks of an older state"),
            Self::WrongState => (409, "wrong-state", "The object's state does not allow this"),
            Self::CapabilityLacking => (
                409,
                "capability-lacking",
                "The environment's agent cannot do this",
            ),
            Self::ProtocolUnsupported => (409, "protocol-unsupported", "No common protocol version"),
            Self::PositionTooOld => (410, "position-too-old", "The position is too old"),
            Self::PreconditionFailed => (412, "precondition-failed", "The object changed meanwhile"),
            Self::TooLarge => (413, "too-large", "The request is too large"),
            Self::UnsupportedMediaType => {
                (415, "unsupported-media-type", "The content type is not supported")
            }
            Self::Invalid => (422, "invalid", "The request breaks a rule"),
            Self::Internal => (500, "internal", "Something went wrong on our side"),
            Self::Unavailable => (503, "unavailable", "A part of the service cannot be reached"),
        }
    }

    /// A problem of this kind.
    pub fn problem(self, detail: impl Into<String>) -> Problem {
        let (status, slug, title) = self.parts();
        Problem {
            r#type: format!("{PROBLEM_TYPE_PREFIX}{slug}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            request_id: None,
            errors: Vec::new(),
        }
    }
}
