//! What an in-memory gateway holds of one API, and how it looks from outside.

use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    identity::ExternalRef,
    observed::{DiscoveredItem, ObservedApi},
    policy::SecretVersion,
    revision::RevisionContent,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the gateway holds of one API.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     memory::{MemoryConnector, MemoryGateway, StoredApi},
///     schemas::environment::Mode,
/// };
///
/// # let context = acme::context(Mode::ReadWrite);
/// let gateway = MemoryGateway::new();
/// let deployed = MemoryConnector::new(gateway.clone()).deploy(&context, &acme::first_deploy()).await?;
/// let held: &StoredApi = &gateway.apis()[&deployed.external_ref];
/// assert_eq!(held.mark, Some(acme::mark()));
/// assert_eq!(held.content, acme::content());
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredApi {
    /// The gateway's name for it.
    pub name: String,
    /// The mark, if Gatehouse made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// What it is.
    pub content: RevisionContent,
    /// The secrets its policies refer to, at their versions; only of a marked one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretVersion>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its machine-readable description, if it came with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Value>,
    /// The fingerprint of what it expresses.
    pub fingerprint: Fingerprint,
    /// Rises with every change of it, whoever makes it; 0 as long as nobody counts.
    #[serde(default)]
    pub version: u64,
}

impl StoredApi {
    /// An API that somebody else made.
    pub(super) fn foreign(name: &str, content: RevisionContent) -> Self {
        Self {
            name: name.to_owned(),
            mark: None,
            secrets: Vec::new(),
            tags: Vec::new(),
            definition: None,
            fingerprint: Fingerprint::of_value(&json!(content)),
            content,
            version: 0,
        }
    }

    /// What a desired API becomes, in place of what is there.
    pub(super) fn desired(desired: &DesiredApi, present: Option<&Self>) -> Self {
        let keeps_definition = |present: &&Self| present.content.definition == desired.content.definition;
        Self {
            name: desired.mark.api_name.to_string(),
            mark: Some(desired.mark.clone()),
            secrets: desired.secrets.clone(),
            tags: present.map(|present| present.tags.clone()).unwrap_or_default(),
            definition: present
                .filter(keeps_definition)
                .and_then(|present| present.definition.clone()),
            content: desired.content.clone(),
            fingerprint: desired.fingerprint.clone(),
            version: present.map_or(0, |present| present.version),
        }
    }

    /// Computes anew what it expresses, after somebody changed it.
    pub(super) fn refresh(&mut self) {
        self.fingerprint = match &self.mark {
            Some(_) => Fingerprint::of_value(&json!({ "content": self.content, "secrets": self.secrets })),
            None => Fingerprint::of_value(&json!(self.content)),
        };
    }

    /// Whether it carries the mark's environment and API, whatever the revision.
    pub(super) fn carries(&self, mark: &Mark) -> bool {
        self.mark
            .as_ref()
            .is_some_and(|own| own.environment_id == mark.environment_id && own.api_id == mark.api_id)
    }

    /// As an observation tells it.
    pub(super) fn observed(self, external_ref: ExternalRef) -> ObservedApi {
        ObservedApi {
            endpoint_urls: vec![endpoint_url(&self.content.base_path)],
            version: self.listed_version(),
            external_ref,
            name: self.name,
            tags: self.tags,
            mark: self.mark,
            definition: self.definition,
            content: self.content,
            fingerprint: self.fingerprint,
        }
    }

    /// As a listing tells it, to somebody who knows a version of it.
    pub(super) fn listed(
        &self,
        external_ref: &ExternalRef,
        readable: bool,
        known: Option<&String>,
    ) -> DiscoveredItem {
        if !readable {
            return DiscoveredItem::Unreadable {
                external_ref: external_ref.clone(),
                name: self.name.clone(),
                reason: format!("`{external_ref}` cannot be read; its document is damaged"),
            };
        }
        if known.is_some() && known == self.listed_version().as_ref() {
            return DiscoveredItem::Unchanged {
                external_ref: external_ref.clone(),
                name: self.name.clone(),
            };
        }
        DiscoveredItem::Api(Box::new(self.clone().observed(external_ref.clone())))
    }

    /// None for one that was put into the file by hand, without one.
    fn listed_version(&self) -> Option<String> {
        (self.version > 0).then(|| self.version.to_string())
    }
}

/// Where consumers would reach it, if anything listened.
pub(super) fn endpoint_url(base_path: &str) -> String {
    format!("memory://gateway{base_path}")
}
