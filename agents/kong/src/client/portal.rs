//! Reading beside the entities: what a Developer Portal holds, and Konnect's API catalogue.

use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};
use reqwest::{Method, Url};
use serde_json::Value;

use super::{Client, below};

/// The most items that Konnect gives on a page.
const KONNECT_PAGE: u64 = 100;

impl Client {
    /// A page of the workspace that is no list of entities.
    pub(crate) async fn read(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        self.read_at(self.url(path), path, query).await
    }

    /// A page of Konnect beside the control plane, such as its API catalogue.
    pub(crate) async fn konnect(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        self.read_at(below(&self.root, path), path, query).await
    }

    /// All items of a list of Konnect: its pages have numbers, from 1, and say how many items there are.
    pub(crate) async fn konnect_list(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        for number in 1_u64.. {
            let (number_text, size) = (number.to_string(), KONNECT_PAGE.to_string());
            let page = [
                ("page[number]", number_text.as_str()),
                ("page[size]", size.as_str()),
            ];
            let page = self.konnect(path, &[&page, query].concat()).await?;
            let on_page = page["data"].as_array().ok_or_else(|| no_list(path))?;
            items.extend(on_page.iter().cloned());
            if on_page.is_empty() || !has_more(&page, number) {
                break;
            }
        }
        Ok(items)
    }

    /// The id of the control plane whose entities this client reads; none outside Konnect.
    pub(crate) fn control_plane(&self) -> Option<&str> {
        let mut segments = self.entities.path_segments()?.rev();
        let last = segments.next();
        segments
            .next()
            .filter(|_| self.is_konnect && last == Some("core-entities"))
    }

    async fn read_at(&self, mut url: Url, path: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        for (name, value) in query {
            url.query_pairs_mut().append_pair(name, value);
        }
        self.call(
            "read",
            &format!("`{}`", path.join("/")),
            self.request(Method::GET, url),
        )
        .await
    }
}

/// Whether there is a page after this one, by the size of page that Konnect says it uses.
fn has_more(page: &Value, number: u64) -> bool {
    let meta = |field: &str| page["meta"]["page"][field].as_f64();
    match (meta("size"), meta("total")) {
        (Some(size), Some(total)) if size >= 1.0 => (number as f64) * size < total,
        _ => false,
    }
}

fn no_list(path: &[&str]) -> Error {
    let message = format!(
        "Konnect answered `{}` with something that is no list; see that `spec.settings.region` or `konnectUrl` leads to Konnect",
        path.join("/")
    );
    Error::new(ErrorKind::Unexpected, message)
}
