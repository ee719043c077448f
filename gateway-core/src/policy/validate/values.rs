//! Parameters are texts; their schemas speak of numbers, lists and objects. What a text stands for.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Number, Value};

/// How deep schemas are followed to learn what values may be.
const DEPTH_MAX: usize = 16;

/// The most schemas that are followed for one parameter: those that lead back to themselves in many ways never end.
const SCHEMAS_MAX: usize = 10_000;

/// What says nothing of a value.
const ANNOTATIONS: [&str; 6] = [
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
];

pub(super) const TWICE: &str = "it is there more than once";

/// A text below names.
pub(super) type Nested<'a> = (&'a [String], &'a str);

/// What the values that a schema takes may be, as far as texts have to be read for it. More than one may hold.
#[derive(Debug, Default)]
pub(super) struct Shape {
    number: bool,
    boolean: bool,
    null: bool,
    text: bool,
    pub(super) list: bool,
    pub(super) object: bool,
    items: Option<Box<Shape>>,
    pub(super) fields: BTreeMap<String, Shape>,
    others: Option<Box<Shape>>,
}

impl Shape {
    /// The shape of a schema that refers to others by their name.
    pub(super) fn of(schema: &Value, schemas: &BTreeMap<String, Value>) -> Result<Self, String> {
        let mut shape = Self::default();
        let mut left = SCHEMAS_MAX;
        shape.read(schema, schemas, DEPTH_MAX, &mut left);
        match left {
            0 => Err(format!(
                "its schema leads to more than {SCHEMAS_MAX} others, or back to itself in too many ways; describe it \
                 with `content`, as JSON, or more simply"
            )),
            _ => Ok(shape),
        }
    }

    fn read(&mut self, schema: &Value, schemas: &BTreeMap<String, Value>, depth: usize, left: &mut usize) {
        *left = left.saturating_sub(1);
        let (Some(depth), Some(fields)) = (depth.checked_sub(1), schema.as_object()) else {
            return;
        };
        if *left == 0 {
            return;
        }
        if let Some(target) = fields
            .get("$ref")
            .and_then(|reference| super::schemas::target(reference, schemas))
        {
            self.read(target, schemas, depth, left);
        }
        match fields.get("type") {
            Some(Value::String(name)) => self.add(name),
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .for_each(|name| self.add(name)),
            _ => {
                let values = fields.get("enum").and_then(Value::as_array);
                for value in values.into_iter().flatten().chain(fields.get("const")) {
                    self.add(type_name(value));
                }
            }
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            let parts = fields.get(word).and_then(Value::as_array);
            for part in parts.into_iter().flatten() {
                self.read(part, schemas, depth, left);
            }
        }
        if let Some(items) = fields.get("items") {
            let shape = self.items.get_or_insert_default();
            shape.read(items, schemas, depth, left);
        }
        let properties = fields.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            self.fields
                .entry(name.clone())
                .or_default()
                .read(property, schemas, depth, left);
        }
        if let Some(others) = fields.get("additionalProperties") {
            let shape = self.others.get_or_insert_default();
            shape.read(others, schemas, depth, left);
        }
    }

    fn add(&mut self, name: &str) {
        match name {
            "number" | "integer" => self.number = true,
            "boolean" => self.boolean = true,
            "null" => self.null = true,
            "string" => self.text = true,
            "array" => self.list = true,
            "object" => self.object = true,
            _ => {}
        }
    }

    /// Whether the schema speaks of strings, or only describes. One that says what an object is like, if the value is one,
    /// does neither.
    pub(super) fn speaks_of_texts(schema: &Value, schemas: &BTreeMap<String, Value>) -> bool {
        let says_nothing =
            |fields: &Map<String, Value>| fields.keys().all(|word| ANNOTATIONS.contains(&&**word));
        schema.as_object().is_some_and(says_nothing)
            || Self::of(schema, schemas).is_ok_and(|shape| shape.text)
    }

    /// What a text may stand for, the likeliest first; never nothing.
    pub(super) fn of_text(&self, text: &str) -> Vec<Value> {
        let plain = Value::String(text.to_owned());
        let any = !(self.number || self.boolean || self.null || self.text);
        let mut meant = Vec::new();
        if any {
            meant.push(plain.clone());
        }
        if (self.number || any)
            && let Some(number) = number(text)
        {
            meant.push(Value::Number(number));
        }
        if (self.boolean || any)
            && let Ok(truth) = text.parse()
        {
            meant.push(Value::Bool(truth));
        }
        if self.null && text.is_empty() {
            meant.push(Value::Null);
        }
        if !any && (self.text || meant.is_empty()) {
            meant.push(plain);
        }
        meant
    }

    /// What a list of texts may stand for: each for the likeliest, or all of them for themselves.
    pub(super) fn of_list(&self, texts: &[String]) -> Vec<Value> {
        let likeliest = |text: &String| match &self.items {
            Some(items) => items.of_text(text).swap_remove(0),
            None => Value::String(text.clone()),
        };
        let read: Vec<Value> = texts.iter().map(likeliest).collect();
        let plain: Vec<Value> = texts.iter().cloned().map(Value::String).collect();
        match read == plain {
            true => vec![Value::Array(plain)],
            false => vec![Value::Array(read), Value::Array(plain)],
        }
    }

    /// What fields with texts stand for, each of which is there once.
    pub(super) fn of_fields(&self, fields: Vec<(String, String)>) -> Result<Value, &'static str> {
        let mut object = Map::new();
        for (name, text) in fields {
            let value = match self.field(&name) {
                Some(shape) if shape.list => shape.of_list(&[text]).swap_remove(0),
                Some(shape) => shape.of_text(&text).swap_remove(0),
                None => Value::String(text),
            };
            if object.insert(name, value).is_some() {
                return Err(TWICE);
            }
        }
        Ok(Value::Object(object))
    }

    /// What texts below names stand for: `[a][b]=1` is one `1` below `a` and `b`. What is there twice and is no list is an
    /// error: an upstream might take the one that was not looked at.
    pub(super) fn of_nested(&self, nested: &[Nested<'_>]) -> Result<Value, &'static str> {
        if nested.iter().any(|(names, _)| names.is_empty()) {
            let plain = nested.iter().filter(|(names, _)| names.is_empty());
            let texts: Vec<String> = plain.map(|(_, text)| (*text).to_owned()).collect();
            return match (self.list, &texts[..]) {
                _ if texts.len() < nested.len() => Err(TWICE),
                (true, _) => Ok(self.of_list(&texts).swap_remove(0)),
                (false, [text]) => Ok(self.of_text(text).swap_remove(0)),
                (false, _) => Err(TWICE),
            };
        }
        let groups = grouped(nested);
        let below = |shape: Option<&Self>, group: &[Nested<'_>]| match shape {
            Some(shape) => shape.of_nested(group),
            None => Self::default().of_nested(group),
        };
        let numbered = groups
            .iter()
            .all(|(name, _)| name.bytes().all(|byte| byte.is_ascii_digit()));
        if self.list && numbered {
            let items = groups
                .iter()
                .map(|(_, group)| below(self.items.as_deref(), group));
            return items.collect::<Result<_, _>>().map(Value::Array);
        }
        let mut fields = Map::new();
        for (name, group) in &groups {
            let value = below(self.field(name), group)?;
            if fields.insert((*name).clone(), value).is_some() {
                return Err(TWICE);
            }
        }
        Ok(Value::Object(fields))
    }

    fn field(&self, name: &str) -> Option<&Self> {
        self.fields.get(name).or(self.others.as_deref())
    }
}

/// Texts by the first of their names, in the order in which these come; `[]` begins a new group each time.
fn grouped<'a>(nested: &[Nested<'a>]) -> Vec<(&'a String, Vec<Nested<'a>>)> {
    let mut groups: Vec<(&String, Vec<Nested<'_>>)> = Vec::new();
    let mut places: HashMap<&String, usize> = HashMap::new();
    for (names, text) in nested {
        let Some((first, rest)) = names.split_first() else {
            continue;
        };
        let place = match first.is_empty() {
            true => groups.len(),
            false => *places.entry(first).or_insert(groups.len()),
        };
        match groups.get_mut(place) {
            Some((_, group)) => group.push((rest, text)),
            None => groups.push((first, vec![(rest, text)])),
        }
    }
    groups
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A number as JSON writes it: no signs and zeros that JSON does not have, which upstreams read in many ways.
fn number(text: &str) -> Option<Number> {
    let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends = text.ends_with(|last: char| last.is_ascii_digit());
    (begins && ends).then(|| serde_json::from_str(text).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shape(schema: Value) -> Shape {
        Shape::of(&schema, &BTreeMap::new()).expect("a shape")
    }

    #[test]
    fn a_text_stands_for_what_the_schema_speaks_of() {
        for (schema, text, expected) in [
            (json!({"type": "integer"}), "12", vec![json!(12)]),
            (json!({"type": "integer"}), "-1.5e3", vec![json!(-1500.0)]),
            (json!({"type": "integer"}), "012", vec![json!("012")]),
            (json!({"type": "integer"}), "+1", vec![json!("+1")]),
            (json!({"type": "integer"}), " 1", vec![json!(" 1")]),
            (json!({"type": "number"}), "NaN", vec![json!("NaN")]),
            (json!({"type": "boolean"}), "true", vec![json!(true)]),
            (json!({"type": "boolean"}), "True", vec![json!("True")]),
            (json!({"type": "string"}), "12", vec![json!("12")]),
            (json!({"enum": [1, 2]}), "1", vec![json!(1)]),
            (json!({"type": ["integer", "null"]}), "", vec![json!(null)]),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
                "1",
                vec![json!(1), json!("1")],
            ),
            (json!({}), "1", vec![json!("1"), json!(1)]),
        ] {
            assert_eq!(shape(schema.clone()).of_text(text), expected, "{schema} {text}");
        }
    }

    #[test]
    fn lists_and_objects_are_read_item_by_item() {
        let list = shape(json!({"type": "array", "items": {"type": "integer"}}));
        assert_eq!(
            list.of_list(&["1".to_owned(), "x".to_owned()])[0],
            json!([1, "x"])
        );
        let object = shape(json!({"type": "object", "properties": {"a": {"type": "integer"}},
            "additionalProperties": {"type": "boolean"}}));
        let fields = [("a", "1"), ("b", "true")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(object.of_fields(fields.to_vec()), Ok(json!({"a": 1, "b": true})));
        let twice = [("a", "1"), ("a", "2")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(object.of_fields(twice.to_vec()), Err(TWICE));
    }

    #[test]
    fn names_in_brackets_are_objects_and_lists() {
        let shape = shape(
            json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}},
            "l": {"type": "array", "items": {"type": "integer"}}}}),
        );
        let names = |written: &[&str]| -> Vec<String> { written.iter().map(|it| (*it).to_owned()).collect() };
        let given = [
            (names(&["a", "b"]), "1"),
            (names(&["l", ""]), "2"),
            (names(&["l", ""]), "3"),
        ];
        let given: Vec<Nested<'_>> = given.iter().map(|(names, text)| (&names[..], *text)).collect();
        assert_eq!(shape.of_nested(&given), Ok(json!({"a": {"b": 1}, "l": [2, 3]})));
        let twice: [[&[&str]; 2]; 4] = [
            [&["a", "b"], &["a", "b"]],
            [&["a", "b"], &["a"]],
            [&["a", ""], &["a", ""]],
            [&["l", "0"], &["l", "0"]],
        ];
        for twice in twice {
            let given = twice.map(names);
            let given = [(&given[0][..], "1"), (&given[1][..], "2")];
            assert_eq!(shape.of_nested(&given), Err(TWICE), "{twice:?}");
        }
    }

    #[test]
    fn a_schema_in_circles_has_a_shape() {
        let schemas = BTreeMap::from([(
            "N".to_owned(),
            json!({"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}),
        )]);
        let shape = Shape::of(&json!({"$ref": "#/$defs/N"}), &schemas).expect("a shape");
        assert!(shape.object);
    }

    #[test]
    fn a_schema_that_leads_back_to_itself_in_many_ways_has_none() {
        let again = json!({"$ref": "#/$defs/N"});
        let schemas = BTreeMap::from([("N".to_owned(), json!({"allOf": vec![again.clone(); 100]}))]);
        Shape::of(&again, &schemas).expect_err("it never ends");
    }

    proptest! {
        #[test]
        fn what_a_number_is_written_as_is_read_back(number in any::<i64>()) {
            let read = shape(json!({"type": "integer"})).of_text(&number.to_string());
            prop_assert_eq!(read, vec![json!(number)]);
        }

        #[test]
        fn a_text_that_must_be_one_stays_itself(text in ".{0,20}") {
            prop_assert_eq!(shape(json!({"type": "string"})).of_text(&text), vec![json!(text)]);
        }
    }
}
