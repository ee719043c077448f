//! Entities at their own paths: list, create, read, replace, change, remove.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::listing::{Filter, page};
use super::{AdminRequest, Answer, body};
use crate::collections::Collection;
use crate::configuration::Entity;
use crate::errors::AdminError;
use crate::kong::Kong;
use crate::store::{Key, Store, id_of};

/// GET and POST of a collection.
pub(crate) fn collection(
    kong: &Kong,
    request: &AdminRequest,
    collection: &'static Collection,
) -> Result<Answer, AdminError> {
    if request.method == Method::POST {
        let sent = sent(kong, request, collection)?;
        let created = kong.write(|store| store.insert(collection, sent))?;
        return Ok(kong.shown(StatusCode::CREATED, collection, &created));
    }
    if let (Some(custom_id), "consumers") = (request.argument("custom_id"), collection.name) {
        return Ok(by_custom_id(kong, custom_id));
    }
    kong.read(|store| page(store, request, collection, &Filter::default()))
}

/// Consumers are looked up by the id that another system knows them by.
fn by_custom_id(kong: &Kong, custom_id: &str) -> Answer {
    let found: Vec<Value> = kong.read(|store| {
        let all = store.configuration.all("consumers").map(|(_, consumer)| consumer);
        let mine =
            all.filter(|consumer| consumer.get("custom_id").and_then(Value::as_str) == Some(custom_id));
        mine.cloned().map(Value::Object).collect()
    });
    Answer::json(StatusCode::OK, serde_json::json!({ "data": found, "next": null }))
}

/// GET, PUT, PATCH and DELETE of one entity.
pub(crate) fn entity(
    kong: &Kong,
    request: &AdminRequest,
    collection: &'static Collection,
    key: &str,
) -> Result<Answer, AdminError> {
    let key = canonical(kong, collection, key);
    let Some(named) = Key::of(collection, &key) else {
        return Err(AdminError::not_found());
    };
    match request.method {
        Method::PUT => {
            let sent = sent(kong, request, collection)?;
            let stored = kong.write(|store| store.upsert(collection, &named, sent))?;
            Ok(kong.shown(StatusCode::OK, collection, &stored))
        }
        Method::PATCH => {
            let sent = sent(kong, request, collection)?;
            let stored = kong.write(|store| store.update(collection, &named, sent))?;
            Ok(kong.shown(StatusCode::OK, collection, &stored))
        }
        Method::DELETE => remove(kong, collection, |store| store.find(collection, &key).cloned()),
        _ => {
            let found = kong.read(|store| store.find(collection, &key).cloned());
            let found = found.ok_or_else(AdminError::not_found)?;
            Ok(kong.shown(StatusCode::OK, collection, &found))
        }
    }
}

/// A certificate may be named by one of its server names.
fn canonical(kong: &Kong, collection: &Collection, key: &str) -> String {
    if collection.name != "certificates" || crate::schema::is_id(key) {
        return key.to_owned();
    }
    let snis = Collection::named("snis");
    let owner = kong.read(|store| {
        let sni = snis.and_then(|snis| store.find(snis, key))?;
        crate::store::reference(sni, "certificate").map(str::to_owned)
    });
    owner.unwrap_or_else(|| key.to_owned())
}

/// Removing what is not there succeeds, too.
pub(super) fn remove(
    kong: &Kong,
    collection: &'static Collection,
    find: impl FnOnce(&Store) -> Option<Entity>,
) -> Result<Answer, AdminError> {
    kong.write(|store| match find(store) {
        Some(found) => store.delete(collection, id_of(&found).unwrap_or_default()),
        None => Ok(()),
    })?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// The fields that a client sent for an entity of a collection.
pub(super) fn sent(
    kong: &Kong,
    request: &AdminRequest,
    collection: &Collection,
) -> Result<Map<String, Value>, AdminError> {
    let first = kong.read(|store| body::fields(request, store.registry.collection(collection.name)))?;
    kong.read(|store| match store.registry.of(collection.name, &first) {
        Ok(schema) => body::fields(request, Some(schema)),
        Err(_) => Ok(first.clone()),
    })
}
