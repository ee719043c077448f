//! The settings of an environment as a connector's own type: one struct gives the schema that the control
//! plane validates against and the reader that the connector uses.
//!
//! ```
//! # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
//! use gatehouse_connector_sdk::{error::ErrorKind, settings};
//! use serde::{Deserialize, Serialize};
//! use utoipa::ToSchema;
//!
//! #[derive(Debug, Serialize, Deserialize, ToSchema)]
//! #[serde(rename_all = "camelCase", deny_unknown_fields)]
//! struct AcmeSettings {
//!     /// Where the admin API listens.
//!     admin_url: String,
//! }
//!
//! // For the descriptor.
//! let schema = settings::schema::<AcmeSettings>("Acme settings");
//! assert_eq!(schema["properties"]["adminUrl"]["type"], "string");
//!
//! // In an operation.
//! # use gatehouse_connector_sdk::schemas::environment::Mode;
//! let mut environment = acme::environment(Mode::ReadWrite);
//! let error = settings::read::<AcmeSettings>(&environment).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Invalid);
//! environment.settings.insert("adminUrl".to_owned(), "http://127.0.0.1:8001".into());
//! let settings: AcmeSettings = settings::read(&environment).unwrap();
//! assert_eq!(settings.admin_url, "http://127.0.0.1:8001");
//! ```

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use crate::{
    context::EnvironmentContext,
    error::{Error, ErrorKind, Result},
};

/// The JSON Schema (2020-12) of a settings type, with the defaults that reading gives. The type must hold all its fields
/// itself (no references to other named types), so that the schema stands alone.
///
/// ```
/// use gatehouse_connector_sdk::settings;
/// use serde::{Deserialize, Serialize};
/// use utoipa::ToSchema;
///
/// #[derive(Serialize, Deserialize, ToSchema)]
/// #[serde(rename_all = "camelCase", deny_unknown_fields)]
/// struct KongSettings {
///     /// Where the Admin API listens.
///     admin_url: String,
///     /// The workspace.
///     #[serde(default = "usual")]
///     workspace: String,
/// }
///
/// fn usual() -> String {
///     "default".to_owned()
/// }
///
/// let schema = settings::schema::<KongSettings>("Kong settings");
/// assert_eq!(schema["required"][0], "adminUrl");
/// assert_eq!(schema["properties"]["workspace"]["default"], "default");
/// ```
pub fn schema<T: PartialSchema + Serialize + DeserializeOwned>(title: &str) -> Value {
    let mut schema = serde_json::to_value(T::schema()).unwrap_or_else(|_| json!({"type": "object"}));
    let defaults = defaults::<T>(&schema);
    let Some(fields) = schema.as_object_mut() else {
        return schema;
    };
    fields.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    fields.insert("title".to_owned(), json!(title));
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if let (Some(default), Some(property)) = (defaults.get(name), property.as_object_mut()) {
            property.insert("default".to_owned(), default.clone());
        }
    }
    schema
}

/// What reading gives for settings that were left out: found by reading the smallest settings, and writing them again.
fn defaults<T: Serialize + DeserializeOwned>(schema: &Value) -> Map<String, Value> {
    let required = schema.get("required").and_then(Value::as_array);
    let smallest: Map<String, Value> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|name| (name.to_owned(), anything(&schema["properties"][name])))
        .collect();
    let read = serde_json::from_value::<T>(Value::Object(smallest.clone()));
    let Ok(Value::Object(mut written)) = read.and_then(|settings| serde_json::to_value(settings)) else {
        return Map::new();
    };
    written.retain(|name, value| !smallest.contains_key(name) && !value.is_null());
    written
}

/// Some value of a type, for a setting that has no default.
fn anything(schema: &Value) -> Value {
    let first = schema.get("enum").and_then(|words| words.get(0));
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match (first, kind) {
        (Some(word), _) => word.clone(),
        (None, "integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        (None, "boolean") => json!(false),
        (None, "array") => json!([]),
        (None, "object") => json!({}),
        (None, _) => json!("x"),
    }
}

/// The settings of an environment, read strictly.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # use gatehouse_connector_sdk::schemas::environment::Mode;
/// use gatehouse_connector_sdk::settings;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct AcmeSettings {
///     #[serde(default)]
///     workspace: Option<String>,
/// }
///
/// # let mut environment = acme::environment(Mode::ReadWrite);
/// assert!(settings::read::<AcmeSettings>(&environment).unwrap().workspace.is_none());
///
/// environment.settings.insert("workspce".to_owned(), "shop".into());
/// let error = settings::read::<AcmeSettings>(&environment).err().unwrap();
/// assert!(error.message().contains("unknown field `workspce`"));
/// assert!(error.message().ends_with("correct `spec.settings`"));
/// ```
pub fn read<T: DeserializeOwned>(environment: &EnvironmentContext) -> Result<T> {
    parse(&environment.settings).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "the settings of environment `{}` are not valid: {error}; correct `spec.settings`",
                environment.name
            ),
        )
    })
}

fn parse<T: DeserializeOwned>(settings: &Map<String, Value>) -> serde_json::Result<T> {
    serde_json::from_value(Value::Object(settings.clone()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use utoipa::ToSchema;

    use super::*;

    #[derive(Serialize, Deserialize, ToSchema)]
    #[serde(rename_all = "camelCase")]
    struct Settings {
        /// Must be there.
        url: String,
        retries: u32,
        #[serde(default = "live")]
        stage: String,
        #[serde(default)]
        note: Option<String>,
    }

    fn live() -> String {
        "live".to_owned()
    }

    #[test]
    fn a_schema_has_the_defaults_that_reading_gives() {
        let schema = schema::<Settings>("Settings");
        let default = |name: &str| schema["properties"][name].get("default").cloned();
        assert_eq!(default("stage"), Some(json!("live")));
        assert_eq!(
            (default("url"), default("retries"), default("note")),
            (None, None, None)
        );
        assert_eq!(schema["title"], "Settings");
    }
}
