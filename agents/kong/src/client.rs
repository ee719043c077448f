//! The HTTP client of Kong's Admin API, and of Konnect's that is like it.
//!
//! No other room knows that there is HTTP. A call is made once: when to try again is the runtime's business, and how
//! trouble becomes an error of ours is that of `error.rs`.

mod connection;
mod declarative;
mod listing;
pub(crate) mod node;
mod portal;

use std::time::Duration;

use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::{Map, Value};

pub(crate) use self::connection::Connections;
use crate::{
    entities::{Collection, Entity},
    error::{Call, Refusal, Trouble, from_kong},
};

/// Speaks to one Kong for one piece of work.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Where a node tells of itself.
    root: Url,
    /// Where the entities of the workspace or control plane are.
    entities: Url,
    headers: HeaderMap,
    timeout: Duration,
    environment: String,
    pub(crate) is_konnect: bool,
}

/// What became of an entity that was to be made.
#[derive(Debug)]
pub(crate) enum Created {
    /// It is made.
    New,
    /// Something with its identity or name is there.
    Taken(Error),
}

impl Client {
    /// An entity by its id or name; none only if Kong says that it is not there.
    pub(crate) async fn get(&self, collection: Collection, id: &str) -> Result<Option<Entity>> {
        let url = self.url(&[collection.path(), id]);
        let object = format!("{} `{id}`", collection.noun());
        match self.call("read", &object, self.request(Method::GET, url)).await {
            Ok(entity) => Ok(Some(Entity::of(entity))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an entity, and never changes one that is there.
    pub(crate) async fn create(&self, collection: Collection, entity: &Entity) -> Result<Created> {
        let url = self.place(collection, entity, None);
        let object = object(collection, entity);
        let request = self.request(Method::POST, url).json(&entity.0);
        match self.call("create", &object, request).await {
            Ok(_) => Ok(Created::New),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Created::Taken(error)),
            Err(error) => Err(error),
        }
    }

    /// Makes an entity under its id, or replaces the one that is there.
    pub(crate) async fn put(&self, collection: Collection, entity: &Entity) -> Result<()> {
        let url = self.place(collection, entity, Some(entity.id()));
        let object = object(collection, entity);
        let request = self.request(Method::PUT, url).json(&entity.0);
        self.call("write", &object, request).await.map(drop)
    }

    /// Changes some fields of an entity.
    pub(crate) async fn patch(
        &self,
        collection: Collection,
        id: &str,
        fields: &Map<String, Value>,
    ) -> Result<()> {
        if self.is_konnect {
            return self.replace(collection, id, fields).await;
        }
        let url = self.url(&[collection.path(), id]);
        let object = format!("{} `{id}`", collection.noun());
        let request = self.request(Method::PATCH, url).json(fields);
        self.call("change", &object, request).await.map(drop)
    }

    /// Changes some fields of an entity of Konnect, which has no PATCH: it is read and written whole.
    async fn replace(&self, collection: Collection, id: &str, fields: &Map<String, Value>) -> Result<()> {
        let url = self.url(&[collection.path(), id]);
        let object = format!("{} `{id}`", collection.noun());
        let entity = self.call("read", &object, self.request(Method::GET, url)).await?;
        let mut entity = Entity::of(entity);
        entity.0.extend(fields.clone());
        self.put(collection, &entity).await
    }

    /// Removes an entity. What is gone is removed.
    pub(crate) async fn delete(&self, collection: Collection, entity: &Entity) -> Result<()> {
        let url = self.place(collection, entity, Some(entity.id()));
        let object = object(collection, entity);
        match self
            .call("remove", &object, self.request(Method::DELETE, url))
            .await
        {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result.map(drop),
        }
    }

    /// Where an entity is changed: below its owner, if it has no place of its own.
    fn place(&self, collection: Collection, entity: &Entity, id: Option<&str>) -> Url {
        let mut path = match collection.path_below_owner() {
            Some((owners, below)) => {
                let field = owners.path().trim_end_matches('s');
                vec![owners.path(), entity.owner(field).unwrap_or_default(), below]
            }
            None => vec![collection.path()],
        };
        path.extend(id);
        self.url(&path)
    }

    fn url(&self, path: &[&str]) -> Url {
        below(&self.entities, path)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url).timeout(self.timeout);
        request.headers(self.headers.clone())
    }

    /// Makes one call and reads its answer as JSON; null where there is no body.
    async fn call(&self, action: &'static str, object: &str, request: RequestBuilder) -> Result<Value> {
        let call = Call {
            action,
            object,
            url: self.root.as_str(),
            environment: &self.environment,
        };
        exchange(request)
            .await
            .map_err(|trouble| from_kong(call, trouble))
    }
}

/// A URL with more segments: each is escaped, so that a name with a slash stays one of them.
fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    let escaped: Vec<String> = path
        .iter()
        .map(|part| utf8_percent_encode(part, ESCAPED).to_string())
        .collect();
    let path = format!("{}/{}", base.path().trim_end_matches('/'), escaped.join("/"));
    url.set_path(&path);
    url
}

/// What is escaped in a segment: all that is not plain, but the `-`, `.`, `_` and `~` of names.
const ESCAPED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An entity for people.
fn object(collection: Collection, entity: &Entity) -> String {
    let noun = collection.noun();
    match entity.name().or_else(|| entity.text("username")) {
        Some(name) => format!("{noun} `{name}` ({})", entity.id()),
        None => format!("{noun} `{}`", entity.id()),
    }
}

async fn exchange(request: RequestBuilder) -> std::result::Result<Value, Trouble> {
    let response = request.send().await.map_err(Trouble::NoAnswer)?;
    if !response.status().is_success() && response.status() != StatusCode::NOT_MODIFIED {
        return Err(refused(response).await);
    }
    let body = response.bytes().await.map_err(Trouble::NoAnswer)?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|_| Trouble::Unreadable)
}

async fn refused(response: Response) -> Trouble {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = response.bytes().await.unwrap_or_default();
    Trouble::Refused {
        status,
        // Whatever stands between us and Kong may answer in words of its own.
        refusal: serde_json::from_slice::<Refusal>(&body).unwrap_or_default(),
        retry_after,
    }
}

/// When to come back, in seconds; a date in its place is left to the runtime's own pauses.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
