//! The examples of an operation's responses.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Reading, Written, is_json, media_type};
use crate::{
    api::OperationMatch,
    openapi::references,
    pointer,
    policy::{ExpandedAnswer, ExpandedExample},
};

/// How many schemas are looked at to make an example of their parts.
const SCHEMAS_MAX: usize = 1_000;

/// How deep they may be.
const DEPTH_MAX: usize = 64;

/// The examples of one type, some with a name.
type Values = Vec<(Option<String>, Value)>;

impl Reading<'_> {
    /// The examples of an operation, first those that are given unless the caller prefers others: of the wanted status,
    /// or of the lowest one that is a success.
    pub(super) fn answer(&mut self, matched: &OperationMatch, wanted: Option<u16>) -> Option<ExpandedAnswer> {
        let Some(written) = self.written(matched) else {
            self.schemas.issue("", super::unknown(matched));
            return None;
        };
        let name = format!("`{} {}`", matched.method, matched.path);
        let at = pointer::join(&written.at, "responses");
        let found = self.responses(&written, &at);
        let usual = usual(&found, wanted);
        let Some((status, (place, examples))) = usual.and_then(|status| Some((status, found.get(&status)?)))
        else {
            let detail = match wanted {
                Some(status) => format!("{name} has no response of status {status}"),
                None => format!("{name} has no responses"),
            };
            self.schemas.issue(&at, detail);
            return None;
        };
        if examples.is_empty() {
            let detail = format!(
                "{name} has no example of status {status} to answer with; write an `example` at its content or schema, or name \
                 another status in the policy"
            );
            self.schemas.issue(place, detail);
            return None;
        }
        let others = found.iter().filter(|(other, _)| **other != status);
        let others = others.flat_map(|(_, (_, examples))| examples.iter().cloned());
        Some(ExpandedAnswer {
            r#match: matched.clone(),
            examples: examples.iter().cloned().chain(others).collect(),
        })
    }

    /// The examples by status, each with the place of the response.
    fn responses(
        &mut self,
        written: &Written<'_>,
        at: &str,
    ) -> BTreeMap<u16, (String, Vec<ExpandedExample>)> {
        let mut found = BTreeMap::new();
        let mut otherwise = None;
        let responses = written.field("responses").and_then(Value::as_object);
        for (key, response) in responses.into_iter().flatten() {
            let Some((response, place)) = self.resolve(response, pointer::join(at, key)) else {
                continue;
            };
            let status = match key.as_bytes() {
                b"default" => {
                    otherwise = Some((self.examples(response, written, 200), place));
                    continue;
                }
                [class @ b'2'..=b'5', b'X' | b'x', b'X' | b'x'] => u16::from(class - b'0') * 100,
                _ => match key.parse() {
                    Ok(status) if (200..=599).contains(&status) => status,
                    _ => continue,
                },
            };
            let examples = self.examples(response, written, status);
            found.entry(status).or_insert((place, examples));
        }
        if let Some((examples, place)) = otherwise
            && !found.keys().any(|status| (200..300).contains(status))
        {
            found.insert(200, (place, examples));
        }
        found
    }

    /// Of one response, JSON first. One without content is an example of itself.
    fn examples(&self, response: &Value, written: &Written<'_>, status: u16) -> Vec<ExpandedExample> {
        let mut media: Vec<(String, Values)> = match self.is_swagger() {
            true => self.of_swagger(response, written),
            false => {
                let content = response.get("content").and_then(Value::as_object);
                content
                    .into_iter()
                    .flatten()
                    .map(|(kind, medium)| (kind.clone(), self.of_medium(medium)))
                    .collect()
            }
        };
        if media.is_empty() {
            return vec![ExpandedExample {
                status,
                content_type: None,
                name: None,
                body: None,
            }];
        }
        media.sort_by_key(|(kind, _)| !is_json(&media_type(kind)));
        let of_kind = |(kind, values): (String, Values)| {
            values.into_iter().filter_map(move |(name, value)| {
                Some(ExpandedExample {
                    status,
                    content_type: Some(kind.clone()),
                    name,
                    body: Some(body(&kind, &value)?),
                })
            })
        };
        media.into_iter().flat_map(of_kind).collect()
    }

    fn of_medium(&self, medium: &Value) -> Values {
        if let Some(example) = medium.get("example") {
            return vec![(None, example.clone())];
        }
        let named = medium.get("examples").and_then(Value::as_object);
        let named = named.into_iter().flatten().filter_map(|(name, example)| {
            let example = references::resolve(self.document, example)?;
            Some((Some(name.clone()), example.get("value")?.clone()))
        });
        let mut examples: Vec<_> = named.collect();
        if examples.is_empty() {
            let made = medium.get("schema").and_then(|schema| self.made_of(schema));
            examples.extend(made.map(|value| (None, value)));
        }
        examples
    }

    fn of_swagger(&self, response: &Value, written: &Written<'_>) -> Vec<(String, Values)> {
        let examples = response.get("examples").and_then(Value::as_object);
        if let Some(examples) = examples.filter(|examples| !examples.is_empty()) {
            let examples = examples.iter();
            return examples
                .map(|(kind, value)| (kind.clone(), vec![(None, value.clone())]))
                .collect();
        }
        let Some(schema) = response.get("schema") else {
            return Vec::new();
        };
        let own = written.field("produces");
        let kinds = own.or_else(|| self.document.get("produces"));
        let kinds = kinds.and_then(Value::as_array).into_iter().flatten();
        let mut kinds: Vec<String> = kinds.filter_map(Value::as_str).map(str::to_owned).collect();
        if kinds.is_empty() {
            kinds.push("application/json".to_owned());
        }
        let made = self.made_of(schema);
        let of_kind = |kind| (kind, made.iter().map(|value| (None, value.clone())).collect());
        kinds.into_iter().map(of_kind).collect()
    }

    fn made_of(&self, schema: &Value) -> Option<Value> {
        let mut making = Making {
            document: self.document,
            within: Vec::new(),
            left: SCHEMAS_MAX,
            depth: 0,
        };
        making.of_schema(schema)
    }
}

/// An example in the making.
struct Making<'a> {
    document: &'a Value,
    /// The references that led here: a value within itself has no example.
    within: Vec<&'a str>,
    left: usize,
    depth: usize,
}

impl<'a> Making<'a> {
    /// The example that a schema has, or that its parts have together.
    fn of_schema(&mut self, schema: &'a Value) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let made = self.followed(schema);
        self.depth -= 1;
        made
    }

    fn followed(&mut self, schema: &'a Value) -> Option<Value> {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
            return self.of_plain(schema);
        };
        if self.within.contains(&reference) {
            return None;
        }
        self.within.push(reference);
        let made = references::target(self.document, reference).and_then(|target| self.of_schema(target));
        self.within.pop();
        made
    }

    fn of_plain(&mut self, schema: &'a Value) -> Option<Value> {
        let listed = ["examples", "enum"].map(|word| schema.get(word).and_then(Value::as_array));
        let first = |list: Option<&Vec<Value>>| list.and_then(|values| values.first().cloned());
        let own = schema.get("example").or_else(|| schema.get("const"));
        if let Some(own) = own
            .cloned()
            .or_else(|| first(listed[0]))
            .or_else(|| schema.get("default").cloned())
            .or_else(|| first(listed[1]))
        {
            return Some(own);
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let mut whole = Map::new();
            for part in parts {
                if let Some(Value::Object(fields)) = self.of_schema(part) {
                    whole.extend(fields);
                }
            }
            whole.extend(self.of_properties(schema).unwrap_or_default());
            return (!whole.is_empty()).then_some(Value::Object(whole));
        }
        for word in ["oneOf", "anyOf"] {
            let parts = schema.get(word).and_then(Value::as_array);
            let mut parts = parts.into_iter().flatten();
            if let Some(example) = parts.find_map(|part| self.of_schema(part)) {
                return Some(example);
            }
        }
        if let Some(items) = schema.get("items") {
            return Some(Value::Array(vec![self.of_schema(items)?]));
        }
        self.of_properties(schema).map(Value::Object)
    }

    /// Those of the properties, if all that are required have one.
    fn of_properties(&mut self, schema: &'a Value) -> Option<Map<String, Value>> {
        let properties = schema.get("properties").and_then(Value::as_object)?;
        let shown = properties
            .iter()
            .filter(|(_, property)| !super::is_true(property, "writeOnly"));
        let fields: Map<String, Value> = shown
            .filter_map(|(name, property)| Some((name.clone(), self.of_schema(property)?)))
            .collect();
        let required = schema.get("required").and_then(Value::as_array);
        let mut required = required.into_iter().flatten().filter_map(Value::as_str);
        let whole = required.all(|name| fields.contains_key(name) || !properties.contains_key(name));
        (whole && !fields.is_empty()).then_some(fields)
    }
}

/// The status of the response that is given unless another one is preferred.
fn usual(found: &BTreeMap<u16, (String, Vec<ExpandedExample>)>, wanted: Option<u16>) -> Option<u16> {
    if let Some(wanted) = wanted {
        return found.contains_key(&wanted).then_some(wanted);
    }
    let success = found.keys().find(|status| (200..300).contains(*status));
    success.or_else(|| found.keys().next()).copied()
}

/// The text of an example. Some documents hold JSON as a text.
fn body(kind: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !is_json(&media_type(kind)) => Some(text.clone()),
        Value::String(text) => {
            let is_document = text.trim_start().starts_with(['{', '[']);
            let is_document = is_document && serde_json::from_str::<Value>(text).is_ok();
            Some(if is_document {
                text.clone()
            } else {
                value.to_string()
            })
        }
        value => is_json(&media_type(kind)).then(|| value.to_string()),
    }
}
