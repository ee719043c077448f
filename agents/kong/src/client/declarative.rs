//! The whole configuration of a Kong without a database.

use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};
use reqwest::Method;
use serde_json::{Map, Value};

use super::{Client, below};

impl Client {
    /// Everything that the node holds, as it exports it: passwords are hashes, and `_transform: false` says so.
    pub(crate) async fn configuration(&self) -> Result<Map<String, Value>> {
        let url = below(&self.root, &["config"]);
        let answer = self
            .call("read", "the configuration", self.request(Method::GET, url))
            .await?;
        let text = answer["config"].as_str().unwrap_or_default();
        // Anchors and tags do not occur in what Kong exports; a document that is no mapping is none.
        // `y` and `no` are texts to Kong, as it writes them.
        let options = serde_saphyr::options! { strict_booleans: true };
        let configuration: Option<Map<String, Value>> =
            serde_saphyr::from_str_with_options(text, options).ok();
        configuration.ok_or_else(|| {
            Error::new(
                ErrorKind::Unexpected,
                format!(
                    "the Kong of environment `{}` gave a configuration that cannot be read; nothing was changed; see that `adminUrl` leads to a node without a database",
                    self.environment
                ),
            )
        })
    }

    /// Puts a whole configuration in place of what the node holds.
    pub(crate) async fn replace_configuration(
        &self,
        configuration: &Map<String, Value>,
        api: &str,
    ) -> Result<()> {
        let url = below(&self.root, &["config"]);
        let object = format!("the configuration with API `{api}`");
        let request = self.request(Method::POST, url).json(configuration);
        self.call("load", &object, request).await.map(drop)
    }
}
