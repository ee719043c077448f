//! The settings of an environment as a connector's own type: one struct gives the schema that the control
//! plane validates against and the reader that the connector uses.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use crate::{
    context::EnvironmentContext,
    error::{Error, ErrorKind, Result},
};

/// The JSON Schema (2020-12) of a settings type. The type must hold all its fields itself (no references
/// to other named types), so that the schema stands alone.
pub fn schema<T: PartialSchema>(title: &str) -> Value {
    let mut schema = serde_json::to_value(T::schema()).unwrap_or_else(|_| json!({"type": "object"}));
    if let Some(fields) = schema.as_object_mut() {
        fields.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        fields.insert("title".to_owned(), json!(title));
    }
    schema
}

/// The settings of an environment, read strictly.
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
