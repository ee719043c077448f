//! The difference between two values, field by field, and its application.
//!
//! Laws, held by property tests: `diff(x, x)` is empty, and `apply(diff(a, b), a) = b`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::pointer;

/// One changed field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// Where: a JSON Pointer (RFC 6901).
    pub path: String,
    /// What was there; absent when the field is new.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Value>)]
    pub before: Option<Value>,
    /// What is there now; absent when the field is gone.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Value>)]
    pub after: Option<Value>,
}

/// A field that is there is `Some`, also when its value is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Why changes could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The place a change speaks of is not there.
    #[error("there is no `{path}` to change")]
    NoSuchPlace {
        /// The place.
        path: String,
    },
    /// What is there is not what the change says was there.
    #[error("`{path}` is not what it was when the difference was made; compare again")]
    Different {
        /// The place.
        path: String,
    },
}

/// The changes that turn `before` into `after`, in an order that is always the same.
///
/// Each change speaks of the value as the changes before it left it. In lists, equal elements at both
/// ends are left alone; what lies between is compared element by element, and the rest is taken out or
/// put in, so that one new element in the middle is one change.
pub fn diff(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", before, after, &mut changes);
    changes
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => compare_fields(path, before, after, changes),
        (Value::Array(before), Value::Array(after)) => compare_elements(path, before, after, changes),
        _ => changes.push(Change {
            path: path.to_owned(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

fn compare_fields(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    changes: &mut Vec<Change>,
) {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let place = pointer::join(path, key);
        match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => compare(&place, before, after, changes),
            (before, after) => changes.push(Change {
                path: place,
                before: before.cloned(),
                after: after.cloned(),
            }),
        }
    }
}

fn compare_elements(path: &str, before: &[Value], after: &[Value], changes: &mut Vec<Change>) {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (before, after) = (&before[..before.len() - end], &after[..after.len() - end]);
    let place = |index: usize| format!("{path}/{}", start + index);
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        compare(&place(index), before, after, changes);
    }
    // From the back, so that no removal moves what another one speaks of.
    for (index, gone) in before.iter().enumerate().skip(after.len()).rev() {
        changes.push(Change {
            path: place(index),
            before: Some(gone.clone()),
            after: None,
        });
    }
    for (index, new) in after.iter().enumerate().skip(before.len()) {
        changes.push(Change {
            path: place(index),
            before: None,
            after: Some(new.clone()),
        });
    }
}

/// Carries out changes, in their order. Each must find what it says was there; after an error, the
/// changes before it have been carried out.
pub fn apply(changes: &[Change], value: &mut Value) -> Result<(), ApplyError> {
    changes.iter().try_for_each(|change| apply_one(change, value))
}

fn apply_one(change: &Change, value: &mut Value) -> Result<(), ApplyError> {
    let missing = || ApplyError::NoSuchPlace {
        path: change.path.clone(),
    };
    let found = value.pointer(&change.path);
    match (&change.before, &change.after) {
        (Some(before), _) if found != Some(before) => Err(ApplyError::Different {
            path: change.path.clone(),
        }),
        (Some(_), Some(after)) => {
            *value.pointer_mut(&change.path).ok_or_else(missing)? = after.clone();
            Ok(())
        }
        (Some(_), None) => remove(&change.path, value).ok_or_else(missing),
        (None, Some(after)) => insert(&change.path, after, value).ok_or_else(missing)?,
        (None, None) => Ok(()),
    }
}

fn remove(path: &str, value: &mut Value) -> Option<()> {
    let (parent, key) = pointer::split_last(path)?;
    match value.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&key).map(drop),
        Value::Array(items) => {
            let index = pointer::index(&key).filter(|index| *index < items.len())?;
            items.remove(index);
            Some(())
        }
        _ => None,
    }
}

fn insert(path: &str, after: &Value, value: &mut Value) -> Option<Result<(), ApplyError>> {
    let (parent, key) = pointer::split_last(path)?;
    match value.pointer_mut(parent)? {
        Value::Object(fields) if fields.contains_key(&key) => Some(Err(ApplyError::Different {
            path: path.to_owned(),
        })),
        Value::Object(fields) => {
            fields.insert(key, after.clone());
            Some(Ok(()))
        }
        Value::Array(items) => {
            let index = pointer::index(&key).filter(|index| *index <= items.len())?;
            items.insert(index, after.clone());
            Some(Ok(()))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
