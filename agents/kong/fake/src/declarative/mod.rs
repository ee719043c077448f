//! `/config`: the whole configuration of a Kong without a database.

mod document;
mod export;
mod identity;
mod items;
mod load;
mod problems;

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use self::document::Document;
use self::problems::Problems;
use crate::configuration::Configuration;
use crate::errors::AdminError;
use crate::http::{AdminRequest, Answer};
use crate::kong::Kong;
use crate::options::Database;

const NEEDS_NO_DATABASE: &str =
    "this endpoint is only available when Kong is configured to not use a database";

/// GET and POST of `/config`.
pub(crate) fn answer(kong: &Kong, request: &AdminRequest) -> Result<Answer, AdminError> {
    if kong.options.database == Database::Postgres {
        return Err(AdminError::bad_request(NEEDS_NO_DATABASE));
    }
    if request.method == Method::POST {
        return replace(kong, request);
    }
    let text = kong.read(export::yaml)?;
    Ok(Answer::json(StatusCode::OK, json!({ "config": text })))
}

/// Replaces everything, or nothing when the new configuration is wrong.
fn replace(kong: &Kong, request: &AdminRequest) -> Result<Answer, AdminError> {
    let document = Document::read(request)?;
    let asked = request
        .argument("check_hash")
        .is_some_and(|value| value == "1" || value == "true");
    if asked && document.from_text && document.hash == kong.configuration_hash() {
        return Ok(Answer::empty(StatusCode::NOT_MODIFIED));
    }
    let loaded = kong.read(|store| load::configuration(store, &document.content));
    let loaded = loaded.map_err(|problems| refusal(&problems, request))?;
    let shown = shown(&loaded);
    kong.with_configuration(|configuration| *configuration = loaded);
    kong.set_configuration_hash(document.hash);
    Ok(Answer::json(StatusCode::CREATED, shown))
}

fn refusal(problems: &Problems, request: &AdminRequest) -> AdminError {
    let flat = request
        .argument("flatten_errors")
        .is_some_and(|value| value == "1" || value == "true");
    if flat {
        let (errors, flattened) = problems.flattened();
        return AdminError::Declarative {
            errors,
            flattened: Some(flattened),
        };
    }
    AdminError::Declarative {
        errors: problems.tree(),
        flattened: None,
    }
}

/// All entities by collection and id.
fn shown(configuration: &Configuration) -> Value {
    let mut shown = Map::new();
    for collection in crate::collections::ALL {
        let all = configuration.all(collection.name);
        let entities: Map<String, Value> = all
            .map(|(id, entity)| {
                let mut entity = entity.clone();
                entity.remove("ttl");
                (id.to_owned(), Value::Object(entity))
            })
            .collect();
        if !entities.is_empty() {
            shown.insert(collection.name.to_owned(), Value::Object(entities));
        }
    }
    Value::Object(shown)
}
