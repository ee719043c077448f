//! Entities beneath others: the routes of a service, the keys of a consumer, the service of a route.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::entities::{remove, sent};
use super::listing::{Filter, page};
use super::routing::Place;
use super::{AdminRequest, Answer};
use crate::collections::Collection;
use crate::errors::AdminError;
use crate::kong::Kong;
use crate::store::{Key, id_of, reference};

/// GET and POST of the entities that refer to one.
pub(crate) fn children(kong: &Kong, request: &AdminRequest, place: &Place) -> Result<Answer, AdminError> {
    let parent = parent_id(kong, place)?;
    if request.method == Method::POST {
        let sent = referring(sent(kong, request, place.children)?, place, &parent);
        let created = kong.write(|store| store.insert(place.children, sent))?;
        return Ok(kong.shown(StatusCode::CREATED, place.children, &created));
    }
    let filter = Filter {
        within: Some((place.field.clone(), parent)),
    };
    kong.read(|store| page(store, request, place.children, &filter))
}

/// GET, PUT, PATCH and DELETE of one of them.
pub(crate) fn child(
    kong: &Kong,
    request: &AdminRequest,
    place: &Place,
    key: &str,
) -> Result<Answer, AdminError> {
    let parent = parent_id(kong, place)?;
    let within = (place.field.as_str(), parent.as_str());
    let found = kong.read(|store| store.find_within(place.children, key, within).cloned());
    let id = found.as_ref().and_then(id_of).map(str::to_owned);
    let is_target = place.children.name == "targets";
    match (&request.method, id) {
        (&Method::PUT, None) if is_target && !crate::schema::is_id(key) => Err(AdminError::not_found()),
        (&Method::PUT, id) => replace(kong, request, place, key, (id, &parent)),
        (&Method::PATCH, Some(id)) => {
            let sent = sent(kong, request, place.children)?;
            let stored = kong.write(|store| store.update(place.children, &Key::Id(id), sent))?;
            Ok(kong.shown(StatusCode::OK, place.children, &stored))
        }
        (&Method::PATCH, None) => {
            Err(Key::of(place.children, key).map_or_else(AdminError::not_found, |key| key.missing()))
        }
        (&Method::DELETE, None) if is_target => Err(AdminError::not_found()),
        (&Method::DELETE, _) => remove(kong, place.children, |_| found),
        _ => {
            let found = found.ok_or_else(AdminError::not_found)?;
            Ok(kong.shown(StatusCode::OK, place.children, &found))
        }
    }
}

fn replace(
    kong: &Kong,
    request: &AdminRequest,
    place: &Place,
    key: &str,
    (id, parent): (Option<String>, &str),
) -> Result<Answer, AdminError> {
    let mut sent = referring(sent(kong, request, place.children)?, place, parent);
    let named = Key::of(place.children, key).ok_or_else(AdminError::not_found)?;
    if let Key::Field(field, text) = &named {
        sent.insert((*field).to_owned(), Value::from(text.as_str()));
    }
    let stored = kong.write(|store| match (id, named) {
        (Some(id), _) | (None, Key::Id(id)) => store.upsert(place.children, &Key::Id(id), sent),
        (None, Key::Field(..)) => store.insert(place.children, sent),
    })?;
    Ok(kong.shown(StatusCode::OK, place.children, &stored))
}

/// GET, PUT and PATCH of the entity that a field of another refers to.
pub(crate) fn referenced(
    kong: &Kong,
    request: &AdminRequest,
    collection: &'static Collection,
    key: &str,
    field: &str,
) -> Result<Answer, AdminError> {
    let owner = kong
        .read(|store| store.find(collection, key).cloned())
        .ok_or_else(AdminError::not_found)?;
    let target = kong
        .foreign_fields(collection.name)
        .into_iter()
        .find(|(name, _)| name == field);
    let target = target.and_then(|(_, target)| Collection::named(&target));
    match (target, reference(&owner, field)) {
        (Some(target), Some(id)) => super::entities::entity(kong, request, target, id),
        _ => Err(AdminError::not_found()),
    }
}

fn parent_id(kong: &Kong, place: &Place) -> Result<String, AdminError> {
    let found = kong.read(|store| store.find(place.parent, &place.parent_key).cloned());
    found
        .as_ref()
        .and_then(id_of)
        .map(str::to_owned)
        .ok_or_else(AdminError::not_found)
}

fn referring(mut sent: Map<String, Value>, place: &Place, parent: &str) -> Map<String, Value> {
    sent.insert(place.field.clone(), json!({ "id": parent }));
    sent
}
