//! Konnect's API catalogue: which API a service implements, and the definition of its current version.
//!
//! Implementations lead from a service on a control plane to an API, the API to its versions, a version to a text.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::error::{Result, chain};
use serde_json::Value;

use super::classic::concerns_everything;
use super::document::{Content, Document};
use crate::client::Client;

/// All definitions of these services.
pub(super) async fn look(client: &Client, services: &[&str]) -> Result<Vec<(String, Document)>> {
    let Some(control_plane) = client.control_plane() else {
        return Ok(Vec::new());
    };
    let filter = [("filter[control_plane_id][eq]", control_plane)];
    let implementations = client
        .konnect_list(&["v3", "api-implementations"], &filter)
        .await?;
    let mut implementations = implemented(&implementations, control_plane);
    implementations.retain(|(service, _)| services.contains(&service.as_str()));
    if implementations.is_empty() {
        return Ok(Vec::new());
    }
    let apis = by_id(client.konnect_list(&["v3", "apis"], &[]).await?);
    let mut found = Vec::new();
    for (service, api_id) in implementations {
        let document = match apis.get(&api_id) {
            Some(api) => Document {
                place: place(api),
                content: definition(client, &api_id, api).await?,
            },
            None => unlisted(&api_id),
        };
        found.push((service, document));
    }
    Ok(found)
}

/// The services on a control plane with the APIs that they implement, each once. An API that a control plane implements
/// as a whole belongs to no service.
pub(super) fn implemented(implementations: &[Value], control_plane: &str) -> Vec<(String, String)> {
    let on_ours = implementations
        .iter()
        .filter(|it| it["service"]["control_plane_id"] == *control_plane);
    let mut pairs: Vec<_> = on_ours
        .filter_map(|it| {
            Some((
                it["service"]["id"].as_str()?.to_owned(),
                it["api_id"].as_str()?.to_owned(),
            ))
        })
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn by_id(apis: Vec<Value>) -> BTreeMap<String, Value> {
    let apis = apis.into_iter();
    apis.filter_map(|api| Some((api["id"].as_str()?.to_owned(), api)))
        .collect()
}

/// The definition of an API's current version, or of its newest if none is said to be current.
async fn definition(client: &Client, id: &str, api: &Value) -> Result<Content> {
    match text(client, id, api).await {
        Ok(version) => Ok(content(&place(api), version.as_ref())),
        Err(error) if concerns_everything(&error) => Err(error),
        Err(error) => Ok(Content::Unreadable(chain(&error))),
    }
}

async fn text(client: &Client, id: &str, api: &Value) -> Result<Option<Value>> {
    let version = match api["current_version_summary"]["id"].as_str() {
        Some(current) => Some(current.to_owned()),
        None => newest(&client.konnect_list(&["v3", "apis", id, "versions"], &[]).await?),
    };
    let Some(version) = version else { return Ok(None) };
    client
        .konnect(&["v3", "apis", id, "versions", &version], &[])
        .await
        .map(Some)
}

/// The version that was made last; times are in RFC 3339 and in UTC, so that text order is their order.
pub(super) fn newest(versions: &[Value]) -> Option<String> {
    let newest = versions
        .iter()
        .max_by_key(|version| version["created_at"].as_str().unwrap_or_default());
    newest.and_then(|version| version["id"].as_str().map(str::to_owned))
}

/// What a version says; an API without a version, or a version without a text, says nothing.
pub(super) fn content(place: &str, version: Option<&Value>) -> Content {
    let spec = version.map(|version| &version["spec"]);
    let text = spec
        .and_then(|spec| spec["content"].as_str())
        .filter(|text| !text.trim().is_empty());
    match text {
        Some(text) => Content::read(place, text),
        None => Content::Other("nothing yet".to_owned()),
    }
}

fn place(api: &Value) -> String {
    let name = api["name"].as_str().unwrap_or_default();
    let id = api["id"].as_str().unwrap_or_default();
    format!("API `{name}` ({id}) of Konnect's catalogue")
}

/// An API that a service implements and that the token may not see.
fn unlisted(id: &str) -> Document {
    let place = format!("API `{id}` of Konnect's catalogue");
    let reason = format!("{place} is not listed; let the token view the API, or remove the implementation");
    Document {
        place,
        content: Content::Unreadable(reason),
    }
}
