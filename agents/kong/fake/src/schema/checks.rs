//! Checks on an entity as a whole: at least one of these, only one of those, this only with that.

use serde_json::{Map, Value};

use super::custom::EntityRule;
use super::rules::Rule;
use super::validate::Scrutiny;

/// One check on a whole entity.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    AtLeastOneOf(Vec<String>),
    OnlyOneOf(Vec<String>),
    AllOrNone(Vec<String>),
    AtMostOneOf(Vec<String>),
    Conditional(Box<Conditional>),
    Rule(EntityRule),
}

/// When one field looks like this, another has to look like that.
#[derive(Debug, Clone)]
pub(crate) struct Conditional {
    if_field: String,
    if_match: Condition,
    then_field: String,
    then_match: Condition,
    then_error: Option<String>,
}

#[derive(Debug, Clone)]
struct Condition {
    null: bool,
    required: bool,
    rules: Vec<Rule>,
    elements: Vec<Rule>,
}

impl Check {
    /// Reads a check as Kong prints it; Kong keeps its own functions to itself.
    pub(crate) fn parse(document: &Value) -> Option<Self> {
        let (name, body) = document.as_object()?.iter().next()?;
        match name.as_str() {
            "at_least_one_of" => Some(Self::AtLeastOneOf(texts(body))),
            "only_one_of" => Some(Self::OnlyOneOf(texts(body))),
            "mutually_required" => Some(Self::AllOrNone(texts(body))),
            "mutually_exclusive" => Some(Self::AtMostOneOf(texts(body))),
            "conditional" => Some(Self::Conditional(Box::new(Conditional::parse(body)?))),
            _ => None,
        }
    }

    /// Runs the check, unless a field that it looks at is wrong already, and notes what it finds.
    pub(crate) fn run(
        &self,
        entity: &Map<String, Value>,
        scrutiny: Scrutiny,
        errors: &mut Map<String, Value>,
    ) {
        if self.sources().iter().any(|source| at(errors, source).is_some()) {
            return;
        }
        match self {
            Self::Conditional(conditional) => conditional.run(entity, errors),
            Self::Rule(rule) => rule
                .breaches(entity)
                .into_iter()
                .for_each(|said| note(errors, said)),
            listed => listed.run_list(entity, scrutiny, errors),
        }
    }

    fn run_list(&self, entity: &Map<String, Value>, scrutiny: Scrutiny, errors: &mut Map<String, Value>) {
        let sources = self.sources();
        let given = sources
            .iter()
            .filter(|source| at(entity, source).is_some_and(is_filled))
            .count();
        let names = quoted(&sources);
        let said = match self {
            Self::AtLeastOneOf(_) if given == 0 => {
                format!(
                    "{}at least one of these fields must be non-empty: {names}",
                    scrutiny.prefix()
                )
            }
            Self::OnlyOneOf(_) if given != 1 => {
                format!("exactly one of these fields must be non-empty: {names}")
            }
            Self::AllOrNone(_) if given != 0 && given != sources.len() => {
                format!("all or none of these fields must be set: {names}")
            }
            Self::AtMostOneOf(_) if given > 1 => {
                format!("only one or none of these fields must be set: {names}")
            }
            _ => return,
        };
        note(errors, said);
    }

    fn sources(&self) -> Vec<String> {
        match self {
            Self::AtLeastOneOf(list)
            | Self::OnlyOneOf(list)
            | Self::AllOrNone(list)
            | Self::AtMostOneOf(list) => list.clone(),
            Self::Conditional(one) => vec![one.if_field.clone(), one.then_field.clone()],
            Self::Rule(_) => Vec::new(),
        }
    }
}

impl Conditional {
    fn parse(body: &Value) -> Option<Self> {
        Some(Self {
            if_field: body["if_field"].as_str()?.to_owned(),
            if_match: Condition::parse(&body["if_match"]),
            then_field: body["then_field"].as_str()?.to_owned(),
            then_match: Condition::parse(&body["then_match"]),
            then_error: body["then_err"].as_str().map(str::to_owned),
        })
    }

    /// Adds a rule for the second field.
    pub(crate) fn demand(&mut self, rule: Rule) {
        self.then_match.rules.push(rule);
    }

    fn run(&self, entity: &Map<String, Value>, errors: &mut Map<String, Value>) {
        let value = |path: &str| at(entity, path).cloned().unwrap_or(Value::Null);
        if self.if_match.breach(&value(&self.if_field)).is_some() {
            return;
        }
        let Some(breach) = self.then_match.breach(&value(&self.then_field)) else {
            return;
        };
        put_at(errors, &self.then_field, breach);
        let usual = || {
            format!(
                "failed conditional validation given value of field '{}'",
                self.if_field
            )
        };
        note(errors, self.then_error.clone().unwrap_or_else(usual));
    }
}

impl Condition {
    fn parse(document: &Value) -> Self {
        let rules = |value: &Value| value.as_object().map(Rule::parse_all).unwrap_or_default();
        Self {
            null: document.get("eq") == Some(&Value::Null),
            required: document["required"] == true,
            rules: rules(document),
            elements: rules(&document["elements"]),
        }
    }

    fn breach(&self, value: &Value) -> Option<Value> {
        if value.is_null() {
            return self.required.then(|| Value::from("required field missing"));
        }
        if self.null {
            return Some(Value::from("value must be null"));
        }
        let elements = value.as_array().into_iter().flatten();
        let in_elements = elements.flat_map(|one| self.elements.iter().filter_map(|rule| rule.breach(one)));
        self.rules
            .iter()
            .filter_map(|rule| rule.breach(value))
            .chain(in_elements)
            .next()
    }
}

/// Adds what an entity as a whole does wrong.
pub(crate) fn note(errors: &mut Map<String, Value>, said: String) {
    let list = errors
        .entry("@entity")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = list {
        list.push(Value::String(said));
    }
}

/// The value at a path such as `config.redis.host`.
pub(crate) fn at<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => map.get(path),
        Some((first, rest)) => at(map.get(first)?.as_object()?, rest),
    }
}

fn put_at(map: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        map.insert(path.to_owned(), value);
        return;
    };
    let inner = map.entry(first).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        put_at(inner, rest, value);
    }
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}

/// Names as Kong lists them in a sentence.
pub(crate) fn quoted<Name: AsRef<str>>(names: &[Name]) -> String {
    names
        .iter()
        .map(|name| format!("'{}'", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
