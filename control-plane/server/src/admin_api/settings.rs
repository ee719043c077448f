//! Settings of environments against the connector's settings schema.

use gatehouse_schemas::descriptor::Descriptor;
use serde_json::{Map, Value};

/// One wrong place in settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Where, as a JSON Pointer into the settings.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) detail: String,
}

/// What of the settings breaks the connector's schema. A schema that is no JSON Schema refuses nothing: its agent
/// checks settings, too.
pub(crate) fn problems(descriptor: &Descriptor, settings: &Map<String, Value>) -> Vec<Wrong> {
    let Ok(validator) = jsonschema::validator_for(&descriptor.settings_schema) else {
        tracing::warn!(gateway.r#type = %descriptor.gateway_type, "The settings schema of `{}` is not valid", descriptor.gateway_type);
        return Vec::new();
    };
    let settings = Value::Object(settings.clone());
    let wrong = |error: jsonschema::ValidationError<'_>| Wrong {
        pointer: error.instance_path().to_string(),
        detail: error.to_string(),
    };
    validator.iter_errors(&settings).map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::descriptor::Capabilities;
    use serde_json::json;

    use super::*;

    fn check(schema: Value, settings: &Value) -> Vec<String> {
        let descriptor = Descriptor {
            quotas: Vec::new(),
            account_settings: Vec::new(),
            permissions: Vec::new(),
            credentials: Vec::new(),
            conformance: None,
            gateway_type: "kong".parse().expect("a name"),
            display_name: "Kong".to_owned(),
            version: "1.0.0".to_owned(),
            capabilities: Capabilities::default(),
            settings_schema: schema,
            policies: Vec::new(),
        };
        let settings = settings.as_object().expect("an object");
        problems(&descriptor, settings)
            .into_iter()
            .map(|wrong| wrong.pointer)
            .collect()
    }

    #[test]
    fn names_the_wrong_places() {
        let schema = json!({"type": "object", "required": ["adminUrl"], "additionalProperties": false,
            "properties": {"adminUrl": {"type": "string"}, "port": {"type": "integer"}}});
        assert!(check(schema.clone(), &json!({"adminUrl": "http://kong"})).is_empty());
        assert_eq!(check(schema.clone(), &json!({})), [""]);
        assert_eq!(
            check(schema.clone(), &json!({"adminUrl": 1, "port": "x"})),
            ["/adminUrl", "/port"]
        );
        assert!(check(json!({"type": "nonsense"}), &json!({})).is_empty());
    }
}
