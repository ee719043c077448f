//! What a schema applies to one value, read from the schema itself: how far that goes, and how much there is to tell.
//!
//! Validators follow a schema wherever it leads. What would end the thread that they run on, or keep it busy for hours, is
//! found here before.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The longest way from schema to schema at one value. Validators go it on the stack, once for each level of a body, of
/// which there are 128 at most: [`crate::worker::STACK`] has room for that.
const CHAIN_MAX: usize = 32;

/// The most that is looked at to tell what is wrong with a value. Of a schema that leads back to itself in two ways, a
/// small body makes more than there is time for.
const STEPS_MAX: usize = 50_000;

/// A schema and what it may refer to.
#[derive(Debug)]
pub(super) struct Written {
    schema: Value,
    /// By name below `#/$defs/`; what is not there is looked for in the schema.
    shared: Arc<BTreeMap<String, Value>>,
}

impl Written {
    pub(super) fn new(schema: Value, shared: Arc<BTreeMap<String, Value>>) -> Self {
        Self { schema, shared }
    }

    /// Refuses a schema that goes on and on at one value, itself or in what it leads to.
    pub(super) fn check(&self) -> Result<(), String> {
        let (mut known, mut seen) = (HashMap::new(), HashSet::new());
        let mut waiting = vec![&self.schema];
        while let Some(schema) = waiting.pop() {
            let Some(fields) = schema.as_object() else {
                continue;
            };
            if seen.insert(std::ptr::from_ref(schema)) {
                self.chain(schema, CHAIN_MAX, &mut known)?;
                waiting.extend(self.in_place(fields).into_iter().flatten());
                waiting.extend(inside(fields));
            }
        }
        Ok(())
    }

    /// How many schemas follow one another at the value of this one, as long as that is no more than `left`.
    fn chain(
        &self,
        schema: &Value,
        left: usize,
        known: &mut HashMap<*const Value, usize>,
    ) -> Result<usize, String> {
        let too_long = || {
            format!(
                "a schema applies more than {CHAIN_MAX} others, one inside the other, to the same value, or itself; let \
                 `$ref`, `allOf`, `anyOf` and their like lead to `properties` or `items` sooner"
            )
        };
        if let Some(known) = known.get(&std::ptr::from_ref(schema)) {
            return (*known <= left).then_some(*known).ok_or_else(too_long);
        }
        let left = left.checked_sub(1).ok_or_else(too_long)?;
        let mut longest = 0;
        let parts = schema.as_object().map(|fields| self.in_place(fields));
        for part in parts.unwrap_or_default() {
            longest = longest.max(self.chain(part?, left, known)?);
        }
        known.insert(schema, longest + 1);
        Ok(longest + 1)
    }

    /// Whether what is wrong with a value can be told in reasonable time.
    pub(super) fn can_tell(&self, value: &Value) -> bool {
        let mut left = STEPS_MAX;
        let mut waiting = vec![(&self.schema, value)];
        while let Some((schema, value)) = waiting.pop() {
            let Some(fields) = schema.as_object() else {
                continue;
            };
            let listed = ["required", "enum"].map(|word| list(fields, word).len());
            let Some(rest) = left.checked_sub(1 + listed.iter().sum::<usize>()) else {
                return false;
            };
            left = rest;
            waiting.extend(
                self.in_place(fields)
                    .into_iter()
                    .flatten()
                    .map(|part| (part, value)),
            );
            below(fields, value, &mut waiting);
            if waiting.len() > left {
                return false;
            }
        }
        true
    }

    /// The schemas that a schema applies to its own value; an error for one that is not found.
    fn in_place<'a>(&'a self, fields: &'a Map<String, Value>) -> Vec<Result<&'a Value, String>> {
        let mut parts = Vec::new();
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            let target = self.target(reference);
            parts.push(target.ok_or_else(|| {
                format!("`$ref` to `{reference}` does not lead to a place or `$anchor` of this schema")
            }));
        }
        let is_root = self
            .schema
            .as_object()
            .is_some_and(|root| std::ptr::eq(root, fields));
        if !is_root && fields.get("$id").is_some_and(Value::is_string) {
            parts.push(Err(
                "`$id` inside a schema is not followed; use `$defs` and `$ref`".to_owned(),
            ));
        }
        for word in ["$dynamicRef", "$recursiveRef"] {
            if fields.get(word).is_some_and(Value::is_string) {
                parts.push(Err(format!("`{word}` is not followed; use `$ref`")));
            }
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            parts.extend(list(fields, word).iter().map(Ok));
        }
        parts.extend(
            ["not", "if", "then", "else"]
                .iter()
                .filter_map(|word| fields.get(*word).map(Ok)),
        );
        for word in ["dependentSchemas", "dependencies"] {
            parts.extend(members(fields, word).map(|(_, schema)| Ok(schema)));
        }
        parts
    }

    fn target(&self, reference: &str) -> Option<&Value> {
        let own = self.schema.get("$id").and_then(Value::as_str);
        let reference = own
            .and_then(|own| reference.strip_prefix(own))
            .unwrap_or(reference);
        let fragment = match reference {
            "" => "",
            reference => reference.strip_prefix('#')?,
        };
        if let Some(name) = fragment.strip_prefix("/$defs/")
            && let Some(shared) = self.shared.get(name)
        {
            return Some(shared);
        }
        let fragment = percent_decode_str(fragment).decode_utf8().ok()?;
        match fragment.is_empty() || fragment.starts_with('/') {
            true => self.schema.pointer(&fragment),
            false => anchored(&self.schema, &fragment),
        }
    }
}

/// The schema with this `$anchor`.
fn anchored<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let mut waiting = vec![schema];
    while let Some(value) = waiting.pop() {
        if value.get("$anchor").and_then(Value::as_str) == Some(name) {
            return Some(value);
        }
        match value {
            Value::Object(fields) => waiting.extend(fields.values()),
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    None
}

/// The schemas in a schema that are for what is inside a value.
fn inside(fields: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let named = ["properties", "patternProperties"].into_iter();
    let named = named.flat_map(|word| members(fields, word).map(|(_, schema)| schema));
    let single = [
        "additionalProperties",
        "contains",
        "items",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
    ];
    let single = single.into_iter().filter_map(|word| fields.get(word));
    named.chain(single).chain(list(fields, "prefixItems"))
}

/// What a schema applies to what is inside a value; rather too much than too little.
fn below<'a>(fields: &'a Map<String, Value>, value: &'a Value, found: &mut Vec<(&'a Value, &'a Value)>) {
    match value {
        Value::Object(values) => {
            let properties = fields.get("properties").and_then(Value::as_object);
            for (name, value) in values {
                let own = properties.and_then(|properties| properties.get(name));
                let others = ["additionalProperties", "unevaluatedProperties"].into_iter();
                let others = others
                    .filter(|_| own.is_none())
                    .filter_map(|word| fields.get(word));
                let patterns = members(fields, "patternProperties").map(|(_, schema)| schema);
                found.extend(
                    own.into_iter()
                        .chain(others)
                        .chain(patterns)
                        .map(|schema| (schema, value)),
                );
            }
        }
        Value::Array(items) => {
            let first = list(fields, "prefixItems");
            found.extend(first.iter().zip(items));
            let after = fields.get("items").map(|schema| (schema, first.len()));
            let all = ["contains", "unevaluatedItems"].map(|word| fields.get(word).map(|schema| (schema, 0)));
            for (schema, from) in all.into_iter().flatten().chain(after) {
                found.extend(items.iter().skip(from).map(|item| (schema, item)));
            }
        }
        _ => {}
    }
}

fn list<'a>(fields: &'a Map<String, Value>, word: &str) -> &'a [Value] {
    fields
        .get(word)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn members<'a>(
    fields: &'a Map<String, Value>,
    word: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    fields.get(word).and_then(Value::as_object).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(schema: Value) -> Written {
        Written::new(schema, Arc::default())
    }

    #[test]
    fn a_schema_that_goes_on_and_on_at_one_value_is_refused() {
        let chain =
            |length: usize| (0..length).fold(json!({"type": "string"}), |inner, _| json!({"allOf": [inner]}));
        for (schema, is_taken) in [
            (json!({"$ref": "#"}), false),
            (json!({"allOf": [{"$ref": "#"}]}), false),
            (
                json!({"properties": {"a": {"not": {"$ref": "#/properties/a"}}}}),
                false,
            ),
            (
                json!({"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/B"}]},
                "B": {"dependentSchemas": {"x": {"$ref": "#/$defs/A"}}}}}),
                false,
            ),
            (
                json!({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"if": {"$ref": "#"}}}}),
                false,
            ),
            (
                json!({"$ref": "#here", "$defs": {"A": {"$anchor": "here", "not": {"$ref": "#here"}}}}),
                false,
            ),
            (
                json!({"$id": "https://a/b", "anyOf": [{"$ref": "https://a/b#"}]}),
                false,
            ),
            (json!({"$dynamicRef": "#x", "$dynamicAnchor": "x"}), false),
            (json!({"$ref": "https://example.com/a"}), false),
            (json!({"$ref": "#/$defs/A", "$defs": {"A": {"$id": "b"}}}), false),
            (chain(CHAIN_MAX), false),
            (chain(CHAIN_MAX - 1), true),
            (
                json!({"properties": {"a": {"$ref": "#"}}, "items": {"anyOf": [{"$ref": "#"}, true]}}),
                true,
            ),
            (
                json!({"properties": {"$ref": {"type": "string"}, "not": {}, "allOf": {"type": "string"}}}),
                true,
            ),
            (
                json!({"$ref": "#here", "$defs": {"A": {"$anchor": "here"}}}),
                true,
            ),
        ] {
            assert_eq!(written(schema.clone()).check().is_ok(), is_taken, "{schema}");
        }
    }

    #[test]
    fn what_a_schema_refers_to_is_looked_at_as_well() {
        let shared = BTreeMap::from([
            ("A".to_owned(), json!({"items": {"$ref": "#/$defs/B"}})),
            ("B".to_owned(), json!({"anyOf": [{"$ref": "#/$defs/B"}]})),
        ]);
        let shared = Arc::new(shared);
        let of = |schema| Written::new(schema, Arc::clone(&shared));
        of(json!({"type": "string"})).check().expect("it leads nowhere");
        of(json!({"properties": {"default": {"$ref": "#/$defs/A"}}}))
            .check()
            .expect_err("in circles");
        of(json!({"default": {"$ref": "#/$defs/A"}}))
            .check()
            .expect("it is no schema");
    }

    #[test]
    fn what_would_take_too_long_to_tell_is_known_before() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({"c": inner}));
        let two_ways = written(json!({"properties": {"c": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}));
        assert!(two_ways.can_tell(&nested(5)));
        assert!(!two_ways.can_tell(&nested(40)));
        let one_way = written(
            json!({"properties": {"c": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
            "additionalProperties": {"$ref": "#"}}),
        );
        assert!(one_way.can_tell(&nested(120)));
        let items = written(json!({"items": {"type": "string"}}));
        assert!(items.can_tell(&json!(vec![1; 1000])));
        assert!(!items.can_tell(&json!(vec![1; STEPS_MAX])));
    }
}
