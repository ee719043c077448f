//! `/schemas`: what entities look like, and whether one would be taken.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::entities::sent;
use super::{AdminRequest, Answer};
use crate::collections::Collection;
use crate::errors::AdminError;
use crate::kong::Kong;

/// `GET /schemas/{entity}` and `GET /schemas/plugins/{plugin}`.
pub(crate) fn show(kong: &Kong, name: &str) -> Result<Answer, AdminError> {
    let document = kong.read(|store| store.registry.document(name).cloned());
    document
        .map(|document| Answer::json(StatusCode::OK, document))
        .ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> AdminError {
    let said = match name.strip_prefix("plugins/") {
        Some(plugin) => format!("No plugin named '{plugin}'"),
        None => format!("No entity named '{name}'"),
    };
    AdminError::Message(StatusCode::NOT_FOUND, said)
}

/// `POST /schemas/{entity}/validate`: checks and stores nothing.
pub(crate) fn check(kong: &Kong, request: &AdminRequest, name: &str) -> Result<Answer, AdminError> {
    let collection = Collection::named(name).ok_or_else(|| unknown(name))?;
    let sent = sent(kong, request, collection)?;
    kong.read(|store| store.checked(collection, sent))?;
    let said: Value = json!({ "message": "schema validation successful" });
    Ok(Answer::json(StatusCode::OK, said))
}
