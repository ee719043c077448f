//! The Developer Portal of Kong Enterprise, over the Admin API: which files belong to a service, and what they say.
//!
//! `GET /services/{id}/document_objects` names the files of a service and `GET /files/{path}` gives one. Kong's own
//! OpenAPI files list these paths without shapes; they are those that published clients of the portal read.

use gatehouse_connector_sdk::error::{Error, ErrorKind, Result, chain};
use serde_json::Value;

use super::document::{Content, Document};
use crate::client::Client;

/// All documents of these services; none where Kong has no portal.
pub(super) async fn look(client: &Client, services: &[&str]) -> Result<Vec<(String, Document)>> {
    let mut found = Vec::new();
    if services.is_empty() || !has_portal(client).await? {
        return Ok(found);
    }
    for service in services {
        let documents = of_service(client, service).await?;
        found.extend(
            documents
                .into_iter()
                .map(|document| ((*service).to_owned(), document)),
        );
    }
    Ok(found)
}

async fn has_portal(client: &Client) -> Result<bool> {
    match client.read(&["files"], &[("size", "1")]).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

async fn of_service(client: &Client, service: &str) -> Result<Vec<Document>> {
    let place = format!("the list of documents of service `{service}`");
    let paths = match paths(client, service).await {
        Ok(paths) => paths,
        Err(error) if concerns_everything(&error) => return Err(error),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Ok(vec![document(&place, Content::Unreadable(chain(&error)))]),
    };
    let mut documents = Vec::new();
    for path in paths {
        documents.push(file(client, &path).await?);
    }
    Ok(documents)
}

/// Whether it is no use to go on with the next document.
pub(super) fn concerns_everything(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::RateLimited | ErrorKind::Unauthorized | ErrorKind::Unavailable
    )
}

/// The paths of a service's files, over all pages.
async fn paths(client: &Client, service: &str) -> Result<Vec<String>> {
    let (mut paths, mut offset) = (Vec::new(), None::<String>);
    loop {
        let query: Vec<(&str, &str)> = offset.iter().map(|offset| ("offset", offset.as_str())).collect();
        let page = client
            .read(&["services", service, "document_objects"], &query)
            .await?;
        paths.extend(paths_on(&page));
        match page["offset"].as_str() {
            Some(next) if offset.as_deref() != Some(next) => offset = Some(next.to_owned()),
            _ => return Ok(paths),
        }
    }
}

fn paths_on(page: &Value) -> impl Iterator<Item = String> {
    let documents = page["data"].as_array().into_iter().flatten();
    documents.filter_map(|document| document["path"].as_str().map(str::to_owned))
}

async fn file(client: &Client, path: &str) -> Result<Document> {
    let place = format!("the portal's file `{path}`");
    let segments: Vec<&str> = ["files"].into_iter().chain(path.split('/')).collect();
    let content = match client.read(&segments, &[]).await {
        Ok(file) => content(&place, &file),
        Err(error) if concerns_everything(&error) => return Err(error),
        Err(error) => Content::Unreadable(chain(&error)),
    };
    Ok(document(&place, content))
}

/// What a file says.
pub(super) fn content(place: &str, file: &Value) -> Content {
    match file["contents"].as_str() {
        Some(text) => Content::read(place, text),
        None => Content::Unreadable(format!("{place} came without contents; upload it again")),
    }
}

fn document(place: &str, content: Content) -> Document {
    Document {
        place: place.to_owned(),
        content,
    }
}
