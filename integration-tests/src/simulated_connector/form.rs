//! An API in the vendor's words, in one normal form: without what the vendor adds, in one order.

use std::collections::BTreeMap;

use gatehouse_schemas::canonical::Fingerprint;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// What is deployed together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Form {
    pub(super) settings: FormSettings,
    pub(super) routes: Vec<FormRoute>,
    pub(super) policies: Vec<FormPolicy>,
}

/// What concerns an API as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormSettings {
    pub(super) title: String,
    pub(super) api_version: String,
    pub(super) protocol: String,
    pub(super) direction: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) hostnames: Vec<String>,
    pub(super) base_path: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) backends: BTreeMap<String, FormBackend>,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormBackend {
    pub(super) url: String,
    pub(super) timeout_ms: u32,
    pub(super) connect_timeout_ms: u32,
}

/// Which requests are served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormRoute {
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) operation_name: Option<String>,
    #[serde(default)]
    pub(super) summary: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) deprecated: bool,
    #[serde(default)]
    pub(super) backend: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) query: BTreeMap<String, String>,
}

impl FormRoute {
    /// What policies of this route alone are scoped to.
    pub(super) fn scope(&self) -> String {
        let mut scope = format!("{} {}", self.method, self.path);
        for (kind, values) in [("header", &self.headers), ("query", &self.query)] {
            for (name, value) in values {
                scope.push_str(&format!(" {kind}:{name}={value}"));
            }
        }
        scope
    }
}

/// A rule, for all routes (`*`) or for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormPolicy {
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) config: Value,
}

/// The vendor writes null where it has nothing.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<T, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

impl Form {
    /// In the one order that counts.
    #[must_use]
    pub(super) fn sorted(mut self) -> Self {
        self.settings.hostnames.sort_unstable();
        self.routes.sort_by_key(FormRoute::scope);
        self.policies.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }

    /// Equal means that the vendor holds the same.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_value(&json!(self))
    }

    /// Without the digests of credentials, which no desired state knows.
    #[must_use]
    pub(super) fn without_digests(mut self) -> Self {
        for policy in &mut self.policies {
            for entry in credentials(&mut policy.config) {
                entry.remove("valueDigest");
            }
        }
        self
    }
}

/// The entries of a policy that stand for a credential each.
pub(super) fn credentials(config: &mut Value) -> impl Iterator<Item = &mut serde_json::Map<String, Value>> {
    let lists = config.as_object_mut().into_iter().flatten();
    lists
        .filter(|(name, _)| matches!(name.as_str(), "keys" | "users"))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
        .filter_map(Value::as_object_mut)
}
