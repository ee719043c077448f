//! Finding what carries our mark.

use gatehouse_connector_sdk::error::Result;
use gatehouse_schemas::desired::Mark;
use reqwest::Method;

use super::{
    client::{Client, Export, Listed, Page, Request},
    translate::{API, ENVIRONMENT},
};

/// What carries the mark, whatever the revision: what serves first, then the oldest. More than one only if something
/// went wrong that the vendor did not tell.
pub(super) async fn by_mark(client: &Client<'_>, mark: &Mark) -> Result<Vec<Listed>> {
    let path = format!(
        "/apis?limit=100&tag.{ENVIRONMENT}={}&tag.{API}={}",
        mark.environment_id, mark.api_id
    );
    let page: Page = client
        .read(Request::new(
            "GetApis",
            Method::GET,
            path,
            "the APIs with our mark",
        ))
        .await?;
    let mut found = page.items;
    found.sort_by(|a, b| {
        let order = |it: &Listed| (it.stages.is_empty(), it.created_at, it.id.clone());
        order(a).cmp(&order(b))
    });
    Ok(found)
}

/// Whether an object carries the mark's environment and API.
pub(super) fn carries(tags: &std::collections::BTreeMap<String, String>, mark: &Mark) -> bool {
    tags.get(ENVIRONMENT) == Some(&mark.environment_id.to_string())
        && tags.get(API) == Some(&mark.api_id.to_string())
}

/// What steps that make an API object are recorded with.
pub(super) fn object_of(mark: &Mark) -> String {
    format!("{ENVIRONMENT}={} {API}={}", mark.environment_id, mark.api_id)
}

impl Export {
    pub(super) fn is_ours(&self, mark: &Mark) -> bool {
        carries(&self.tags, mark)
    }

    /// Whether it carries anybody's mark.
    pub(super) fn is_marked(&self) -> bool {
        self.tags.contains_key(ENVIRONMENT) || self.tags.contains_key(API)
    }
}
