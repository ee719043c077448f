//! Values to types, with errors for people: place, what is wrong, what would be right.

use std::{borrow::Cow, fmt::Write as _};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::objects::Objects;
use crate::{issue::Issue, pointer};

/// After so many issues, more are no help.
const ISSUES_MAX: usize = 50;

/// Reads a value strictly; `at` is the pointer to it in the document, for the issues.
///
/// Unknown fields do not stop the reading, so all of them are found at once. Texts and numbers of the
/// value are never repeated in an issue: they may be secret.
pub fn spec<T: DeserializeOwned>(value: &Value, at: &str) -> Result<T, Vec<Issue>> {
    let mut issues = Vec::new();
    let mut remaining = Cow::Borrowed(value);
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(Objects(remaining.as_ref())) {
            Ok(parsed) if issues.is_empty() => return Ok(parsed),
            Ok(_) => return Err(issues),
            Err(error) => error,
        };
        let place = pointer_of(error.path());
        let problem = Problem::of(&error.inner().to_string());
        let place = problem.place(place, &remaining);
        issues.push(Issue::new(format!("{at}{place}"), problem.detail()));
        let go_on = issues.len() < ISSUES_MAX && problem.set_right(&place, &mut remaining);
        if !go_on {
            return Err(issues);
        }
    }
}

fn pointer_of(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            // Writing to a string cannot fail.
            Segment::Seq { index } => drop(write!(text, "/{index}")),
            Segment::Map { key } => pointer::push(&mut text, key),
            Segment::Enum { variant } => pointer::push(&mut text, variant),
            Segment::Unknown => {}
        }
    }
    text
}

/// What serde found wrong.
enum Problem {
    UnknownField { name: String, known: Vec<String> },
    UnknownVariant { name: String, known: Vec<String> },
    MissingField(String),
    Other(String),
}

impl Problem {
    fn of(message: &str) -> Self {
        if let Some((name, known)) = named(message, "unknown field `") {
            return Self::UnknownField { name, known };
        }
        if let Some(name) = beside_policy(message) {
            let known = ["type", "with"].map(str::to_owned).to_vec();
            return Self::UnknownField { name, known };
        }
        if let Some((name, known)) = named(message, "unknown variant `") {
            return Self::UnknownVariant { name, known };
        }
        if let Some((name, _)) = named(message, "missing field `") {
            return Self::MissingField(name);
        }
        Self::Other(expectation(message).unwrap_or_else(|| message.to_owned()))
    }

    /// The place for the issue. serde's own path ends in the parent or in the field itself, depending
    /// on how the type is written.
    fn place(&self, path: String, value: &Value) -> String {
        match self {
            Self::UnknownField { name, .. } => {
                let inside = pointer::join(&path, name);
                if value.pointer(&inside).is_some() {
                    inside
                } else {
                    path
                }
            }
            Self::UnknownVariant { name, .. } => {
                // A word that names a choice, or the one key of an object that does.
                let at_word = value.pointer(&path).is_some_and(|found| found == name.as_str());
                let inside = pointer::join(&path, name);
                if !at_word && value.pointer(&inside).is_some() {
                    return inside;
                }
                match path.strip_suffix(&pointer::join("", name)) {
                    Some(parent) if value.pointer(&path).is_none() => parent.to_owned(),
                    _ => path,
                }
            }
            // A word that names a choice has nothing below it.
            Self::MissingField(_) | Self::Other(_) if value.pointer(&path).is_none() => {
                pointer::split_last(&path).map_or_else(String::new, |(parent, _)| parent.to_owned())
            }
            Self::MissingField(_) | Self::Other(_) => path,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::UnknownField { name, known } => {
                format!("unknown field `{name}`; {}", remedy(name, known, "fields"))
            }
            Self::UnknownVariant { name, known } => {
                format!("unknown value `{name}`; {}", remedy(name, known, "values"))
            }
            Self::MissingField(name) => format!("missing field `{name}`"),
            Self::Other(message) => message.clone(),
        }
    }

    /// Does what the issue asks for, to find the next one; whether that was possible.
    fn set_right(&self, place: &str, value: &mut Cow<'_, Value>) -> bool {
        let Self::UnknownField { name, known } = self else {
            return false;
        };
        let Some(taken) = pointer::take(value.to_mut(), place) else {
            return false;
        };
        let parent = pointer::split_last(place).map_or("", |(parent, _)| parent);
        let object = value.to_mut().pointer_mut(parent).and_then(Value::as_object_mut);
        if let (Some(object), Some(meant)) = (object, nearest(name, known)) {
            object.entry(meant).or_insert(taken);
        }
        true
    }
}

/// The name in backticks after `start`, and the names in backticks after `, expected`.
fn named(message: &str, start: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix(start)?;
    let end = rest
        .rfind("`, expected")
        .or_else(|| rest.rfind("`, there are no"))
        .or_else(|| rest.rfind('`'))?;
    let (name, tail) = rest.split_at(end);
    let known = tail[1..].split('`').skip(1).step_by(2).map(str::to_owned);
    Some((name.to_owned(), known.collect()))
}

/// serde's own words for an unknown field beside a policy's `type` and `with`.
fn beside_policy(message: &str) -> Option<String> {
    let rest = message.strip_prefix("invalid value: string ")?;
    let quoted = rest.strip_suffix(r#", expected "type" or "with""#)?;
    serde_json::from_str(quoted).ok()
}

fn remedy(name: &str, known: &[String], what: &str) -> String {
    if let Some(meant) = nearest(name, known) {
        return format!("did you mean `{meant}`?");
    }
    if known.is_empty() {
        return format!("there are no {what} here");
    }
    let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("known {what}: {}", list.join(", "))
}

/// The known name that was probably meant.
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let folded = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = folded(name);
    known
        .iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wanted, &folded(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.as_str())
}

/// Puts serde's "invalid type: X, expected Y" into words that are not Rust's, without the value.
fn expectation(message: &str) -> Option<String> {
    let (subject, expected) = message.strip_prefix("invalid ")?.rsplit_once(", expected ")?;
    if expected == "map with a single key" {
        return Some("expected an object with exactly one field".to_owned());
    }
    let (_, found) = subject.split_once(": ")?;
    Some(format!("expected {}, found {}", wanted(expected), kind_of(found)))
}

fn wanted(expected: &str) -> String {
    let plain = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i32" | "i64" => "a whole number",
        "a string" => "a text",
        "a sequence" => "a list",
        "a map" | "map" => "an object",
        "a boolean" => "`true` or `false`",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("adjacently tagged enum") => "an object with the field `type`",
        _ if expected.contains("enum ") => "one of the known values",
        other => other,
    };
    plain.to_owned()
}

fn kind_of(found: &str) -> &'static str {
    let word = found.split([' ', ',']).next().unwrap_or_default();
    match word {
        "string" => "a text",
        "integer" | "floating" => "a number",
        "boolean" => "a truth value",
        "map" => "an object",
        "sequence" => "a list",
        "null" | "unit" | "Option" => "nothing",
        "length" => "a list of another length",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests;
