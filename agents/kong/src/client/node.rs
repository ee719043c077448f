//! What a Kong says of itself.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::error::{ErrorKind, Result};
use reqwest::Method;
use serde_json::Value;

use super::{Client, below};
use crate::entities::{Collection, Entity};

/// What a Kong is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// In Kong's own notation, `3.9.3`; none in Konnect, whose data planes may differ.
    pub(crate) version: Option<String>,
    pub(crate) edition: Edition,
    pub(crate) has_database: bool,
    pub(crate) flavor: Flavor,
    /// Whether templates such as `$(uri_captures.path)` are filled in, which `untrusted_lua` in kong.conf can forbid.
    pub(crate) fills_templates: bool,
    /// The plugins that can be used; none if it does not say.
    pub(crate) plugins: Option<BTreeSet<String>>,
}

/// Which Kong it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edition {
    OpenSource,
    Enterprise,
    Konnect,
}

impl Edition {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenSource => "open source",
            Self::Enterprise => "Enterprise",
            Self::Konnect => "Konnect",
        }
    }
}

/// In which words routes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// Paths, methods, hosts and headers (`traditional`, `traditional_compatible`).
    Traditional,
    /// One expression.
    Expressions,
}

impl Flavor {
    /// As in kong.conf.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Traditional => "traditional",
            Self::Expressions => "expressions",
        }
    }
}

impl Client {
    /// What the Kong of the environment is.
    pub(crate) async fn node(&self) -> Result<Node> {
        if self.is_konnect {
            return Ok(Node {
                version: None,
                edition: Edition::Konnect,
                has_database: true,
                flavor: Flavor::Traditional,
                fills_templates: true,
                plugins: None,
            });
        }
        let url = below(&self.root, &[""]);
        let information = self
            .call("read", "the node's information", self.request(Method::GET, url))
            .await?;
        Ok(node(&information))
    }

    /// The fields of a plugin's configuration that this Kong knows.
    pub(crate) async fn plugin_fields(&self, plugin: &str) -> Result<BTreeSet<String>> {
        let url = below(&self.root, &["schemas", "plugins", plugin]);
        let object = format!("the schema of plugin `{plugin}`");
        let schema = self.call("read", &object, self.request(Method::GET, url)).await?;
        let fields = schema["fields"].as_array().into_iter().flatten();
        let config = fields
            .filter_map(|field| field["config"]["fields"].as_array())
            .flatten();
        let names = config
            .filter_map(Value::as_object)
            .flat_map(|field| field.keys().cloned());
        Ok(names.collect())
    }

    /// Whether the credential may change services: Kong is asked to remove one that nobody has, which changes nothing and
    /// is the same without a database.
    pub(crate) async fn may_write(&self) -> Result<bool> {
        let nobody = Entity::of(serde_json::json!({"id": "00000000-0000-4000-8000-000000000000"}));
        match self.delete(Collection::Services, &nobody).await {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Forbidden | ErrorKind::Unauthorized | ErrorKind::Unsupported
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// What changes whenever the configuration of a Kong without a database does; none if it does not say.
    pub(crate) async fn configuration_hash(&self) -> Result<Option<String>> {
        let url = below(&self.root, &["status"]);
        let status = self
            .call("read", "the node's status", self.request(Method::GET, url))
            .await?;
        Ok(status["configuration_hash"].as_str().map(str::to_owned))
    }
}

fn node(information: &Value) -> Node {
    let configuration = &information["configuration"];
    let version = information["version"].as_str();
    let plugins = information["plugins"]["available_on_server"].as_object();
    Node {
        edition: edition(information["edition"].as_str(), version),
        has_database: configuration["database"] != "off",
        flavor: match configuration["router_flavor"].as_str() {
            Some("expressions") => Flavor::Expressions,
            _ => Flavor::Traditional,
        },
        fills_templates: configuration["untrusted_lua"] != "off",
        plugins: plugins.map(|plugins| plugins.keys().cloned().collect()),
        version: version.map(str::to_owned),
    }
}

/// 3.4 says no edition; Enterprise's versions have four numbers and a suffix.
fn edition(edition: Option<&str>, version: Option<&str>) -> Edition {
    let by_version = || version.is_some_and(|version| version.contains("enterprise"));
    match edition {
        Some("enterprise") => Edition::Enterprise,
        Some(_) => Edition::OpenSource,
        None if by_version() => Edition::Enterprise,
        None => Edition::OpenSource,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_what_it_says() {
        let open = node(&json!({
            "version": "3.9.3", "edition": "community",
            "configuration": {"database": "off", "router_flavor": "traditional_compatible"},
            "plugins": {"available_on_server": {"cors": {"version": "3.9.3"}}},
        }));
        assert_eq!(open.edition, Edition::OpenSource);
        assert!(!open.has_database);
        assert_eq!(open.plugins, Some(BTreeSet::from(["cors".to_owned()])));
        let bought = node(&json!({
            "version": "3.4.3.1-enterprise-edition",
            "configuration": {"database": "postgres", "router_flavor": "expressions"},
        }));
        assert_eq!(bought.edition, Edition::Enterprise);
        assert!(bought.has_database && bought.fills_templates);
        let strict = node(&json!({"configuration": {"untrusted_lua": "off"}}));
        assert!(!strict.fills_templates);
        assert_eq!(bought.flavor, Flavor::Expressions);
        assert_eq!(bought.plugins, None);
    }
}
