//! `/tags`: which entities have which tags.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::listing::{envelope, size, tags_of};
use super::{AdminRequest, Answer};
use crate::collections::ALL;
use crate::errors::AdminError;
use crate::kong::Kong;
use crate::options::Database;
use crate::store::Store;

/// A page of tags, or of the entities that have one.
pub(crate) fn list(kong: &Kong, request: &AdminRequest, tag: Option<&str>) -> Result<Answer, AdminError> {
    let size = size(request)?;
    let start = start(request)?;
    let rows = kong.read(|store| rows(store, tag))?;
    let data: Vec<Value> = rows.iter().skip(start).take(size).cloned().collect();
    let offset = (rows.len() > start + size).then(|| offset(data.last(), start + size));
    Ok(Answer::json(StatusCode::OK, envelope(request, data, offset)))
}

fn rows(store: &Store, tag: Option<&str>) -> Result<Vec<Value>, AdminError> {
    let mut rows = Vec::new();
    for collection in ALL {
        for (id, entity) in store.configuration.all(collection.name) {
            if store.database == Database::Off && entity.get("tags").is_none_or(Value::is_null) {
                return Err(AdminError::unexpected());
            }
            let own = tags_of(entity).filter(|own| tag.is_none_or(|tag| tag == *own));
            let row = |own: &str| json!({ "entity_name": collection.name, "entity_id": id, "tag": own });
            rows.extend(own.map(row));
        }
    }
    rows.sort_by_key(|row| row["entity_id"].to_string());
    Ok(rows)
}

fn offset(last: Option<&Value>, at: usize) -> String {
    let id = last.map_or(Value::Null, |row| row["entity_id"].clone());
    URL_SAFE_NO_PAD.encode(json!([id, at]).to_string())
}

fn start(request: &AdminRequest) -> Result<usize, AdminError> {
    let Some(offset) = request.argument("offset") else {
        return Ok(0);
    };
    let decoded = URL_SAFE_NO_PAD.decode(offset).ok();
    let place = decoded.and_then(|bytes| serde_json::from_slice::<Vec<Value>>(&bytes).ok());
    let at = place
        .and_then(|place| place.get(1)?.as_u64())
        .and_then(|at| usize::try_from(at).ok());
    at.ok_or_else(|| AdminError::Offset(offset.to_owned()))
}
