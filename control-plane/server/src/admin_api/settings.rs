//! Settings of environments against the connector's settings schema.

use std::collections::BTreeMap;

use gatehouse_schemas::{descriptor::Descriptor, environment::CredentialSource, parse::nearest, pointer};
use jsonschema::{ValidationError, error::ValidationErrorKind};
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
    let schema = &descriptor.settings_schema;
    let mut found: Vec<Wrong> = validator
        .iter_errors(&settings)
        .flat_map(|error| wrong(schema, &settings, &error))
        .collect();
    found.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    found.dedup();
    found
}

/// The places that an error is about: of unknown and missing names, each has its own.
fn wrong(schema: &Value, settings: &Value, error: &ValidationError<'_>) -> Vec<Wrong> {
    let place = error.instance_path().to_string();
    let known = names(schema, &place);
    let strange = |names: &mut dyn Iterator<Item = &String>| -> Vec<Wrong> {
        let one = |name: &String| Wrong {
            pointer: pointer::join(&place, name),
            detail: unknown(name, &known, "setting"),
        };
        names.filter(|name| !known.contains(name)).map(one).collect()
    };
    let there = settings.pointer(&place).and_then(Value::as_object);
    match (error.kind(), there) {
        (
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected },
            _,
        ) => strange(&mut unexpected.iter()),
        // A schema without any settings says no more than that something is there.
        (ValidationErrorKind::FalseSchema, Some(there)) => strange(&mut there.keys()),
        (
            ValidationErrorKind::Required {
                property: Value::String(name),
            },
            _,
        ) => vec![Wrong {
            pointer: pointer::join(&place, name),
            detail: format!("setting `{name}` is missing, and nothing works without it; add it"),
        }],
        (ValidationErrorKind::Pattern { pattern }, _) => {
            let value = error.instance().as_str().unwrap_or_default();
            let detail = choices(pattern)
                .map_or_else(|| error.to_string(), |choices| unknown(value, &choices, "choice"));
            vec![Wrong {
                pointer: place,
                detail,
            }]
        }
        _ => vec![Wrong {
            pointer: place,
            detail: error.to_string(),
        }],
    }
}

/// The words that a pattern lets through, if it is nothing but a choice of words: `^(rest|http)$`.
fn choices(pattern: &str) -> Option<Vec<String>> {
    let words = pattern.strip_prefix("^(")?.strip_suffix(")$")?.split('|');
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    };
    words.map(|word| is_word(word).then(|| word.to_owned())).collect()
}

/// The settings that there are at a place.
fn names(schema: &Value, place: &str) -> Vec<String> {
    let mut steps = place.split('/').skip(1);
    let here = steps.try_fold(schema, |schema, step| schema.get("properties")?.get(step));
    let properties = here.and_then(|schema| schema.get("properties")?.as_object());
    properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

fn unknown(name: &str, known: &[String], what: &str) -> String {
    let list = |known: &[String]| {
        known
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (nearest(name, known), known) {
        (Some(meant), _) => format!("there is no {what} `{name}`; did you mean `{meant}`?"),
        (None, []) => format!("there is no {what} `{name}`, as this gateway type has none; leave it out"),
        (None, known) => format!("there is no {what} `{name}`; there are {}", list(known)),
    }
}

/// What of the credentials the connector does not take, or lacks. A connector that declares none takes any.
pub(crate) fn credential_problems(
    descriptor: &Descriptor,
    credentials: &BTreeMap<String, CredentialSource>,
) -> Vec<Wrong> {
    let declared = &descriptor.credentials;
    if declared.is_empty() {
        return Vec::new();
    }
    let known: Vec<String> = declared
        .iter()
        .map(|credential| credential.name.clone())
        .collect();
    let strange = credentials
        .keys()
        .filter(|name| !known.contains(name))
        .map(|name| Wrong {
            pointer: pointer::join("", name),
            detail: unknown(name, &known, "credential"),
        });
    let lacking = declared
        .iter()
        .filter(|credential| credential.required && !credentials.contains_key(&credential.name))
        .map(|credential| Wrong {
            pointer: pointer::join("", &credential.name),
            detail: format!(
                "credential `{}` is missing, and nothing works without it; add it as `secretRef`, `env` or `file`",
                credential.name
            ),
        });
    strange.chain(lacking).collect()
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::descriptor::Capabilities;
    use serde_json::json;

    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor {
            quotas: Vec::new(),
            account_settings: Vec::new(),
            permissions: Vec::new(),
            credentials: Vec::new(),
            conformance: None,
            gateway_type: "kong".parse().expect("a name"),
            display_name: "Kong".to_owned(),
            version: "1.0.0".to_owned(),
            capabilities: Capabilities::default(),
            settings_schema: json!({}),
            policies: Vec::new(),
        }
    }

    fn check(schema: Value, settings: &Value) -> Vec<String> {
        let descriptor = Descriptor {
            settings_schema: schema,
            ..descriptor()
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
        assert_eq!(check(schema.clone(), &json!({})), ["/adminUrl"]);
        assert_eq!(
            check(schema.clone(), &json!({"adminUrl": 1, "port": "x"})),
            ["/adminUrl", "/port"]
        );
        assert!(check(json!({"type": "nonsense"}), &json!({})).is_empty());
    }

    #[test]
    fn unknown_and_missing_names_are_told_with_the_nearest_known_one() {
        let schema = json!({"type": "object", "required": ["login"], "additionalProperties": false, "properties": {
            "adminUrl": {"type": "string"},
            "login": {"type": "object", "required": ["user"], "additionalProperties": false,
                "properties": {"user": {"type": "string"}}},
        }});
        let told = |settings: Value| {
            let mut descriptor = descriptor();
            descriptor.settings_schema = schema.clone();
            let problems = problems(&descriptor, settings.as_object().expect("an object"));
            problems
                .into_iter()
                .map(|wrong| format!("{}: {}", wrong.pointer, wrong.detail))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(json!({"adminURL": "x", "moon": 1, "login": {"usr": "me", "user": "me"}})),
            [
                "/adminURL: there is no setting `adminURL`; did you mean `adminUrl`?",
                "/login/usr: there is no setting `usr`; did you mean `user`?",
                "/moon: there is no setting `moon`; there are `adminUrl`, `login`",
            ]
        );
        assert_eq!(
            told(json!({})),
            ["/login: setting `login` is missing, and nothing works without it; add it"]
        );
        let mut bare = descriptor();
        bare.settings_schema = json!({"type": "object", "additionalProperties": false});
        let wrong = problems(&bare, json!({"moon": 1}).as_object().expect("an object"));
        assert_eq!(
            wrong[0].detail,
            "there is no setting `moon`, as this gateway type has none; leave it out"
        );
    }

    #[test]
    fn a_wrong_choice_is_told_with_the_choices() {
        let told = |pattern: &str, value: &str| {
            let mut descriptor = descriptor();
            descriptor.settings_schema =
                json!({"type": "object", "properties": {"kind": {"type": "string", "pattern": pattern}}});
            let settings = json!({"kind": value});
            let problems = problems(&descriptor, settings.as_object().expect("an object"));
            problems.into_iter().map(|wrong| wrong.detail).collect::<Vec<_>>()
        };
        assert_eq!(
            told("^(auto|self-managed)$", "soap"),
            ["there is no choice `soap`; there are `auto`, `self-managed`"]
        );
        assert_eq!(
            told("^(auto|rest)$", "rets"),
            ["there is no choice `rets`; did you mean `rest`?"]
        );
        assert_eq!(
            told("^(auto|[a-z]+)$", "9"),
            ["\"9\" does not match \"^(auto|[a-z]+)$\""]
        );
        assert_eq!(told("^(auto|rest)$", "rest"), Vec::<String>::new());
    }

    #[test]
    fn credentials_are_held_against_what_is_declared() {
        let mut descriptor = descriptor();
        let credentials: BTreeMap<String, CredentialSource> =
            serde_json::from_value(json!({"tokn": {"env": "TOKEN"}})).expect("credentials");
        assert_eq!(credential_problems(&descriptor, &credentials), []);
        descriptor.credentials = serde_json::from_value(json!([
            {"name": "token", "description": "The account's.", "required": true},
            {"name": "trace", "description": "For traces."},
        ]))
        .expect("descriptions");
        let told: Vec<_> = credential_problems(&descriptor, &credentials)
            .into_iter()
            .map(|wrong| format!("{}: {}", wrong.pointer, wrong.detail))
            .collect();
        assert_eq!(
            told,
            [
                "/tokn: there is no credential `tokn`; did you mean `token`?",
                "/token: credential `token` is missing, and nothing works without it; add it as `secretRef`, `env` or `file`",
            ]
        );
    }
}
