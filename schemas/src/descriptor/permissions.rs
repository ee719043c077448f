//! What the gateway's own access control should allow an agent, and how an environment's settings are filled in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::environment::Mode;

/// What the gateway's own access control should allow an agent, for one mode of an environment.
///
/// In the texts of the policy and of the instructions, `{settings.NAME}` stands for a setting of the environment, and
/// `{derived.NAME}` for a word that follows from one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionSet {
    /// The environment's mode.
    pub mode: Mode,
    /// The vendor's language, for people: `AWS IAM policy`, `Azure custom role`.
    pub language: String,
    /// The policy.
    #[schema(value_type = Object)]
    pub document: Value,
    /// What is added to the policy in environments that have a certain setting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additions: Vec<PermissionAddition>,
    /// The words of the texts that follow from settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<DerivedWord>,
    /// How to put it in force.
    pub instructions: String,
}

/// What a policy needs beside, in environments that have a certain setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionAddition {
    /// The setting.
    pub setting: String,
    /// What is put into the policy: lists are joined with those at the same place, and what is not there is put in.
    #[schema(value_type = Object)]
    pub document: Value,
}

/// A word that follows from how a setting begins, such as the partition that a region is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DerivedWord {
    /// Its name: texts say `{derived.NAME}`.
    pub name: String,
    /// The setting that it follows from.
    pub setting: String,
    /// The words by what the setting begins with. The longest beginning counts.
    pub by_beginning: BTreeMap<String, String>,
    /// The word where the setting begins with none of these.
    pub otherwise: String,
}

/// A policy for one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledPermissions {
    /// The policy.
    pub document: Value,
    /// How to put it in force.
    pub instructions: String,
}

/// A policy refers to a setting that the environment does not have, and that has no default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy refers to the setting `{0}`, which the environment does not have")]
pub struct MissingSetting(pub String);

impl PermissionSet {
    /// The policy for an environment with these settings; `schema` is the connector's JSON Schema of them, which has the
    /// defaults of those that are not given.
    pub fn filled(
        &self,
        settings: &Map<String, Value>,
        schema: &Value,
    ) -> Result<FilledPermissions, MissingSetting> {
        let texts = Texts {
            settings,
            defaults: &schema["properties"],
            derived: &self.derived,
        };
        Ok(FilledPermissions {
            document: texts.filled(&self.document_with(settings))?,
            instructions: texts.filled_text(&self.instructions)?,
        })
    }

    /// The policy with what settings add to it, whose texts are not filled in.
    fn document_with(&self, settings: &Map<String, Value>) -> Value {
        let mut document = self.document.clone();
        for addition in &self.additions {
            if settings
                .get(&addition.setting)
                .is_some_and(|value| !value.is_null())
            {
                join(&mut document, &addition.document);
            }
        }
        document
    }
}

fn join(document: &mut Value, addition: &Value) {
    match (document, addition) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                match fields.get_mut(name) {
                    Some(there) => join(there, value),
                    None => {
                        fields.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(items), Value::Array(more)) => items.extend(more.iter().cloned()),
        _ => {}
    }
}

impl DerivedWord {
    fn of(&self, setting: &str) -> &str {
        let fitting = self
            .by_beginning
            .iter()
            .filter(|(beginning, _)| setting.starts_with(*beginning));
        let longest = fitting.max_by_key(|(beginning, _)| beginning.len());
        longest.map_or(&self.otherwise, |(_, word)| word)
    }
}

/// What the texts of a policy are filled in with.
struct Texts<'a> {
    settings: &'a Map<String, Value>,
    /// The schemas of settings, which have the defaults of those that are not given.
    defaults: &'a Value,
    derived: &'a [DerivedWord],
}

impl Texts<'_> {
    /// The value with what its texts leave open filled in, at any depth.
    fn filled(&self, value: &Value) -> Result<Value, MissingSetting> {
        Ok(match value {
            Value::String(text) => Value::String(self.filled_text(text)?),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.filled(item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(fields) => {
                let field = |(key, value): (&String, &Value)| Ok((key.clone(), self.filled(value)?));
                Value::Object(fields.iter().map(field).collect::<Result<_, MissingSetting>>()?)
            }
            other => other.clone(),
        })
    }

    /// What was filled in is not read again, and braces with anything else between them are text.
    fn filled_text(&self, text: &str) -> Result<String, MissingSetting> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let named = after.split_once('}');
            let word = named.map(|(named, _)| self.word(named)).transpose()?.flatten();
            match (word, named) {
                (Some(word), Some((_, behind))) => {
                    filled.push_str(&word);
                    rest = behind;
                }
                _ => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// What `settings.NAME` or `derived.NAME` stands for, if it is one of the two.
    fn word(&self, named: &str) -> Result<Option<String>, MissingSetting> {
        if let Some(name) = named.strip_prefix("settings.") {
            return self.setting(name).map(Some);
        }
        let derived = named.strip_prefix("derived.");
        let word = derived.and_then(|name| self.derived.iter().find(|word| word.name == name));
        word.map(|word| Ok(word.of(&self.setting(&word.setting)?).to_owned()))
            .transpose()
    }

    fn setting(&self, name: &str) -> Result<String, MissingSetting> {
        let default = || self.defaults.get(name).and_then(|schema| schema.get("default"));
        match self.settings.get(name).or_else(default) {
            None | Some(Value::Null) => Err(MissingSetting(name.to_owned())),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set() -> PermissionSet {
        let beginnings = [("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("us-", "us")];
        PermissionSet {
            mode: Mode::ReadOnly,
            language: "policy".to_owned(),
            document: json!({"Version": 1, "Statement": [{"Action": "read"}]}),
            additions: vec![PermissionAddition {
                setting: "queue".to_owned(),
                document: json!({"Version": 2, "Statement": [{"Action": "listen"}], "Note": {"of": "{settings.queue}"}}),
            }],
            derived: vec![DerivedWord {
                name: "partition".to_owned(),
                setting: "region".to_owned(),
                by_beginning: beginnings
                    .map(|(beginning, word)| (beginning.to_owned(), word.to_owned()))
                    .into(),
                otherwise: "aws".to_owned(),
            }],
            instructions: String::new(),
        }
    }

    fn filled(text: &str, settings: &Value) -> Result<String, MissingSetting> {
        let set = PermissionSet {
            instructions: text.to_owned(),
            ..set()
        };
        let schema = json!({"properties": {"stage": {"default": "live"}}});
        let filled = set.filled(settings.as_object().unwrap(), &schema);
        filled.map(|filled| filled.instructions)
    }

    #[test]
    fn a_policy_is_added_to_where_a_setting_asks_for_more() {
        let with = |settings: Value| set().filled(settings.as_object().unwrap(), &Value::Null);
        for settings in [json!({}), json!({"queue": null}), json!({"other": 1})] {
            assert_eq!(with(settings).unwrap().document, set().document);
        }
        assert_eq!(
            with(json!({"queue": "q"})).unwrap().document,
            json!({"Version": 1, "Statement": [{"Action": "read"}, {"Action": "listen"}], "Note": {"of": "q"}})
        );
    }

    #[test]
    fn settings_are_filled_in_as_plain_text() {
        let settings =
            json!({"region": "eu-central-1", "account": 123, "nested": {"a": "{settings.region}"}});
        for (text, expected) in [
            ("nothing", Ok("nothing")),
            (
                "arn:aws:apigateway:{settings.region}::/restapis/*",
                Ok("arn:aws:apigateway:eu-central-1::/restapis/*"),
            ),
            ("{settings.account}-{settings.region}", Ok("123-eu-central-1")),
            ("{settings.stage}", Ok("live")),
            // What was filled in is not read again, and what is not whole is text.
            ("{settings.nested}", Ok("{\"a\":\"{settings.region}\"}")),
            ("{settings.region", Ok("{settings.region")),
            ("{other.region}", Ok("{other.region}")),
            ("{{settings.region}}", Ok("{eu-central-1}")),
            ("{\"a\": \"{settings.region}\"}", Ok("{\"a\": \"eu-central-1\"}")),
            ("{derived.account}", Ok("{derived.account}")),
            ("{settings.zone}", Err("zone")),
        ] {
            let expected = expected
                .map(str::to_owned)
                .map_err(|name| MissingSetting(name.to_owned()));
            assert_eq!(filled(text, &settings), expected, "{text}");
        }
    }

    #[test]
    fn a_word_follows_from_how_a_setting_begins() {
        for (region, expected) in [
            ("eu-central-1", "aws:eu-central-1"),
            ("cn-north-1", "aws-cn:cn-north-1"),
            ("us-gov-west-1", "aws-us-gov:us-gov-west-1"),
            ("us-east-1", "us:us-east-1"),
        ] {
            let found = filled(
                "{derived.partition}:{settings.region}",
                &json!({"region": region}),
            );
            assert_eq!(found.unwrap(), expected);
        }
        let missing = filled("{derived.partition}", &json!({}));
        assert_eq!(missing, Err(MissingSetting("region".to_owned())));
    }

    #[test]
    fn documents_are_filled_in_at_any_depth() {
        let document = json!({"Statement": [{"Resource": ["{settings.region}/*"], "Sid": 1, "{settings.region}": null}]});
        let set = PermissionSet { document, ..set() };
        let settings = json!({"region": "eu"});
        let filled = set.filled(settings.as_object().unwrap(), &Value::Null).unwrap();
        assert_eq!(
            filled.document,
            json!({"Statement": [{"Resource": ["eu/*"], "Sid": 1, "{settings.region}": null}]})
        );
    }
}
