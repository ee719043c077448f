//! The rules on one value, in the order in which Kong asks them.

use serde_json::{Map, Value};

use super::custom::Custom;
use super::lua_pattern::matches;

/// One rule on a value.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    Equal(Value),
    NotOneOf(Vec<Value>),
    OneOf(Vec<Value>),
    GreaterThan(f64),
    Uuid,
    Regex,
    Between(f64, f64),
    Length(usize),
    LengthAtLeast(usize),
    LengthAtMost(usize),
    StartsWith(String),
    NotMatch(String),
    MatchNone(Vec<(String, String)>),
    Match(String),
    MatchAll(Vec<(String, String)>),
    MatchAny(Vec<String>, String),
    Contains(Value),
    ExclusiveSubsets(Vec<Vec<Value>>),
    Custom(Custom),
}

impl Rule {
    /// The rules of a field, in Kong's order. A text is never empty unless its field says so.
    pub(crate) fn parse_all(field: &Map<String, Value>) -> Vec<Rule> {
        let mut rules: Vec<Rule> = ORDER
            .iter()
            .filter_map(|(name, read)| read(field.get(*name)?))
            .collect();
        let text = field.get("type").and_then(Value::as_str) == Some("string");
        if text && !field.contains_key("len_min") {
            rules.insert(0, Rule::LengthAtLeast(1));
        }
        rules
    }

    /// What is wrong with a value, if anything.
    pub(crate) fn breach(&self, value: &Value) -> Option<Value> {
        let said = match self {
            Rule::Custom(custom) => return custom.breach(value),
            Rule::Equal(wanted) => (value != wanted).then(|| format!("value must be {}", plain(wanted))),
            Rule::NotOneOf(list) => list
                .contains(value)
                .then(|| format!("must not be one of: {}", joined(list))),
            Rule::OneOf(list) => {
                (!list.contains(value)).then(|| format!("expected one of: {}", joined(list)))
            }
            Rule::GreaterThan(limit) => {
                (number(value)? <= *limit).then(|| format!("value must be greater than {limit}"))
            }
            Rule::Uuid => (!is_uuid(value.as_str()?)).then(|| "expected a valid UUID".to_owned()),
            Rule::Regex => regex::Regex::new(value.as_str()?)
                .err()
                .map(|_| format!("not a valid regex: {}", plain(value))),
            Rule::Between(low, high) => {
                let inside = (*low..=*high).contains(&number(value)?);
                (!inside).then(|| format!("value should be between {low} and {high}"))
            }
            Rule::Length(wanted) => (length(value)? != *wanted).then(|| format!("length must be {wanted}")),
            Rule::LengthAtLeast(least) => {
                (length(value)? < *least).then(|| format!("length must be at least {least}"))
            }
            Rule::LengthAtMost(most) => {
                (length(value)? > *most).then(|| format!("length must be at most {most}"))
            }
            Rule::Contains(wanted) => (!value.as_array()?.contains(wanted))
                .then(|| format!("expected to contain: {}", plain(wanted))),
            Rule::ExclusiveSubsets(subsets) => mixed(subsets, value.as_array()?),
            pattern => pattern.pattern_breach(value.as_str()?),
        };
        said.map(Value::String)
    }

    fn pattern_breach(&self, text: &str) -> Option<String> {
        match self {
            Rule::StartsWith(start) => {
                (!text.starts_with(start.as_str())).then(|| format!("should start with: {start}"))
            }
            Rule::NotMatch(pattern) => matches(pattern, text).then(|| format!("invalid value: {text}")),
            Rule::Match(pattern) => (!matches(pattern, text)).then(|| format!("invalid value: {text}")),
            Rule::MatchNone(list) => list
                .iter()
                .find(|(pattern, _)| matches(pattern, text))
                .map(|one| one.1.clone()),
            Rule::MatchAll(list) => list
                .iter()
                .find(|(pattern, _)| !matches(pattern, text))
                .map(|one| one.1.clone()),
            Rule::MatchAny(list, error) => {
                (!list.iter().any(|pattern| matches(pattern, text))).then(|| error.clone())
            }
            _ => None,
        }
    }
}

type Read = fn(&Value) -> Option<Rule>;

const ORDER: &[(&str, Read)] = &[
    ("eq", |value| {
        (!value.is_null()).then(|| Rule::Equal(value.clone()))
    }),
    ("not_one_of", |value| {
        Some(Rule::NotOneOf(value.as_array()?.clone()))
    }),
    ("one_of", |value| Some(Rule::OneOf(value.as_array()?.clone()))),
    ("gt", |value| Some(Rule::GreaterThan(value.as_f64()?))),
    ("uuid", |value| value.as_bool()?.then_some(Rule::Uuid)),
    ("is_regex", |value| value.as_bool()?.then_some(Rule::Regex)),
    ("between", |value| {
        Some(Rule::Between(value[0].as_f64()?, value[1].as_f64()?))
    }),
    ("len_eq", |value| Some(Rule::Length(count(value)?))),
    ("len_min", |value| Some(Rule::LengthAtLeast(count(value)?))),
    ("len_max", |value| Some(Rule::LengthAtMost(count(value)?))),
    ("starts_with", |value| {
        Some(Rule::StartsWith(value.as_str()?.to_owned()))
    }),
    ("not_match", |value| {
        Some(Rule::NotMatch(value.as_str()?.to_owned()))
    }),
    ("match_none", |value| Some(Rule::MatchNone(patterns(value)))),
    ("match", |value| Some(Rule::Match(value.as_str()?.to_owned()))),
    ("match_all", |value| Some(Rule::MatchAll(patterns(value)))),
    ("match_any", match_any),
    ("contains", |value| Some(Rule::Contains(value.clone()))),
    ("mutually_exclusive_subsets", |value| {
        Some(Rule::ExclusiveSubsets(
            value
                .as_array()?
                .iter()
                .filter_map(Value::as_array)
                .cloned()
                .collect(),
        ))
    }),
];

fn match_any(value: &Value) -> Option<Rule> {
    let patterns = value["patterns"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    Some(Rule::MatchAny(
        patterns,
        value["err"].as_str().unwrap_or("invalid value").to_owned(),
    ))
}

fn patterns(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = value.as_array().into_iter().flatten();
    list.map(|one| (text(&one["pattern"]), text(&one["err"])))
        .collect()
}

fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Array(list) => Some(list.len()),
        Value::Object(map) => Some(map.len()),
        Value::Null => Some(0),
        _ => None,
    }
}

fn mixed(subsets: &[Vec<Value>], values: &[Value]) -> Option<String> {
    let touched = subsets
        .iter()
        .filter(|subset| values.iter().any(|value| subset.contains(value)));
    let given: Vec<String> = touched
        .map(|subset| format!("('{}')", joined_with(subset, "', '")))
        .collect();
    (given.len() > 1).then(|| format!("these sets are mutually exclusive: {}", given.join(", ")))
}

fn joined(list: &[Value]) -> String {
    joined_with(list, ", ")
}

fn joined_with(list: &[Value], separator: &str) -> String {
    list.iter().map(plain).collect::<Vec<_>>().join(separator)
}

/// A value as Lua prints it: texts without quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a text is an id.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}
