//! Lists in pages: version 1 with `position` and `limit`, version 2 with `nextToken` and `maxResults`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{AwsError, Call, Reply};
use crate::place::{Entities, Entity};

/// How many items a page has unless the call says otherwise.
const USUAL: usize = 25;
/// How many it has at most.
const MOST: usize = 500;

/// The names of what belongs to paging in one of the two versions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    limit: &'static str,
    position: &'static str,
    items: &'static str,
}

impl Page {
    /// Version 1: what travels as `item` is called `items` everywhere else.
    pub(crate) const REST: Self = Self {
        limit: "limit",
        position: "position",
        items: "item",
    };

    /// Version 2.
    pub(crate) const HTTP: Self = Self {
        limit: "maxResults",
        position: "nextToken",
        items: "items",
    };
}

/// A page of things by their ids.
pub(crate) fn page(
    call: &Call<'_>,
    names: Page,
    all: &Entities,
    shown: impl Fn(&Entity) -> Entity,
) -> Result<Reply, AwsError> {
    let all = all.iter().map(|(id, one)| (id.as_str(), shown(one)));
    page_of(call, names, all)
}

/// A page of things in the order of their keys.
pub(crate) fn page_of<'a>(
    call: &Call<'_>,
    names: Page,
    all: impl Iterator<Item = (&'a str, Entity)>,
) -> Result<Reply, AwsError> {
    let limit = limit(call, names)?;
    let after = after(call, names)?;
    let later = all.filter(|(key, _)| after.as_deref().is_none_or(|after| *key > after));
    let mut rows: Vec<(&str, Entity)> = later.take(limit + 1).collect();
    let more = rows.len() > limit;
    rows.truncate(limit);
    let position = rows.last().filter(|_| more).map(|(key, _)| STANDARD.encode(key));
    let items: Vec<Value> = rows.into_iter().map(|(_, one)| Value::Object(one)).collect();
    let mut page = json!({ names.items: items });
    if let Some(position) = position {
        page[names.position] = Value::from(position);
    }
    Ok(Reply::Json(page))
}

fn limit(call: &Call<'_>, names: Page) -> Result<usize, AwsError> {
    let Some(text) = call.request.argument(names.limit) else {
        return Ok(USUAL);
    };
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err(AwsError::bad_request(format!(
            "Invalid {} parameter",
            names.limit
        ))),
        Ok(limit) => Ok(limit.min(MOST)),
    }
}

fn after(call: &Call<'_>, names: Page) -> Result<Option<String>, AwsError> {
    let Some(position) = call.request.argument(names.position) else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(position).ok();
    let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let invalid = || AwsError::bad_request(format!("Invalid {} parameter", names.position));
    key.map(Some).ok_or_else(invalid)
}
