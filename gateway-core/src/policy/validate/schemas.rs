//! Schemas, compiled, and what they say is wrong with a value.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use gatehouse_schemas::policy::ExpandedRequests;
use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};

use super::written::Written;

/// How many steps an expression may take that looks back, which those of most schemas do not.
const PATTERN_STEPS_MAX: usize = 100_000;

/// A schema that values are held against.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    written: Written,
}

/// One thing that is wrong with a value.
pub(super) struct Wrong {
    /// A JSON Pointer into the value.
    pub(super) place: String,
    /// What is wrong, without the value that is.
    pub(super) detail: String,
}

impl Schema {
    /// Compiles a schema that refers to others by their names, and to nothing else.
    pub(super) fn compile(schema: Value, shared: Arc<BTreeMap<String, Value>>) -> Result<Self, String> {
        let patterns = PatternOptions::fancy_regex().backtrack_limit(PATTERN_STEPS_MAX);
        let options = jsonschema::draft202012::options().with_pattern_options(patterns);
        let built = options.build(&whole(&schema, &shared));
        let validator = built.map_err(|error| format!("not a JSON Schema: {error}"))?;
        let written = Written::new(schema, shared);
        written.check()?;
        Ok(Self { validator, written })
    }

    pub(super) fn is_valid(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// What is wrong with a value that is not valid, up to so many things.
    pub(super) fn errors(&self, value: &Value, max: usize) -> Vec<Wrong> {
        if !self.written.can_tell(value) {
            return vec![Wrong {
                place: String::new(),
                detail: "it is not as it should be, and there is too much of it to tell what is wrong"
                    .to_owned(),
            }];
        }
        let errors = self.validator.iter_errors(value).take(max);
        let wrong = errors.map(|error| Wrong {
            place: error.instance_path().to_string(),
            detail: told(&error),
        });
        wrong.collect()
    }
}

/// What is wrong, without the value that is.
fn told(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::FalseSchema => "it must not be sent".to_owned(),
        _ => error.masked_with("it").to_string(),
    }
}

/// The schemas of one definition. Large ones say the same of many operations, so each schema is compiled once.
#[derive(Default)]
pub(crate) struct Schemas {
    /// What they may refer to; none before the first one.
    shared: Option<Arc<BTreeMap<String, Value>>>,
    compiled: HashMap<String, Arc<Schema>>,
}

impl Schemas {
    /// The schema of something that the definition describes, compiled with those it refers to; none if it refuses
    /// nothing.
    pub(super) fn get(
        &mut self,
        schema: &Value,
        definition: &ExpandedRequests,
    ) -> Result<Option<Arc<Schema>>, String> {
        if *schema == Value::Bool(true) {
            return Ok(None);
        }
        let text = schema.to_string();
        if let Some(known) = self.compiled.get(&text) {
            return Ok(Some(Arc::clone(known)));
        }
        let shared = self
            .shared
            .get_or_insert_with(|| Arc::new(definition.schemas.clone()));
        let compiled = Arc::new(Schema::compile(schema.clone(), Arc::clone(shared))?);
        self.compiled.insert(text, Arc::clone(&compiled));
        Ok(Some(compiled))
    }
}

/// A schema with all that it refers to, and nothing else.
fn whole(schema: &Value, shared: &BTreeMap<String, Value>) -> Value {
    let mut names = BTreeSet::new();
    let mut waiting = vec![schema];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(name)
                    && let Some((name, target)) = shared.get_key_value(name)
                    && names.insert(name)
                {
                    waiting.push(target);
                }
                waiting.extend(fields.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    let mut whole = schema.clone();
    if let Some(fields) = whole.as_object_mut().filter(|_| !names.is_empty()) {
        let named = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), shared.get(name)?.clone())));
        fields.insert("$defs".to_owned(), Value::Object(named.collect::<Map<_, _>>()));
    }
    whole
}

/// The schema that a reference leads to.
pub(super) fn target<'a>(reference: &Value, shared: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    shared.get(name(reference)?)
}

fn name(reference: &Value) -> Option<&str> {
    reference.as_str()?.strip_prefix("#/$defs/")
}
