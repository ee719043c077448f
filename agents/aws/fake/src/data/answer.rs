//! What a consumer is answered.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;
use uuid::Uuid;

/// An answer of the data plane.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// Which of the gateway's own responses it is, if it is one, and what it says.
    pub(crate) own: Option<(&'static str, String)>,
}

impl Answer {
    /// An answer of the gateway's own.
    pub(crate) fn own(kind: &'static str, status: u16, error: &'static str, message: &str) -> Self {
        let mut answer = Self {
            status,
            headers: HeaderMap::new(),
            body: Body::from(json!({ "message": message }).to_string()),
            own: Some((kind, message.to_owned())),
        };
        answer.set("content-type", "application/json");
        answer.set("x-amzn-errortype", error);
        answer
    }

    /// An API or a stage that is not there, an endpoint that is switched off, a key that is wrong.
    pub(crate) fn forbidden() -> Self {
        Self::own("INVALID_API_KEY", 403, "ForbiddenException", "Forbidden")
    }

    /// A path or a method that the API does not have.
    pub(crate) fn no_such_path() -> Self {
        let kind = "MISSING_AUTHENTICATION_TOKEN";
        Self::own(
            kind,
            403,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    }

    /// What should never happen, with AWS's words for it.
    pub(crate) fn internal_error() -> Self {
        let kind = "API_CONFIGURATION_ERROR";
        Self::own(kind, 500, "InternalServerErrorException", "Internal server error")
    }

    /// Sets a header, if its name and value can be those of one.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        set(&mut self.headers, name, value);
    }

    pub(crate) fn into_response(mut self) -> Response<Body> {
        self.set("x-amzn-requestid", &Uuid::new_v4().to_string());
        let mut response = Response::new(self.body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.headers;
        response
    }
}

/// Sets a header, if its name and value can be those of one.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_str(value),
    ) {
        headers.insert(name, value);
    }
}
