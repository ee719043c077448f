//! An answer of the Admin API.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::errors::AdminError;

const JSON: &str = "application/json; charset=utf-8";
const UNSUPPORTED_MEDIA: &str = "<html>\r\n<head><title>415 Unsupported Media Type</title></head>\r\n<body>\r\n\
    <center><h1>415 Unsupported Media Type</h1></center>\r\n</body>\r\n</html>\r\n";

/// An answer of the Admin API.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(status: StatusCode, body: impl Into<Value>) -> Self {
        Self::of_type(status, JSON, body.into().to_string())
    }

    pub(crate) fn of_type(status: StatusCode, kind: &'static str, body: String) -> Self {
        Self {
            status,
            headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static(kind))],
            body,
        }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// The answer to OPTIONS.
    pub(crate) fn allowed(methods: &[&str]) -> Self {
        let mut names: Vec<&str> = methods.to_vec();
        names.extend(["HEAD", "OPTIONS"]);
        names.sort_unstable();
        let mut answer = Self::empty(StatusCode::NO_CONTENT);
        if let Ok(list) = HeaderValue::from_str(&names.join(", ")) {
            answer.headers.push((header::ALLOW, list.clone()));
            answer.headers.push((header::ACCESS_CONTROL_ALLOW_METHODS, list));
        }
        answer.headers.push((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Content-Type"),
        ));
        answer
    }
}

impl From<AdminError> for Answer {
    fn from(error: AdminError) -> Self {
        let (status, body) = error.answer();
        match error {
            AdminError::UnsupportedMedia => {
                Self::of_type(status, "text/html; charset=UTF-8", UNSUPPORTED_MEDIA.to_owned())
            }
            _ => Self::json(status, body),
        }
    }
}
