//! Choosing findings by what they are: `status=new,tag=public,name=orders-*`.

use std::fmt;

use crate::{compatibility::ChangeClass, environment::DiscoveryFilter, observed::Classification};

/// A choice of findings. Different keys hold together; a key given twice means either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    statuses: Vec<String>,
    tags: Vec<String>,
    names: Vec<String>,
    managed: Vec<bool>,
    classes: Vec<ChangeClass>,
}

/// Why a text is not a selection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position} of the selection: {detail}")]
pub struct SelectionError {
    /// Where, in characters, from 1.
    pub position: usize,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

/// What a selection looks at.
#[derive(Debug, Clone, Copy)]
pub struct Selectable<'a> {
    /// The gateway's name for it.
    pub name: &'a str,
    /// The gateway's tags.
    pub tags: &'a [String],
    /// Whether Gatehouse deployed it.
    pub managed: bool,
    /// How it compares with the catalog.
    pub classification: &'a Classification,
}

const KEYS: [&str; 5] = ["status", "tag", "name", "managed", "class"];

const STATUSES: [&str; 7] = [
    "new",
    "changed",
    "unchanged",
    "gone",
    "ignored",
    "conflict",
    "error",
];

const CLASSES: [(&str, ChangeClass); 3] = [
    ("breaking", ChangeClass::Breaking),
    ("compatible", ChangeClass::Compatible),
    ("cosmetic", ChangeClass::Cosmetic),
];

impl Selection {
    /// Reads a selection: pairs of key and value, separated by commas.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let mut selection = Self::default();
        let mut position = 1;
        for pair in text.split(',') {
            let leading = pair
                .chars()
                .take_while(|character| character.is_whitespace())
                .count();
            selection.add(pair.trim(), position + leading)?;
            position += pair.chars().count() + 1;
        }
        Ok(selection)
    }

    fn add(&mut self, pair: &str, position: usize) -> Result<(), SelectionError> {
        let refuse = |detail: String| Err(SelectionError { position, detail });
        let Some((key, value)) = pair.split_once('=') else {
            return refuse(format!(
                "expected `key=value`, found `{pair}`; for example `status=new,tag=public`"
            ));
        };
        let (key, value) = (key.trim(), value.trim());
        let known = match key {
            "status" => known(value, STATUSES).map(|value| self.statuses.push(value.to_owned())),
            "managed" => known(value, ["true", "false"]).map(|value| self.managed.push(value == "true")),
            "class" => {
                known(value, CLASSES.map(|(name, _)| name)).map(|value| self.classes.extend(class(value)))
            }
            "tag" => filled(value).map(|value| self.tags.push(value.to_owned())),
            "name" => filled(value).map(|value| self.names.push(value.to_owned())),
            _ => return refuse(unknown_key(key)),
        };
        known.map_err(|detail| SelectionError {
            // After the key and the `=`.
            position: position + key.chars().count() + 1,
            detail: format!("`{key}` {detail}"),
        })
    }

    /// Whether a finding is chosen.
    pub fn matches(&self, finding: &Selectable<'_>) -> bool {
        let status = status(finding.classification);
        let class = class_of(finding.classification);
        any(&self.statuses, |wanted| wanted == status)
            && any(&self.tags, |wanted| finding.tags.contains(wanted))
            && any(&self.names, |pattern| is_like(finding.name, pattern))
            && any(&self.managed, |wanted| *wanted == finding.managed)
            && any(&self.classes, |wanted| Some(*wanted) == class)
    }
}

/// The selection as it is written; what it reads back to is equal.
impl fmt::Display for Selection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = CLASSES.iter().filter(|(_, class)| self.classes.contains(class));
        let pairs: Vec<String> = (self.statuses.iter().map(|value| format!("status={value}")))
            .chain(self.tags.iter().map(|value| format!("tag={value}")))
            .chain(self.names.iter().map(|value| format!("name={value}")))
            .chain(self.managed.iter().map(|value| format!("managed={value}")))
            .chain(classes.map(|(value, _)| format!("class={value}")))
            .collect();
        formatter.write_str(&pairs.join(","))
    }
}

fn any<T>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}

fn known<'a, const N: usize>(value: &'a str, known: [&str; N]) -> Result<&'a str, String> {
    if known.contains(&value) {
        return Ok(value);
    }
    let values = known.map(|value| format!("`{value}`"));
    Err(format!("is one of {}, not `{value}`", values.join(", ")))
}

fn filled(value: &str) -> Result<&str, String> {
    if value.is_empty() {
        return Err("has no value".to_owned());
    }
    Ok(value)
}

fn unknown_key(key: &str) -> String {
    let distance = |known: &&str| strsim::damerau_levenshtein(known, &key.to_lowercase());
    let nearest = KEYS.into_iter().min_by_key(distance);
    let near = nearest.filter(|known| distance(known) <= known.len() / 2);
    let remedy = near.map_or_else(
        || format!("there are {}", KEYS.map(|known| format!("`{known}`")).join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    format!("there is no key `{key}`; {remedy}")
}

fn class(value: &str) -> Option<ChangeClass> {
    let named = CLASSES.into_iter().find(|(name, _)| *name == value);
    named.map(|(_, class)| class)
}

fn class_of(classification: &Classification) -> Option<ChangeClass> {
    match classification {
        Classification::Changed { change_class, .. } => Some(*change_class),
        _ => None,
    }
}

fn status(classification: &Classification) -> &'static str {
    match classification {
        Classification::New { .. } => "new",
        Classification::Changed { .. } => "changed",
        Classification::Unchanged => "unchanged",
        Classification::Gone { .. } => "gone",
        Classification::Ignored { .. } => "ignored",
        Classification::Conflict { .. } => "conflict",
        Classification::Error { .. } => "error",
    }
}

/// Whether a name matches a pattern, in which `*` stands for any text and `?` for any character.
///
/// Goes back to the latest `*` only, so that its time is at most the product of the lengths.
pub fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) = (name.chars().collect(), pattern.chars().collect());
    let (mut at, mut in_pattern) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match pattern.get(in_pattern) {
            Some('*') => {
                star = Some((at, in_pattern));
                in_pattern += 1;
            }
            Some(character) if *character == '?' || *character == name[at] => {
                at += 1;
                in_pattern += 1;
            }
            _ => {
                let Some((taken, place)) = star else {
                    return false;
                };
                star = Some((taken + 1, place));
                (at, in_pattern) = (taken + 1, place + 1);
            }
        }
    }
    pattern[in_pattern..].iter().all(|character| *character == '*')
}

impl DiscoveryFilter {
    /// Whether it lets an API with this name and these tags through, as far as anybody but the connector can tell.
    pub fn admits(&self, name: &str, tags: &[String]) -> bool {
        any(&self.tags, |wanted| tags.contains(wanted)) && any(&self.names, |pattern| is_like(name, pattern))
    }
}

#[cfg(test)]
mod tests;
