//! Who may ask: the token before the Admin API, and what its bearer may do.

use axum::http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{AdminRequest, Answer};
use crate::options::FakeKongOptions;

/// The answer to a call that may not be made, in the words of the plugin `key-auth`.
pub(crate) fn refusal(options: &FakeKongOptions, request: &AdminRequest) -> Option<Answer> {
    let wanted = options.admin_token.as_ref()?;
    let said = match request.header(&wanted.header) {
        None => (StatusCode::UNAUTHORIZED, "No API key found in request"),
        Some(token) if token == wanted.token => return None,
        Some(token) if options.read_only_token.as_deref() == Some(token) => {
            if !request.is_write() {
                return None;
            }
            (
                StatusCode::FORBIDDEN,
                "You do not have permissions to change this resource",
            )
        }
        Some(_) => (StatusCode::UNAUTHORIZED, "Unauthorized"),
    };
    Some(Answer::json(
        said.0,
        json!({ "message": said.1, "request_id": request_id() }),
    ))
}

/// An id as Kong gives one to every call.
pub(crate) fn request_id() -> String {
    Uuid::new_v4().simple().to_string()
}
