//! The operations of a definition.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value};

use super::{
    paths::{self, Departure, Route},
    references, text,
};
use crate::{api::OperationMatch, revision::Operation, route::normalise};

/// The fields of a path item that are methods, in all versions.
const METHODS: [&str; 8] = [
    "delete", "get", "head", "options", "patch", "post", "put", "trace",
];

/// What was read.
pub(super) struct Operations {
    /// Sorted by path and method.
    pub(super) operations: Vec<Operation>,
    /// The path of each in the document, by its match in the normal spelling.
    pub(super) templates: BTreeMap<OperationMatch, String>,
    /// What was read differently from how it is written.
    pub(super) warnings: Vec<String>,
}

/// The operations of a document.
pub(super) fn read(document: &Value) -> Operations {
    let mut found = Found::default();
    let paths = document.get("paths").and_then(Value::as_object);
    for (template, item) in paths.into_iter().flatten() {
        if !template.starts_with("x-") {
            read_path(document, template, item, &mut found);
        }
    }
    found.settle()
}

fn read_path(document: &Value, template: &str, item: &Value, found: &mut Found) {
    let Some(fields) = path_item(document, item) else {
        return found.warn(Warning::Unresolved, template);
    };
    let Some(route) = paths::route(template) else {
        return found.warn(Warning::Unreachable, template);
    };
    for method in METHODS {
        if let Some(operation) = fields.get(method).and_then(Value::as_object) {
            let route = told_apart(document, &route, [operation, &fields]);
            found.add(template, &route, method, operation);
            for departure in &route.departures {
                found.warn(
                    Warning::Departure(*departure),
                    &format!("{} {template}", method.to_ascii_uppercase()),
                );
            }
        }
    }
}

/// The route of one operation. What is written after `#` in its path counts where a parameter says the
/// same: a header or query parameter of that name that can only have that value.
fn told_apart(document: &Value, route: &Route, levels: [&Map<String, Value>; 2]) -> Route {
    let mut route = route.clone();
    for (name, value) in std::mem::take(&mut route.fragment) {
        let lists = levels
            .iter()
            .filter_map(|fields| fields.get("parameters")?.as_array());
        let place = lists
            .flatten()
            .filter_map(|parameter| references::resolve(document, parameter))
            .find(|parameter| is_constant(parameter, &name, &value))
            .and_then(|parameter| parameter.get("in")?.as_str());
        match place {
            Some("header") => drop(route.headers.insert(name.to_ascii_lowercase(), value)),
            Some("query") => drop(route.query.insert(name, value)),
            _ => route.departures.push(Departure::Fragment),
        }
    }
    route.departures.sort_unstable();
    route.departures.dedup();
    route
}

fn is_constant(parameter: &Value, name: &str, value: &str) -> bool {
    let named = parameter.get("name").is_some_and(|written| written == name);
    // Swagger 2.0 has no `schema` here.
    let schema = parameter.get("schema").unwrap_or(parameter);
    let values = schema.get("enum").and_then(Value::as_array);
    named && values.is_some_and(|values| values.len() == 1 && values[0] == value)
}

/// The fields of a path item. What stands beside a `$ref` goes before what it leads to.
pub(super) fn path_item<'a>(document: &'a Value, item: &'a Value) -> Option<Cow<'a, Map<String, Value>>> {
    let fields = item.as_object()?;
    if !fields.contains_key("$ref") {
        return Some(Cow::Borrowed(fields));
    }
    let mut merged = references::resolve(document, item)?.as_object()?.clone();
    let beside = fields.iter().filter(|(key, _)| *key != "$ref");
    merged.extend(beside.map(|(key, value)| (key.clone(), value.clone())));
    Some(Cow::Owned(merged))
}

/// What to tell people, by kind, so that a thousand paths of one kind make one sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Warning {
    Unresolved,
    Unreachable,
    Departure(Departure),
    Merged,
}

impl Warning {
    fn sentence(self) -> &'static str {
        match self {
            Self::Unresolved => "the path item is not an object, or its `$ref` leads nowhere; left out",
            Self::Unreachable => "no request can have this path; left out",
            Self::Departure(departure) => departure.sentence(),
            Self::Merged => {
                "no request can tell the operation from another one of the document; the other one stands for both"
            }
        }
    }
}

/// Examples given in one warning.
const EXAMPLES: usize = 3;

#[derive(Default)]
struct Found {
    operations: BTreeMap<OperationMatch, Candidate>,
    warnings: BTreeMap<Warning, Vec<String>>,
}

/// An operation of a place, unless a better one is found.
struct Candidate {
    departures: Vec<Departure>,
    template: String,
    operation: Operation,
}

impl Found {
    fn warn(&mut self, warning: Warning, place: &str) {
        self.warnings.entry(warning).or_default().push(place.to_owned());
    }

    /// Of several operations that are the same place, the one that is closest to what was written wins,
    /// then the first by path.
    fn add(&mut self, template: &str, route: &Route, method: &str, fields: &Map<String, Value>) {
        let operation = operation(route, method, fields);
        let place = OperationMatch {
            path: normalise(&route.path),
            ..operation.r#match.clone()
        };
        let candidate = Candidate {
            departures: route.departures.clone(),
            template: template.to_owned(),
            operation,
        };
        let Some(other) = self.operations.get(&place) else {
            self.operations.insert(place, candidate);
            return;
        };
        let better = route.departures.len() < other.departures.len();
        self.warn(
            Warning::Merged,
            &format!("{} {template}", method.to_ascii_uppercase()),
        );
        if better {
            self.operations.insert(place, candidate);
        }
    }

    fn settle(self) -> Operations {
        let mut operations = Vec::with_capacity(self.operations.len());
        let mut templates = BTreeMap::new();
        for (place, candidate) in self.operations {
            operations.push(candidate.operation);
            templates.insert(place, candidate.template);
        }
        operations.sort_by(|a, b| a.order().cmp(&b.order()));
        let warnings = self.warnings.into_iter();
        Operations {
            operations,
            templates,
            warnings: warnings.map(|(warning, places)| told(warning, &places)).collect(),
        }
    }
}

fn told(warning: Warning, places: &[String]) -> String {
    let shown: Vec<String> = places
        .iter()
        .take(EXAMPLES)
        .map(|place| format!("`{place}`"))
        .collect();
    let more = places.len().saturating_sub(EXAMPLES);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}: {}{tail}", warning.sentence(), shown.join(", "))
}

fn operation(route: &Route, method: &str, fields: &Map<String, Value>) -> Operation {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Operation {
        id: some(text(fields.get("operationId"))),
        r#match: OperationMatch {
            method: method.to_ascii_uppercase(),
            path: route.path.clone(),
            headers: route.headers.clone(),
            query: route.query.clone(),
            ..OperationMatch::default()
        },
        summary: some(one_line(&text(fields.get("summary")))),
        deprecated: fields.get("deprecated") == Some(&Value::Bool(true)),
        policies: Vec::new(),
        upstream: None,
        traffic: None,
    }
}

/// The longest summary, in characters.
const SUMMARY_MAX: usize = 200;

fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= SUMMARY_MAX {
        return words;
    }
    words.chars().take(SUMMARY_MAX - 1).chain(['…']).collect()
}
