//! Lists in pages: size, offset, the next page, and tags to choose by.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{AdminRequest, Answer};
use crate::collections::Collection;
use crate::configuration::Entity;
use crate::errors::AdminError;
use crate::options::Database;
use crate::store::{Store, reference};

/// Which entities of a collection are listed.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// Only those whose field refers to this id.
    pub(crate) within: Option<(String, String)>,
}

/// A page of a collection.
pub(crate) fn page(
    store: &Store,
    request: &AdminRequest,
    collection: &Collection,
    filter: &Filter,
) -> Result<Answer, AdminError> {
    let size = size(request)?;
    let after = start(store, request)?;
    let wanted = wanted_tags(request)?;
    refuse_missing_tags(store, collection, wanted.is_some())?;
    let mut rows: Vec<(&str, &Entity)> = store
        .configuration
        .all(collection.name)
        .filter(|(id, _)| after.as_deref().is_none_or(|after| *id > after))
        .filter(|(_, entity)| {
            filter
                .within
                .as_ref()
                .is_none_or(|(field, id)| reference(entity, field) == Some(id))
        })
        .filter(|(_, entity)| wanted.as_ref().is_none_or(|wanted| wanted.fit(entity)))
        .take(size + 1)
        .collect();
    let more = rows.len() > size;
    rows.truncate(size);
    let offset = rows
        .last()
        .filter(|_| more)
        .map(|(id, _)| offset_after(store, collection, id));
    let data = rows
        .into_iter()
        .map(|(_, entity)| Value::Object(store.shown(collection.name, entity)))
        .collect();
    Ok(Answer::json(StatusCode::OK, envelope(request, data, offset)))
}

/// The page around its rows.
pub(super) fn envelope(request: &AdminRequest, data: Vec<Value>, offset: Option<String>) -> Value {
    let Some(offset) = offset else {
        return json!({ "data": data, "next": null });
    };
    let mut next = format!("{}?offset={}", request.path, encoded(&offset));
    for name in ["tags", "size"] {
        if let Some(value) = request.argument(name) {
            next.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    json!({ "data": data, "next": next, "offset": offset })
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &KEPT).to_string()
}

const KEPT: percent_encoding::AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The size of a page: 100 unless the call says otherwise.
pub(super) fn size(request: &AdminRequest) -> Result<usize, AdminError> {
    let Some(text) = request.argument("size") else {
        return Ok(100);
    };
    let number: f64 = text
        .parse()
        .map_err(|_| AdminError::Size("size must be a number"))?;
    if number.fract() != 0.0 || !(1.0..=1000.0).contains(&number) {
        return Err(AdminError::Size("size must be an integer between 1 and 1000"));
    }
    Ok(text.parse().unwrap_or(100))
}

fn start(store: &Store, request: &AdminRequest) -> Result<Option<String>, AdminError> {
    let Some(offset) = request.argument("offset") else {
        return Ok(None);
    };
    let decoded = URL_SAFE_NO_PAD.decode(offset).ok();
    let id = decoded.and_then(|bytes| match store.database {
        Database::Postgres => Some(
            serde_json::from_slice::<Vec<Value>>(&bytes)
                .ok()?
                .first()?
                .as_str()?
                .to_owned(),
        ),
        Database::Off => String::from_utf8(bytes)
            .ok()?
            .rsplit('|')
            .next()
            .map(|id| id.trim_end_matches('\0').to_owned()),
    });
    id.map(Some).ok_or_else(|| AdminError::Offset(offset.to_owned()))
}

/// With a database an offset is the id of the last row, without one the key in the memory of the node.
fn offset_after(store: &Store, collection: &Collection, id: &str) -> String {
    match store.database {
        Database::Postgres => URL_SAFE_NO_PAD.encode(json!([id]).to_string()),
        Database::Off => URL_SAFE_NO_PAD.encode(format!("{}|{WORKSPACE}|*|{id}\0", collection.name)),
    }
}

/// The id of the one workspace that an open Kong has.
pub(crate) const WORKSPACE: &str = "0dc6f45b-8f8d-40d2-a504-473544ee190b";

struct WantedTags {
    tags: Vec<String>,
    all: bool,
}

impl WantedTags {
    fn fit(&self, entity: &Entity) -> bool {
        let has = |tag: &String| tags_of(entity).any(|own| own == tag);
        if self.all {
            self.tags.iter().all(has)
        } else {
            self.tags.iter().any(has)
        }
    }
}

/// The tags of an entity.
pub(super) fn tags_of(entity: &Entity) -> impl Iterator<Item = &str> {
    let list = entity.get("tags").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

fn wanted_tags(request: &AdminRequest) -> Result<Option<WantedTags>, AdminError> {
    let Some(text) = request.argument("tags") else {
        return Ok(None);
    };
    let refused = |said| Err(AdminError::Options { option: "tags", said });
    let split = |sign: char| text.split(sign).map(str::to_owned).collect::<Vec<_>>();
    match (text.contains(','), text.contains('/')) {
        _ if text.is_empty() => refused("cannot be null"),
        (true, true) => refused("invalid filter syntax"),
        (false, true) => Ok(Some(WantedTags {
            tags: split('/'),
            all: false,
        })),
        (_, false) => Ok(Some(WantedTags {
            tags: split(','),
            all: true,
        })),
    }
}

/// Without a database Kong 3.9 fails at the first entity that has no tags.
fn refuse_missing_tags(store: &Store, collection: &Collection, asked: bool) -> Result<(), AdminError> {
    let mut all = store.configuration.all(collection.name);
    let untagged = asked
        && store.database == Database::Off
        && all.any(|(_, one)| one.get("tags").is_none_or(Value::is_null));
    if untagged {
        Err(AdminError::unexpected())
    } else {
        Ok(())
    }
}
