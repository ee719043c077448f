//! Lists of the Admin API, page by page.

use gatehouse_connector_sdk::error::Result;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::Client;
use crate::{
    entities::{Collection, Entity},
    error::{Call, Trouble, from_kong},
};

/// The most entities on a page (Kong 3.9.3: "size must be an integer between 1 and 1000").
const LONGEST_PAGE: &str = "1000";

#[derive(Deserialize)]
struct Page {
    data: Vec<Entity>,
    #[serde(default)]
    offset: Option<String>,
}

impl Client {
    /// All entities of a collection.
    pub(crate) async fn list(&self, collection: Collection) -> Result<Vec<Entity>> {
        self.pages(&[collection.path()], None).await
    }

    /// Whether entities of a collection may be listed.
    pub(crate) async fn first(&self, collection: Collection) -> Result<()> {
        let mut url = self.url(&[collection.path()]);
        url.query_pairs_mut().append_pair("size", "1");
        let object = collection.path();
        self.call("list", object, self.request(Method::GET, url))
            .await
            .map(drop)
    }

    /// Those that carry all of these tags. A Kong without a database answers this with an error as soon as one entity
    /// has no tags at all (3.9.3); there, list them all.
    pub(crate) async fn list_tagged(&self, collection: Collection, tags: &[&str]) -> Result<Vec<Entity>> {
        self.pages(&[collection.path()], Some(&tags.join(","))).await
    }

    /// Those below another entity: the routes of a service.
    pub(crate) async fn list_below(&self, owners: Collection, id: &str, path: &str) -> Result<Vec<Entity>> {
        self.pages(&[owners.path(), id, path], None).await
    }

    /// Follows `offset`, not the link in `next`: behind a path prefix that link leads past it.
    async fn pages(&self, path: &[&str], tags: Option<&str>) -> Result<Vec<Entity>> {
        let (mut entities, mut offset) = (Vec::new(), None);
        loop {
            let url = self.page_url(path, tags, offset.as_deref());
            let page = self.page(path, url).await?;
            entities.extend(page.data);
            match page.offset {
                Some(next) if offset.as_ref() != Some(&next) => offset = Some(next),
                _ => return Ok(entities),
            }
        }
    }

    fn page_url(&self, path: &[&str], tags: Option<&str>, offset: Option<&str>) -> Url {
        let mut url = self.url(path);
        url.query_pairs_mut().append_pair("size", LONGEST_PAGE);
        for (name, value) in [("tags", tags), ("offset", offset)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    async fn page(&self, path: &[&str], url: Url) -> Result<Page> {
        let object = path.join("/");
        let page: Value = self.call("list", &object, self.request(Method::GET, url)).await?;
        serde_json::from_value(page).map_err(|_| {
            let call = Call {
                action: "list",
                object: &object,
                url: self.root.as_str(),
                environment: &self.environment,
            };
            from_kong(call, Trouble::Unreadable)
        })
    }
}
